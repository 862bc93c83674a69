// SPDX-License-Identifier: Apache-2.0
/*
 * Order of the file: header, descriptor, the directory's copy and its tables, the directory and its
 * tables, grains; with a footer the tables follow their grains and the directory follows all. The
 * bytes are made with zlib and put into place here, so that nothing of the library's writers is
 * needed.
 */
#include "image_vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"

#include <string.h>
#include <zlib.h>

#define DESCRIPTOR_SECTORS 2U

struct build {
	const struct image_vmdk *image;
	const unsigned char *content;
	size_t size;
	struct buffer *out;
	struct vmdk_header header;
	uint64_t rgt, gt; /* sectors of the first tables in front */
};

struct image_vmdk image_vmdk_defaults(void)
{
	return (struct image_vmdk){
		.version = 1,
		.flags = VMDK_FLAG_NEWLINE_TEST,
		.grain_sectors = 8,
		.gtes_per_gt = 4,
		.descriptor = "# Disk DescriptorFile\nversion=1\nCID=12345678\n"
			      "parentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
			      "RW 16 SPARSE \"disk.vmdk\"\n",
	};
}

/* Zeros up to `len`, of which all callers know that it is small. */
static int extend(struct buffer *out, size_t len)
{
	size_t more = len > out->len ? len - out->len : 0;

	if (buffer_reserve(out, more, NULL))
		return -1;
	memset(out->bytes + out->len, 0, more);
	out->len += more;
	return 0;
}

static int pad(struct buffer *out, size_t unit)
{
	return extend(out, (out->len + unit - 1) / unit * unit);
}

static int append_marker(struct build *b, uint32_t type, uint64_t sectors)
{
	unsigned char raw[VMDK_SECTOR];

	vmdk_marker_encode(&(struct vmdk_marker){ .value = sectors, .type = type }, raw);
	return buffer_append(b->out, raw, sizeof(raw), NULL);
}

/* Packs one grain behind its marker. */
static int append_packed(struct build *b, uint64_t index, const unsigned char *grain, size_t len)
{
	bool markers = b->image->flags & VMDK_FLAG_MARKERS;
	unsigned char head[VMDK_GRAIN_MARKER_SIZE];
	unsigned long packed = compressBound(len) + 64;
	size_t head_len = markers ? VMDK_GRAIN_MARKER_SIZE : VMDK_GRAIN_SIZE_ONLY;

	if (buffer_reserve(b->out, head_len + packed, NULL) ||
	    compress2(b->out->bytes + b->out->len + head_len, &packed, grain, len,
		      b->image->stored ? 0 : 6) != Z_OK)
		return -1;
	put_le64(head, index * b->image->grain_sectors);
	put_le32(head + head_len - 4, (uint32_t)packed);
	memcpy(b->out->bytes + b->out->len, head, head_len);
	b->out->len += head_len + packed;
	return 0;
}

/* Appends grain `index`, if it has to be there; *entry is what its table says of it. */
static int append_grain(struct build *b, uint64_t index, uint32_t *entry)
{
	size_t grain_size = (size_t)b->image->grain_sectors * VMDK_SECTOR;
	size_t at = (size_t)index * grain_size, have = min_u64(grain_size, b->size - at);
	struct buffer grain = { 0 };
	int rc = 0;

	*entry = b->image->flags & VMDK_FLAG_ZERO_GRAIN ? VMDK_GTE_ZERO : VMDK_GTE_ABSENT;
	if (bytes_are_zero(b->content + at, have))
		return 0;
	if (pad(b->out, VMDK_SECTOR))
		return -1;
	*entry = (uint32_t)(b->out->len / VMDK_SECTOR);
	if (buffer_append(&grain, b->content + at, have, NULL) || pad(&grain, grain_size))
		rc = -1;
	else if (b->image->flags & VMDK_FLAG_COMPRESSED)
		rc = append_packed(b, index, grain.bytes, b->image->short_last ? have : grain_size);
	else
		rc = buffer_append(b->out, grain.bytes, grain_size, NULL);
	buffer_free(&grain);
	return rc;
}

/* Puts a table's entry, and its copy's, where they stand in front. */
static void set_entry(struct build *b, uint64_t index, uint32_t entry)
{
	uint64_t gt = index / b->header.gtes_per_gt, at = index % b->header.gtes_per_gt;
	uint64_t sector = gt * vmdk_gt_sectors(&b->header);

	put_le32(b->out->bytes + (b->gt + sector) * VMDK_SECTOR + 4 * at, entry);
	if (b->rgt)
		put_le32(b->out->bytes + (b->rgt + sector) * VMDK_SECTOR + 4 * at, entry);
}

/* A directory of tables that follow it. Returns the sector of the first. */
static uint64_t append_directory(struct build *b)
{
	uint64_t tables = vmdk_gd_entries(&b->header), i;
	uint64_t at = b->out->len / VMDK_SECTOR, gt = at + vmdk_gd_sectors(&b->header);
	uint64_t end = gt + tables * vmdk_gt_sectors(&b->header);

	if (extend(b->out, (size_t)end * VMDK_SECTOR))
		return 0;
	for (i = 0; i < tables; i++)
		put_le32(b->out->bytes + at * VMDK_SECTOR + 4 * i,
			 (uint32_t)(gt + i * vmdk_gt_sectors(&b->header)));
	return gt;
}

static int build_with_tables_in_front(struct build *b)
{
	uint64_t grains = div_up(b->header.capacity, b->header.grain_sectors), i;
	uint32_t entry;

	if (b->image->flags & VMDK_FLAG_REDUNDANT_GD) {
		b->header.rgd_offset = b->out->len / VMDK_SECTOR;
		b->rgt = append_directory(b);
	}
	b->header.gd_offset = b->out->len / VMDK_SECTOR;
	b->gt = append_directory(b);
	if (!b->gt || pad(b->out, (size_t)b->header.grain_sectors * VMDK_SECTOR))
		return -1;
	b->header.overhead = b->out->len / VMDK_SECTOR;
	for (i = 0; i < grains; i++) {
		if (append_grain(b, i, &entry))
			return -1;
		set_entry(b, i, entry);
	}
	if (!b->image->unpadded && pad(b->out, VMDK_SECTOR))
		return -1;
	if (b->image->flags & VMDK_FLAG_MARKERS && !b->image->unpadded)
		return append_marker(b, VMDK_MARKER_EOS, 0);
	return 0;
}

/* The grains of one table, then the table. */
static int append_table(struct build *b, uint64_t gt, uint64_t grains, struct buffer *directory)
{
	uint64_t first = gt * b->header.gtes_per_gt, i;
	size_t bytes = (size_t)vmdk_gt_sectors(&b->header) * VMDK_SECTOR;
	struct buffer table = { 0 };
	uint32_t entry = 0;
	int rc = extend(&table, bytes);

	for (i = 0; i < b->header.gtes_per_gt && first + i < grains && rc == 0; i++) {
		rc = append_grain(b, first + i, &entry);
		put_le32(table.bytes + 4 * i, entry);
	}
	if (rc == 0)
		rc = pad(b->out, VMDK_SECTOR);
	if (rc == 0 && b->image->flags & VMDK_FLAG_MARKERS)
		rc = append_marker(b, VMDK_MARKER_GT, bytes / VMDK_SECTOR);
	put_le32(directory->bytes + 4 * gt, (uint32_t)(b->out->len / VMDK_SECTOR));
	if (rc == 0)
		rc = buffer_append(b->out, table.bytes, bytes, NULL);
	buffer_free(&table);
	return rc;
}

static int append_header(struct build *b)
{
	unsigned char raw[VMDK_HEADER_SIZE];

	vmdk_header_encode(&b->header, raw);
	return buffer_append(b->out, raw, sizeof(raw), NULL);
}

static int build_with_footer(struct build *b)
{
	uint64_t grains = div_up(b->header.capacity, b->header.grain_sectors), gt;
	struct buffer directory = { 0 };
	int rc = extend(&directory, (size_t)vmdk_gd_sectors(&b->header) * VMDK_SECTOR);

	if (rc == 0)
		rc = pad(b->out, (size_t)b->header.grain_sectors * VMDK_SECTOR);
	b->header.overhead = b->out->len / VMDK_SECTOR;
	for (gt = 0; gt < vmdk_gd_entries(&b->header) && rc == 0; gt++)
		rc = append_table(b, gt, grains, &directory);
	if (rc == 0)
		rc = append_marker(b, VMDK_MARKER_GD, directory.len / VMDK_SECTOR);
	b->header.gd_offset = b->out->len / VMDK_SECTOR;
	if (rc == 0)
		rc = buffer_append(b->out, directory.bytes, directory.len, NULL);
	if (rc == 0)
		rc = append_marker(b, VMDK_MARKER_FOOTER, 1);
	if (rc == 0)
		rc = append_header(b);
	if (rc == 0)
		rc = append_marker(b, VMDK_MARKER_EOS, 0);
	b->header.gd_offset = VMDK_GD_AT_END;
	buffer_free(&directory);
	return rc;
}

int image_vmdk(const struct image_vmdk *image, const unsigned char *content, size_t size,
	       struct buffer *out)
{
	struct build b = { .image = image, .content = content, .size = size, .out = out };
	unsigned char raw[VMDK_HEADER_SIZE];
	const char *text = image->descriptor;

	b.header = (struct vmdk_header){ .version = image->version,
					 .flags = image->flags,
					 .capacity = size / VMDK_SECTOR,
					 .grain_sectors = image->grain_sectors,
					 .descriptor_offset = text ? 1 : 0,
					 .descriptor_sectors = text ? DESCRIPTOR_SECTORS : 0,
					 .gtes_per_gt = image->gtes_per_gt };
	b.header.compress = image->flags & VMDK_FLAG_COMPRESSED ? VMDK_COMPRESS_DEFLATE : 0;
	if (extend(out, VMDK_HEADER_SIZE) ||
	    (text && (strlen(text) > DESCRIPTOR_SECTORS * VMDK_SECTOR ||
		      buffer_append(out, text, strlen(text), NULL) ||
		      extend(out, (1 + DESCRIPTOR_SECTORS) * VMDK_SECTOR))))
		return -1;
	if (image->footer ? build_with_footer(&b) : build_with_tables_in_front(&b))
		return -1;
	vmdk_header_encode(&b.header, raw);
	memcpy(out->bytes, raw, sizeof(raw));
	return 0;
}
