/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the log of a VHDX ([MS-VHDX] 2.3.1). The log is a ring of sectors; an entry is a
 * header with its descriptors, and one data sector for each data descriptor. Decoders say no
 * instead of failing: what is no entry, or half of one, is what a crash leaves.
 */
#ifndef VHDX_VHDX_LOG_ONDISK_H
#define VHDX_VHDX_LOG_ONDISK_H

#include "base/guid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHDX_LOG_SECTOR 4096U /* entries begin at multiples of this and end there */
#define VHDX_LOG_HEAD 64U     /* the header of an entry; the first descriptor follows */
#define VHDX_LOG_DESCRIPTOR 32U
#define VHDX_LOG_CHECKSUM 4U /* where the CRC-32C of the whole entry stands, four bytes */

struct vhdx_log_entry {
	uint32_t length; /* of it all, bytes */
	uint32_t tail;   /* where in the log the sequence begins that this entry ends */
	uint64_t sequence;
	uint32_t descriptors;
	struct guid log_guid;
	uint64_t flushed_size; /* the file was at least so long, safely, when this was written */
	uint64_t last_size;    /* what the file needs for all that is in it */
};

/* False where no entry begins. */
bool vhdx_log_entry_decode(const unsigned char raw[VHDX_LOG_HEAD], struct vhdx_log_entry *out);

/* What an entry wants to be written: one sector, or zeros. */
struct vhdx_log_descriptor {
	bool is_data;
	uint64_t offset;           /* in the file */
	uint64_t length;           /* bytes */
	uint64_t sequence;         /* its entry's */
	unsigned char leading[8];  /* what the data sector's own fields took the place of */
	unsigned char trailing[4]; /* the same at its end */
};

bool vhdx_log_descriptor_decode(const unsigned char raw[VHDX_LOG_DESCRIPTOR],
				struct vhdx_log_descriptor *out);

/* Whether this is the data sector of an entry with this sequence number. */
bool vhdx_log_data_ok(const unsigned char raw[VHDX_LOG_SECTOR], uint64_t sequence);

/* Makes the data sector what its descriptor says it was before. */
void vhdx_log_data_restore(unsigned char raw[VHDX_LOG_SECTOR],
			   const struct vhdx_log_descriptor *descriptor);

/* Sectors that the header and this many descriptors take. */
uint64_t vhdx_log_head_sectors(uint32_t descriptors);

#endif
