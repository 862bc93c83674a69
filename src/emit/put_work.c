// SPDX-License-Identifier: Apache-2.0
/* A block: read, digested, compared with the last point, packed. On any thread. */
#include "emit/put_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define BUFFER_ALIGN 4096U
#define ALL_UNITS 0xFFU
/* From this many changed units on, or with this many records in a block, all of it is stored anew:
 * what is read together stays together, and old slots are let go. */
#define REWRITE_UNITS 4
#define REWRITE_RECORDS 4

struct put_worker {
	struct tranship_scratch *scratch;
	unsigned char *bytes; /* a block */
	ZSTD_CCtx *packer;
};

int put_worker_new(void *ctx, void **out, struct tranship_error *err)
{
	struct put *put = ctx;
	struct put_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return error_nomem(err, sizeof(*w));
	*out = w; /* freed by put_worker_free, whole or not */
	w->bytes = aligned_alloc(BUFFER_ALIGN, STORE_BLOCK);
	w->packer = ZSTD_createCCtx();
	if (!w->bytes || !w->packer)
		return error_nomem(err, STORE_BLOCK);
	if (put->p->level)
		ZSTD_CCtx_setParameter(w->packer, ZSTD_c_compressionLevel, put->p->level);
	return tranship_scratch_new(put->p->source, &w->scratch, err);
}

void put_worker_free(void *ctx, void *arg)
{
	struct put_worker *w = arg;

	(void)ctx;
	tranship_scratch_free(w->scratch);
	ZSTD_freeCCtx(w->packer);
	free(w->bytes);
	free(w);
}

/* Behind its end a disk has zeros. */
static int read_block(const struct put *put, struct put_worker *w, uint64_t block,
		      struct tranship_error *err)
{
	uint64_t off = block * STORE_BLOCK, size = put->p->source->size;
	size_t have = off < size ? (size_t)min_u64(STORE_BLOCK, size - off) : 0;
	int rc =
		have ? tranship_disk_read(put->p->source, w->scratch, off, w->bytes, have, err) : 0;

	if (rc == 0)
		memset(w->bytes + have, 0, STORE_BLOCK - have);
	return rc;
}

/* The old table's word on the block; where there is none, or a unit's slot cannot be used, nothing
 * is as it was. */
static int compare_block(const struct put *put, uint64_t block, struct put_block *b,
			 unsigned *records, struct tranship_error *err)
{
	struct table_block old;
	unsigned i;
	int rc;

	b->keep = 0;
	b->was_zero = ALL_UNITS;
	b->differ = (uint8_t)~b->zero;
	*records = 0;
	if (!put->p->old)
		return 0;
	rc = table_read_block(put->p->old, block, &old, err);
	if (rc)
		return rc;
	b->was_zero = b->differ = 0;
	for (i = 0; i < STORE_BLOCK_UNITS; i++) {
		const unsigned char *digest = b->digests + i * UNIT_DIGEST;

		b->was_zero |= (uint8_t)(old.units[i].zero << i);
		if (memcmp(digest, old.units[i].digest, UNIT_DIGEST) != 0)
			b->differ |= (uint8_t)(1U << i);
		if (b->differ & 1U << i ||
		    (!old.units[i].zero && slot_set_has(put->p->bad, &old.units[i].at.slot)))
			continue;
		b->keep |= (uint8_t)(1U << i);
		if (!old.units[i].zero &&
		    (i == 0 || old.units[i - 1].zero ||
		     old.units[i].at.record != old.units[i - 1].at.record ||
		     !slot_id_equal(&old.units[i].at.slot, &old.units[i - 1].at.slot)))
			++*records;
	}
	return 0;
}

/* Units [first, first + count) of the block at hand become a record, or are found in the store. */
static int make_record(const struct put *put, struct put_worker *w, struct put_item *item,
		       unsigned first, unsigned count, struct tranship_error *err)
{
	struct put_record *r = &item->block.records[item->block.record_count++];
	const unsigned char *raw = w->bytes + first * STORE_UNIT;
	size_t len = count * STORE_UNIT, got = 0;
	int rc;

	memset(r, 0, sizeof(*r));
	r->first = (uint8_t)first;
	r->count = (uint8_t)count;
	r->entry.raw = (uint32_t)len;
	r->entry.kind = RECORD_BLOCK;
	rc = name_of(&put->p->store->keys, raw, len, r->entry.name, err);
	if (rc)
		return rc;
	rc = block_index_find(put->p->index, r->entry.name, r->entry.raw, &r->at, err);
	if (rc < 0)
		return rc;
	r->known = rc == 1 && !slot_set_has(put->p->bad, &r->at.slot);
	if (r->known)
		return 0;
	rc = buffer_reserve(&item->stored, ZSTD_compressBound(len), err);
	if (rc)
		return rc;
	r->stored_at = item->stored.len;
	if (put->p->level) {
		got = ZSTD_compress2(w->packer, item->stored.bytes + r->stored_at,
				     ZSTD_compressBound(len), raw, len);
		if (ZSTD_isError(got))
			return error_set(err, TRANSHIP_EIO, "zstd: %s", ZSTD_getErrorName(got));
	}
	r->entry.codec = CODEC_ZSTD;
	if (got == 0 || got >= len) {
		memcpy(item->stored.bytes + r->stored_at, raw, len);
		got = len;
		r->entry.codec = CODEC_NONE;
	}
	r->entry.stored = (uint32_t)got;
	item->stored.len += got;
	return 0;
}

/* The records of a block in which something changed. */
static int pack_block(const struct put *put, struct put_worker *w, struct put_item *item,
		      unsigned records, struct tranship_error *err)
{
	struct put_block *b = &item->block;
	uint8_t data = (uint8_t)~b->zero, store = data & (uint8_t)~b->keep;
	unsigned first, count;
	int rc = 0;

	if (!store)
		return 0;
	if (__builtin_popcount(store) >= REWRITE_UNITS || records >= REWRITE_RECORDS ||
	    !(data & b->keep)) {
		first = (unsigned)__builtin_ctz(data);
		count = 32 - (unsigned)__builtin_clz(data) - first;
		b->keep &= b->zero;
		return make_record(put, w, item, first, count, err);
	}
	while (store && rc == 0) {
		first = (unsigned)__builtin_ctz(store);
		count = (unsigned)__builtin_ctz(~(unsigned)(store >> first));
		rc = make_record(put, w, item, first, count, err);
		store &= (uint8_t) ~(((1U << count) - 1) << first);
	}
	return rc;
}

int put_work(void *ctx, void *worker, void *arg, struct tranship_error *err)
{
	struct put *put = ctx;
	struct put_worker *w = worker;
	struct put_item *item = arg;
	struct put_block *b = &item->block;
	unsigned records, i;
	int rc;

	if (item->kind != PUT_READ)
		return 0;
	item->stored.len = 0;
	b->record_count = 0;
	b->zero = 0;
	rc = read_block(put, w, item->first, err);
	if (rc == 0)
		rc = digest_blocks(&put->digester, w->bytes, STORE_BLOCK_UNITS, b->digests, err);
	if (rc)
		return rc;
	for (i = 0; i < STORE_BLOCK_UNITS; i++)
		if (digest_is_zero(&put->digester, b->digests + i * UNIT_DIGEST))
			b->zero |= (uint8_t)(1U << i);
	rc = compare_block(put, item->first, b, &records, err);
	return rc ? rc : pack_block(put, w, item, records, err);
}
