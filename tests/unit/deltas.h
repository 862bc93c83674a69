/* SPDX-License-Identifier: Apache-2.0 */
/* Small deltas, and images of every kind that they are applied to. */
#ifndef TESTS_UNIT_DELTAS_H
#define TESTS_UNIT_DELTAS_H

#include "support.h"

/* A kind of image that can be changed where it stands. */
struct target_kind {
	const char *name;   /* for people */
	const char *format; /* to open it */
	const char *options;
	bool small_vhd; /* a dynamic VHD with blocks of 4 KiB, which we do not write ourselves */
};
#define TARGET_KINDS 6U
extern const struct target_kind target_kinds[TARGET_KINDS];

void target_make(const struct target_kind *kind, const char *path, const unsigned char *content,
		 size_t size);

/* A delta from one content to another, in blocks of 4 KiB; options as for tranship_diff. */
void delta_make(const char *path, const unsigned char *old, size_t old_size,
		const unsigned char *new, size_t new_size,
		const struct tranship_diff_options *options);

#endif
