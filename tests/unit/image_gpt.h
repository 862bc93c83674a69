/* SPDX-License-Identifier: Apache-2.0 */
/* GUID partition tables and MBRs written byte by byte from the specification, not by the library's
 * own encoder, into a disk of sparse_disk.h. */
#ifndef TESTS_UNIT_IMAGE_GPT_H
#define TESTS_UNIT_IMAGE_GPT_H

#include "base/guid.h"
#include "tranship/disk.h"

#include <stddef.h>
#include <stdint.h>

struct image_gpt_entry {
	const struct guid *type; /* NULL: free */
	uint64_t first, last;
	uint64_t attributes;
	const char *name; /* ASCII; NULL: none */
};

/* A table with 128 entries of 128 bytes unless something else is said; 0 is the usual. */
struct image_gpt {
	const struct image_gpt_entry *entries;
	uint32_t used; /* how many there are of these */
	uint32_t count, entry_size;
	uint64_t first_usable, last_usable;
};

/* Writes MBR, primary and backup. An entry's own id is 16 times its number, the disk's is 16 times
 * 0xD1. */
void image_gpt_write(struct tranship_disk *disk, const struct image_gpt *image);
/* Writes one copy: header at my, the array at array. */
void image_gpt_write_copy(struct tranship_disk *disk, const struct image_gpt *image, uint64_t my,
			  uint64_t alternate, uint64_t array);
/* Makes both checksums of the copy at `lba` right again, so far as its array lies on the disk. */
void image_gpt_sum(struct tranship_disk *disk, uint64_t lba);
/* Makes only the header's right. */
void image_gpt_sum_header(struct tranship_disk *disk, uint64_t lba);

/* Entry number index (from 0) of the MBR, or of a boot record in another sector; 55 AA is set. */
void image_mbr_entry(struct tranship_disk *disk, uint64_t lba, unsigned index, unsigned status,
		     unsigned type, uint32_t first, uint32_t sectors);

/* Overwrites a field. */
void image_poke32(struct tranship_disk *disk, uint64_t off, uint32_t value);
void image_poke64(struct tranship_disk *disk, uint64_t off, uint64_t value);

#endif
