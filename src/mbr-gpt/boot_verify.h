/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of tranship_boot_verify. They judge a disk by what a BIOS and the boot loaders do with
 * it, and know nothing of plans: of the planner's files only the parsers are used.
 *
 * Each returns 0 also where it found faults; else TRANSHIP_EIO or TRANSHIP_ENOMEM.
 */
#ifndef MBR_GPT_BOOT_VERIFY_H
#define MBR_GPT_BOOT_VERIFY_H

#include "mbr-gpt/gpt.h"
#include "mbr-gpt/mbr.h"
#include "mbr-gpt/volume.h"
#include "tranship/boot.h"

struct verify_partition {
	uint32_t number;       /* as Linux numbers it */
	uint64_t first, count; /* sectors */
	unsigned char type;    /* MBR */
	bool active;
	const struct gpt_entry *gpt; /* NULL: of an MBR */
};

struct verify {
	struct tranship_disk *disk;
	tranship_boot_finding_fn *finding; /* NULL: nobody listens */
	void *ctx;
	struct tranship_boot_verdict *verdict;
	uint32_t sector_size;
	uint64_t sectors;
	struct gpt gpt;
	struct mbr mbr;
	struct verify_partition *at; /* the extended one apart, it holds no file system */
	uint32_t count;
};

void verify_fault(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verify_remark(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where rc is about what stands on the disk it becomes a fault, "what: message", and 0. */
int verify_error(struct verify *v, const char *what, int rc, struct tranship_error *err);

struct volume verify_volume(const struct verify *v, const struct verify_partition *p);

/* Whether all of them are zeros. */
bool verify_zeros(const unsigned char *bytes, size_t len);
/* Whether most of them, but not all, are those of `wanted`: what is damaged, and no other's. */
bool verify_nearly(const unsigned char *bytes, const unsigned char *wanted, size_t len);

/* boot_verify_tables.c: the tables, and which partitions there are. */
int verify_tables(struct verify *v, struct tranship_error *err);
/* boot_verify_windows.c: from the MBR's code to BOOTMGR, then the BCD. */
int verify_windows(struct verify *v, struct tranship_error *err);
/* Whether an active partition has a BOOTMGR, so that this is a Windows whatever else is wrong. */
int verify_is_windows(struct verify *v, bool *is, struct tranship_error *err);
/* boot_verify_linux.c: core_sector is where GRUB's first sector says that core.img stands. */
int verify_grub(struct verify *v, uint64_t core_sector, struct tranship_error *err);

/* boot_verify_bcd.c. has_log: what was not written to the BCD may stand in a log beside it. */
int verify_bcd(struct verify *v, unsigned char *bytes, size_t len, bool has_log,
	       struct tranship_error *err);
/* boot_verify_core.c: core.img as it stands on the disk, `len` bytes from its second sector on,
 * which is `sector`. */
int verify_core(struct verify *v, const unsigned char *bytes, size_t len, uint64_t sector,
		struct tranship_error *err);
/* boot_verify_search.c: core.img, unpacked. */
int verify_search(struct verify *v, const unsigned char *core, size_t len,
		  struct tranship_error *err);

#endif
