// SPDX-License-Identifier: Apache-2.0
#include "whole_points.h"

#include "base/checked.h"
#include "emit/slot_uses.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static void count_leaf(struct table *t, uint64_t number, struct slot_uses *uses)
{
	struct table_leaf *leaf = calloc(1, sizeof(*leaf));
	struct tranship_error err;
	uint32_t i;

	assert_non_null(leaf);
	table_leaf_clear(leaf);
	assert_ok(table_read_leaf(t, number, leaf, &err), &err);
	for (i = 0; i < LEAF_UNITS; i++)
		if (leaf->units[i].slot != UNIT_ZERO)
			assert_ok(slot_uses_add(uses, &leaf->slots[leaf->units[i].slot], 1, &err),
				  &err);
	table_leaf_fini(leaf);
	free(leaf);
}

void whole_uses(struct tranship_store *store, struct manifest *m)
{
	uint64_t pages = div_up(m->size, LEAF_BYTES), n;
	struct slot_uses uses = { 0 };
	struct tranship_error err;
	struct table *t;
	uint32_t level;

	assert_ok(table_open(store->slots, &m->root, m->size, &t, &err), &err);
	for (level = 0; level <= m->root.level; level++) {
		for (n = 0; n < pages; n++) {
			struct page_ref ref;

			assert_ok(table_page_ref(t, level, n, &ref, &err), &err);
			if (!ref.there)
				continue;
			assert_ok(slot_uses_add(&uses, &ref.at.slot, 1, &err), &err);
			if (level == 0)
				count_leaf(t, n, &uses);
		}
		pages = div_up(pages, TABLE_FANOUT);
	}
	table_close(t);
	assert_ok(slot_uses_list(&uses, &m->slots, &m->slot_count, &err), &err);
	slot_uses_free(&uses);
}

void whole_point(struct made *m, const char *disk, const unsigned char *content, size_t size,
		 const struct manifest *before, const unsigned char *content_before,
		 struct manifest *out)
{
	struct made_disk d = { .content = content,
			       .size = size,
			       .before = before,
			       .content_before = content_before,
			       .disk = disk };
	struct tranship_error err;

	made_point(m, &d, out);
	whole_uses(m->store, out);
	if (before) {
		char key[TARGET_KEY_MAX + 1];
		unsigned char *bytes;
		size_t len;

		strcpy(out->predecessor, before->id);
		manifest_key(before->id, key);
		assert_ok(target_get_all(m->store->target, key, 1U << 20, &bytes, &len, &err),
			  &err);
		SHA256(bytes, len, out->predecessor_digest);
		free(bytes);
	}
	assert_ok(manifest_write(m->store, out, NULL, &err), &err);
}

unsigned char *whole_content(struct tranship_store *store, const char *id, size_t size)
{
	unsigned char *content = malloc(size);
	struct tranship_scratch *scratch;
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_non_null(content);
	assert_ok(tranship_store_open_point(store, id, 0, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), size);
	assert_ok(tranship_scratch_new(disk, &scratch, &err), &err);
	assert_ok(tranship_disk_read(disk, scratch, 0, content, size, &err), &err);
	tranship_scratch_free(scratch);
	tranship_disk_close(disk);
	return content;
}
