/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds small NTFS volumes, and one with a file of each kind. What has fixups is built without
 * them, so that a test can change any field; image_ntfs_seal puts them in.
 */
#ifndef TESTS_UNIT_IMAGE_NTFS_H
#define TESTS_UNIT_IMAGE_NTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero: 512, 512, 1024, 1024, and as large as needed. */
struct image_ntfs {
	uint32_t sector_size, cluster_size, record_size, block_size;
	uint64_t size;
	unsigned char *bytes;
	uint64_t mft_lcn, next_lcn;
	uint64_t front; /* bytes before $UpCase, which ends the volume */
};

/* Records of the scene. */
enum {
	IMAGE_RECORDS = 28,
	IMAGE_RESIDENT = 12,
	IMAGE_PLAIN,   /* one run; its last bytes were never written */
	IMAGE_PIECES,  /* runs to and fro, with a hole */
	IMAGE_PACKED,  /* compressed: packed, stored, nothing, packed units */
	IMAGE_LISTED,  /* an attribute list in the record, two extents elsewhere */
	IMAGE_EXTENT,  /* of it */
	IMAGE_EXTENT2, /* of it */
	IMAGE_FOLDER,  /* three levels of blocks */
	IMAGE_IN_FOLDER,
	IMAGE_WOF,
	IMAGE_ENCRYPTED,
	IMAGE_JUNCTION,
	IMAGE_UNUSED,
	IMAGE_FAR_LIST, /* an attribute list in clusters */
	IMAGE_FAR_EXTENT,
};

/* The empty frame: boot sector, $MFT, $Volume, $UpCase. Memory that runs out ends the test. */
void image_ntfs_frame(struct image_ntfs *image);
/* All of it, not sealed. */
void image_ntfs_scene(struct image_ntfs *image);
void image_ntfs_free(struct image_ntfs *image);

/* What the scene's file has: bytes of its content, malloc'ed; NULL: it is no file to be read. */
unsigned char *image_ntfs_content(const struct image_ntfs *image, unsigned record, size_t *size);
/* Its path. */
const char *image_ntfs_path(unsigned record);

/* Puts fixups into whatever looks like a file record or an index block, of `size` bytes. */
void image_ntfs_seal(unsigned char *bytes, size_t size, uint32_t record_size, uint32_t block_size);

unsigned char *image_ntfs_record(const struct image_ntfs *image, unsigned number);
/* The attribute of a type, in a record; NULL: none. */
unsigned char *image_ntfs_attribute(const struct image_ntfs *image, unsigned number, uint32_t type);

/* Takes clusters; returns the first one. */
uint64_t image_ntfs_take(struct image_ntfs *image, uint64_t count);
unsigned char *image_ntfs_cluster(const struct image_ntfs *image, uint64_t lcn);

/* Begins a record. flags: 1 in use, 2 a directory. base: a reference. */
void image_ntfs_begin(const struct image_ntfs *image, unsigned number, unsigned sequence,
		      unsigned flags, uint64_t base);
/* Appends attributes; `name` in ASCII. Return the attribute. */
unsigned char *image_ntfs_resident(const struct image_ntfs *image, unsigned number, uint32_t type,
				   const char *name, const void *value, size_t len);
struct image_run {
	uint64_t lcn, count; /* lcn 0: a hole */
};
struct image_runs {
	uint64_t lowest_vcn;
	uint64_t size, initialised; /* bytes; of the first extent */
	unsigned flags;             /* 1 compressed, 0x4000 encrypted, 0x8000 sparse */
	struct image_run at[40];    /* up to one of count 0 */
};
unsigned char *image_ntfs_runs(const struct image_ntfs *image, unsigned number, uint32_t type,
			       const char *name, const struct image_runs *runs);

/* Packs as LZNT1; out takes len bytes and 2 a chunk of 4096. Returns how many it made. */
size_t image_lznt1_pack(const unsigned char *in, size_t len, unsigned char *out);

/* Block `index` of a folder of the scene: its root and IMAGE_FOLDER have three. */
unsigned char *image_ntfs_block(const struct image_ntfs *image, unsigned folder, unsigned index);

#endif
