// SPDX-License-Identifier: Apache-2.0
/*
 * monolithicSparse and twoGbMaxExtentSparse (VMware, "Virtual Disk Format 5.0", "Hosted Sparse
 * Extents").
 *
 * All tables stand in front, twice, as VMware writes them: descriptor, redundant directory and
 * tables, directory and tables, grains. Grains are appended in the order of the disk, so one grain
 * table at a time is open; tables without a grain are never written and stay holes of the file.
 *
 * Over a base the disk is a delta link: what is skipped has no entry. Zeros hide what the base has
 * by entry 1, or, where the header may not allow that, by a grain of zeros.
 */
#include "vmdk/vmdk_write.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where the parts of one sparse file stand, in sectors. */
struct layout {
	uint64_t capacity;
	uint64_t tables;
	uint64_t gd_sectors;
	uint64_t rgd, rgt, gd, gt;
	uint64_t overhead; /* grains begin here */
};

/* One sparse file being written. */
struct sparse_file {
	struct tranship_file *file;
	struct layout layout;
	uint64_t next_sector; /* where the next grain goes */
	uint64_t table;       /* the number of the table at hand */
	bool table_used;
	unsigned char entries[VMDK_GT_BYTES];
};

struct sparse_writer {
	struct tranship_writer writer;
	struct vmdk_split split; /* of a monolithic disk only `new` is used */
	bool is_split;
	struct sparse_file at;
	uint64_t start, len; /* of the file at hand, in bytes of the disk */
	bool open;
};

static const unsigned char zeros[VMDK_GRAIN_SIZE];

static struct sparse_writer *sparse_of(struct tranship_writer *w)
{
	return (struct sparse_writer *)w;
}

static struct layout make_layout(uint64_t capacity, uint64_t descriptor_sectors)
{
	struct layout l = { .capacity = capacity };

	l.tables = div_up(capacity, VMDK_GRAIN_SECTORS * VMDK_GTES_PER_GT);
	l.gd_sectors = div_up(l.tables * 4, VMDK_SECTOR);
	l.rgd = 1 + descriptor_sectors;
	l.rgt = l.rgd + l.gd_sectors;
	l.gd = l.rgt + l.tables * VMDK_GT_SECTORS;
	l.gt = l.gd + l.gd_sectors;
	l.overhead = round_up(l.gt + l.tables * VMDK_GT_SECTORS, VMDK_GRAIN_SECTORS);
	return l;
}

/* A directory whose tables follow each other from sector `first` on. */
static int write_directory(struct tranship_file *file, uint64_t at, uint64_t first, uint64_t tables,
			   struct tranship_error *err)
{
	unsigned char raw[4096];
	uint64_t i = 0;

	while (i < tables) {
		size_t n;
		int rc;

		for (n = 0; n < sizeof(raw) / 4 && i + n < tables; n++)
			put_le32(raw + 4 * n, (uint32_t)(first + (i + n) * VMDK_GT_SECTORS));
		rc = file_write(file, at * VMDK_SECTOR + 4 * i, raw, 4 * n, err);
		if (rc)
			return rc;
		i += n;
	}
	return 0;
}

static int file_begin(struct sparse_file *f, struct tranship_file *file, uint64_t capacity,
		      uint64_t descriptor_sectors, struct tranship_error *err)
{
	struct layout *l = &f->layout;
	int rc;

	*f = (struct sparse_file){ .file = file,
				   .layout = make_layout(capacity, descriptor_sectors) };
	f->next_sector = l->overhead;
	rc = write_directory(file, l->rgd, l->rgt, l->tables, err);
	return rc ? rc : write_directory(file, l->gd, l->gt, l->tables, err);
}

/* Both copies of the table at hand. */
static int write_table(struct sparse_file *f, struct tranship_error *err)
{
	uint64_t at = f->table * VMDK_GT_SECTORS;
	int rc;

	if (!f->table_used)
		return 0;
	rc = file_write(f->file, (f->layout.rgt + at) * VMDK_SECTOR, f->entries, sizeof(f->entries),
			err);
	if (rc == 0)
		rc = file_write(f->file, (f->layout.gt + at) * VMDK_SECTOR, f->entries,
				sizeof(f->entries), err);
	memset(f->entries, 0, sizeof(f->entries));
	f->table_used = false;
	return rc;
}

/* Sets the entry of a grain; ascending only. */
static int set_entry(struct sparse_file *f, uint64_t grain, uint32_t entry,
		     struct tranship_error *err)
{
	int rc = 0;

	if (grain / VMDK_GTES_PER_GT != f->table) {
		rc = write_table(f, err);
		f->table = grain / VMDK_GTES_PER_GT;
	}
	put_le32(f->entries + 4 * (grain % VMDK_GTES_PER_GT), entry);
	f->table_used = true;
	return rc;
}

/* The grains of [off, off + len) are zeros, whatever a base has there. */
static int file_zero_grains(struct sparse_file *f, uint64_t off, uint64_t len,
			    struct tranship_error *err)
{
	uint64_t grain = off / VMDK_GRAIN_SIZE, end = div_up(off + len, VMDK_GRAIN_SIZE);
	int rc = 0;

	for (; grain < end && rc == 0; grain++)
		rc = set_entry(f, grain, VMDK_GTE_ZERO, err);
	return rc;
}

/* Appends the grains of [off, off + len); offsets are the file's own. */
static int file_put(struct sparse_file *f, uint64_t off, const unsigned char *data, size_t len,
		    struct tranship_error *err)
{
	uint64_t grain = off / VMDK_GRAIN_SIZE, count = div_up(len, VMDK_GRAIN_SIZE), i;
	uint32_t end;
	int rc;

	if (!narrow32_ok(f->next_sector + count * VMDK_GRAIN_SECTORS, &end))
		return error_set(
			err, TRANSHIP_ELIMIT,
			"vmdk: a sparse file ends at 2 TiB, its tables cannot name sector %" PRIu64
			"; take a flat subformat, or vhdx",
			f->next_sector + count * VMDK_GRAIN_SECTORS);
	rc = file_write(f->file, f->next_sector * VMDK_SECTOR, data, len, err);
	for (i = 0; i < count && rc == 0; i++)
		rc = set_entry(f, grain + i, (uint32_t)(f->next_sector + i * VMDK_GRAIN_SECTORS),
			       err);
	f->next_sector = end;
	return rc;
}

static int file_finish(struct sparse_file *f, const struct vmdk_new *new,
		       const struct buffer *descriptor, struct tranship_error *err)
{
	unsigned char raw[VMDK_HEADER_SIZE];
	struct vmdk_header h = { .version = new->zeroed_grain ? 2 : 1,
				 .flags = VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_REDUNDANT_GD |
					  (new->zeroed_grain ? VMDK_FLAG_ZERO_GRAIN : 0),
				 .capacity = f->layout.capacity,
				 .grain_sectors = VMDK_GRAIN_SECTORS,
				 .descriptor_offset = descriptor ? 1 : 0,
				 .descriptor_sectors = descriptor ? VMDK_DESCRIPTOR_SECTORS : 0,
				 .gtes_per_gt = VMDK_GTES_PER_GT,
				 .rgd_offset = f->layout.rgd,
				 .gd_offset = f->layout.gd,
				 .overhead = f->layout.overhead };
	int rc = write_table(f, err);

	vmdk_header_encode(&h, raw);
	if (rc == 0)
		rc = file_resize(f->file, f->next_sector * VMDK_SECTOR, err);
	if (rc == 0 && descriptor)
		rc = file_write(f->file, VMDK_SECTOR, descriptor->bytes, descriptor->len, err);
	return rc ? rc : file_write(f->file, 0, raw, sizeof(raw), err);
}

/* Ends the extent at hand of a split disk. */
static int end_extent(struct sparse_writer *w, struct tranship_error *err)
{
	int rc = file_finish(&w->at, &w->split.new, NULL, err);

	w->open = false;
	return rc ? rc : output_extra_done(w->split.new.output, err);
}

/* Ends the extent at hand, if there is one, and begins the next. */
static int next_extent(struct sparse_writer *w, struct tranship_error *err)
{
	struct tranship_file *file;
	uint64_t sectors;
	int rc = w->open ? end_extent(w, err) : 0;

	if (rc)
		return rc;
	w->start += w->len;
	rc = vmdk_split_next(&w->split, &file, &sectors, err);
	if (rc == 0)
		rc = file_begin(&w->at, file, sectors, 0, err);
	if (rc)
		return rc;
	w->open = true;
	w->len = sectors * VMDK_SECTOR;
	return 0;
}

/* Makes the file that holds off the one at hand; ascending only. */
static int reach(struct sparse_writer *w, uint64_t off, struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && (!w->open || off >= w->start + w->len))
		rc = next_extent(w, err);
	return rc;
}

static int sparse_put(struct tranship_writer *writer, uint64_t off, uint64_t len,
		      const void *stored, size_t stored_len, struct tranship_error *err)
{
	struct sparse_writer *w = sparse_of(writer);
	const unsigned char *from = stored;

	(void)len;
	while (stored_len > 0) {
		int rc = reach(w, off, err);
		size_t n;

		if (rc)
			return rc;
		n = (size_t)min_u64(stored_len, w->start + w->len - off);
		rc = file_put(&w->at, off - w->start, from, n, err);
		if (rc)
			return rc;
		off += n;
		from += n;
		stored_len -= n;
	}
	return 0;
}

/* What has no grain: zeros, or what a base has. */
static int sparse_leave(struct tranship_writer *writer, uint64_t off, uint64_t len,
			struct tranship_error *err)
{
	return reach(sparse_of(writer), off + len - 1, err);
}

/* Zeros over a base. */
static int child_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	struct sparse_writer *w = sparse_of(writer);
	int rc = 0;

	while (len > 0 && rc == 0) {
		uint64_t n = len;

		rc = reach(w, off, err);
		if (rc)
			break;
		n = min_u64(n, w->start + w->len - off);
		if (w->split.new.zeroed_grain) {
			rc = file_zero_grains(&w->at, off - w->start, n, err);
		} else {
			n = min_u64(n, sizeof(zeros));
			rc = file_put(&w->at, off - w->start, zeros, (size_t)n, err);
		}
		off += n;
		len -= n;
	}
	return rc;
}

static int sparse_finish(struct tranship_writer *writer, struct tranship_error *err)
{
	struct sparse_writer *w = sparse_of(writer);
	struct buffer text = { 0 };
	int rc = 0;

	if (!w->is_split) {
		rc = vmdk_embedded_descriptor(&w->split.new, &text, err);
		if (rc == 0)
			rc = file_finish(&w->at, &w->split.new, &text, err);
		buffer_free(&text);
		return rc;
	}
	if (!w->open) /* a disk of no bytes has a file, too */
		rc = next_extent(w, err);
	if (rc == 0)
		rc = end_extent(w, err);
	return rc ? rc : vmdk_split_finish(&w->split, err);
}

static uint64_t sparse_full_size(const struct tranship_writer *writer)
{
	const struct sparse_writer *w = (const struct sparse_writer *)writer;
	uint64_t sectors = writer->size / VMDK_SECTOR, total = 0;

	if (!w->is_split)
		return make_layout(sectors, VMDK_DESCRIPTOR_SECTORS).overhead * VMDK_SECTOR +
		       round_up(writer->size, VMDK_GRAIN_SIZE);
	for (; sectors > 0; sectors -= min_u64(sectors, VMDK_SPLIT_SECTORS)) {
		uint64_t n = min_u64(sectors, VMDK_SPLIT_SECTORS);

		total += make_layout(n, 0).overhead * VMDK_SECTOR +
			 round_up(n * VMDK_SECTOR, VMDK_GRAIN_SIZE) + 64;
	}
	return total + 1024;
}

static void sparse_close(struct tranship_writer *writer)
{
	buffer_free(&sparse_of(writer)->split.lines);
	free(writer);
}

static const struct writer_ops sparse_ops = {
	.put = sparse_put,
	.zero = sparse_leave,
	.finish = sparse_finish,
	.full_size = sparse_full_size,
	.close = sparse_close,
};

static const struct writer_ops child_ops = {
	.put = sparse_put,
	.zero = child_zero,
	.skip = sparse_leave,
	.finish = sparse_finish,
	.full_size = sparse_full_size,
	.close = sparse_close,
};

int vmdk_create_sparse(const struct vmdk_new *new, bool split, struct tranship_writer **out,
		       struct tranship_error *err)
{
	struct sparse_writer *w;
	int rc = split ? vmdk_split_check(new, err) : 0;

	if (rc)
		return rc;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, sizeof(*w));
	writer_init(&w->writer, new->descriptor.parent ? &child_ops : &sparse_ops,
		    new->sectors *VMDK_SECTOR, VMDK_GRAIN_SIZE);
	w->writer.has_base = new->descriptor.parent;
	w->split = (struct vmdk_split){
		.new = *new, .type = "SPARSE", .letter = 's', .extent_sectors = VMDK_SPLIT_SECTORS
	};
	w->is_split = split;
	if (!split) {
		rc = file_begin(&w->at, output_main(new->output), new->sectors,
				VMDK_DESCRIPTOR_SECTORS, err);
		w->open = true;
		w->len = UINT64_MAX;
	}
	if (rc) {
		free(w);
		return rc;
	}
	*out = &w->writer;
	return 0;
}
