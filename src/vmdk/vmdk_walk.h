/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a damaged or cut stream-optimized VMDK by its markers, front to back, to find the grains
 * that are whole. Its tables are not used but for one thing: a directory in front says how many
 * grains there should be.
 *
 * Where the next thing is no marker that the format allows, or a grain does not unpack, the walk is
 * out of step. It goes on at the next sector that begins a grain: its LBA is one of a grain behind
 * the last one that was found, and its data unpacks whole (with its checksum). What lies between
 * these two grains is lost; whatever is absent between grains that follow each other is not.
 */
#ifndef VMDK_VMDK_WALK_H
#define VMDK_VMDK_WALK_H

#include "vmdk/vmdk_front.h"

struct vmdk_walk;

enum vmdk_found_kind {
	VMDK_FOUND_GRAIN,
	VMDK_FOUND_LOST,
	VMDK_FOUND_END, /* and nothing else from then on */
};

/* [off, off + len) of the disk. */
struct vmdk_found {
	enum vmdk_found_kind kind;
	uint64_t off;
	uint64_t len;
	uint64_t pos;                /* in the stream: of the grain, or where the damage begins */
	const unsigned char *stored; /* of a grain, until the next call */
	size_t stored_len;
};

/* The stream stands at the first grain, or where it ends. Both are borrowed. */
int vmdk_walk_new(struct stream *stream, const struct vmdk_sparse *sparse,
		  const struct vmdk_grain_count *count, struct vmdk_walk **out,
		  struct tranship_error *err);
void vmdk_walk_free(struct vmdk_walk *walk);

int vmdk_walk_next(struct vmdk_walk *walk, struct vmdk_found *out, struct tranship_error *err);

/* What a read of something lost returns; pos is where the damage begins in the stream. */
int vmdk_walk_lost(uint64_t pos, struct tranship_error *err);

#endif
