/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a hosted sparse extent, and nothing else: the header (also the footer), markers.
 * Source: VMware, "Virtual Disk Format 5.0" (technical note, 2011), sections "Hosted Sparse
 * Extents" and "Stream-Optimized Compressed Sparse Extents". All integers are little-endian.
 */
#ifndef VMDK_VMDK_ONDISK_H
#define VMDK_VMDK_ONDISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMDK_SECTOR 512U
#define VMDK_HEADER_SIZE 512U

/* The first four bytes, as a number. */
#define VMDK_MAGIC_SPARSE 0x564D444BU /* "KDMV" */
#define VMDK_MAGIC_COWD 0x44574F43U   /* "COWD": vmfsSparse */
#define VMDK_MAGIC_SESPARSE 0xCAFEBABEU

/* VMware's own limit for a virtual disk, in sectors: 62 TiB. */
#define VMDK_DISK_SECTORS_MAX ((uint64_t)62 << 31)

#define VMDK_GD_AT_END UINT64_MAX

enum vmdk_flag {
	VMDK_FLAG_NEWLINE_TEST = 1 << 0,
	VMDK_FLAG_REDUNDANT_GD = 1 << 1,
	VMDK_FLAG_ZERO_GRAIN = 1 << 2, /* entry 1 means a grain of zeros */
	VMDK_FLAG_COMPRESSED = 1 << 16,
	VMDK_FLAG_MARKERS = 1 << 17, /* grains begin with their LBA; tables have markers */
};

enum { VMDK_COMPRESS_NONE = 0, VMDK_COMPRESS_DEFLATE = 1 };

/* Grain table entries that are no sector. */
/* Of a grain directory: 62 TiB in the smallest grains that anybody writes have 2^22. */
#define VMDK_GD_ENTRIES_MAX (1U << 23)

enum { VMDK_GTE_ABSENT = 0, VMDK_GTE_ZERO = 1 };

/* What the header says; offsets and sizes in sectors, as on disk. */
struct vmdk_header {
	uint32_t version;
	uint32_t flags;
	uint64_t capacity;
	uint64_t grain_sectors;
	uint64_t descriptor_offset;
	uint64_t descriptor_sectors;
	uint32_t gtes_per_gt;
	uint64_t rgd_offset;
	uint64_t gd_offset;
	uint64_t overhead;
	bool unclean;
	uint16_t compress;
};

/* No file has as many sectors: places past it are wrong, and in bytes all others fit. */
#define VMDK_FILE_SECTORS_MAX ((uint64_t)1 << 54)

/* The most that is accepted; VMware itself writes grains of 64 KiB and tables of 512 entries. */
#define VMDK_CAPACITY_MAX ((uint64_t)1 << 37)      /* sectors: 64 TiB */
#define VMDK_GRAIN_SECTORS_MAX ((uint64_t)1 << 18) /* 128 MiB */
#define VMDK_PACKED_GRAIN_SECTORS_MAX \
	((uint64_t)1 << 11) /* 1 MiB when compressed: it must be held */
#define VMDK_GTES_PER_GT_MAX (1U << 16)

/* Decodes and checks each field; nothing is checked against a file. *out is set only on success. */
int vmdk_header_decode(const unsigned char raw[VMDK_HEADER_SIZE], struct vmdk_header *out,
		       struct tranship_error *err);
void vmdk_header_encode(const struct vmdk_header *header, unsigned char raw[VMDK_HEADER_SIZE]);

/* How many grain tables there are, and how many sectors one, or all of their directory, takes. */
uint64_t vmdk_gd_entries(const struct vmdk_header *header);
uint64_t vmdk_gt_sectors(const struct vmdk_header *header);
uint64_t vmdk_gd_sectors(const struct vmdk_header *header);

/* What stands before each thing in a stream. */
enum vmdk_marker_type {
	VMDK_MARKER_EOS = 0,
	VMDK_MARKER_GT = 1,
	VMDK_MARKER_GD = 2,
	VMDK_MARKER_FOOTER = 3
};

#define VMDK_GRAIN_MARKER_SIZE 12U /* LBA and size; the packed grain follows at once */
#define VMDK_GRAIN_SIZE_ONLY 4U    /* compressed without VMDK_FLAG_MARKERS: just the size */

struct vmdk_marker {
	uint64_t value; /* the LBA of a grain, or how many sectors follow the marker's own */
	uint32_t size;  /* of a packed grain; 0 for all other markers */
	uint32_t type;  /* where size is 0 */
};

void vmdk_marker_decode(const unsigned char raw[16], struct vmdk_marker *out);
void vmdk_marker_encode(const struct vmdk_marker *marker, unsigned char raw[VMDK_SECTOR]);

#endif
