// SPDX-License-Identifier: Apache-2.0
/* monolithicFlat and twoGbMaxExtentFlat: a descriptor, and the disk in one file or in pieces of
 * 2047 MiB. */
#include "vmdk/vmdk_write.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>

struct flat_writer {
	struct tranship_writer writer;
	struct vmdk_split split;
	struct tranship_file *file; /* of the extent at hand; NULL between extents */
	uint64_t start, len;        /* of that extent in the disk, bytes */
};

static struct flat_writer *flat_of(struct tranship_writer *w)
{
	return (struct flat_writer *)w;
}

/* Ends the extent at hand, if there is one, and begins the next. */
static int next_extent(struct flat_writer *flat, struct tranship_error *err)
{
	uint64_t sectors;
	int rc = flat->file ? output_extra_done(flat->split.new.output, err) : 0;

	flat->file = NULL;
	if (rc)
		return rc;
	flat->start += flat->len;
	rc = vmdk_split_next(&flat->split, &flat->file, &sectors, err);
	if (rc)
		return rc;
	flat->len = sectors * VMDK_SECTOR;
	return file_resize(flat->file, flat->len, err);
}

/* Makes the extent that holds off the one at hand; ascending only. */
static int reach(struct flat_writer *flat, uint64_t off, struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && (!flat->file || off >= flat->start + flat->len))
		rc = next_extent(flat, err);
	return rc;
}

static int flat_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		    size_t stored_len, struct tranship_error *err)
{
	struct flat_writer *flat = flat_of(w);
	const unsigned char *from = stored;

	(void)len;
	while (stored_len > 0) {
		int rc = reach(flat, off, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(stored_len, flat->start + flat->len - off);
		rc = file_write(flat->file, off - flat->start, from, n, err);
		if (rc)
			return rc;
		off += n;
		from += n;
		stored_len -= n;
	}
	return 0;
}

static int flat_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	return reach(flat_of(w), off + len - 1, err); /* the files are made of zeros */
}

static int flat_finish(struct tranship_writer *w, struct tranship_error *err)
{
	struct flat_writer *flat = flat_of(w);
	/* A disk of no bytes has a file, too. */
	int rc = flat->file ? 0 : next_extent(flat, err);

	if (rc == 0)
		rc = output_extra_done(flat->split.new.output, err);
	flat->file = NULL;
	return rc ? rc : vmdk_split_finish(&flat->split, err);
}

static uint64_t flat_full_size(const struct tranship_writer *w)
{
	return w->size + 64 * (1 + w->size / (VMDK_SPLIT_SECTORS * (uint64_t)VMDK_SECTOR)) + 512;
}

static void flat_close(struct tranship_writer *w)
{
	buffer_free(&flat_of(w)->split.lines);
	free(w);
}

static const struct writer_ops flat_ops = {
	.put = flat_put,
	.zero = flat_zero,
	.finish = flat_finish,
	.full_size = flat_full_size,
	.close = flat_close,
};

int vmdk_create_flat(const struct vmdk_new *new, bool split, struct tranship_writer **out,
		     struct tranship_error *err)
{
	struct flat_writer *flat;
	int rc = split ? vmdk_split_check(new, err) : 0;

	if (rc)
		return rc;
	flat = calloc(1, sizeof(*flat));
	if (!flat)
		return error_nomem(err, sizeof(*flat));
	writer_init(&flat->writer, &flat_ops, new->sectors *VMDK_SECTOR, VMDK_SECTOR);
	flat->split =
		(struct vmdk_split){ .new = *new,
				     .type = "FLAT",
				     .letter = split ? 'f' : 0,
				     .extent_sectors = split ? VMDK_SPLIT_SECTORS : UINT64_MAX };
	*out = &flat->writer;
	return 0;
}
