// SPDX-License-Identifier: Apache-2.0
/*
 * What `rbd export-diff` writes and `rbd import-diff` takes, version 1: Ceph's
 * doc/dev/rbd-diff.rst. A stream of records in one pass; docs/formats/rbd.md has the layout. It is
 * written only: Ceph is where it is applied.
 *
 * Over a base it holds what differs; nothing in it says which base that is but a snapshot's name,
 * so any disk will do. Alone it holds the disk since its creation, whose zeros need no record.
 */
#include "core/format.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define BANNER "rbd diff v1\n"
#define FROM_SNAP 'f'
#define TO_SNAP 't'
#define IMAGE_SIZE 's'
#define WRITE 'w'
#define ZERO 'z'
#define END 'e'

/* A tag, an offset, a length. */
#define EXTENT_HEAD 17U
/* import-diff reads a record's data into memory at once. */
#define EXTENT_DATA_MAX (1U << 20)
/* import-diff takes no longer name. */
#define NAME_MAX_RBD 4096U
/* Small records are collected to this many bytes before they are written. */
#define COLLECTED_MAX (256U << 10)

struct rbd_writer {
	struct tranship_writer writer;
	struct tranship_file *file;
	struct buffer collected; /* that is not written yet */
	uint64_t end;            /* of the file, with what was collected */
	uint64_t head;           /* bytes before the first extent */
	uint64_t zero_off, zero_len;
};

static struct rbd_writer *rbd_of(struct tranship_writer *w)
{
	return (struct rbd_writer *)w;
}

static int write_out(struct rbd_writer *rbd, struct tranship_error *err)
{
	uint64_t at = rbd->end - rbd->collected.len;
	int rc = file_write(rbd->file, at, rbd->collected.bytes, rbd->collected.len, err);

	rbd->collected.len = 0;
	return rc;
}

static int add(struct rbd_writer *rbd, const void *bytes, size_t len, struct tranship_error *err)
{
	int rc = 0;

	if (rbd->collected.len + len > COLLECTED_MAX)
		rc = write_out(rbd, err);
	if (rc == 0 && len > COLLECTED_MAX)
		rc = file_write(rbd->file, rbd->end, bytes, len, err);
	else if (rc == 0)
		rc = buffer_append(&rbd->collected, bytes, len, err);
	rbd->end += rc == 0 ? len : 0;
	return rc;
}

static int add_extent(struct rbd_writer *rbd, char tag, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	unsigned char raw[EXTENT_HEAD];

	raw[0] = (unsigned char)tag;
	put_le64(raw + 1, off);
	put_le64(raw + 9, len);
	return add(rbd, raw, sizeof(raw), err);
}

static int add_name(struct rbd_writer *rbd, char tag, const char *name, struct tranship_error *err)
{
	unsigned char raw[5];
	size_t len = name ? strlen(name) : 0;
	int rc;

	if (!name)
		return 0;
	raw[0] = (unsigned char)tag;
	put_le32(raw + 1, (uint32_t)len);
	rc = add(rbd, raw, sizeof(raw), err);
	return rc ? rc : add(rbd, name, len, err);
}

/* Zeros are named when it is known how far they go. */
static int end_zeros(struct rbd_writer *rbd, struct tranship_error *err)
{
	uint64_t len = rbd->zero_len;

	rbd->zero_len = 0;
	return len ? add_extent(rbd, ZERO, rbd->zero_off, len, err) : 0;
}

static int rbd_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		   size_t stored_len, struct tranship_error *err)
{
	struct rbd_writer *rbd = rbd_of(w);
	const unsigned char *data = stored;
	int rc = end_zeros(rbd, err);

	(void)stored_len;
	while (rc == 0 && len > 0) {
		uint64_t n = min_u64(len, EXTENT_DATA_MAX);

		rc = add_extent(rbd, WRITE, off, n, err);
		if (rc == 0)
			rc = add(rbd, data, (size_t)n, err);
		off += n;
		data += n;
		len -= n;
	}
	return rc;
}

static int rbd_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	struct rbd_writer *rbd = rbd_of(w);

	(void)err;
	if (!w->has_base)
		return 0;
	if (rbd->zero_len == 0)
		rbd->zero_off = off;
	rbd->zero_len += len;
	return 0;
}

static int rbd_skip(struct tranship_writer *w, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	(void)off;
	(void)len;
	return end_zeros(rbd_of(w), err);
}

static int rbd_finish(struct tranship_writer *w, struct tranship_error *err)
{
	static const char end = END;
	struct rbd_writer *rbd = rbd_of(w);
	int rc = end_zeros(rbd, err);

	if (rc == 0)
		rc = add(rbd, &end, 1, err);
	return rc ? rc : write_out(rbd, err);
}

static uint64_t rbd_full_size(const struct tranship_writer *w)
{
	const struct rbd_writer *rbd = (const struct rbd_writer *)w;

	return rbd->head + w->size + div_up(w->size, EXTENT_DATA_MAX) * EXTENT_HEAD + 1;
}

static void rbd_close(struct tranship_writer *w)
{
	buffer_free(&rbd_of(w)->collected);
	free(w);
}

static const struct writer_ops rbd_ops = {
	.put = rbd_put,
	.zero = rbd_zero,
	.skip = rbd_skip,
	.finish = rbd_finish,
	.full_size = rbd_full_size,
	.close = rbd_close,
};

static int write_head(struct rbd_writer *rbd, const struct options *options,
		      struct tranship_error *err)
{
	unsigned char size[9];
	int rc = add(rbd, BANNER, strlen(BANNER), err);

	size[0] = IMAGE_SIZE;
	put_le64(size + 1, rbd->writer.size);
	if (rc == 0)
		rc = add_name(rbd, FROM_SNAP, options_text(options, "from_snap", NULL), err);
	if (rc == 0)
		rc = add_name(rbd, TO_SNAP, options_text(options, "to_snap", NULL), err);
	return rc ? rc : add(rbd, size, sizeof(size), err);
}

/* The command rbd can name no snapshot with '/' or '@' in its name. */
static int check_name(const char *option, const struct options *options, struct tranship_error *err)
{
	const char *name = options_text(options, option, NULL);
	char shown[100];

	if (!name || (*name && strlen(name) <= NAME_MAX_RBD && !strpbrk(name, "/@")))
		return 0;
	text_escape(shown, sizeof(shown), name, strlen(name));
	return error_set(err, TRANSHIP_EINVAL,
			 "rbd: %s '%s' is no name of a snapshot: 1 to %u bytes without '/' and '@'",
			 option, shown, NAME_MAX_RBD);
}

static int rbd_create(const struct create_params *params, struct tranship_writer **out,
		      struct tranship_error *err)
{
	bool over = params->base || params->flags & CREATE_OVER_ANY;
	struct rbd_writer *rbd;
	int rc = check_name("from_snap", params->options, err);

	if (rc == 0)
		rc = check_name("to_snap", params->options, err);
	if (rc)
		return rc;
	if (!over && options_text(params->options, "from_snap", NULL))
		return error_set(err, TRANSHIP_EINVAL,
				 "rbd: from_snap is for a difference, and there is no base");
	if (output_is_in_place(params->output))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "rbd: it cannot be written in place or to a device");
	rbd = calloc(1, sizeof(*rbd));
	if (!rbd)
		return error_nomem(err, sizeof(*rbd));
	writer_init(&rbd->writer, &rbd_ops, params->size, 512);
	rbd->writer.sector_size = params->sector_size;
	rbd->writer.has_base = over;
	rbd->writer.any_base = true;
	rbd->file = output_main(params->output);
	rc = write_head(rbd, params->options, err);
	if (rc) {
		rbd_close(&rbd->writer);
		return rc;
	}
	rbd->head = rbd->end;
	*out = &rbd->writer;
	return 0;
}

static const struct tranship_option_info rbd_options[] = {
	{ "from_snap", "text", "over a base: the snapshot that the image must have, which is it" },
	{ "to_snap", "text", "the snapshot that is made of the image afterwards" },
	{ 0 },
};

const struct format rbd_format = {
	.name = "rbd",
	.create = rbd_create,
	.create_options = rbd_options,
};
