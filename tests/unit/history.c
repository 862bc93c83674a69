// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include "base/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void history_free(struct history *h)
{
	size_t i;

	for (i = 0; i < h->count; i++) {
		free(h->disks[i]);
		free(h->deltas[i]);
	}
}

unsigned char *history_copy(const unsigned char *bytes, size_t size, size_t new_size)
{
	unsigned char *copy = calloc(1, new_size + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, min_u64(size, new_size));
	return copy;
}

/* The delta between two versions, described by `made`, to the file of deltas[i]. */
void history_write(struct history *h, size_t i, const struct image_delta *made,
		   const unsigned char *base, const unsigned char *target)
{
	struct buffer bytes = { 0 };
	char name[20];

	snprintf(name, sizeof(name), "d%zu", i);
	free(h->deltas[i]);
	h->deltas[i] = strdup(path_in(h->folder, name));
	assert_non_null(h->deltas[i]);
	assert_int_equal(image_delta(made, base, target, &bytes), 0);
	write_path(h->deltas[i], bytes.bytes, bytes.len);
	buffer_free(&bytes);
}

void history_begin(struct history *h, const char *folder, unsigned char *disk, size_t size)
{
	*h = (struct history){ .folder = folder, .count = 1 };
	h->disks[0] = disk;
	h->sizes[0] = size;
}

/* Adds a version, which is taken over. Lineages: as many, the first with this number, and so on. */
void history_add(struct history *h, unsigned char *disk, size_t size, enum digest_kind kind,
		 unsigned lineage, unsigned lineages)
{
	size_t i = h->count - 1, n;
	struct image_delta *made = &h->made[i];

	*made = image_delta_defaults(h->sizes[i], size);
	made->head.file_id += i;
	made->head.kind = kind;
	snprintf(made->head.base_id, sizeof(made->head.base_id), "v%zu", i);
	snprintf(made->head.target_id, sizeof(made->head.target_id), "v%zu", i + 1);
	made->head.lineages = lineages;
	memset(made->head.seeds, 0, sizeof(made->head.seeds));
	for (n = 0; n < lineages && kind == DIGEST_XXH3; n++)
		made->head.seeds[n].bytes[0] = (unsigned char)(1 + lineage + n);
	h->disks[h->count] = disk;
	h->sizes[h->count++] = size;
	history_write(h, i, made, h->disks[i], disk);
}

/* What happens to a disk: fresh bytes, zeros, and what an older version had there. */
unsigned char *history_edited(struct rng *rng, const struct history *h, size_t new_size)
{
	size_t last = h->count - 1, old, at, len, n;
	unsigned char *disk = history_copy(h->disks[last], h->sizes[last], new_size);

	for (n = 1 + rng_below(rng, 12); n > 0 && new_size > 0; n--) {
		at = (size_t)rng_below(rng, new_size);
		len = (size_t)min_u64(new_size - at, 1 + rng_below(rng, 60000));
		if (rng_below(rng, 2)) { /* often the same blocks */
			at = (size_t)min_u64(round_down(at, 8 * BLOCK), new_size);
			len = (size_t)min_u64(new_size - at, 2 * BLOCK);
		}
		old = (size_t)rng_below(rng, h->count);
		switch (rng_below(rng, 4)) {
		case 0: memset(disk + at, 0, len); break;
		case 1:
			if (at < h->sizes[old])
				memcpy(disk + at, h->disks[old] + at,
				       min_u64(len, h->sizes[old] - at));
			break;
		default: rng_fill(rng, disk + at, len); break;
		}
	}
	return disk;
}

/* A block of a disk, with zeros behind its end. */
static void block_of(const unsigned char *disk, size_t size, uint64_t off, unsigned char *block)
{
	memset(block, 0, BLOCK);
	if (off < size)
		memcpy(block, disk + off, min_u64(BLOCK, size - off));
}

/* Its digests are those of the two disks, whatever their lineage. Returns the next data. */
static const unsigned char *check_block(struct delta *d, const struct record *r, uint32_t index,
					uint32_t data_index, enum record_piece_kind kind,
					const unsigned char *old_block,
					const unsigned char *new_block, const unsigned char *data)
{
	const struct digester *digester = delta_digester(d, r->head.lineage);
	unsigned char digest[DIGEST_SIZE_MAX];

	assert_int_equal(digest_blocks(digester, old_block, 1, digest, NULL), 0);
	assert_memory_equal(digest, r->old_digests + index * digester->size, digester->size);
	assert_int_equal(digest_blocks(digester, new_block, 1, digest, NULL), 0);
	if (kind == RECORD_ZERO) {
		assert_true(digest_is_zero(digester, digest));
		return data;
	}
	assert_memory_equal(digest, r->new_digests + data_index * digester->size, digester->size);
	assert_memory_equal(data, new_block, BLOCK);
	return data + BLOCK;
}

/* All blocks of a record; *at: the first block that was not looked at yet. */
static void check_record(struct delta *d, const struct record *r, const struct history *h,
			 size_t from, size_t to, uint64_t *at)
{
	unsigned char old_block[BLOCK], new_block[BLOCK];
	const unsigned char *data = r->data;
	uint32_t p, b, index = 0, data_index = 0;

	for (p = 0; p < r->head.pieces; p++)
		for (b = 0; b < r->pieces[p].blocks; b++, index++) {
			uint64_t off = r->pieces[p].off + (uint64_t)b * BLOCK;

			for (; *at <= off; *at += BLOCK) {
				block_of(h->disks[from], h->sizes[from], *at, old_block);
				block_of(h->disks[to], h->sizes[to], *at, new_block);
				/* What is not named did not change, and what is did. */
				assert_int_equal(memcmp(old_block, new_block, BLOCK) == 0,
						 *at < off);
			}
			data = check_block(d, r, index, data_index, r->pieces[p].kind, old_block,
					   new_block, data);
			data_index += r->pieces[p].kind == RECORD_DATA;
		}
}

/* Fails unless the delta is that from one version to the other, to the block. */
void history_check(const char *path, const struct history *h, size_t from, size_t to)
{
	struct record r = { 0 };
	struct tranship_file *file;
	struct unpacker *u;
	struct delta *d;
	struct tranship_error err;
	uint64_t at = 0, record_off, rest;
	bool small = false;
	uint8_t lineage = 0;
	int rc;

	assert_ok(tranship_file_open(path, 0, &file, &err), &err);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_ok(delta_verify(d, NULL, NULL, &err), &err);
	assert_ok(unpacker_new(&u, &err), &err);
	assert_int_equal(delta_head(d)->base_size, h->sizes[from]);
	assert_int_equal(delta_head(d)->target_size, h->sizes[to]);
	assert_string_equal(delta_head(d)->base_id, h->made[from].head.base_id);
	assert_string_equal(delta_head(d)->target_id, h->made[to - 1].head.target_id);
	while ((rc = delta_find(d, at, &r, &record_off, &err)) == 1) {
		assert_ok(delta_read_data(d, u, record_off, &r, &err), &err);
		/* Only the last record of a lineage in a row is small. */
		assert_true(!small || lineage != r.head.lineage);
		small = r.head.data_blocks * BLOCK < RECORD_DATA_MIN &&
			r.head.blocks < RECORD_BLOCKS_MAX;
		lineage = r.head.lineage;
		check_record(d, &r, h, from, to, &at);
	}
	assert_int_equal(rc, 0);
	for (rest = max_u64(h->sizes[from], h->sizes[to]); at < rest; at += BLOCK) {
		unsigned char blocks[2][BLOCK];

		block_of(h->disks[from], h->sizes[from], at, blocks[0]);
		block_of(h->disks[to], h->sizes[to], at, blocks[1]);
		assert_memory_equal(blocks[0], blocks[1], BLOCK);
	}
	record_free(&r);
	unpacker_free(u);
	delta_close(d);
	tranship_file_close(file);
}

int history_merge(char *const *deltas, size_t count, const char *path,
		  const struct tranship_merge_options *options, struct tranship_error *err)
{
	return tranship_delta_merge((const char *const *)deltas, count, path, options, NULL, err);
}

void history_merge_all(const struct history *h)
{
	const char *out = path_in(h->folder, "out");
	size_t from, to;
	struct tranship_error err;

	for (from = 0; from + 1 < h->count; from++)
		for (to = from + 1; to < h->count; to++) {
			assert_ok(history_merge(h->deltas + from, to - from, out, NULL, &err),
				  &err);
			history_check(out, h, from, to);
		}
}
