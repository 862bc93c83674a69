/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in an seSparse extent ("space-efficient sparse": snapshots on VMFS 6, and of disks
 * past 2 TiB): the constant header, the volatile header, entries of the tables. VMware has not
 * published the format; what is known comes from qemu's reader (2019, "vmdk: Add read-only support
 * for seSparse snapshots") and dissect.hypervisor. All integers are little-endian, 64 bits.
 */
#ifndef VMDK_VMDK_SESPARSE_ONDISK_H
#define VMDK_VMDK_SESPARSE_ONDISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

#define VMDK_SESPARSE_HEADER_SIZE 512U /* of each of the two */
#define VMDK_SESPARSE_GRAIN_SECTORS 8U /* the only size that was seen */
#define VMDK_SESPARSE_GT_SECTORS 64U   /* as well: 4096 entries */
#define VMDK_SESPARSE_GTES_PER_GT 4096U

/* A part of the file, in sectors. */
struct vmdk_sesparse_part {
	uint64_t offset;
	uint64_t size;
};

/* The order is that of the header. */
enum vmdk_sesparse_part_id {
	VMDK_SESPARSE_VOLATILE_HEADER,
	VMDK_SESPARSE_JOURNAL_HEADER,
	VMDK_SESPARSE_JOURNAL,
	VMDK_SESPARSE_GRAIN_DIRECTORY,
	VMDK_SESPARSE_GRAIN_TABLES,
	VMDK_SESPARSE_FREE_BITMAP,
	VMDK_SESPARSE_BACKMAP,
	VMDK_SESPARSE_GRAINS,
	VMDK_SESPARSE_PARTS
};

struct vmdk_sesparse_header {
	uint64_t capacity; /* sectors */
	struct vmdk_sesparse_part parts[VMDK_SESPARSE_PARTS];
};

/* Decodes and checks each field; nothing is checked against a file. *out is set only on success. */
int vmdk_sesparse_decode(const unsigned char raw[VMDK_SESPARSE_HEADER_SIZE],
			 struct vmdk_sesparse_header *out, struct tranship_error *err);
void vmdk_sesparse_encode(const struct vmdk_sesparse_header *header,
			  unsigned char raw[VMDK_SESPARSE_HEADER_SIZE]);

/* The volatile header: whether the journal has to be replayed before anything can be believed. */
int vmdk_sesparse_volatile_decode(const unsigned char raw[VMDK_SESPARSE_HEADER_SIZE], bool *replay,
				  struct tranship_error *err);
void vmdk_sesparse_volatile_encode(bool replay, unsigned char raw[VMDK_SESPARSE_HEADER_SIZE]);

/* The number of a table in an entry of the directory that has one; false: it is of no known kind.
 */
bool vmdk_sesparse_gde_decode(uint64_t raw, uint32_t *table);
uint64_t vmdk_sesparse_gde_encode(uint32_t table);

enum vmdk_sesparse_grain {
	VMDK_SESPARSE_ABSENT,   /* never written: the parent's */
	VMDK_SESPARSE_UNMAPPED, /* the guest gave it back: zeros */
	VMDK_SESPARSE_ZERO,
	VMDK_SESPARSE_ALLOCATED
};

/* The kind of an entry of a table, and the number of its grain; false: of no known kind. */
bool vmdk_sesparse_gte_decode(uint64_t raw, enum vmdk_sesparse_grain *kind, uint64_t *grain);
uint64_t vmdk_sesparse_gte_encode(enum vmdk_sesparse_grain kind, uint64_t grain);

#endif
