/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image with a few bytes changed, cut short or made longer, without copying it: hostile images
 * differ from a good one in one field, and a good VHDX has megabytes.
 */
#ifndef TESTS_UNIT_PATCHED_H
#define TESTS_UNIT_PATCHED_H

#include "tranship/file.h"

#include <stddef.h>
#include <stdint.h>

/* `len` bytes that stand at `off` instead of the original ones. */
struct patch {
	uint64_t off;
	size_t len;
	const unsigned char *bytes;
};

/*
 * A read-only file of `size` bytes: those of `base`, zeros behind its end, and the patches over
 * both, later ones over earlier ones. Everything is borrowed until the file is closed. NULL where
 * memory runs out.
 */
struct tranship_file *patched_file(const void *base, size_t base_size, uint64_t size,
				   const struct patch *patches, size_t count);

#endif
