/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a COWD extent ("ESX Server sparse", vmfsSparse). Sources: VMware, "Virtual Disk
 * Format 5.0", section "ESXi Host Sparse Extents"; libyal, "VMware Virtual Disk (VMDK) format
 * specification", section "The COWD sparse extent data file". All integers are little-endian.
 */
#ifndef VMDK_VMDK_COWD_ONDISK_H
#define VMDK_VMDK_COWD_ONDISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

#define VMDK_COWD_HEADER_SIZE 2048U
#define VMDK_COWD_HEADER_SECTORS 4U
#define VMDK_COWD_GTES_PER_GT 4096U
#define VMDK_COWD_PARENT_MAX 1024U /* bytes of the parent's name */

/* Writers set 3. Without VMDK_COWD_ROOT the header itself names a parent, as old redo logs do. */
enum { VMDK_COWD_ROOT = 1 << 0, VMDK_COWD_CHECK_CAPABLE = 1 << 1 };

/* Sizes and places in sectors. */
struct vmdk_cowd_header {
	uint32_t flags;
	uint32_t capacity;
	uint32_t grain_sectors;
	uint32_t gd_offset;
	uint32_t gd_entries;
	uint32_t free_sector;                       /* nothing stands from here on */
	char parent_name[VMDK_COWD_PARENT_MAX + 1]; /* "" with VMDK_COWD_ROOT */
	uint32_t parent_generation;
	uint32_t generation;
	bool unclean;
};

/* Decodes and checks each field; nothing is checked against a file. *out is set only on success. */
int vmdk_cowd_decode(const unsigned char raw[VMDK_COWD_HEADER_SIZE], struct vmdk_cowd_header *out,
		     struct tranship_error *err);
void vmdk_cowd_encode(const struct vmdk_cowd_header *header,
		      unsigned char raw[VMDK_COWD_HEADER_SIZE]);

#endif
