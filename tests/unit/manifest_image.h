/* SPDX-License-Identifier: Apache-2.0 */
/* The means to damage a manifest behind its seals. For tests and fuzzing. */
#ifndef TESTS_UNIT_MANIFEST_IMAGE_H
#define TESTS_UNIT_MANIFEST_IMAGE_H

#include "base/buffer.h"
#include "emit/manifest.h"

/* A manifest with all fields, and this many slots. m->slots is malloc'ed. */
int manifest_image(size_t slots, struct manifest *m, struct tranship_error *err);
/* Gives it a boot plan with so many extents of 1000 bytes, 4096 apart. */
int manifest_image_boot(size_t extents, struct manifest *m, struct tranship_error *err);

/*
 * Decrypts all parts in place; and seals them anew. Where the parts are is what the head says, as
 * far as the object goes.
 */
void manifest_image_open(const struct store_keys *keys, unsigned char *bytes, size_t len);
void manifest_image_close(const struct store_keys *keys, unsigned char *bytes, size_t len);

#endif
