/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sectors that replace a disk's: what a plan is made of. While a plan is made they are put in, in
 * any order, and read back through volume.h; a finished set is constant and may be read from any
 * thread.
 */
#ifndef MBR_GPT_PATCHES_H
#define MBR_GPT_PATCHES_H

#include "tranship/disk.h"

/* 32 MiB of 512-byte sectors: far more than a conversion replaces. */
#define PATCHES_SECTORS_MAX 65536U

struct patch {
	uint64_t sector;
	unsigned char *bytes; /* one sector */
	const char *reason;   /* a constant */
};

/* Ascending by sector. */
struct patches {
	uint32_t sector_size;
	uint64_t disk_size; /* bytes */
	struct patch *at;
	size_t count, cap;
};

void patches_init(struct patches *p, const struct tranship_disk *disk);
void patches_free(struct patches *p);

/*
 * Replaces len bytes at off; the rest of the sectors that they touch comes from the disk, or from
 * what was replaced there before. `reason` must outlive the set. A later reason replaces an earlier
 * one. TRANSHIP_EINVAL: the range passes the disk's last whole sector; TRANSHIP_ELIMIT: more than
 * PATCHES_SECTORS_MAX.
 */
int patches_put(struct patches *p, struct tranship_disk *disk, uint64_t off, const void *bytes,
		size_t len, const char *reason, struct tranship_error *err);

/* Drops the sectors that have the bytes that the disk has. */
int patches_drop_equal(struct patches *p, struct tranship_disk *disk, struct tranship_error *err);

/* The index of the first one at or behind `sector`; count if there is none. */
size_t patches_find(const struct patches *p, uint64_t sector);

/* Lays what is replaced over bytes of the disk: len bytes that stand at off. */
void patches_lay_over(const struct patches *p, uint64_t off, unsigned char *buf, size_t len);

/* A copy that shares nothing. */
int patches_copy(const struct patches *from, struct patches *to, struct tranship_error *err);

#endif
