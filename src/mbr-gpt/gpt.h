/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GUID partition table (UEFI specification 2.10, section 5.3): both copies read, judged and
 * compared; and written. gpt_ondisk.c has the bytes.
 */
#ifndef MBR_GPT_GPT_H
#define MBR_GPT_GPT_H

#include "base/guid.h"
#include "mbr-gpt/patches.h"
#include "mbr-gpt/volume.h"

#include <stdbool.h>

enum {
	GPT_NAME_UNITS = 36,
	GPT_NAME_TEXT = GPT_NAME_UNITS * 3 + 1, /* as UTF-8 with its end */
	GPT_ENTRY_MIN = 128,
};
/* Bytes of the array of entries. */
#define GPT_ARRAY_MAX (1U << 20)

struct gpt_header {
	uint32_t revision;
	uint32_t size; /* of the header, 92 to the sector */
	uint64_t my_lba, alternate_lba;
	uint64_t first_usable, last_usable;
	struct guid disk;
	uint64_t array_lba;
	uint32_t count, entry_size;
	uint32_t array_crc;
};

/* An entry whose type is zero is free. */
struct gpt_entry {
	struct guid type, id;
	uint64_t first, last; /* LBA, both inclusive */
	uint64_t attributes;
	char name[GPT_NAME_TEXT];
};

/* One copy. */
struct gpt_copy {
	bool present;                /* there is a signature */
	bool good;                   /* and all that stands there is right */
	uint64_t lba;                /* where it was looked for */
	struct gpt_header header;    /* all zero where its frame (checksum, size, place) is wrong */
	unsigned char *array;        /* count * entry_size bytes as they stand; good only */
	struct tranship_error fault; /* what is wrong where it is present and not good */
};

struct gpt {
	uint32_t sector_size;
	uint64_t sectors; /* of the disk, whole ones */
	struct gpt_copy primary, backup;
	/* The backup was found at the alternate LBA of the primary instead of in the last sector:
	 * the disk has grown. */
	bool backup_misplaced;
	bool differ; /* both are good and say other things */
	bool found;  /* one of them is good; `used` is it: the primary where that is */
	const struct gpt_copy *used;
	uint32_t count; /* entries of used, free ones too */
	struct gpt_entry *entries;
	/* Where no copy is good: "EFI PART" stands where it would with sectors of this size, which
	 * the disk does not have; 0: it does not. */
	uint32_t foreign_sector_size;
};

/*
 * Looks for both copies. No table is no error: then found is false, and primary.fault or
 * backup.fault say what was wrong with what was there. A copy is good if signature, sizes, both
 * checksums and its own LBA are right, count x size is at most GPT_ARRAY_MAX, and its entries lie
 * in the usable area without overlap. Fails only where the disk cannot be read, or memory ends;
 * then there is nothing to free. *out must be freed, and not be moved: `used` points into it.
 */
int gpt_read(struct tranship_disk *disk, struct gpt *out, struct tranship_error *err);
void gpt_free(struct gpt *gpt);

/* The bytes of the used copy's entry number index, changed, as another entry would be written: for
 * gpt_put. entry_size bytes at array + index * entry_size. */
void gpt_entry_encode(const struct gpt_entry *entry, unsigned char *raw, uint32_t entry_size);

/* The sectors that gpt_put leaves to partitions, both inclusive; false: the disk is too small. */
bool gpt_put_area(const struct gpt *gpt, uint64_t *first, uint64_t *last);

/*
 * Puts both copies of the used table into the patches, with `array` (count * entry_size bytes) in
 * place of its array: a primary at LBA 1 with the array at LBA 2, and a backup at the disk's end,
 * whatever was damaged or misplaced before; last_usable follows, and first_usable where a partition
 * begins before it. TRANSHIP_EUNSUPPORTED: a partition is in the way, or the disk too small.
 */
int gpt_put(const struct gpt *gpt, struct tranship_disk *disk, const unsigned char *array,
	    struct patches *patches, struct tranship_error *err);

/* Puts zeros over both copies and their arrays, wherever they stand; so far as partitions do not
 * lie there. Only what begins with a signature is a copy. */
int gpt_erase(const struct gpt *gpt, struct tranship_disk *disk, struct patches *patches,
	      struct tranship_error *err);

/*
 * Whether the disk has a valid primary GPT header whose backup would not stand in the last sector
 * of a disk of new_size bytes; then a sentence about it goes to message. A disk that cannot be read
 * has none.
 */
bool gpt_backup_misplaced(struct tranship_disk *disk, uint64_t new_size, char *message, size_t cap);

/* Types of partitions that somebody asks for. */
extern const struct guid gpt_type_esp, gpt_type_msr, gpt_type_bios_boot, gpt_type_basic_data,
	gpt_type_recovery, gpt_type_linux, gpt_type_linux_root_x86_64, gpt_type_swap, gpt_type_lvm,
	gpt_type_raid, gpt_type_ldm_metadata, gpt_type_ldm_data;
/* The type in words; NULL: not known. */
const char *gpt_type_name(const struct guid *type);

#endif
