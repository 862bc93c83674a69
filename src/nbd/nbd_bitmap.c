// SPDX-License-Identifier: Apache-2.0
#include "nbd/nbd_bitmap.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "nbd/nbd_export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct nbd_bitmap {
	struct nbd_target target;
	struct nbd_facts facts;
	struct nbd_connection *connection;
	char *context;
};

static int refuse_missing(const struct nbd_bitmap *b, struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), b->context, strlen(b->context));
	return error_set(err, TRANSHIP_ENOTFOUND,
			 "nbd: %s: the export has no '%s', so what changed is not known",
			 b->target.url.shown, shown);
}

int nbd_bitmap_open(const char *location, const struct tranship_open_options *how,
		    const char *context, struct nbd_bitmap **out, struct tranship_error *err)
{
	struct nbd_bitmap *b = calloc(1, sizeof(*b));
	struct options *options = NULL;
	int rc;

	*out = NULL;
	if (!b)
		return error_nomem(err, sizeof(*b));
	b->context = strdup(context);
	rc = b->context ? options_parse(how ? how->options : NULL, nbd_open_options, NULL, &options,
					err)
			: error_nomem(err, strlen(context) + 1);
	if (rc == 0)
		rc = nbd_target_from(location, options, &b->target, err);
	b->target.context = b->context;
	if (rc == 0)
		rc = nbd_connection_open(&b->target, &b->connection, &b->facts, err);
	if (rc == 0 && !b->facts.has_context)
		rc = refuse_missing(b, err);
	options_free(options);
	if (rc) {
		nbd_bitmap_close(b);
		return rc;
	}
	*out = b;
	return 0;
}

void nbd_bitmap_close(struct nbd_bitmap *b)
{
	if (!b)
		return;
	nbd_connection_close(b->connection);
	nbd_url_free(&b->target.url);
	free(b->context);
	free(b);
}

uint64_t nbd_bitmap_size(const struct nbd_bitmap *b)
{
	return b->facts.size;
}

struct walk {
	nbd_bitmap_fn *fn;
	void *ctx;
	uint64_t off, size;
	int rc; /* of fn */
	struct tranship_error err;
};

static int take_extents(void *ctx, const uint32_t *entries, size_t pairs)
{
	struct walk *w = ctx;
	size_t i;

	for (i = 0; i < pairs && w->rc == 0 && w->off < w->size; i++) {
		uint64_t len = min_u64(entries[2 * i], w->size - w->off);

		if (len > 0)
			w->rc = w->fn(w->ctx, w->off, len, entries[2 * i + 1], &w->err);
		w->off += len;
	}
	return 0;
}

int nbd_bitmap_walk(struct nbd_bitmap *b, nbd_bitmap_fn *fn, void *ctx, struct tranship_error *err)
{
	struct walk w = { .fn = fn, .ctx = ctx, .size = b->facts.size };
	int rc = 0;

	while (rc == 0 && w.off < w.size) {
		uint64_t start = w.off;

		/* What was said of the rest of a block is not used where it ends within one. */
		if (start % b->facts.min_block != 0)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "nbd: %s: an extent ends at %" PRIu64
					 ", within a block of %" PRIu32 " bytes",
					 b->target.url.shown, start, b->facts.min_block);
		rc = nbd_connection_status(b->connection, start,
					   min_u64(w.size - start, NBD_STATUS_MAX), take_extents,
					   &w, err);
		if (rc == 0 && w.rc)
			return error_copy(err, &w.err, w.rc);
		if (rc == 0 && w.off == start)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "nbd: %s: the bitmap ends at %" PRIu64 " of %" PRIu64
				       " bytes",
				       b->target.url.shown, start, w.size);
	}
	return rc;
}
