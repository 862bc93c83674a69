// SPDX-License-Identifier: Apache-2.0
/*
 * streamOptimized (VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse
 * Extents"), written front to back so that it can go to a pipe: header, descriptor, packed grains;
 * behind the grains of each grain table that table; at the end the directory, the footer and the
 * end-of-stream marker. Version 3 with markers and a footer is what ESXi and OVF tools take;
 * without them (qemu-img) the import is refused.
 */
#include "vmdk/vmdk_write.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/deflate.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Grains begin here: header and descriptor, rounded up to a grain as VMware does. */
#define OVERHEAD_SECTORS 128U

struct stream_writer {
	struct tranship_writer writer;
	struct tranship_file *file;
	int level;
	bool repeats;
	struct vmdk_header header;
	uint64_t next_sector;
	uint64_t table; /* the number of the table at hand */
	bool table_used;
	unsigned char entries[VMDK_GT_BYTES];
	struct buffer directory; /* as far as it is known: 8 MiB for 62 TiB, the format's end */
};

struct stream_scratch {
	struct deflater *deflater;
	unsigned char last[VMDK_GRAIN_SIZE]; /* the disk's last grain, filled up with zeros */
};

static struct stream_writer *stream_of(struct tranship_writer *w)
{
	return (struct stream_writer *)w;
}

static void stream_scratch_free(void *arg)
{
	struct stream_scratch *scratch = arg;

	deflater_free(scratch->deflater);
	free(scratch);
}

static int stream_scratch_new(struct tranship_writer *w, void **out, struct tranship_error *err)
{
	struct stream_scratch *scratch = calloc(1, sizeof(*scratch));
	int rc;

	if (!scratch)
		return error_nomem(err, sizeof(*scratch));
	rc = deflater_new(stream_of(w)->level, stream_of(w)->repeats, &scratch->deflater, err);
	if (rc) {
		free(scratch);
		return rc;
	}
	*out = scratch;
	return 0;
}

/* Appends one grain as it stands in the file: marker, packed bytes, zeros up to the next sector. */
static int encode_grain(struct stream_scratch *scratch, uint64_t lba, const void *grain,
			struct buffer *out, struct tranship_error *err)
{
	size_t total, padded;
	unsigned char *to;
	size_t packed;
	int rc = buffer_reserve(
		out, VMDK_GRAIN_MARKER_SIZE + deflate_bound(VMDK_GRAIN_SIZE) + VMDK_SECTOR, err);

	if (rc)
		return rc;
	to = out->bytes + out->len;
	rc = deflater_run(scratch->deflater, grain, VMDK_GRAIN_SIZE, to + VMDK_GRAIN_MARKER_SIZE,
			  &packed, err);
	if (rc)
		return rc;
	put_le64(to, lba);
	put_le32(to + 8, (uint32_t)packed);
	total = VMDK_GRAIN_MARKER_SIZE + packed;
	padded = (size_t)round_up(total, VMDK_SECTOR);
	memset(to + total, 0, padded - total);
	out->len += padded;
	return 0;
}

static int stream_encode(struct tranship_writer *w, void *arg, uint64_t off, const void *data,
			 size_t len, struct buffer *out, struct tranship_error *err)
{
	struct stream_scratch *scratch = arg;
	const unsigned char *from = data;
	int rc = 0;

	(void)w;
	while (len > 0 && rc == 0) {
		const unsigned char *grain = from;
		size_t n = len < VMDK_GRAIN_SIZE ? len : VMDK_GRAIN_SIZE;

		if (n < VMDK_GRAIN_SIZE) {
			memcpy(scratch->last, from, n);
			memset(scratch->last + n, 0, VMDK_GRAIN_SIZE - n);
			grain = scratch->last;
		}
		rc = encode_grain(scratch, off / VMDK_SECTOR, grain, out, err);
		off += n;
		from += n;
		len -= n;
	}
	return rc;
}

static int append(struct stream_writer *w, const void *bytes, size_t len,
		  struct tranship_error *err)
{
	int rc = file_write(w->file, w->next_sector * VMDK_SECTOR, bytes, len, err);

	w->next_sector += len / VMDK_SECTOR;
	return rc;
}

static int append_marker(struct stream_writer *w, uint32_t type, uint64_t sectors,
			 struct tranship_error *err)
{
	unsigned char raw[VMDK_SECTOR];

	vmdk_marker_encode(&(struct vmdk_marker){ .value = sectors, .type = type }, raw);
	return append(w, raw, sizeof(raw), err);
}

/* The table at hand goes behind its grains, its place into the directory. */
static int write_table(struct stream_writer *w, struct tranship_error *err)
{
	size_t need = (size_t)(w->table + 1) * 4, have = w->directory.len;
	int rc;

	if (!w->table_used)
		return 0;
	rc = append_marker(w, VMDK_MARKER_GT, VMDK_GT_SECTORS, err);
	if (rc == 0 && need > have)
		rc = buffer_reserve(&w->directory, need - have, err);
	if (rc)
		return rc;
	memset(w->directory.bytes + have, 0, need - have);
	w->directory.len = need;
	put_le32(w->directory.bytes + need - 4, (uint32_t)w->next_sector);
	rc = append(w, w->entries, sizeof(w->entries), err);
	memset(w->entries, 0, sizeof(w->entries));
	w->table_used = false;
	return rc;
}

/* How many of the stored grains belong to the table of the first, and how many bytes they take. */
static size_t grains_of_table(const unsigned char *stored, size_t stored_len, uint64_t grain,
			      size_t *bytes)
{
	size_t count = 0, at = 0;

	do {
		at += (size_t)round_up(VMDK_GRAIN_MARKER_SIZE + get_le32(stored + at + 8),
				       VMDK_SECTOR);
		count++;
	} while (at < stored_len && (grain + count) % VMDK_GTES_PER_GT != 0);
	*bytes = at;
	return count;
}

static int put_grains(struct stream_writer *w, uint64_t grain, const unsigned char *stored,
		      size_t bytes, size_t count, struct tranship_error *err)
{
	uint64_t sector = w->next_sector;
	size_t at = 0, i;
	int rc;

	/* Room for these grains, their table and its marker, all of which 32-bit sectors must
	 * reach. */
	if (sector + bytes / VMDK_SECTOR + 1 + VMDK_GT_SECTORS > UINT32_MAX)
		return error_set(
			err, TRANSHIP_ELIMIT,
			"vmdk: a stream ends at 2 TiB, its tables cannot name sector %" PRIu64
			"; take a flat subformat, or vhdx",
			sector + bytes / VMDK_SECTOR + 1 + VMDK_GT_SECTORS);
	rc = append(w, stored, bytes, err);
	for (i = 0; i < count; i++) {
		put_le32(w->entries + 4 * ((grain + i) % VMDK_GTES_PER_GT),
			 (uint32_t)(sector + at / VMDK_SECTOR));
		at += (size_t)round_up(VMDK_GRAIN_MARKER_SIZE + get_le32(stored + at + 8),
				       VMDK_SECTOR);
	}
	w->table_used = true;
	return rc;
}

static int stream_put(struct tranship_writer *writer, uint64_t off, uint64_t len,
		      const void *stored, size_t stored_len, struct tranship_error *err)
{
	struct stream_writer *w = stream_of(writer);
	const unsigned char *from = stored;
	uint64_t grain = off / VMDK_GRAIN_SIZE;
	int rc = 0;

	(void)len;
	while (stored_len > 0 && rc == 0) {
		size_t bytes, count = grains_of_table(from, stored_len, grain, &bytes);

		if (grain / VMDK_GTES_PER_GT != w->table) {
			rc = write_table(w, err);
			w->table = grain / VMDK_GTES_PER_GT;
		}
		if (rc == 0)
			rc = put_grains(w, grain, from, bytes, count, err);
		grain += count;
		from += bytes;
		stored_len -= bytes;
	}
	return rc;
}

static int stream_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		       struct tranship_error *err)
{
	(void)w;
	(void)off;
	(void)len;
	(void)err;
	return 0; /* a grain that is not there is zeros */
}

static int write_directory(struct stream_writer *w, struct tranship_error *err)
{
	size_t size = (size_t)vmdk_gd_sectors(&w->header) * VMDK_SECTOR, have = w->directory.len;
	int rc = append_marker(w, VMDK_MARKER_GD, size / VMDK_SECTOR, err);

	if (rc == 0)
		rc = buffer_reserve(&w->directory, size - have, err);
	if (rc)
		return rc;
	if (size > have)
		memset(w->directory.bytes + have, 0, size - have);
	w->header.gd_offset = w->next_sector;
	return append(w, w->directory.bytes, size, err);
}

static int stream_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	struct stream_writer *w = stream_of(writer);
	unsigned char raw[VMDK_HEADER_SIZE];
	int rc = write_table(w, err);

	if (rc == 0)
		rc = write_directory(w, err);
	if (rc == 0)
		rc = append_marker(w, VMDK_MARKER_FOOTER, 1, err);
	vmdk_header_encode(&w->header, raw);
	if (rc == 0)
		rc = append(w, raw, sizeof(raw), err);
	return rc ? rc : append_marker(w, VMDK_MARKER_EOS, 0, err);
}

static uint64_t stream_full_size(const struct tranship_writer *writer)
{
	const struct stream_writer *w = (const struct stream_writer *)writer;
	uint64_t grains = div_up(writer->size, VMDK_GRAIN_SIZE);
	uint64_t grain =
		round_up(VMDK_GRAIN_MARKER_SIZE + deflate_bound(VMDK_GRAIN_SIZE), VMDK_SECTOR);
	uint64_t tables = vmdk_gd_entries(&w->header) * (1 + VMDK_GT_SECTORS) * VMDK_SECTOR;

	return (OVERHEAD_SECTORS + vmdk_gd_sectors(&w->header) + 4) * VMDK_SECTOR + grains * grain +
	       tables;
}

static void stream_writer_close(struct tranship_writer *writer)
{
	buffer_free(&stream_of(writer)->directory);
	free(writer);
}

static const struct writer_ops stream_ops = {
	.encode = stream_encode,
	.scratch_new = stream_scratch_new,
	.scratch_free = stream_scratch_free,
	.put = stream_put,
	.zero = stream_zero,
	.finish = stream_finish,
	.full_size = stream_full_size,
	.close = stream_writer_close,
};

static int begin(struct stream_writer *w, const struct vmdk_new *new, struct tranship_error *err)
{
	struct buffer text = { 0 };
	unsigned char raw[VMDK_HEADER_SIZE];
	int rc = vmdk_embedded_descriptor(new, &text, err);

	vmdk_header_encode(&w->header, raw);
	if (rc == 0)
		rc = file_write(w->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = file_write(w->file, VMDK_SECTOR, text.bytes, text.len, err);
	if (rc == 0)
		rc = file_resize(w->file, OVERHEAD_SECTORS * VMDK_SECTOR, err);
	buffer_free(&text);
	return rc;
}

int vmdk_create_stream(const struct vmdk_new *new, struct tranship_writer **out,
		       struct tranship_error *err)
{
	struct stream_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return error_nomem(err, sizeof(*w));
	writer_init(&w->writer, &stream_ops, new->sectors *VMDK_SECTOR, VMDK_GRAIN_SIZE);
	w->file = output_main(new->output);
	w->level = new->level;
	w->repeats = new->repeats;
	w->next_sector = OVERHEAD_SECTORS;
	w->header = (struct vmdk_header){ .version = 3,
					  .flags = VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_COMPRESSED |
						   VMDK_FLAG_MARKERS |
						   (new->zeroed_grain ? VMDK_FLAG_ZERO_GRAIN : 0),
					  .capacity = new->sectors,
					  .grain_sectors = VMDK_GRAIN_SECTORS,
					  .descriptor_offset = 1,
					  .descriptor_sectors = VMDK_DESCRIPTOR_SECTORS,
					  .gtes_per_gt = VMDK_GTES_PER_GT,
					  .gd_offset = VMDK_GD_AT_END,
					  .overhead = OVERHEAD_SECTORS,
					  .compress = VMDK_COMPRESS_DEFLATE };
	rc = begin(w, new, err);
	if (rc) {
		free(w);
		return rc;
	}
	*out = &w->writer;
	return 0;
}
