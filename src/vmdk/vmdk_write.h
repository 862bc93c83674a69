/* SPDX-License-Identifier: Apache-2.0 */
/* The VMDK writers, and what they share. */
#ifndef VMDK_VMDK_WRITE_H
#define VMDK_VMDK_WRITE_H

#include "core/format.h"
#include "vmdk/vmdk_descriptor.h"
#include "vmdk/vmdk_ondisk.h"

/* What VMware's own tools write. */
#define VMDK_GRAIN_SECTORS 128U
#define VMDK_GRAIN_SIZE (VMDK_GRAIN_SECTORS * VMDK_SECTOR)
#define VMDK_GTES_PER_GT 512U
#define VMDK_GT_BYTES (VMDK_GTES_PER_GT * 4)
#define VMDK_GT_SECTORS (VMDK_GT_BYTES / VMDK_SECTOR)
#define VMDK_DESCRIPTOR_SECTORS 20U

/* An extent of a split disk: 2047 MiB, as VMware splits, which every file system takes. */
#define VMDK_SPLIT_SECTORS 4192256U

/* The options of a new image, checked. */
struct vmdk_new {
	struct output *output;
	uint64_t sectors;
	struct vmdk_descriptor_new descriptor;
	int level;         /* of compression */
	bool repeats;      /* a seed was given: the same input makes the same bytes */
	bool zeroed_grain; /* the header allows grain table entry 1: a grain of zeros */
};

int vmdk_create_sparse(const struct vmdk_new *new, bool split, struct tranship_writer **out,
		       struct tranship_error *err);
int vmdk_create_flat(const struct vmdk_new *new, bool split, struct tranship_writer **out,
		     struct tranship_error *err);
int vmdk_create_stream(const struct vmdk_new *new, struct tranship_writer **out,
		       struct tranship_error *err);

/* The name of a file of the image as a descriptor takes it: NAME without ".vmdk", then the suffix.
 * malloc'ed. */
int vmdk_file_name(const struct output *output, const char *suffix, char **out,
		   struct tranship_error *err);

/* A whole descriptor of one extent, padded with zeros to VMDK_DESCRIPTOR_SECTORS. */
int vmdk_embedded_descriptor(const struct vmdk_new *new, struct buffer *out,
			     struct tranship_error *err);

/* The CID of a base, and the path to it as a descriptor holds it, "" if none is known. */
int vmdk_parent_describe(const struct base_info *base, uint32_t *cid, char hint[VMDK_HINT_MAX],
			 struct tranship_error *err);

/* A tree of files for a split image, while it is written: the extent lines and the file at hand. */
struct vmdk_split {
	struct vmdk_new new;
	const char *type; /* of the extents: "SPARSE", "FLAT" */
	char letter;      /* in their names; 0: one extent, called "-flat" */
	uint64_t extent_sectors;
	uint64_t next_sector; /* of the disk, where the next extent begins */
	unsigned count;
	struct buffer lines;
};

/* Opens the next extent's file and adds its line. *sectors is its size. */
int vmdk_split_next(struct vmdk_split *split, struct tranship_file **file, uint64_t *sectors,
		    struct tranship_error *err);
/* Writes the descriptor to the main file. */
int vmdk_split_finish(struct vmdk_split *split, struct tranship_error *err);

/* How many extents a split disk has; its descriptor must stay small enough to be read. */
int vmdk_split_check(const struct vmdk_new *new, struct tranship_error *err);

#endif
