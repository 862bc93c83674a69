// SPDX-License-Identifier: Apache-2.0
/* Changed blocks on their way from the window in which they were found into a delta file or another
 * image. */
#include "base/checked.h"
#include "base/error.h"
#include "core/writer.h"
#include "delta/diff.h"

#include <stdlib.h>

void loose_clear(struct loose *l)
{
	l->count = 0;
	l->data.len = l->old_digests.len = l->new_digests.len = 0;
}

void loose_free(struct loose *l)
{
	free(l->runs);
	buffer_free(&l->data);
	buffer_free(&l->old_digests);
	buffer_free(&l->new_digests);
}

static int add_run(struct loose *l, const struct changed *c, struct tranship_error *err)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		struct changed *runs = realloc(l->runs, cap * sizeof(*runs));

		if (!runs)
			return error_nomem(err, cap * sizeof(*runs));
		l->runs = runs;
		l->cap = cap;
	}
	l->runs[l->count++] = *c;
	return 0;
}

int loose_add(struct loose *l, const struct changed *c, uint32_t block_size, size_t digest_size,
	      struct tranship_error *err)
{
	size_t digests = c->blocks * digest_size;
	bool data = c->kind == RECORD_DATA;
	int rc = 0;

	if (data)
		rc = buffer_append(&l->data, c->data, (size_t)c->blocks * block_size, err);
	if (rc == 0 && digests > 0)
		rc = buffer_append(&l->old_digests, c->old_digests, digests, err);
	if (rc == 0 && digests > 0 && data)
		rc = buffer_append(&l->new_digests, c->new_digests, digests, err);
	return rc ? rc : add_run(l, c, err);
}

/* Where nothing but zeros changed there may be no data at all. */
static const unsigned char *bytes_at(const struct buffer *b, size_t off)
{
	return b->bytes ? b->bytes + off : NULL;
}

static int sink_delta(struct diff *d, const struct loose *l, struct tranship_error *err)
{
	const struct digester *g = &d->digester;
	size_t data = 0, old_digests = 0, new_digests = 0, i;
	int rc = 0;

	for (i = 0; i < l->count && rc == 0; i++) {
		struct changed c = l->runs[i];
		size_t blocks = c.kind == RECORD_DATA ? c.blocks : 0;

		c.data = bytes_at(&l->data, data);
		c.old_digests = bytes_at(&l->old_digests, old_digests);
		c.new_digests = bytes_at(&l->new_digests, new_digests);
		rc = packer_add(d->sink.packer, &c, err);
		data += blocks * g->block_size;
		old_digests += c.blocks * g->size;
		new_digests += blocks * g->size;
	}
	return rc;
}

/* Names what lies between the last changed block and `off` as the base has it. */
static int skip_to(struct tranship_writer *writer, uint64_t off, struct tranship_error *err)
{
	uint64_t to = min_u64(off, writer->size);

	return to > writer->pos ? tranship_writer_skip(writer, writer->pos, to - writer->pos, err)
				: 0;
}

static int sink_writer(const struct diff *d, const struct loose *l, struct tranship_error *err)
{
	struct tranship_writer *writer = d->sink.writer;
	size_t data = 0, i;
	int rc = 0;

	for (i = 0; i < l->count && rc == 0; i++) {
		const struct changed *c = &l->runs[i];
		uint64_t bytes = (uint64_t)c->blocks * d->digester.block_size, len;

		if (c->off >= writer->size)
			break;
		len = min_u64(bytes, writer->size - c->off);
		rc = skip_to(writer, c->off, err);
		if (rc == 0 && c->kind == RECORD_ZERO)
			rc = tranship_writer_zero(writer, c->off, len, err);
		else if (rc == 0)
			rc = tranship_writer_put(writer, c->off, bytes_at(&l->data, data),
						 (size_t)len, err);
		data += c->kind == RECORD_DATA ? bytes : 0;
	}
	return rc;
}

int diff_sink_item(struct diff *d, struct diff_item *item, struct tranship_error *err)
{
	if (d->sink.writer)
		return sink_writer(d, &item->changed, err);
	return d->sink.packer ? sink_delta(d, &item->changed, err) : 0;
}

int diff_sink_end(struct diff *d, struct tranship_error *err)
{
	if (d->sink.writer)
		return skip_to(d->sink.writer, d->sink.writer->size, err);
	return d->sink.packer ? packer_finish(d->sink.packer, err) : 0;
}
