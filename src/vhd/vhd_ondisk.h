/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a VHD: the footer (twice, in a dynamic disk) and the dynamic disk header.
 * Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0 (2006). All
 * integers are big-endian.
 */
#ifndef VHD_VHD_ONDISK_H
#define VHD_VHD_ONDISK_H

#include "base/guid.h"
#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

#define VHD_SECTOR 512U
#define VHD_FOOTER_SIZE 512U
#define VHD_DYNAMIC_SIZE 1024U
#define VHD_BAT_UNUSED 0xFFFFFFFFU
#define VHD_EPOCH 946684800U /* 2000-01-01 00:00 UTC, in seconds since 1970 */

/* Hyper-V and Azure create no VHD above 2040 GiB, and the BAT's 32-bit sectors end there. */
#define VHD_SIZE_MAX ((uint64_t)2040 << 30)

/* Blocks are 2 MiB by default; these are the least and the most that are read and written. */
#define VHD_BLOCK_MIN (1U << 12)
#define VHD_BLOCK_MAX (256U << 20)
#define VHD_BLOCK_DEFAULT (2U << 20)

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
	uint64_t data_offset; /* of the dynamic header; UINT64_MAX in a fixed disk */
	uint32_t timestamp;   /* seconds since VHD_EPOCH */
	char creator[4];
	uint32_t creator_version;
	char creator_os[4];
	uint64_t original_size;
	uint64_t current_size;
	uint16_t cylinders;
	uint8_t heads;
	uint8_t sectors_per_track;
	uint32_t type;
	struct guid id;
	bool saved_state;
};

/* Whether the sector begins as a footer does. */
bool vhd_footer_recognise(const unsigned char *raw);

/* Decodes and checks each field. `force`: a wrong checksum is passed over. */
int vhd_footer_decode(const unsigned char raw[VHD_FOOTER_SIZE], bool force, struct vhd_footer *out,
		      struct tranship_error *err);
void vhd_footer_encode(const struct vhd_footer *footer, unsigned char raw[VHD_FOOTER_SIZE]);
/* Puts these fields into a footer that stands already; what else it holds (XenServer's "hidden")
 * stays, but for the checksum. */
void vhd_footer_update(const struct vhd_footer *footer, unsigned char raw[VHD_FOOTER_SIZE]);

/* A footer at the old end of a fixed disk that is being made shorter: it has the new size, and the
 * disk's own footer stands where that ends. */
void vhd_footer_mark_cut(unsigned char raw[VHD_FOOTER_SIZE]);
bool vhd_footer_is_cut(const unsigned char raw[VHD_FOOTER_SIZE]);

/* The size that the geometry stands for, in bytes. */
uint64_t vhd_geometry_size(const struct vhd_footer *footer);

/* Fills in the geometry for a size, as the specification's appendix calculates it. */
void vhd_geometry_for(uint64_t size, struct vhd_footer *footer);

#define VHD_LOCATORS 8
#define VHD_LOCATOR_W2RU 0x57327275U /* UTF-16 little-endian: a path from the child's folder */
#define VHD_LOCATOR_W2KU 0x57326B75U /* UTF-16 little-endian: an absolute path */
#define VHD_LOCATOR_MACX 0x4D616358U /* UTF-8: a file URL */
/* A path has at most 32767 UTF-16 units on Windows. */
#define VHD_LOCATOR_MAX 65536U

/* Where the name of a differencing disk's parent stands, in one platform's spelling. */
struct vhd_locator {
	uint32_t platform;   /* VHD_LOCATOR_*, or one that is not read; 0: unused */
	uint32_t data_space; /* bytes, or sectors: nobody can tell */
	uint32_t data_length;
	uint64_t data_offset;
};

#define VHD_PARENT_NAME_UNITS 256U

struct vhd_dynamic {
	uint64_t table_offset;
	uint32_t max_entries;
	uint32_t block_size;
	struct guid parent_id;
	uint32_t parent_timestamp;
	unsigned char parent_name[2 * VHD_PARENT_NAME_UNITS]; /* UTF-16, big-endian */
	struct vhd_locator locators[VHD_LOCATORS];
};

int vhd_dynamic_decode(const unsigned char raw[VHD_DYNAMIC_SIZE], bool force,
		       struct vhd_dynamic *out, struct tranship_error *err);
void vhd_dynamic_encode(const struct vhd_dynamic *dynamic, unsigned char raw[VHD_DYNAMIC_SIZE]);
void vhd_dynamic_update(const struct vhd_dynamic *dynamic, unsigned char raw[VHD_DYNAMIC_SIZE]);

/* The size of a block's sector bitmap, which stands before its data. */
uint32_t vhd_bitmap_size(uint32_t block_size);

#endif
