/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a point remembers of the plan through which its disk was read (tranship/boot.h): which
 * ranges were replaced, and a digest of what by. With it the next run finds in which ranges its
 * own plan differs. docs/formats/store.md, "Manifests", member `boot`.
 */
#ifndef EMIT_MANIFEST_BOOT_H
#define EMIT_MANIFEST_BOOT_H

#include "tranship/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a plan with more, neighbours are remembered as one. 512 take at most 56 KiB of text, and the
 * text of a manifest has 64. */
#define MANIFEST_BOOT_EXTENTS_MAX 512U
#define MANIFEST_BOOT_TARGET_MAX 15U

struct manifest_boot_extent {
	uint64_t off, len; /* bytes */
	unsigned char digest[32];
};

struct manifest_boot {
	char target[MANIFEST_BOOT_TARGET_MAX + 1]; /* "bios-mbr", "bios-gpt" */
	unsigned char digest[32];                  /* of the whole plan */
	size_t count;
	struct manifest_boot_extent extents[]; /* ascending, without overlap */
};

/* With room for count extents, which are zeros; malloc'ed. TRANSHIP_ELIMIT: more than the limit. */
int manifest_boot_new(size_t count, struct manifest_boot **out, struct tranship_error *err);

/* Whether two points, or a point and a run, were read through the same plan; NULL: none, which is
 * what a plan is like that replaces nothing. */
bool manifest_boot_same(const struct manifest_boot *a, const struct manifest_boot *b);

/* What is wrong with it for a disk of this size, as the end of a sentence "its 'boot' ..."; NULL:
 * nothing. */
const char *manifest_boot_fault(const struct manifest_boot *boot, uint64_t size);

/* NULL: memory ran out. */
json_t *manifest_boot_json(const struct manifest_boot *boot);
/* *fault: what is not right in the text; TRANSHIP_ECORRUPT. What is read is still to be looked at
 * by manifest_boot_fault. */
int manifest_boot_parse(const json_t *value, struct manifest_boot **out, const char **fault,
			struct tranship_error *err);

#endif
