/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of VMDKs that are changed in place share: images of each kind, and what they must
 * be afterwards. */
#ifndef TESTS_UNIT_CHANGED_VMDK_H
#define TESTS_UNIT_CHANGED_VMDK_H

#include "support.h"

#include "core/modify.h"

#define GRAIN 4096U
/* Of small images: tables of 4 grains, 128 of them before the directory must move. */
#define SIZE (21 * GRAIN - 1024)
#define LARGE (700 * GRAIN + 512)

/* Of an image alone, and over its parents. */
extern const struct tranship_open_options layer, chain;

/* The kinds that are changed; the last ones are small images built in code. */
struct changed_kind {
	const char *options;
	uint32_t flags;
	bool unpadded;
};
#define KINDS 7
extern const struct changed_kind kinds[KINDS];

/* LARGE bytes, of which random grains in the first `size` are not zeros. malloc'ed. */
unsigned char *content_new(size_t size);

/* FOLDER/a.vmdk, with this content; its path. */
const char *make(void **state, const struct changed_kind *kind, const unsigned char *content,
		 size_t size);

/* The image has this content, and a check finds no errors, and no leaks unless they are allowed. */
void expect(const char *path, const struct tranship_open_options *open,
	    const unsigned char *content, size_t size, bool leaks);

void open_it(const char *path, struct modified *m);

/* Writes here and there, as a commit does; the content follows. */
void scribble(const char *path, unsigned char *content, size_t size, uint64_t seed);

#endif
