// SPDX-License-Identifier: Apache-2.0
/* A volume with a file of each kind. */
#include "image_ntfs.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT = 16, ROOT = 5, RESIDENT_SIZE = 100, TAIL = 5000, CHUNK = 4096 };

static const char *const paths[IMAGE_RECORDS] = {
	[IMAGE_RESIDENT] = "alpha.txt",  [IMAGE_PLAIN] = "Bravo",
	[IMAGE_PIECES] = "charlie",      [IMAGE_PACKED] = "Delta",
	[IMAGE_LISTED] = "echo",         [IMAGE_FAR_LIST] = "Far",
	[IMAGE_FOLDER] = "golf",         [IMAGE_WOF] = "hotel",
	[IMAGE_ENCRYPTED] = "India",     [IMAGE_JUNCTION] = "juliet",
	[IMAGE_IN_FOLDER] = "golf/kilo",
};

const char *image_ntfs_path(unsigned record)
{
	return paths[record];
}

static uint64_t reference(unsigned number)
{
	return (uint64_t)number << 48 | number; /* each one's sequence number is its number */
}

static size_t size_of(const struct image_ntfs *image, unsigned record)
{
	size_t c = image->cluster_size;

	switch (record) {
	case IMAGE_RESIDENT:
	case IMAGE_IN_FOLDER: return RESIDENT_SIZE;
	case IMAGE_PLAIN: return 4 * c - 10;
	case IMAGE_PIECES: return 8 * c + 5;
	case IMAGE_PACKED: return c <= 4096 ? 3 * UNIT * c + TAIL : 0;
	case IMAGE_LISTED: return 6 * c - 1;
	case IMAGE_FAR_LIST: return 3 * c;
	default: return 0;
	}
}

unsigned char *image_ntfs_content(const struct image_ntfs *image, unsigned record, size_t *size)
{
	size_t c = image->cluster_size, i;
	unsigned char *bytes;
	uint32_t x = record;

	*size = size_of(image, record);
	if (*size == 0)
		return NULL;
	bytes = malloc(*size);
	for (i = 0; bytes && i < *size; i++) {
		size_t unit = i / (UNIT * c);

		x = x * 1103515245 + 12345;
		bytes[i] = (unsigned char)(x >> 16);
		if (record == IMAGE_PACKED && unit != 1)
			bytes[i] = unit == 2 ? 0 : (unsigned char)"tranship "[i % 9 * (i % 5 > 0)];
		if (record == IMAGE_PIECES && i / c >= 4 && i / c < 7)
			bytes[i] = 0;
		if (record == IMAGE_PLAIN && i >= 3 * c - 7)
			bytes[i] = 0;
	}
	if (!bytes)
		abort();
	return bytes;
}

/* Puts a part of a record's content into clusters. */
static void put_content(const struct image_ntfs *image, unsigned record, uint64_t vcn, uint64_t lcn,
			uint64_t count)
{
	size_t size, off = (size_t)vcn * image->cluster_size,
		     len = (size_t)count * image->cluster_size;
	unsigned char *bytes = image_ntfs_content(image, record, &size);

	len = len < size - off ? len : size - off;
	memcpy(image_ntfs_cluster(image, lcn), bytes + off, len);
	free(bytes);
}

static void put_resident(struct image_ntfs *image, unsigned record)
{
	size_t size;
	unsigned char *bytes = image_ntfs_content(image, record, &size);

	image_ntfs_begin(image, record, record, 1, 0);
	image_ntfs_resident(image, record, 0x80, "", bytes, size);
	free(bytes);
}

static void put_plain(struct image_ntfs *image)
{
	uint64_t lcn = image_ntfs_take(image, 4);
	struct image_runs runs = { .size = size_of(image, IMAGE_PLAIN),
				   .initialised = 3 * (uint64_t)image->cluster_size - 7,
				   .at = { { lcn, 4 } } };

	put_content(image, IMAGE_PLAIN, 0, lcn, 4);
	memset(image_ntfs_cluster(image, lcn) + runs.initialised, 0xEE, image->cluster_size);
	image_ntfs_begin(image, IMAGE_PLAIN, IMAGE_PLAIN, 1, 0);
	image_ntfs_runs(image, IMAGE_PLAIN, 0x80, "", &runs);
}

static void put_pieces(struct image_ntfs *image)
{
	uint64_t lcn = image_ntfs_take(image, 8);
	struct image_runs runs = { .size = size_of(image, IMAGE_PIECES),
				   .flags = 0x8000,
				   .at = { { lcn + 3, 2 }, { lcn, 2 }, { 0, 3 }, { lcn + 6, 2 } } };

	runs.initialised = runs.size;
	put_content(image, IMAGE_PIECES, 0, lcn + 3, 2);
	put_content(image, IMAGE_PIECES, 2, lcn, 2);
	put_content(image, IMAGE_PIECES, 7, lcn + 6, 2);
	image_ntfs_begin(image, IMAGE_PIECES, IMAGE_PIECES, 1, 0);
	image_ntfs_runs(image, IMAGE_PIECES, 0x80, "", &runs);
}

/* A unit of the packed file, which takes as many clusters as it needs. */
static struct image_run put_unit(struct image_ntfs *image, const unsigned char *bytes, size_t len)
{
	unsigned char *packed = malloc(2 * UNIT * (size_t)image->cluster_size);
	struct image_run run;
	size_t made;

	if (!packed)
		abort();
	made = image_lznt1_pack(bytes, len, packed);
	run.count = (made + image->cluster_size - 1) / image->cluster_size;
	run.lcn = image_ntfs_take(image, run.count);
	memcpy(image_ntfs_cluster(image, run.lcn), packed, made);
	free(packed);
	return run;
}

static void put_packed(struct image_ntfs *image)
{
	struct image_runs runs = { .flags = 1 };
	size_t size, unit = UNIT * (size_t)image->cluster_size;
	unsigned char *bytes = image_ntfs_content(image, IMAGE_PACKED, &size);
	uint64_t lcn;

	image_ntfs_begin(image, IMAGE_PACKED, IMAGE_PACKED, 1, 0);
	if (bytes) {
		runs.size = runs.initialised = size;
		runs.at[0] = put_unit(image, bytes, unit);
		runs.at[1] = (struct image_run){ 0, UNIT - runs.at[0].count };
		lcn = image_ntfs_take(image, UNIT);
		put_content(image, IMAGE_PACKED, UNIT, lcn, UNIT);
		runs.at[2] = (struct image_run){ lcn, UNIT };
		runs.at[3] = (struct image_run){ 0, UNIT };
		runs.at[4] = put_unit(image, bytes + 3 * unit, TAIL);
		runs.at[5] = (struct image_run){ 0, UNIT - runs.at[4].count };
	} else {
		runs.size = 1;
		runs.at[0] = (struct image_run){ 0, UNIT };
	}
	image_ntfs_runs(image, IMAGE_PACKED, 0x80, "", &runs);
	free(bytes);
}

/* An entry of an attribute list, for unnamed data. */
static void put_list_entry(unsigned char *raw, uint64_t vcn, unsigned record)
{
	put_le32(raw, 0x80);
	put_le16(raw + 4, 32);
	raw[7] = 26;
	put_le64(raw + 8, vcn);
	put_le64(raw + 16, reference(record));
}

static void put_extent(struct image_ntfs *image, unsigned record, unsigned base, uint64_t vcn,
		       uint64_t count)
{
	uint64_t lcn = image_ntfs_take(image, count);
	struct image_runs runs = { .lowest_vcn = vcn, .at = { { lcn, count } } };

	runs.size = runs.initialised = size_of(image, base);
	put_content(image, base, vcn, lcn, count);
	image_ntfs_runs(image, record, 0x80, "", &runs);
}

static void put_listed(struct image_ntfs *image)
{
	unsigned char list[64] = { 0 };
	struct image_runs far = { .size = sizeof(list), .initialised = sizeof(list) };

	put_list_entry(list, 0, IMAGE_EXTENT);
	put_list_entry(list + 32, 2, IMAGE_EXTENT2);
	image_ntfs_begin(image, IMAGE_LISTED, IMAGE_LISTED, 1, 0);
	image_ntfs_resident(image, IMAGE_LISTED, 0x20, "", list, sizeof(list));
	image_ntfs_begin(image, IMAGE_EXTENT, IMAGE_EXTENT, 1, reference(IMAGE_LISTED));
	put_extent(image, IMAGE_EXTENT, IMAGE_LISTED, 0, 2);
	image_ntfs_begin(image, IMAGE_EXTENT2, IMAGE_EXTENT2, 1, reference(IMAGE_LISTED));
	put_extent(image, IMAGE_EXTENT2, IMAGE_LISTED, 2, 4);

	/* The first extent stands in the base record; it is that record's second attribute. */
	put_list_entry(list, 0, IMAGE_FAR_LIST);
	put_le16(list + 24, 1);
	put_list_entry(list + 32, 2, IMAGE_FAR_EXTENT);
	far.at[0] = (struct image_run){ image_ntfs_take(image, 1), 1 };
	memcpy(image_ntfs_cluster(image, far.at[0].lcn), list, sizeof(list));
	image_ntfs_begin(image, IMAGE_FAR_LIST, IMAGE_FAR_LIST, 1, 0);
	image_ntfs_runs(image, IMAGE_FAR_LIST, 0x20, "", &far);
	put_extent(image, IMAGE_FAR_LIST, IMAGE_FAR_LIST, 0, 2);
	image_ntfs_begin(image, IMAGE_FAR_EXTENT, IMAGE_FAR_EXTENT, 1, reference(IMAGE_FAR_LIST));
	put_extent(image, IMAGE_FAR_EXTENT, IMAGE_FAR_LIST, 2, 1);
}

static void put_refused(struct image_ntfs *image)
{
	unsigned char wof[24] = { 0x17, 0, 0, 0x80, 16 }, junction[16] = { 3, 0, 0, 0xA0, 8 };
	struct image_runs runs = { .size = 1, .flags = 0x4000 };

	runs.at[0] = (struct image_run){ image_ntfs_take(image, 1), 1 };
	image_ntfs_begin(image, IMAGE_ENCRYPTED, IMAGE_ENCRYPTED, 1, 0);
	image_ntfs_runs(image, IMAGE_ENCRYPTED, 0x80, "", &runs);
	runs = (struct image_runs){ .size = 1, .flags = 0x8000, .at = { { 0, 1 } } };
	image_ntfs_begin(image, IMAGE_WOF, IMAGE_WOF, 1, 0);
	image_ntfs_runs(image, IMAGE_WOF, 0x80, "", &runs);
	image_ntfs_resident(image, IMAGE_WOF, 0x80, "WofCompressedData", "x", 1);
	image_ntfs_resident(image, IMAGE_WOF, 0xC0, "", wof, sizeof(wof));
	image_ntfs_begin(image, IMAGE_JUNCTION, IMAGE_JUNCTION, 3, 0);
	image_ntfs_resident(image, IMAGE_JUNCTION, 0xC0, "", junction, sizeof(junction));
	image_ntfs_begin(image, IMAGE_UNUSED, IMAGE_UNUSED, 0, 0);
}

/* Entries of an index: a name for a record, and the child before it. child -1: none. */
struct entry {
	const char *name; /* NULL: the last one */
	unsigned record;
	int child;
	bool dos;
};

static size_t put_entry(const struct image_ntfs *image, const struct entry *e, unsigned char *out)
{
	unsigned per_block = image->block_size < image->cluster_size
				     ? image->block_size / 512
				     : image->block_size / image->cluster_size;
	size_t key = e->name ? 66 + 2 * strlen(e->name) : 0, len = (16 + key + 7) / 8 * 8, i;

	memset(out, 0, len + 8);
	if (e->child >= 0) {
		put_le64(out + len, (uint64_t)e->child * per_block);
		len += 8;
	}
	put_le16(out + 8, (uint16_t)len);
	put_le16(out + 10, (uint16_t)key);
	out[12] = (unsigned char)((e->child >= 0) | (e->name ? 0 : 2));
	if (!e->name)
		return len;
	put_le64(out, reference(e->record));
	if (e->record == IMAGE_FOLDER || e->record == IMAGE_JUNCTION || e->record == ROOT)
		put_le32(out + 16 + 0x38, 0x10000000);
	out[16 + 0x40] = (unsigned char)strlen(e->name);
	out[16 + 0x41] = e->dos ? 2 : 1;
	for (i = 0; e->name[i]; i++)
		put_le16(out + 16 + 0x42 + 2 * i, (unsigned char)e->name[i]);
	return len;
}

/* A node: its header and its entries, up to the last one. Returns its length. */
static size_t put_node(const struct image_ntfs *image, const struct entry *e, size_t off,
		       unsigned char *header)
{
	size_t at = off;

	do
		at += put_entry(image, e, header + at);
	while ((e++)->name);
	put_le32(header, (uint32_t)off);
	put_le32(header + 4, (uint32_t)at);
	put_le32(header + 8, (uint32_t)at);
	header[12] = (unsigned char)(e[-1].child >= 0);
	return at;
}

static void put_folder(struct image_ntfs *image, unsigned record, const struct entry *root,
		       const struct entry *const blocks[3])
{
	uint64_t size = 3 * (uint64_t)image->block_size,
		 count = (size + image->cluster_size - 1) / image->cluster_size,
		 lcn = image_ntfs_take(image, count);
	struct image_runs runs = { .size = size, .initialised = size, .at = { { lcn, count } } };
	unsigned strides = image->block_size / 512, i;
	unsigned char value[1024] = { 0x30, [4] = 1 };

	put_le32(value + 8, image->block_size);
	image_ntfs_begin(image, record, record, 3, 0);
	image_ntfs_resident(image, record, 0x90, "$I30", value,
			    16 + put_node(image, root, 16, value + 16));
	image_ntfs_runs(image, record, 0xA0, "$I30", &runs);
	image_ntfs_resident(image, record, 0xB0, "$I30", "\x07\0\0\0\0\0\0", 8);
	for (i = 0; i < 3; i++) {
		unsigned char *raw = image_ntfs_cluster(image, lcn) + (size_t)i * image->block_size;
		size_t off = (40 + 2 * ((size_t)strides + 1) + 7) / 8 * 8;
		struct entry child = { NULL, 0, (int)i, false };
		unsigned char vcn[32];

		memcpy(raw, "INDX", 4);
		put_le16(raw + 4, 40);
		put_le16(raw + 6, (uint16_t)(strides + 1));
		put_entry(image, &child, vcn);
		memcpy(raw + 16, vcn + 16, 8);
		put_node(image, blocks[i], off - 24, raw + 24);
		put_le32(raw + 24 + 8, image->block_size - 24);
		put_le16(raw + 40, 0x0405);
	}
}

unsigned char *image_ntfs_block(const struct image_ntfs *image, unsigned folder, unsigned index)
{
	const unsigned char *a = image_ntfs_attribute(image, folder, 0xA0);
	unsigned n = a[get_le16(a + 32)] & 15, m = a[get_le16(a + 32)] >> 4;
	uint64_t lcn = 0;

	while (m > 0)
		lcn = lcn << 8 | a[get_le16(a + 32) + n + m--];
	return image_ntfs_cluster(image, lcn) + (size_t)index * image->block_size;
}

static void put_folders(struct image_ntfs *image)
{
	static const struct entry last = { NULL, 0, -1, false };
	const struct entry root[] = { { "echo", IMAGE_LISTED, 0, false }, { NULL, 0, 2, false } };
	const struct entry less[] = { { ".", ROOT, -1, false },
				      { "alpha.txt", IMAGE_RESIDENT, -1, false },
				      { "Bravo", IMAGE_PLAIN, -1, false },
				      { "charlie", IMAGE_PIECES, -1, false },
				      { "Delta", IMAGE_PACKED, -1, false },
				      last };
	const struct entry more[] = {
		{ "Far", IMAGE_FAR_LIST, -1, false },    { "golf", IMAGE_FOLDER, -1, false },
		{ "hotel", IMAGE_WOF, -1, false },       { "India", IMAGE_ENCRYPTED, -1, false },
		{ "juliet", IMAGE_JUNCTION, -1, false }, last
	};
	const struct entry *const blocks[] = { less, &last, more };
	const struct entry top[] = { { NULL, 0, 1, false } };
	const struct entry middle[] = { { "mike", IMAGE_IN_FOLDER, 0, false },
					{ NULL, 0, 2, false } };
	const struct entry left[] = { { "kilo", IMAGE_IN_FOLDER, -1, false },
				      { "KILO~1", IMAGE_IN_FOLDER, -1, true },
				      last };
	const struct entry right[] = { { "z\xFClu", IMAGE_IN_FOLDER, -1, false }, last };
	const struct entry *const deep[] = { left, middle, right };

	put_folder(image, ROOT, root, blocks);
	put_folder(image, IMAGE_FOLDER, top, deep);
}

void image_ntfs_scene(struct image_ntfs *image)
{
	image_ntfs_frame(image);
	put_resident(image, IMAGE_RESIDENT);
	put_resident(image, IMAGE_IN_FOLDER);
	put_plain(image);
	put_pieces(image);
	put_packed(image);
	put_listed(image);
	put_refused(image);
	put_folders(image);
}

/* The longest copy for what is at `at`, from the nearest place. */
static size_t longest(const unsigned char *in, size_t len, size_t at, size_t most, size_t *back)
{
	size_t best = 0, from, n;

	for (from = at; from-- > 0 && at - from <= 64;) {
		for (n = 0; n < most && at + n < len && in[from + n] == in[at + n]; n++)
			;
		if (n > best) {
			best = n;
			*back = at - from;
		}
	}
	return best;
}

static size_t pack_chunk(const unsigned char *in, size_t len, unsigned char *out)
{
	size_t at = 0, made = 2, flags = 0, items, back = 0;

	for (items = 0; at < len; items++) {
		unsigned bits = 4;
		size_t n;

		if (items % 8 == 0) {
			flags = made++;
			out[flags] = 0;
		}
		while ((1UL << bits) < at)
			bits++;
		n = longest(in, len, at, (1UL << (16 - bits)) + 2, &back);
		if (n >= 3) {
			out[flags] |= (unsigned char)(1 << items % 8);
			put_le16(out + made, (uint16_t)((back - 1) << (16 - bits) | (n - 3)));
			made += 2;
			at += n;
		} else {
			out[made++] = in[at++];
		}
	}
	put_le16(out, (uint16_t)(0xB000 | (made - 3)));
	return made;
}

size_t image_lznt1_pack(const unsigned char *in, size_t len, unsigned char *out)
{
	unsigned char chunk[2 * CHUNK];
	size_t at, made = 0, got, size;

	for (at = 0; at < len; at += size) {
		size = len - at < CHUNK ? len - at : CHUNK;
		got = pack_chunk(in + at, size, chunk);
		if (got > size + 2) { /* stored */
			put_le16(chunk, (uint16_t)(0x3000 | (size - 1)));
			memcpy(chunk + 2, in + at, size);
			got = size + 2;
		}
		memcpy(out + made, chunk, got);
		made += got;
	}
	return made;
}
