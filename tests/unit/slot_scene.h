/* SPDX-License-Identifier: Apache-2.0 */
/* Slots whose content is known, in a target. */
#ifndef TESTS_UNIT_SLOT_SCENE_H
#define TESTS_UNIT_SLOT_SCENE_H

#include "emit/slot.h"

struct slot_id slot_id_of(uint32_t n);

/* Content of record n of slots: text that compresses, or not. raw: SCENE_RECORD_MAX. */
#define SCENE_RECORD_MAX 70000U
size_t scene_record(uint32_t n, unsigned char *raw);

/* Adds record n, which must be the next one. */
void scene_add(struct slot_builder *b, const struct store_keys *keys, uint32_t n);
/* Builds a slot of records 0 to count - 1, and puts it. */
void scene_put(struct target *t, const struct store_keys *keys, const struct slot_id *id,
	       uint32_t count);

#endif
