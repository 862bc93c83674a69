/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a GUID partition table (UEFI specification 2.10, sections 5.3.2 and 5.3.3): bytes
 * to structs and back, and what a header must be by itself. All integers are little-endian.
 */
#ifndef MBR_GPT_GPT_ONDISK_H
#define MBR_GPT_GPT_ONDISK_H

#include "mbr-gpt/gpt.h"

enum {
	GPT_SIGNATURE_LEN = 8,
	GPT_HEADER_MIN = 92,
	GPT_SECTOR_MAX = 4096,
	GPT_PRIMARY_LBA = 1,
	GPT_OFF_ENTRY_NAME = 56,
};

bool gpt_has_signature(const unsigned char *raw);

/*
 * The header in the sector `raw`, which stands at `lba`: signature, revision, size, checksum and
 * its own LBA. TRANSHIP_ECORRUPT: one of these is wrong; *out is then not touched.
 */
int gpt_header_decode(const unsigned char *raw, uint32_t sector_size, uint64_t lba,
		      struct gpt_header *out, struct tranship_error *err);
/* Writes a sector, with the header's checksum. */
void gpt_header_encode(const struct gpt_header *header, unsigned char *raw, uint32_t sector_size);

/* A header's fields against each other and against a disk of so many sectors.
 * TRANSHIP_ECORRUPT; TRANSHIP_ELIMIT: the array is larger than GPT_ARRAY_MAX. */
int gpt_header_check(const struct gpt_header *header, uint32_t sector_size, uint64_t sectors,
		     struct tranship_error *err);

/* Bytes and sectors of the array. Only for a count and a size that gpt_header_check let through. */
size_t gpt_array_bytes(const struct gpt_header *header);
uint64_t gpt_array_sectors(const struct gpt_header *header, uint32_t sector_size);

void gpt_entry_decode(const unsigned char *raw, struct gpt_entry *out);
/* Whether the entry is free: its type is zero. */
bool gpt_entry_is_free(const struct gpt_entry *entry);

/* Entries against the usable area and against each other; free ones do not count. */
int gpt_entries_check(const struct gpt_entry *entries, uint32_t count, uint64_t first_usable,
		      uint64_t last_usable, struct tranship_error *err);

/* Decodes an array. malloc'ed. */
int gpt_entries_decode(const unsigned char *array, uint32_t count, uint32_t entry_size,
		       struct gpt_entry **out, struct tranship_error *err);

#endif
