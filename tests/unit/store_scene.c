// SPDX-License-Identifier: Apache-2.0
#include "store_scene.h"

#include "base/checked.h"
#include "base/zero.h"
#include "emit/slot_uses.h"
#include "emit/table.h"

#include <stdlib.h>
#include <string.h>

void sparse_free(struct sparse_disk *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		free(d->pieces[i].bytes);
	memset(d, 0, sizeof(*d));
}

void sparse_copy(const struct sparse_disk *from, struct sparse_disk *to)
{
	size_t i;

	*to = *from;
	for (i = 0; i < to->count; i++) {
		to->pieces[i].bytes = malloc(to->pieces[i].len);
		assert_non_null(to->pieces[i].bytes);
		memcpy(to->pieces[i].bytes, from->pieces[i].bytes, to->pieces[i].len);
	}
}

/* The part of [off, off + len) that the piece has. */
static bool overlap(uint64_t piece, size_t piece_len, uint64_t off, size_t len, uint64_t *from,
		    uint64_t *to)
{
	*from = max_u64(piece, off);
	*to = min_u64(piece + piece_len, off + len);
	return *from < *to;
}

/* Puts bytes where pieces are already; the rest becomes a new piece, if it has to. */
static void put_bytes(struct sparse_disk *d, uint64_t off, const unsigned char *bytes, size_t len)
{
	size_t covered = 0, i;
	uint64_t from, to;

	for (i = 0; i < d->count; i++)
		if (overlap(d->pieces[i].off, d->pieces[i].len, off, len, &from, &to)) {
			memcpy(d->pieces[i].bytes + (from - d->pieces[i].off), bytes + (from - off),
			       (size_t)(to - from));
			covered += (size_t)(to - from);
		}
	if (covered == len)
		return;
	assert_int_equal(covered, 0); /* tests write pieces whole, or within one */
	assert_true(d->count < SPARSE_PIECES);
	for (i = d->count; i > 0 && d->pieces[i - 1].off > off; i--)
		d->pieces[i] = d->pieces[i - 1];
	d->pieces[i].off = off;
	d->pieces[i].len = len;
	d->pieces[i].bytes = malloc(len);
	assert_non_null(d->pieces[i].bytes);
	memcpy(d->pieces[i].bytes, bytes, len);
	d->count++;
}

void sparse_write(struct sparse_disk *d, struct rng *rng, uint64_t off, size_t len)
{
	unsigned char *bytes = malloc(len);
	size_t i;

	assert_non_null(bytes);
	assert_true(off + len <= d->size);
	rng_fill(rng, bytes, len);
	for (i = 0; i < len; i += 3)
		bytes[i] = 'x';
	put_bytes(d, off, bytes, len);
	free(bytes);
}

void sparse_zero(struct sparse_disk *d, uint64_t off, size_t len)
{
	uint64_t from, to;
	size_t i;

	for (i = 0; i < d->count; i++)
		if (overlap(d->pieces[i].off, d->pieces[i].len, off, len, &from, &to))
			memset(d->pieces[i].bytes + (from - d->pieces[i].off), 0,
			       (size_t)(to - from));
}

void sparse_read(const struct sparse_disk *d, uint64_t off, unsigned char *buf, size_t len)
{
	uint64_t from, to;
	size_t i;

	memset(buf, 0, len);
	for (i = 0; i < d->count; i++)
		if (overlap(d->pieces[i].off, d->pieces[i].len, off, len, &from, &to) &&
		    from < d->size)
			memcpy(buf + (from - off), d->pieces[i].bytes + (from - d->pieces[i].off),
			       (size_t)(min_u64(to, d->size) - from));
}

static int file_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	(void)err;
	sparse_read(ctx, off, buf, len);
	return 0;
}

static int file_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		    struct tranship_error *err)
{
	const struct sparse_disk *d = ctx;
	size_t i;

	(void)err;
	*out = (struct tranship_file_extent){ .off = off, .len = d->size - off, .hole = true };
	for (i = 0; i < d->count; i++) {
		uint64_t start = d->pieces[i].off, end = start + d->pieces[i].len;

		if (off >= end)
			continue;
		out->hole = off < start;
		out->len = (out->hole ? start : end) - off;
		return 0;
	}
	return 0;
}

static const struct tranship_file_ops sparse_ops = { .read = file_read, .map = file_map };

struct tranship_disk *sparse_open(const struct sparse_disk *d)
{
	const struct tranship_open_options raw = { .format = "raw" };
	struct tranship_error err;
	struct tranship_file *file;
	struct tranship_disk *disk;

	assert_ok(tranship_file_new(&sparse_ops, (void *)(uintptr_t)d, d->size, &file, &err), &err);
	assert_ok(tranship_open_file(file, &raw, &disk, &err), &err);
	return disk;
}

void store_scene_begin(struct store_scene *s, bool encrypted, uint64_t slot_size)
{
	const struct tranship_store_init_options init = {
		.encrypt = encrypted,
		.slot_size = slot_size,
		.open = { .passphrase = encrypted ? "correct horse" : NULL, .cache = "" },
	};
	struct tranship_error err;

	memset(s, 0, sizeof(*s));
	s->rng.state = 7;
	s->target = memory_target_new();
	assert_ok(store_init_target(s->target, &init, &err), &err);
	assert_ok(store_open_target(s->target, &init.open, &s->store, &err), &err);
}

void store_scene_end(struct store_scene *s)
{
	tranship_store_close(s->store);
}

int store_scene_try(struct store_scene *s, const struct sparse_disk *d,
		    const struct tranship_replicate_options *options,
		    struct tranship_replicate_result *result, struct tranship_error *err)
{
	const struct tranship_replicate_options plain = { .disk = "d", .threads = 2 };
	struct tranship_disk *disk = sparse_open(d);
	int rc = tranship_replicate(disk, s->store, options ? options : &plain, result, err);

	tranship_disk_close(disk);
	return rc;
}

void store_scene_run(struct store_scene *s, const struct sparse_disk *d,
		     const struct tranship_replicate_options *options,
		     struct tranship_replicate_result *result)
{
	struct tranship_error err;

	assert_ok(store_scene_try(s, d, options, result, &err), &err);
}

/* A unit as the table says it. */
static void check_unit(struct store_scene *s, struct slots_scratch *scratch,
		       const struct table_block *b, unsigned i, const unsigned char *wanted,
		       struct slot_uses *uses)
{
	static const unsigned char zeros[STORE_UNIT];
	const unsigned char *raw;
	struct tranship_error err;
	size_t len;

	if (b->units[i].zero) {
		assert_same_bytes(zeros, wanted, STORE_UNIT);
		return;
	}
	assert_ok(slots_read(s->store->slots, scratch, &b->units[i].at, &raw, &len, &err), &err);
	assert_true((b->units[i].sub + 1U) * STORE_UNIT <= len);
	assert_same_bytes(raw + b->units[i].sub * STORE_UNIT, wanted, STORE_UNIT);
	assert_ok(slot_uses_add(uses, &b->units[i].at.slot, 1, &err), &err);
}

static void count_pages(struct table *t, uint32_t level, uint64_t size, struct slot_uses *uses)
{
	uint64_t count = div_up(size, LEAF_BYTES), n;
	struct tranship_error err;
	struct page_ref ref;
	uint32_t l;

	for (l = 0; l <= level; l++, count = div_up(count, TABLE_FANOUT))
		for (n = 0; n < count; n++) {
			assert_ok(table_page_ref(t, l, n, &ref, &err), &err);
			if (ref.there)
				assert_ok(slot_uses_add(uses, &ref.at.slot, 1, &err), &err);
		}
}

void store_scene_check(struct store_scene *s, const char *point, const struct sparse_disk *d)
{
	unsigned char *wanted = malloc(STORE_BLOCK);
	struct manifest_slot *slots;
	struct slots_scratch *scratch;
	struct tranship_error err;
	struct slot_uses uses = { 0 };
	struct table_block b;
	struct manifest m;
	struct table *t;
	uint64_t block, next;
	size_t count;
	unsigned i;

	assert_non_null(wanted);
	assert_ok(manifest_find(s->store, point, true, &m, &err), &err);
	assert_int_equal(m.size, d->size);
	assert_ok(table_open(s->store->slots, &m.root, m.size, &t, &err), &err);
	assert_ok(slots_scratch_new(&scratch, &err), &err);
	for (i = 0; i < d->count;
	     i++) { /* what has pages is looked at below, and this has to have */
		if (d->pieces[i].off >= d->size)
			continue;
		assert_ok(table_next(t, d->pieces[i].off / STORE_BLOCK, &next, &err), &err);
	}
	for (block = 0; block < div_up(d->size, STORE_BLOCK); block++) {
		assert_ok(table_next(t, block, &next, &err), &err);
		for (; block < next && block < div_up(d->size, STORE_BLOCK);
		     block += LEAF_BLOCKS - block % LEAF_BLOCKS) { /* zeros: by their ends */
			sparse_read(d, block * STORE_BLOCK, wanted, STORE_BLOCK);
			assert_true(bytes_are_zero(wanted, STORE_BLOCK));
		}
		if (next == UINT64_MAX)
			break;
		block = next;
		assert_ok(table_read_block(t, block, &b, &err), &err);
		sparse_read(d, block * STORE_BLOCK, wanted, STORE_BLOCK);
		for (i = 0; i < STORE_BLOCK_UNITS; i++)
			check_unit(s, scratch, &b, i, wanted + i * STORE_UNIT, &uses);
	}
	count_pages(t, m.root.level, m.size, &uses);
	assert_ok(slot_uses_list(&uses, &slots, &count, &err), &err);
	assert_int_equal(count, m.slot_count);
	for (i = 0; i < count; i++) {
		assert_memory_equal(&slots[i].id, &m.slots[i].id, sizeof(slots[i].id));
		assert_int_equal(slots[i].uses, m.slots[i].uses);
	}
	free(slots);
	slot_uses_free(&uses);
	slots_scratch_free(scratch);
	table_close(t);
	manifest_free(&m);
	free(wanted);
}
