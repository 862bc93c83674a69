/* SPDX-License-Identifier: Apache-2.0 */
/* A small slot built in code, and the means to damage it behind its checks. For tests and fuzzing.
 */
#ifndef TESTS_UNIT_SLOT_IMAGE_H
#define TESTS_UNIT_SLOT_IMAGE_H

#include "base/buffer.h"
#include "emit/slot.h"

#define SLOT_IMAGE_RECORDS 4U
#define SLOT_IMAGE_RAW_MAX 8192U

struct slot_id slot_image_id(void);
/* The store's id is 16 times 0x51. */
int slot_image_keys(bool encrypted, struct store_keys *keys, struct tranship_error *err);

/* What a record holds: packed block, stored block, packed page, block of two bytes. */
size_t slot_image_record(uint32_t n, unsigned char raw[SLOT_IMAGE_RAW_MAX]);

/* Appends the slot. */
int slot_image(const struct store_keys *keys, struct buffer *out, struct tranship_error *err);

/*
 * Lets the index be seen and changed: decrypts it in place. And closes it again: seals the index
 * anew, and makes SHA-256 and check of the trailer right. Where head or trailer say nothing that
 * can be followed, only these last two are done.
 */
void slot_image_open(const struct store_keys *keys, unsigned char *bytes, size_t len);
void slot_image_close(const struct store_keys *keys, unsigned char *bytes, size_t len);

#endif
