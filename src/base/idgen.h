/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers for new images: from the system's random source, or from a seed so that output
 * repeats. */
#ifndef BASE_IDGEN_H
#define BASE_IDGEN_H

#include "base/guid.h"
#include "tranship/error.h"

#include <stddef.h>
#include <stdint.h>

struct idgen {
	int seeded;
	uint64_t state;
};

/* seed: NULL for random identifiers, or 1 to 64 hexadecimal digits. */
int idgen_init(struct idgen *gen, const char *seed, struct tranship_error *err);

int idgen_bytes(struct idgen *gen, void *out, size_t len, struct tranship_error *err);

/* A version 4 GUID (RFC 4122, section 4.4) in the byte order of VHDX (le) or VHD (be). */
int idgen_guid_le(struct idgen *gen, struct guid *out, struct tranship_error *err);
int idgen_guid_be(struct idgen *gen, struct guid *out, struct tranship_error *err);

#endif
