/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a disk that is read, a partition mostly, through what a plan has replaced so far. */
#ifndef MBR_GPT_VOLUME_H
#define MBR_GPT_VOLUME_H

#include "tranship/disk.h"

struct patches;

struct volume {
	struct tranship_disk *disk;
	const struct patches *over; /* NULL: the disk as it is */
	uint64_t off, len;          /* bytes; within the disk */
};

/* All of the disk. */
struct volume volume_whole(struct tranship_disk *disk, const struct patches *over);

/* Reads len bytes at off of the volume. TRANSHIP_ECORRUPT: the range passes its end. */
int volume_read(const struct volume *volume, uint64_t off, void *buf, size_t len,
		struct tranship_error *err);

#endif
