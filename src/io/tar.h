/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a member of a tar archive (an OVA) without unpacking it. */
#ifndef IO_TAR_H
#define IO_TAR_H

#include "tranship/file.h"

#include <stdbool.h>

#define TAR_NAME_MAX 4096

struct tar_member {
	char name[TAR_NAME_MAX];
	uint64_t off; /* of its content in the archive */
	uint64_t size;
	bool sparse; /* its holes are left out: what stands there is not its content */
};

/*
 * Calls fn for each regular member in order, until it returns nonzero, which is returned; 0 at the
 * end of the archive. TRANSHIP_ECORRUPT for a header that is none.
 */
int tar_walk(struct tranship_file *file, int (*fn)(void *ctx, const struct tar_member *member),
	     void *ctx, struct tranship_error *err);

#endif
