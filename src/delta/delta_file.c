// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a delta file at random. Head and end are checked when it is opened, pages and records
 * when they are read; the SHA-256 of the whole only by delta_verify. Records are found by the index
 * and must be what it says, and end before the next one begins, so that what is read at an offset
 * never depends on what was read before.
 */
#include "delta/delta_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdlib.h>

struct delta {
	struct tranship_file *file;
	struct page_tree *index;
	struct delta_head head;
	struct delta_end end;
	struct record_rule rule;
	struct digester *digesters; /* one a lineage */
};

static int read_head(struct delta *d, struct tranship_error *err)
{
	unsigned char raw[DELTA_HEAD_SIZE];
	uint64_t size = tranship_file_size(d->file);
	int rc;

	if (size < DELTA_HEAD_SIZE + DELTA_END_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the file has %" PRIu64 " bytes, a delta has at least %u",
				 size, DELTA_HEAD_SIZE + DELTA_END_SIZE);
	rc = tranship_file_read(d->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = delta_head_decode(raw, &d->head, err);
	if (rc)
		return rc;
	d->rule = delta_rule(&d->head);
	rc = tranship_file_read(d->file, size - DELTA_END_SIZE, raw, DELTA_END_SIZE, err);
	return rc ? rc : delta_end_decode(raw, d->head.file_id, size, &d->end, err);
}

static int make_digesters(struct delta *d, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	d->digesters = calloc(d->head.lineages, sizeof(*d->digesters));
	if (!d->digesters)
		return error_nomem(err, d->head.lineages * sizeof(*d->digesters));
	for (i = 0; i < d->head.lineages && rc == 0; i++)
		rc = digester_init(&d->digesters[i], d->head.kind, d->head.block_size,
				   &d->head.seeds[i], err);
	return rc;
}

int delta_open(struct tranship_file *file, size_t memory, struct delta **out,
	       struct tranship_error *err)
{
	struct delta *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d)
		return error_nomem(err, sizeof(*d));
	d->file = file;
	rc = read_head(d, err);
	if (rc == 0)
		rc = make_digesters(d, err);
	if (rc == 0)
		rc = page_tree_open(file, "tsd", DELTA_ENTRY_SIZE, d->head.file_id, &d->end.root,
				    memory, &d->index, err);
	if (rc) {
		delta_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void delta_close(struct delta *d)
{
	if (!d)
		return;
	page_tree_close(d->index);
	free(d->digesters);
	free(d);
}

const struct delta_head *delta_head(const struct delta *d)
{
	return &d->head;
}

const struct delta_end *delta_end(const struct delta *d)
{
	return &d->end;
}

const struct record_rule *delta_record_rule(const struct delta *d)
{
	return &d->rule;
}

const struct digester *delta_digester(const struct delta *d, uint8_t lineage)
{
	return &d->digesters[lineage];
}

struct tranship_file *delta_of_file(const struct delta *d)
{
	return d->file;
}

static int entry_at_most(struct delta *d, uint64_t off, struct delta_entry *out,
			 struct tranship_error *err)
{
	unsigned char raw[DELTA_ENTRY_SIZE];
	int rc = page_tree_at_most(d->index, off, raw, err);

	if (rc <= 0)
		return rc;
	rc = delta_entry_decode(raw, d->end.size, out, err);
	return rc ? rc : 1;
}

int delta_next_entry(struct delta *d, uint64_t off, struct delta_entry *out,
		     struct tranship_error *err)
{
	unsigned char raw[DELTA_ENTRY_SIZE];
	int rc = page_tree_at_least(d->index, off, raw, err);

	if (rc <= 0)
		return rc;
	rc = delta_entry_decode(raw, d->end.size, out, err);
	return rc ? rc : 1;
}

/* The entry that covers off, or the first one behind it. */
static int find_entry(struct delta *d, uint64_t off, struct delta_entry *out,
		      struct tranship_error *err)
{
	int rc = entry_at_most(d, off, out, err);

	if (rc < 0 || (rc == 1 && out->end > off))
		return rc;
	return delta_next_entry(d, off, out, err);
}

/* Whether the neighbours of an entry leave it alone; *from: where the one before it ends. */
static int check_neighbours(struct delta *d, const struct delta_entry *e, uint64_t *from,
			    struct tranship_error *err)
{
	struct delta_entry before = { 0 }, behind = { .off = UINT64_MAX };
	int rc = e->off > 0 ? entry_at_most(d, e->off - 1, &before, err) : 0;

	if (rc >= 0)
		rc = delta_next_entry(d, e->off + 1, &behind, err);
	if (rc < 0)
		return rc;
	if (before.end > e->off || behind.off < e->end)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the records around %" PRIu64 " to %" PRIu64
				 " of the disk overlap it",
				 e->off, e->end);
	*from = before.end;
	return 0;
}

int delta_match_entry(const struct delta_entry *e, const struct record_head *h,
		      struct tranship_error *err)
{
	if (e->off == h->off && e->end == h->end &&
	    e->len == (uint64_t)RECORD_HEAD + h->table_len + h->stored_len)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "tsd: the record at %" PRIu64 " of the file is for %" PRIu64 " to %" PRIu64
			 " of the disk, the index says %" PRIu64 " to %" PRIu64,
			 e->at, h->off, h->end, e->off, e->end);
}

/* Head and table. What is read waits where the data will be. */
static int load_table(struct delta *d, const struct delta_entry *e, struct record *r,
		      struct tranship_error *err)
{
	struct record_head head;
	size_t len;
	int rc;

	record_clear(r);
	r->data_memory.len = 0;
	rc = buffer_reserve(&r->data_memory, RECORD_HEAD, err);
	if (rc == 0)
		rc = tranship_file_read(d->file, e->at, r->data_memory.bytes, RECORD_HEAD, err);
	if (rc == 0)
		rc = record_decode_head(&d->rule, r->data_memory.bytes, &head, err);
	if (rc == 0)
		rc = delta_match_entry(e, &head, err);
	if (rc)
		return rc;
	len = (size_t)RECORD_HEAD + head.table_len;
	rc = buffer_reserve(&r->data_memory, len, err);
	if (rc == 0)
		rc = tranship_file_read(d->file, e->at, r->data_memory.bytes, len, err);
	return rc ? rc : record_decode_table(&d->rule, r->data_memory.bytes, len, r, err);
}

int delta_find(struct delta *d, uint64_t off, struct record *r, uint64_t *record_off,
	       struct tranship_error *err)
{
	struct delta_entry e;
	uint64_t from = 0;
	int rc;

	if (r->head.blocks > 0 && off >= r->from && off < r->head.end)
		return 1;
	record_clear(r);
	rc = find_entry(d, off, &e, err);
	if (rc <= 0)
		return rc;
	rc = check_neighbours(d, &e, &from, err);
	if (rc == 0)
		rc = load_table(d, &e, r, err);
	if (rc)
		return rc;
	r->from = from;
	*record_off = e.at;
	return 1;
}

int delta_read_data(struct delta *d, struct unpacker *u, uint64_t record_off, struct record *r,
		    struct tranship_error *err)
{
	unsigned char *stored;
	int rc;

	if (r->data)
		return 0;
	stored = unpacker_room(u, r->head.stored_len, err);
	if (!stored)
		return TRANSHIP_ENOMEM;
	if (r->head.stored_len > 0) {
		rc = tranship_file_read(d->file, record_off + RECORD_HEAD + r->head.table_len,
					stored, r->head.stored_len, err);
		if (rc)
			return rc;
	}
	return record_decode_data(u, &d->rule, &d->digesters[r->head.lineage], stored, r, err);
}
