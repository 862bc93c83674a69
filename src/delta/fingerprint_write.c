// SPDX-License-Identifier: Apache-2.0
/* Writing a fingerprint file, from front to end: what it takes is a page of digests and one page
 * of each level of the index. */
#include "delta/fingerprint_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

struct fingerprint_writer {
	struct tranship_file *file;
	struct fingerprint_head head;
	struct page_tree_writer *index;
	size_t digest_size;
	uint32_t per_page;
	uint64_t blocks;  /* of the disk */
	uint64_t at;      /* bytes written */
	uint64_t next;    /* the block that comes next at the earliest */
	uint64_t nonzero; /* blocks so far */
	uint64_t number;  /* of the page in hand */
	bool used;        /* it has a digest that is not zero */
	unsigned char page[FINGERPRINT_PAGE];
};

static uint64_t index_where(void *ctx)
{
	const struct fingerprint_writer *w = ctx;

	return w->at;
}

static int append(void *ctx, const void *bytes, size_t len, struct tranship_error *err)
{
	struct fingerprint_writer *w = ctx;
	int rc = file_write(w->file, w->at, bytes, len, err);

	if (rc == 0)
		w->at += len;
	return rc;
}

int fingerprint_writer_new(struct tranship_file *file, const struct fingerprint_head *head,
			   struct fingerprint_writer **out, struct tranship_error *err)
{
	unsigned char raw[FINGERPRINT_PAGE];
	struct fingerprint_writer *w;
	struct page_sink sink = { index_where, append, NULL };
	int rc;

	*out = NULL;
	rc = fingerprint_head_check(head, TRANSHIP_EINVAL, err);
	if (rc)
		return rc;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	w->file = file;
	w->head = *head;
	w->digest_size = head->kind == DIGEST_SHA256 ? 32 : 16;
	w->per_page = fingerprint_per_page(head);
	w->blocks = fingerprint_blocks(head);
	sink.ctx = w;
	rc = page_tree_writer_new(FINGERPRINT_ENTRY, head->file_id, &sink, &w->index, err);
	if (rc == 0) {
		fingerprint_head_encode(head, raw);
		rc = append(w, raw, sizeof(raw), err);
	}
	if (rc) {
		fingerprint_writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void fingerprint_writer_free(struct fingerprint_writer *w)
{
	if (!w)
		return;
	page_tree_writer_free(w->index);
	explicit_bzero(&w->head, sizeof(w->head));
	free(w);
}

/* Writes the page in hand, unless all its blocks are zeros. */
static int write_page(struct fingerprint_writer *w, struct tranship_error *err)
{
	unsigned char entry[FINGERPRINT_ENTRY];
	int rc;

	if (!w->used)
		return 0;
	digest_page_seal(w->page, w->head.file_id, w->number);
	put_le64(entry, w->number);
	put_le64(entry + 8, w->at);
	rc = append(w, w->page, sizeof(w->page), err);
	if (rc == 0)
		rc = page_tree_writer_add(w->index, entry, err);
	memset(w->page, 0, sizeof(w->page));
	w->used = false;
	return rc;
}

/* Digests of one page. */
static void keep(struct fingerprint_writer *w, uint32_t slot, size_t count,
		 const unsigned char *digests)
{
	static const unsigned char zero[DIGEST_SIZE_MAX];
	size_t i;

	memcpy(w->page + DIGEST_PAGE_HEAD + slot * w->digest_size, digests, count * w->digest_size);
	for (i = 0; i < count; i++)
		if (memcmp(digests + i * w->digest_size, zero, w->digest_size) != 0) {
			w->nonzero++;
			w->used = true;
		}
}

int fingerprint_writer_add(struct fingerprint_writer *w, uint64_t first, size_t count,
			   const unsigned char *digests, struct tranship_error *err)
{
	if (first < w->next || !range_ok(first, count, w->blocks))
		return error_set(err, TRANSHIP_EINVAL,
				 "fingerprint: %zu blocks at block %llu are not among those from "
				 "%llu to %llu that are to come",
				 count, (unsigned long long)first, (unsigned long long)w->next,
				 (unsigned long long)w->blocks);
	w->next = first + count;
	while (count > 0) {
		uint64_t number = first / w->per_page;
		uint32_t slot = (uint32_t)(first % w->per_page);
		size_t n = (size_t)min_u64(count, w->per_page - slot);
		int rc = number != w->number ? write_page(w, err) : 0;

		if (rc)
			return rc;
		w->number = number;
		keep(w, slot, n, digests);
		first += n;
		count -= n;
		digests += n * w->digest_size;
	}
	return 0;
}

int fingerprint_writer_finish(struct fingerprint_writer *w, struct tranship_error *err)
{
	struct fingerprint_end end = { .blocks = w->nonzero };
	unsigned char raw[FINGERPRINT_END_SIZE];
	int rc = write_page(w, err);

	if (rc == 0)
		rc = page_tree_writer_finish(w->index, &end.root, err);
	if (rc)
		return rc;
	end.size = w->at + sizeof(raw);
	fingerprint_end_encode(&end, w->head.file_id, raw);
	return append(w, raw, sizeof(raw), err);
}
