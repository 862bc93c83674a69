// SPDX-License-Identifier: Apache-2.0
/* A window of the disk: read, compared, hashed, packed. On any thread. */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "core/disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_ALIGN 4096U

/* One chunk of a window, and what is known of it. */
struct chunk {
	uint64_t off;
	size_t len; /* whole units */
	uint32_t blocks;
	bool zero[2]; /* of the new and the old disk: it is zeros, and was not read */
};

static struct tranship_disk *side_of(const struct diff *d, int side)
{
	return side == 0 ? d->target : d->old;
}

/* Behind its end a disk has zeros. */
static int read_side(const struct diff *d, struct diff_worker *w, int side, const struct chunk *c,
		     struct tranship_error *err)
{
	struct tranship_disk *disk = side_of(d, side);
	size_t have = c->off < disk->size ? (size_t)min_u64(c->len, disk->size - c->off) : 0;
	int rc =
		have ? tranship_disk_read(disk, w->scratch[side], c->off, w->bytes[side], have, err)
		     : 0;

	if (rc)
		return error_in_file(err, rc, side == 0 ? "new disk" : "old disk");
	memset(w->bytes[side] + have, 0, c->len - have);
	return 0;
}

/* Another stretch, ascending: it goes on with the last one if it is of its kind. */
static void add_stretch(struct diff_item *item, uint64_t off, uint64_t len,
			enum tranship_diff_kind kind)
{
	size_t n = item->stretch_count;

	if (n > 0 && item->stretches[n - 1].kind == kind)
		item->stretches[n - 1].len += len;
	else
		item->stretches[item->stretch_count++] = (struct stretch){ off, len, kind };
}

static enum tranship_diff_kind block_kind_of_disks(const struct diff *d,
						   const struct diff_worker *w,
						   const struct chunk *c, uint32_t block)
{
	size_t size = d->digester.block_size, at = block * size;

	if (memcmp(w->bytes[0] + at, w->bytes[1] + at, size) == 0)
		return TRANSHIP_DIFF_SAME;
	return c->zero[0] || bytes_are_zero(w->bytes[0] + at, size) ? TRANSHIP_DIFF_ZEROED
								    : TRANSHIP_DIFF_CHANGED;
}

static enum tranship_diff_kind block_kind_of_digests(const struct diff *d,
						     const struct diff_worker *w, uint32_t block)
{
	size_t size = d->digester.size, at = block * size;

	if (memcmp(w->digests[0] + at, w->digests[1] + at, size) == 0)
		return TRANSHIP_DIFF_SAME;
	return digest_is_zero(&d->digester, w->digests[0] + at) ? TRANSHIP_DIFF_ZEROED
								: TRANSHIP_DIFF_CHANGED;
}

/* The digests of changed blocks that two disks have; for a delta file only. */
static int digest_changed(const struct diff *d, struct diff_worker *w, const struct changed *c,
			  size_t at, struct tranship_error *err)
{
	const struct digester *g = &d->digester;
	int rc = digest_blocks(g, w->bytes[1] + at, c->blocks, w->digests[1], err);

	if (rc == 0 && c->kind == RECORD_DATA)
		rc = digest_blocks(g, w->bytes[0] + at, c->blocks, w->digests[0], err);
	return rc;
}

/* A run of changed blocks of a chunk, `first` the number of its first one there. */
static int take_run(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		    const struct chunk *chunk, uint32_t first, uint32_t blocks,
		    enum tranship_diff_kind kind, struct tranship_error *err)
{
	size_t size = d->digester.block_size, at = first * size, skip = 0;
	struct changed c = { .off = chunk->off + at,
			     .blocks = blocks,
			     .kind = kind == TRANSHIP_DIFF_ZEROED ? RECORD_ZERO : RECORD_DATA,
			     .data = w->bytes[0] + at };
	int rc = 0;

	if (!d->sink.packer && !d->sink.writer)
		return 0;
	if (d->old && d->sink.packer)
		rc = digest_changed(d, w, &c, at, err);
	else if (!d->old)
		skip = first * d->digester.size;
	c.new_digests = w->digests[0] + skip;
	c.old_digests = w->digests[1] + skip;
	return rc ? rc
		  : loose_add(&item->changed, &c, d->digester.block_size,
			      d->sink.packer ? d->digester.size : 0, err);
}

/* A chunk that differs somewhere, block by block. */
static int sort_blocks(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		       const struct chunk *c, struct tranship_error *err)
{
	uint64_t size = d->digester.block_size;
	uint32_t block = 0;
	int rc = 0;

	while (block < c->blocks && rc == 0) {
		enum tranship_diff_kind kind = TRANSHIP_DIFF_SAME, next;
		uint32_t first = block;

		for (; block < c->blocks; block++) {
			next = d->old ? block_kind_of_disks(d, w, c, block)
				      : block_kind_of_digests(d, w, block);
			if (block == first)
				kind = next;
			else if (next != kind)
				break;
		}
		add_stretch(item, c->off + first * size, (block - first) * size, kind);
		if (kind != TRANSHIP_DIFF_SAME)
			rc = take_run(d, w, item, c, first, block - first, kind, err);
	}
	return rc;
}

/* Both sides of a chunk as bytes; true: they are the same. Buffers of what is zeros are filled in
 * only where that matters. */
static bool disks_are_same(struct diff_worker *w, const struct chunk *c)
{
	int i;

	if (!c->zero[0] && !c->zero[1])
		return memcmp(w->bytes[0], w->bytes[1], c->len) == 0;
	if (bytes_are_zero(w->bytes[c->zero[0] ? 1 : 0], c->len))
		return true;
	for (i = 0; i < 2; i++)
		if (c->zero[i])
			memset(w->bytes[i], 0, c->len);
	return false;
}

/*
 * A fingerprint from which the new one goes on must be of this very old disk, which only its blocks
 * can say: those that are read are compared.
 */
static int check_carry(const struct diff *d, struct diff_worker *w, const struct chunk *c,
		       struct tranship_error *err)
{
	const struct digester *g = fingerprint_digester(d->carry);
	size_t blocks = c->len / g->block_size, i;
	int rc = 0;

	if (c->zero[1])
		memset(w->digests[0], 0, blocks * g->size);
	else
		rc = digest_blocks(g, w->bytes[1], blocks, w->digests[0], err);
	if (rc == 0)
		rc = fingerprint_read(d->carry, c->off / g->block_size, blocks, w->digests[1], err);
	for (i = 0; rc == 0 && i < blocks; i++)
		if (memcmp(w->digests[0] + i * g->size, w->digests[1] + i * g->size, g->size) != 0)
			return error_set(err, TRANSHIP_EMISMATCH,
					 "the fingerprint is not of the old disk: they differ in "
					 "[%" PRIu64 ", %" PRIu64 ")",
					 c->off + i * g->block_size,
					 c->off + (i + 1) * g->block_size);
	return rc;
}

static int compare_disks(const struct diff *d, struct diff_worker *w, struct diff_item *item,
			 struct chunk *c, struct tranship_error *err)
{
	int rc;

	c->zero[1] = !item->data[1];
	rc = c->zero[1] ? 0 : read_side(d, w, 1, c, err);
	if (rc == 0 && d->carry && d->changes)
		rc = check_carry(d, w, c, err);
	if (rc)
		return rc;
	if (disks_are_same(w, c)) {
		add_stretch(item, c->off, c->len, TRANSHIP_DIFF_SAME);
		return 0;
	}
	return sort_blocks(d, w, item, c, err);
}

/* The digests of the new bytes of a chunk; zeros need no hashing. */
static int digest_chunk(const struct digester *g, const struct diff_worker *w,
			const struct chunk *c, unsigned char *out, struct tranship_error *err)
{
	size_t blocks = c->len / g->block_size;

	if (!c->zero[0])
		return digest_blocks(g, w->bytes[0], blocks, out, err);
	memset(out, 0, blocks * g->size);
	return 0;
}

static int compare_digests(const struct diff *d, struct diff_worker *w, struct diff_item *item,
			   struct chunk *c, struct tranship_error *err)
{
	int rc = digest_chunk(&d->digester, w, c, w->digests[0], err);

	if (rc == 0)
		rc = fingerprint_read(d->was, c->off / d->digester.block_size, c->blocks,
				      w->digests[1], err);
	if (rc)
		return rc;
	if (memcmp(w->digests[0], w->digests[1], c->blocks * d->digester.size) == 0) {
		add_stretch(item, c->off, c->len, TRANSHIP_DIFF_SAME);
		return 0;
	}
	return sort_blocks(d, w, item, c, err);
}

/* Whether what the changes do not name is as it was. */
static int verify_chunk(const struct diff *d, struct diff_worker *w, struct diff_item *item,
			const struct chunk *c, struct tranship_error *err)
{
	const struct digester *g = fingerprint_digester(d->verify);
	size_t blocks = c->len / g->block_size, i;
	int rc = digest_chunk(g, w, c, w->digests[0], err);

	if (rc == 0)
		rc = fingerprint_read(d->verify, c->off / g->block_size, blocks, w->digests[1],
				      err);
	for (i = 0; rc == 0 && i < blocks; i++)
		add_stretch(item, c->off + i * g->block_size, g->block_size,
			    memcmp(w->digests[0] + i * g->size, w->digests[1] + i * g->size,
				   g->size) == 0
				    ? TRANSHIP_DIFF_SAME
				    : TRANSHIP_DIFF_CHANGED);
	return rc;
}

/* The digests of a chunk for the new fingerprint; before anything else uses w->digests, unless they
 * are the same. */
static int print_chunk(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		       const struct chunk *c, struct tranship_error *err)
{
	unsigned char *out;

	if (!item->print)
		return 0;
	out = item->print + (size_t)((c->off - item->off) / d->print.block_size) * d->print.size;
	if (d->same_digests && item->kind == ITEM_COMPARE) {
		memcpy(out, w->digests[0], c->blocks * d->digester.size);
		return 0;
	}
	return digest_chunk(&d->print, w, c, out, err);
}

static int work_chunk(const struct diff *d, struct diff_worker *w, struct diff_item *item,
		      struct chunk *c, struct tranship_error *err)
{
	int rc = 0;

	c->blocks = (uint32_t)(c->len / d->digester.block_size);
	c->zero[0] = !item->data[0];
	if (!c->zero[0])
		rc = read_side(d, w, 0, c, err);
	if (rc)
		return rc;
	if (item->kind == ITEM_VERIFY)
		rc = verify_chunk(d, w, item, c, err);
	else if (d->alone)
		add_stretch(item, c->off, c->len, TRANSHIP_DIFF_SAME);
	else if (d->old)
		rc = compare_disks(d, w, item, c, err);
	else
		rc = compare_digests(d, w, item, c, err);
	return rc ? rc : print_chunk(d, w, item, c, err);
}

int diff_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	const struct diff *d = ctx;
	struct diff_worker *w = worker;
	struct diff_item *item = arg;
	uint64_t end = item->off + item->len, at;
	int rc = 0;

	item->stretch_count = 0;
	loose_clear(&item->changed);
	if (item->kind == ITEM_SAME || item->kind == ITEM_UNREAD) {
		add_stretch(item, item->off, item->len,
			    item->kind == ITEM_SAME ? TRANSHIP_DIFF_SAME : TRANSHIP_DIFF_UNREAD);
		return 0;
	}
	for (at = item->off; at < end && rc == 0; at += d->chunk) {
		struct chunk c = { .off = at, .len = (size_t)min_u64(d->chunk, end - at) };

		rc = work_chunk(d, w, item, &c, err);
	}
	return rc;
}

int diff_worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct diff *d = ctx;
	struct diff_worker *w = calloc(1, sizeof(*w));
	int i, rc = 0;

	if (!w)
		return error_nomem(err, sizeof(*w));
	*out = w; /* freed by diff_worker_free, whole or not */
	for (i = 0; i < 2 && rc == 0; i++) {
		w->digests[i] = malloc(d->chunk / TRANSHIP_BLOCK_MIN * DIGEST_SIZE_MAX);
		w->bytes[i] = side_of(d, i) ? aligned_alloc(BUFFER_ALIGN, d->chunk) : NULL;
		if (!w->digests[i] || (side_of(d, i) && !w->bytes[i]))
			rc = error_nomem(err, d->chunk);
		if (rc == 0 && side_of(d, i))
			rc = tranship_scratch_new(side_of(d, i), &w->scratch[i], err);
	}
	return rc;
}

void diff_worker_free(void *ctx, void *arg)
{
	struct diff_worker *w = arg;
	int i;

	(void)ctx;
	for (i = 0; i < 2; i++) {
		tranship_scratch_free(w->scratch[i]);
		free(w->bytes[i]);
		free(w->digests[i]);
	}
	free(w);
}

int diff_item_new(void *ctx, void **out, struct tranship_error *err)
{
	const struct diff *d = ctx;
	size_t stretches = d->window / TRANSHIP_BLOCK_MIN;
	struct diff_item *item = calloc(1, sizeof(*item));

	if (!item)
		return error_nomem(err, sizeof(*item));
	*out = item; /* freed by diff_item_free, whole or not */
	item->stretches = malloc(stretches * sizeof(*item->stretches));
	if (!item->stretches)
		return error_nomem(err, stretches * sizeof(*item->stretches));
	if (!d->print_writer)
		return 0;
	item->print = malloc(d->window / d->print.block_size * d->print.size);
	return item->print ? 0 : error_nomem(err, d->window / d->print.block_size * d->print.size);
}

void diff_item_free(void *ctx, void *arg)
{
	struct diff_item *item = arg;

	(void)ctx;
	free(item->stretches);
	free(item->print);
	loose_free(&item->changed);
	free(item);
}
