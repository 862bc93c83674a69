// SPDX-License-Identifier: Apache-2.0
/* The frame of a volume, its records and their attributes. */
#include "image_ntfs.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { UPCASE = 128 << 10, MFT_OFF = 4096 };

static uint32_t up8(size_t v)
{
	return (uint32_t)((v + 7) / 8 * 8);
}

static uint64_t clusters_of(const struct image_ntfs *image, uint64_t bytes)
{
	return (bytes + image->cluster_size - 1) / image->cluster_size;
}

unsigned char *image_ntfs_cluster(const struct image_ntfs *image, uint64_t lcn)
{
	return image->bytes + lcn * image->cluster_size;
}

uint64_t image_ntfs_take(struct image_ntfs *image, uint64_t count)
{
	uint64_t lcn = image->next_lcn;

	image->next_lcn += count;
	if (image->next_lcn * image->cluster_size > image->front)
		abort();
	return lcn;
}

unsigned char *image_ntfs_record(const struct image_ntfs *image, unsigned number)
{
	return image_ntfs_cluster(image, image->mft_lcn) + (size_t)number * image->record_size;
}

void image_ntfs_begin(const struct image_ntfs *image, unsigned number, unsigned sequence,
		      unsigned flags, uint64_t base)
{
	unsigned char *raw = image_ntfs_record(image, number);
	unsigned strides = image->record_size / 512, attributes = up8(48 + 2 * (strides + 1));

	memset(raw, 0, image->record_size);
	memcpy(raw, "FILE", 4);
	put_le16(raw + 4, 48);
	put_le16(raw + 6, (uint16_t)(strides + 1));
	put_le16(raw + 16, (uint16_t)sequence);
	put_le16(raw + 18, 1);
	put_le16(raw + 20, (uint16_t)attributes);
	put_le16(raw + 22, (uint16_t)flags);
	put_le32(raw + 24, attributes + 8);
	put_le32(raw + 28, image->record_size);
	put_le64(raw + 32, base);
	put_le32(raw + 44, number);
	put_le16(raw + 48, 0x0203); /* the update sequence number */
	put_le32(raw + attributes, 0xFFFFFFFF);
}

/* Makes room for an attribute of len bytes at the end, and begins it. */
static unsigned char *append(const struct image_ntfs *image, unsigned number, uint32_t type,
			     const char *name, uint32_t len, unsigned name_off)
{
	unsigned char *raw = image_ntfs_record(image, number), *a;
	uint32_t used = get_le32(raw + 24);
	size_t i;

	if (used + len > image->record_size)
		abort();
	a = raw + used - 8;
	memset(a, 0, len);
	put_le32(a, type);
	put_le32(a + 4, len);
	a[9] = (unsigned char)strlen(name);
	put_le16(a + 10, (uint16_t)name_off);
	put_le16(a + 14, get_le16(raw + 40));
	put_le16(raw + 40, (uint16_t)(get_le16(raw + 40) + 1));
	for (i = 0; name[i]; i++)
		put_le16(a + name_off + 2 * i, (unsigned char)name[i]);
	put_le32(a + len, 0xFFFFFFFF);
	put_le32(raw + 24, used + len);
	return a;
}

unsigned char *image_ntfs_resident(const struct image_ntfs *image, unsigned number, uint32_t type,
				   const char *name, const void *value, size_t len)
{
	uint32_t off = up8(24 + 2 * strlen(name));
	unsigned char *a = append(image, number, type, name, up8(off + len), 24);

	put_le32(a + 16, (uint32_t)len);
	put_le16(a + 20, (uint16_t)off);
	memcpy(a + off, value, len);
	return a;
}

/* Mapping pairs, in as few bytes as they take. Returns how many. */
static size_t encode_runs(const struct image_run *run, unsigned char *out, uint64_t *clusters)
{
	int64_t previous = 0;
	size_t at = 0;

	for (*clusters = 0; run->count > 0; *clusters += run->count, run++) {
		int64_t delta = run->lcn ? (int64_t)run->lcn - previous : 0, rest;
		unsigned char *head = out + at++;
		unsigned n = 0, m = 0;

		/* One byte more than a value takes, so that no sign is in the way. */
		for (rest = (int64_t)run->count; n == 0 || rest > 0 || out[at - 1] & 0x80; n++) {
			out[at++] = (unsigned char)rest;
			rest >>= 8;
		}
		for (rest = delta; run->lcn && (m == 0 || rest != (out[at - 1] & 0x80 ? -1 : 0));
		     m++) {
			out[at++] = (unsigned char)rest;
			rest >>= 8;
		}
		*head = (unsigned char)(m << 4 | n);
		if (run->lcn)
			previous = (int64_t)run->lcn;
	}
	out[at++] = 0;
	return at;
}

unsigned char *image_ntfs_runs(const struct image_ntfs *image, unsigned number, uint32_t type,
			       const char *name, const struct image_runs *runs)
{
	bool first = runs->lowest_vcn == 0;
	unsigned head = first && runs->flags & 0x8001 ? 72 : 64;
	unsigned char pairs[40 * 17], *a;
	uint64_t clusters;
	size_t len = encode_runs(runs->at, pairs, &clusters);
	uint32_t off = up8(head + 2 * strlen(name));

	a = append(image, number, type, name, up8(off + len), head);
	a[8] = 1;
	put_le16(a + 12, (uint16_t)runs->flags);
	put_le64(a + 16, runs->lowest_vcn);
	put_le64(a + 24, runs->lowest_vcn + clusters - 1);
	put_le16(a + 32, (uint16_t)off);
	a[34] = runs->flags & 1 ? 4 : 0;
	if (first) {
		put_le64(a + 40, clusters * image->cluster_size);
		put_le64(a + 48, runs->size);
		put_le64(a + 56, runs->initialised);
	}
	memcpy(a + off, pairs, len);
	return a;
}

unsigned char *image_ntfs_attribute(const struct image_ntfs *image, unsigned number, uint32_t type)
{
	unsigned char *raw = image_ntfs_record(image, number), *a = raw + get_le16(raw + 20);

	for (; get_le32(a) != 0xFFFFFFFF; a += get_le32(a + 4))
		if (get_le32(a) == type)
			return a;
	return NULL;
}

static void seal_one(unsigned char *raw, size_t size)
{
	size_t off = get_le16(raw + 4), count = get_le16(raw + 6), i;

	if (count != size / 512 + 1 || off + 2 * count > 510)
		return;
	for (i = 1; i < count; i++) {
		memcpy(raw + off + 2 * i, raw + 512 * i - 2, 2);
		memcpy(raw + 512 * i - 2, raw + off, 2);
	}
}

void image_ntfs_seal(unsigned char *bytes, size_t size, uint32_t record_size, uint32_t block_size)
{
	size_t at;

	for (at = 0; at + 512 <= size; at += 512) {
		bool record = memcmp(bytes + at, "FILE", 4) == 0;
		size_t len = record ? record_size : block_size;

		if ((record || memcmp(bytes + at, "INDX", 4) == 0) && size - at >= len)
			seal_one(bytes + at, len);
	}
}

/* A size as the boot sector has it: clusters, or the negative power of two. */
static unsigned char encode_size(const struct image_ntfs *image, uint32_t size)
{
	unsigned log = 0;

	if (size >= image->cluster_size)
		return (unsigned char)(size / image->cluster_size);
	while (1U << log < size)
		log++;
	return (unsigned char)(256 - log);
}

static void put_boot(const struct image_ntfs *image)
{
	uint32_t per_cluster = image->cluster_size / image->sector_size;
	unsigned char *raw = image->bytes;
	unsigned log = 0;

	while (1U << log < per_cluster)
		log++;
	memcpy(raw, "\xEB\x52\x90NTFS    ", 11);
	put_le16(raw + 11, (uint16_t)image->sector_size);
	raw[13] = (unsigned char)(per_cluster <= 128 ? per_cluster : 256 - log);
	put_le64(raw + 0x28, image->size / image->sector_size);
	put_le64(raw + 0x30, image->mft_lcn);
	put_le64(raw + 0x38, image->mft_lcn);
	raw[0x40] = encode_size(image, image->record_size);
	raw[0x44] = encode_size(image, image->block_size);
	put_le64(raw + 0x48, 0x1234567890ABCDEF);
	put_le16(raw + 510, 0xAA55);
}

static void put_upcase(struct image_ntfs *image)
{
	struct image_runs runs = { .size = UPCASE, .initialised = UPCASE };
	unsigned char *table = image->bytes + image->front;
	unsigned c;

	for (c = 0; c < 65536; c++) {
		bool lower = (c >= 'a' && c <= 'z') || (c >= 0xE0 && c <= 0xFE && c != 0xF7);

		put_le16(table + 2 * (size_t)c, (uint16_t)(lower ? c - 32 : c));
	}
	runs.at[0] = (struct image_run){ image->front / image->cluster_size,
					 clusters_of(image, UPCASE) };
	image_ntfs_begin(image, 10, 10, 1, 0);
	image_ntfs_runs(image, 10, 0x80, "", &runs);
}

void image_ntfs_frame(struct image_ntfs *image)
{
	static const unsigned char information[12] = { [8] = 3, [9] = 1 };
	struct image_runs mft = { 0 };
	uint64_t count;

	image->sector_size = image->sector_size ? image->sector_size : 512;
	image->cluster_size = image->cluster_size ? image->cluster_size : 512;
	image->record_size = image->record_size ? image->record_size : 1024;
	image->block_size = image->block_size ? image->block_size : 1024;
	image->mft_lcn = clusters_of(image, MFT_OFF);
	count = clusters_of(image, (uint64_t)IMAGE_RECORDS * image->record_size);
	/* Room for the clusters of the scene, and its index blocks. */
	image->front = (image->mft_lcn + count + 60) * image->cluster_size +
		       clusters_of(image, 8 * (uint64_t)image->block_size) * image->cluster_size;
	image->size = image->front + clusters_of(image, UPCASE) * image->cluster_size;
	image->bytes = calloc(1, (size_t)image->size);
	if (!image->bytes)
		abort();
	image->next_lcn = image->mft_lcn + count;
	put_boot(image);
	mft.size = mft.initialised = (uint64_t)IMAGE_RECORDS * image->record_size;
	mft.at[0] = (struct image_run){ image->mft_lcn, count };
	image_ntfs_begin(image, 0, 1, 1, 0);
	image_ntfs_runs(image, 0, 0x80, "", &mft);
	image_ntfs_begin(image, 3, 3, 1, 0);
	image_ntfs_resident(image, 3, 0x60, "", "s\0c\0\xE8\0n\0e", 10);
	image_ntfs_resident(image, 3, 0x70, "", information, sizeof(information));
	put_upcase(image);
}

void image_ntfs_free(struct image_ntfs *image)
{
	free(image->bytes);
	*image = (struct image_ntfs){ 0 };
}
