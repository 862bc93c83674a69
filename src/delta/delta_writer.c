// SPDX-License-Identifier: Apache-2.0
/* Writing a delta file, front to back: it may be a pipe. */
#include "base/error.h"
#include "delta/delta_file.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdlib.h>

struct delta_writer {
	struct tranship_file *file;
	struct sha256 *sha;
	struct page_tree_writer *index;
	uint64_t file_id;
	uint64_t at;       /* bytes that are written */
	uint64_t disk_end; /* of the last record */
	struct delta_end sums;
};

/* Writes and hashes. */
static int append(struct delta_writer *w, const void *bytes, size_t len, struct tranship_error *err)
{
	int rc = sha256_update(w->sha, bytes, len, err);

	if (rc == 0)
		rc = file_write(w->file, w->at, bytes, len, err);
	if (rc == 0)
		w->at += len;
	return rc;
}

static uint64_t sink_where(void *ctx)
{
	const struct delta_writer *w = ctx;

	return w->at;
}

static int sink_put(void *ctx, const void *page, size_t len, struct tranship_error *err)
{
	return append(ctx, page, len, err);
}

int delta_writer_new(struct tranship_file *file, const struct delta_head *head,
		     struct delta_writer **out, struct tranship_error *err)
{
	unsigned char raw[DELTA_HEAD_SIZE];
	struct delta_writer *w = calloc(1, sizeof(*w));
	struct page_sink sink = { sink_where, sink_put, w };
	int rc;

	*out = NULL;
	if (!w)
		return error_nomem(err, sizeof(*w));
	w->file = file;
	w->file_id = head->file_id;
	rc = sha256_new(&w->sha, err);
	if (rc == 0)
		rc = page_tree_writer_new(DELTA_ENTRY_SIZE, head->file_id, &sink, &w->index, err);
	if (rc == 0) {
		delta_head_encode(head, raw);
		rc = append(w, raw, sizeof(raw), err);
	}
	if (rc) {
		delta_writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

int delta_writer_put(struct delta_writer *w, const struct record_span *span, const void *stored,
		     struct tranship_error *err)
{
	struct delta_entry entry = { span->off, span->end, w->at, (uint32_t)span->len };
	unsigned char raw[DELTA_ENTRY_SIZE];
	int rc;

	if (span->off < w->disk_end || span->end <= span->off)
		return error_set(err, TRANSHIP_EINVAL,
				 "tsd: a record for %" PRIu64 " to %" PRIu64
				 " does not follow one that ends at %" PRIu64,
				 span->off, span->end, w->disk_end);
	rc = append(w, stored, span->len, err);
	if (rc)
		return rc;
	delta_entry_encode(&entry, raw);
	rc = page_tree_writer_add(w->index, raw, err);
	if (rc)
		return rc;
	w->disk_end = span->end;
	w->sums.records++;
	w->sums.data += span->data;
	w->sums.zero += span->zero;
	return 0;
}

int delta_writer_finish(struct delta_writer *w, struct delta_end *end, struct tranship_error *err)
{
	unsigned char raw[DELTA_END_SIZE];
	int rc = page_tree_writer_finish(w->index, &w->sums.root, err);

	if (rc)
		return rc;
	w->sums.size = w->at + DELTA_END_SIZE;
	delta_end_encode(&w->sums, w->file_id, raw);
	rc = sha256_update(w->sha, raw, DELTA_END_HASHED, err);
	if (rc == 0)
		rc = sha256_final(w->sha, w->sums.sha256, err);
	if (rc)
		return rc;
	delta_end_encode(&w->sums, w->file_id, raw);
	rc = file_write(w->file, w->at, raw, sizeof(raw), err);
	if (rc)
		return rc;
	w->at += sizeof(raw);
	if (end)
		*end = w->sums;
	return 0;
}

void delta_writer_free(struct delta_writer *w)
{
	if (!w)
		return;
	page_tree_writer_free(w->index);
	sha256_free(w->sha);
	free(w);
}
