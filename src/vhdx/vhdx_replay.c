// SPDX-License-Identifier: Apache-2.0
/*
 * Replaying the log ([MS-VHDX] 2.3.3) without writing: what the entries of the active sequence
 * want to be written becomes one list of segments, ascending and apart from each other, that lies
 * over the file. Where entries write the same place the later one counts, so they are painted from
 * the last to the first and each stretch keeps its first colour.
 */
#include "vhdx/vhdx_log.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/zero.h"
#include "vhdx/vhdx.h"
#include "vhdx/vhdx_log_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* No file of a disk of 64 TiB gets so long; no sum below passes 2^63. */
#define FILE_MAX ((uint64_t)1 << 47)
#define NOBODY UINT32_MAX

/* What the entries write, in their order. */
struct writes {
	struct vhdx_log_segment *list;
	uint32_t count;
	uint64_t capacity;
};

/* Stretches between any two neighbouring ends of writes: edge[i] to edge[i + 1]. */
struct canvas {
	uint64_t *edge;
	uint32_t edges;
	uint32_t *owner; /* the write that a stretch shows */
	uint32_t *next;  /* a stretch at or behind this one that nobody owns, as far as known */
};

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Nothing that is logged lies in the headers or in the log. */
static int check_write(const struct vhdx_log_descriptor *d, const struct vhdx_header *header,
		       struct tranship_error *err)
{
	if (d->offset % VHDX_LOG_SECTOR || d->length % VHDX_LOG_SECTOR ||
	    !range_ok(d->offset, d->length, FILE_MAX))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: log entry %" PRIu64 " writes %" PRIu64 " bytes at %" PRIu64
				 "; whole sectors of 4096 bytes below 128 TiB are taken",
				 d->sequence, d->length, d->offset);
	if (d->offset < VHDX_REGION_TABLE_1 ||
	    overlap(d->offset, d->length, header->log_offset, header->log_length))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: log entry %" PRIu64 " writes %" PRIu64 " bytes at %" PRIu64
				 ", in the headers or the log",
				 d->sequence, d->length, d->offset);
	return 0;
}

/* Entries were found whole: their lengths and descriptors are right. */
static int collect_entry(struct vhdx_log *log, uint64_t *at, const struct vhdx_header *header,
			 struct writes *writes, struct tranship_error *err)
{
	unsigned char *head = log->ring + *at % log->ring_len;
	struct vhdx_log_entry e = { 0 };
	uint64_t data, place = *at + VHDX_LOG_HEAD;
	uint32_t i;

	vhdx_log_entry_decode(head, &e);
	data = *at + vhdx_log_head_sectors(e.descriptors) * VHDX_LOG_SECTOR;
	*at += e.length;
	for (i = 0; i < e.descriptors; i++, place += VHDX_LOG_DESCRIPTOR) {
		struct vhdx_log_descriptor d = { 0 };
		unsigned char *bytes = NULL;
		int rc;

		vhdx_log_descriptor_decode(log->ring + place % log->ring_len, &d);
		rc = check_write(&d, header, err);
		if (rc)
			return rc;
		if (d.is_data) {
			bytes = log->ring + data % log->ring_len;
			vhdx_log_data_restore(bytes, &d);
			data += VHDX_LOG_SECTOR;
		}
		if (d.length > 0)
			writes->list[writes->count++] =
				(struct vhdx_log_segment){ d.offset, d.length, bytes };
	}
	return 0;
}

/* How many descriptors the entries have; each takes 32 bytes of the ring, so their sum is small. */
static uint64_t count_descriptors(const struct vhdx_log *log)
{
	uint64_t at = log->tail, sum = 0;
	uint32_t i;

	for (i = 0; i < log->entries; i++) {
		struct vhdx_log_entry e = { 0 };

		vhdx_log_entry_decode(log->ring + at % log->ring_len, &e);
		sum += e.descriptors;
		at += e.length;
	}
	return sum;
}

static int collect(struct vhdx_log *log, const struct vhdx_header *header, struct writes *writes,
		   struct tranship_error *err)
{
	uint64_t at = log->tail;
	uint32_t i;
	int rc = 0;

	writes->capacity = count_descriptors(log);
	writes->list = calloc(writes->capacity + 1, sizeof(*writes->list));
	if (!writes->list)
		return error_nomem(err, (writes->capacity + 1) * sizeof(*writes->list));
	for (i = 0; i < log->entries && rc == 0; i++)
		rc = collect_entry(log, &at, header, writes, err);
	return rc;
}

static int compare_edges(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int canvas_init(struct canvas *c, const struct writes *writes, struct tranship_error *err)
{
	size_t ends = 2 * (size_t)writes->count, i;

	c->edge = calloc(ends + 1, sizeof(*c->edge));
	c->owner = calloc(ends + 1, sizeof(*c->owner));
	c->next = calloc(ends + 1, sizeof(*c->next));
	if (!c->edge || !c->owner || !c->next)
		return error_nomem(err, (ends + 1) * sizeof(*c->edge));
	for (i = 0; i < writes->count; i++) {
		c->edge[2 * i] = writes->list[i].off;
		c->edge[2 * i + 1] = writes->list[i].off + writes->list[i].len;
	}
	qsort(c->edge, ends, sizeof(*c->edge), compare_edges);
	for (i = 0; i < ends; i++)
		if (c->edges == 0 || c->edge[i] != c->edge[c->edges - 1])
			c->edge[c->edges++] = c->edge[i];
	for (i = 0; i <= ends; i++) {
		c->owner[i] = NOBODY;
		c->next[i] = (uint32_t)i;
	}
	return 0;
}

static void canvas_free(struct canvas *c)
{
	free(c->edge);
	free(c->owner);
	free(c->next);
}

/* The first stretch from i on that nobody owns; halves the way there for the next who asks. */
static uint32_t unowned(struct canvas *c, uint32_t i)
{
	while (c->next[i] != i) {
		c->next[i] = c->next[c->next[i]];
		i = c->next[i];
	}
	return i;
}

static uint32_t edge_index(const struct canvas *c, uint64_t edge)
{
	const uint64_t *found = bsearch(&edge, c->edge, c->edges, sizeof(*c->edge), compare_edges);

	return (uint32_t)(found - c->edge);
}

static void paint(struct canvas *c, const struct writes *writes)
{
	uint32_t w, i;

	for (w = writes->count; w-- > 0;) {
		const struct vhdx_log_segment *s = &writes->list[w];

		i = unowned(c, edge_index(c, s->off));
		while (c->edge[i] < s->off + s->len) { /* its own end is an edge, too */
			c->owner[i] = w;
			c->next[i] = i + 1;
			i = unowned(c, i + 1);
		}
	}
}

/* One segment for neighbouring stretches of one owner, or of zeros. A sector is one stretch: all
 * edges are multiples of its size. */
static int take_segments(struct vhdx_log *log, const struct canvas *c, const struct writes *writes,
			 struct tranship_error *err)
{
	uint32_t i;

	log->segments = calloc((size_t)c->edges + 1, sizeof(*log->segments));
	if (!log->segments)
		return error_nomem(err, ((size_t)c->edges + 1) * sizeof(*log->segments));
	for (i = 0; i + 1 < c->edges; i++) {
		struct vhdx_log_segment *last = &log->segments[log->count];
		uint64_t len = c->edge[i + 1] - c->edge[i];
		const unsigned char *bytes;

		if (c->owner[i] == NOBODY)
			continue;
		bytes = writes->list[c->owner[i]].bytes;
		if (log->count > 0 && !bytes && !last[-1].bytes &&
		    last[-1].off + last[-1].len == c->edge[i]) {
			last[-1].len += len;
			continue;
		}
		*last = (struct vhdx_log_segment){ c->edge[i], len, bytes };
		log->count++;
	}
	return 0;
}

int vhdx_log_flatten(struct vhdx_log *log, const struct vhdx_header *header,
		     struct tranship_error *err)
{
	struct writes writes = { 0 };
	struct canvas canvas = { 0 };
	int rc = 0;

	if (log->size > FILE_MAX)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vhdx: the log says that the file needs %" PRIu64
			       " bytes, more than 128 TiB",
			       log->size);
	if (rc == 0)
		rc = collect(log, header, &writes, err);
	if (rc == 0)
		rc = canvas_init(&canvas, &writes, err);
	if (rc == 0) {
		paint(&canvas, &writes);
		rc = take_segments(log, &canvas, &writes, err);
	}
	log->size = max_u64(log->size, log->old_size);
	if (rc == 0 && canvas.edges > 0)
		log->size = max_u64(log->size, canvas.edge[canvas.edges - 1]);
	canvas_free(&canvas);
	free(writes.list);
	return rc;
}

/* The first segment that ends behind off, or the end of the list. */
static const struct vhdx_log_segment *segment_from(const struct vhdx_log *log, uint64_t off)
{
	size_t low = 0, high = log->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log->segments[middle].off + log->segments[middle].len > off)
			high = middle;
		else
			low = middle + 1;
	}
	return log->segments + low;
}

uint64_t vhdx_log_stretch(const struct vhdx_log *log, uint64_t off, uint64_t len, bool *in_file)
{
	const struct vhdx_log_segment *s = segment_from(log, off), *end;
	uint64_t stop = off;

	end = log->segments + log->count;
	*in_file = off < log->old_size && (s == end || s->off > off);
	if (*in_file) {
		stop = s == end ? log->old_size : min_u64(s->off, log->old_size);
		return min_u64(len, stop - off);
	}
	for (; s < end && s->off <= stop && stop - off < len; s++)
		stop = s->off + s->len;
	if (stop >= log->old_size) /* nothing behind it stands in the file */
		return len;
	return min_u64(len, stop - off);
}

static int read_file(const struct vhdx_log *log, uint64_t off, unsigned char *buf, size_t len,
		     struct tranship_error *err)
{
	size_t have = off < log->old_size ? (size_t)min_u64(len, log->old_size - off) : 0;

	memset(buf + have, 0, len - have);
	return tranship_file_read(log->file, have > 0 ? off : 0, buf, have, err);
}

static int view_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct vhdx_log *log = ctx;
	const struct vhdx_log_segment *s = segment_from(log, off);
	const struct vhdx_log_segment *end = log->segments + log->count;
	unsigned char *to = buf;
	int rc = 0;

	while (len > 0 && rc == 0) {
		size_t n;

		if (s == end || s->off > off) {
			n = s == end ? len : (size_t)min_u64(len, s->off - off);
			rc = read_file(log, off, to, n, err);
		} else {
			n = (size_t)min_u64(len, s->off + s->len - off);
			if (s->bytes)
				memcpy(to, s->bytes + (off - s->off), n);
			else
				memset(to, 0, n);
			s++;
		}
		to += n;
		off += n;
		len -= n;
	}
	return rc;
}

int vhdx_log_view(struct vhdx_log *log, struct tranship_file **out, struct tranship_error *err)
{
	static const struct tranship_file_ops view_ops = { .read = view_read };

	return tranship_file_new(&view_ops, log, log->size, out, err);
}

/* What is zeros already stays as it is: it may be a hole. */
static int write_zeros(struct tranship_file *file, uint64_t off, uint64_t len, vhdx_write_fn *write,
		       struct tranship_error *err)
{
	const size_t piece = 256U << 10;
	unsigned char *bytes = malloc(piece);
	int rc = bytes ? 0 : error_nomem(err, piece);

	while (len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(len, piece);

		rc = tranship_file_read(file, off, bytes, n, err);
		if (rc == 0 && !bytes_are_zero(bytes, n)) {
			memset(bytes, 0, n);
			rc = write(file, off, bytes, n, err);
		}
		off += n;
		len -= n;
	}
	free(bytes);
	return rc;
}

int vhdx_log_replay_to(const struct vhdx_disk *vhdx, struct tranship_file *file,
		       vhdx_write_fn *write, struct tranship_error *err)
{
	const struct vhdx_log *log = vhdx->log;
	size_t i;
	int rc = 0;

	if (!log)
		return 0;
	if (log->size > tranship_file_size(file)) /* what it gains is zeros */
		rc = file_resize(file, log->size, err);
	for (i = 0; i < log->count && rc == 0; i++) {
		const struct vhdx_log_segment *s = &log->segments[i];

		if (s->bytes)
			rc = write(file, s->off, s->bytes, (size_t)s->len, err);
		else if (s->off < log->old_size)
			rc = write_zeros(file, s->off, min_u64(s->len, log->old_size - s->off),
					 write, err);
	}
	return rc;
}
