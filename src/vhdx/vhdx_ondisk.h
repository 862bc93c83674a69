/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a VHDX: headers, region table, metadata, BAT entries.
 * Source: Microsoft, [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", sections 2.2 to 2.6. All
 * integers are little-endian; header and region table carry a CRC-32C of themselves with the
 * checksum field zeroed.
 */
#ifndef VHDX_VHDX_ONDISK_H
#define VHDX_VHDX_ONDISK_H

#include "base/guid.h"
#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHDX_MB ((uint64_t)1 << 20)
#define VHDX_SIGNATURE "vhdxfile"

/* 2.2: fixed places, all within the first MiB. */
#define VHDX_HEADER_1 (64U << 10)
#define VHDX_HEADER_2 (128U << 10)
#define VHDX_REGION_TABLE_1 (192U << 10)
#define VHDX_REGION_TABLE_2 (256U << 10)
#define VHDX_IDENTIFIER_SIZE (64U << 10)
#define VHDX_HEADER_SIZE (4U << 10)
#define VHDX_TABLE_SIZE (64U << 10) /* of a region table and of a metadata table */

#define VHDX_SIZE_MAX ((uint64_t)64 << 40)
#define VHDX_BLOCK_MIN (1U << 20)
#define VHDX_BLOCK_MAX (256U << 20)

struct vhdx_header {
	uint64_t sequence;
	struct guid file_write_guid;
	struct guid data_write_guid;
	struct guid log_guid; /* zero: the log is empty */
	uint16_t log_version;
	uint16_t version;
	uint32_t log_length;
	uint64_t log_offset;
};

int vhdx_header_decode(const unsigned char raw[VHDX_HEADER_SIZE], bool force,
		       struct vhdx_header *out, struct tranship_error *err);
void vhdx_header_encode(const struct vhdx_header *header, unsigned char raw[VHDX_HEADER_SIZE]);

struct vhdx_region {
	uint64_t offset;
	uint64_t length;
};

struct vhdx_regions {
	struct vhdx_region bat;
	struct vhdx_region metadata;
	bool others; /* there are unknown ones that are not required */
};

int vhdx_regions_decode(const unsigned char raw[VHDX_TABLE_SIZE], bool force,
			struct vhdx_regions *out, struct tranship_error *err);
void vhdx_regions_encode(const struct vhdx_regions *regions, unsigned char raw[VHDX_TABLE_SIZE]);
/* Changes where the BAT is in a table that was decoded. */
void vhdx_regions_place_bat(unsigned char raw[VHDX_TABLE_SIZE], const struct vhdx_region *bat);

/* 2.6.2: the metadata items. */
struct vhdx_metadata {
	uint32_t block_size;
	bool leave_blocks_allocated; /* a fixed disk */
	bool has_parent;
	uint64_t disk_size;
	struct guid disk_id;
	uint32_t logical_sector;
	uint32_t physical_sector;
	uint32_t size_offset;    /* of the virtual disk size in the metadata region */
	uint32_t locator_offset; /* of the parent locator in it */
	uint32_t locator_length; /* 0: there is none */
};

/* The metadata region begins with its table; the items follow behind it. */
#define VHDX_METADATA_ITEMS (64U << 10)

/*
 * Decodes the metadata from the first `len` bytes of its region, which has region_len bytes. Items
 * must lie in what was read.
 */
int vhdx_metadata_decode(const unsigned char *raw, size_t len, struct vhdx_metadata *out,
			 struct tranship_error *err);

/* Table and items; of a parent locator (locator_length is not 0) the table's entry only. */
#define VHDX_METADATA_ENCODED (VHDX_METADATA_ITEMS + 4096U)
void vhdx_metadata_encode(const struct vhdx_metadata *metadata,
			  unsigned char raw[VHDX_METADATA_ENCODED]);

/*
 * Gives a region that was decoded another parent locator, and the flag that goes with it; of 0
 * bytes: none. TRANSHIP_ELIMIT: it does not fit in.
 */
int vhdx_metadata_relink(unsigned char *raw, size_t len, const unsigned char *locator,
			 size_t locator_len, struct tranship_error *err);

/* 2.5.1: the state of a payload block. */
enum vhdx_block_state {
	VHDX_BLOCK_NOT_PRESENT = 0,
	VHDX_BLOCK_UNDEFINED = 1,
	VHDX_BLOCK_ZERO = 2,
	VHDX_BLOCK_UNMAPPED = 3,
	VHDX_BLOCK_UNMAPPED_095 = 5, /* as drafts of the specification numbered it */
	VHDX_BLOCK_FULLY_PRESENT = 6,
	VHDX_BLOCK_PARTIALLY_PRESENT = 7,
};

/* 2.5.1.2: a sector bitmap block is there in this state, else in state 0. */
#define VHDX_BITMAP_PRESENT 6U
#define VHDX_BITMAP_SIZE VHDX_MB /* a bit a sector, the lowest of a byte first; 1: it is here */

static inline unsigned vhdx_entry_state(uint64_t entry)
{
	return (unsigned)(entry & 7);
}

static inline uint64_t vhdx_entry_offset(uint64_t entry)
{
	return entry & ~(VHDX_MB - 1);
}

/* 2.5: payload blocks between two sector bitmap blocks. */
static inline uint64_t vhdx_chunk_ratio(const struct vhdx_metadata *m)
{
	return ((uint64_t)1 << 23) * m->logical_sector / m->block_size;
}

/* Which BAT entry is that of the sector bitmap of a chunk. */
static inline uint64_t vhdx_bitmap_entry(const struct vhdx_metadata *m, uint64_t chunk)
{
	return chunk * (vhdx_chunk_ratio(m) + 1) + vhdx_chunk_ratio(m);
}

/* How many payload blocks the disk has, and how many BAT entries they need with the bitmap blocks
 * between; with a parent the last chunk is a whole one and has its bitmap, too. */
uint64_t vhdx_blocks(const struct vhdx_metadata *metadata);
uint64_t vhdx_bat_entries(const struct vhdx_metadata *metadata);

#endif
