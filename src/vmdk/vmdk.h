/* SPDX-License-Identifier: Apache-2.0 */
/* A VMDK that is read: a list of extents, each of them flat, sparse, zeros or out of bounds. */
#ifndef VMDK_VMDK_H
#define VMDK_VMDK_H

#include "core/format.h"
#include "vmdk/vmdk_descriptor.h"
#include "vmdk/vmdk_sparse.h"

enum vmdk_extent_kind { VMDK_EXTENT_FLAT, VMDK_EXTENT_SPARSE, VMDK_EXTENT_ZERO };

struct vmdk_extent {
	enum vmdk_extent_kind kind;
	bool no_access; /* there is nothing to read */
	bool read_only;
	char type[16];  /* as the descriptor spells it; "" for a lone sparse file */
	uint64_t start; /* in the disk, bytes */
	uint64_t len;
	struct tranship_file *file; /* owned; NULL for zeros, and for a lone sparse file */
	uint32_t file_index;
	uint64_t file_off; /* flat: where it begins in the file */
	struct vmdk_sparse sparse;
	char *lost;     /* salvage: why its end, or all of it, is lost; NULL: it is not */
	uint64_t there; /* how much of it is not */
};

struct vmdk_disk {
	struct tranship_disk disk;
	struct disk_ops ops; /* of a disk that can be changed in place */
	struct tranship_file
		*file; /* that was opened: a sparse file or a descriptor, held for its lock */
	uint32_t cid, parent_cid;
	char create_type[32];
	size_t extent_count;
	struct vmdk_extent *extents;
	struct tranship_probe_result *report; /* as in open_params */
};

static inline struct vmdk_disk *vmdk_of(struct tranship_disk *disk)
{
	return (struct vmdk_disk *)disk;
}

/* The extent that holds this byte of the disk. */
struct vmdk_extent *vmdk_extent_at(struct vmdk_disk *vmdk, uint64_t off);

/* A descriptor inside a sparse file (its text, len bytes) must describe that file alone. */
int vmdk_take_embedded(struct vmdk_disk *vmdk, const void *text, size_t len,
		       struct tranship_error *err);

/*
 * Opens what the file leads to, as the policy allows: fills vmdk->extents and the disk's size and
 * files. What was opened is in vmdk->extents, also on failure.
 */
int vmdk_open_extents(struct vmdk_disk *vmdk, struct tranship_file *file,
		      const struct open_params *params, struct tranship_error *err);

/* The largest embedded descriptor that is read, in bytes. */
#define VMDK_EMBEDDED_MAX (1U << 20)

/* Changing it in place (vmdk_modify.c): the operations, NULL where an extent is of a kind that is
 * not changed. */
const struct modify_ops *vmdk_modify_ops(const struct vmdk_disk *vmdk);

int vmdk_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err);

/* A stream-optimized disk that comes through a pipe. */
bool vmdk_streams(const struct probe_input *in, const struct options *options);
int vmdk_stream_open(struct stream *stream, const struct open_params *params,
		     struct tranship_disk **out, struct tranship_error *err);

void vmdk_stream_properties(struct tranship_disk *disk, struct property_sink *sink);

/* A stream-optimized file that is cut short or damaged (vmdk_salvage.c). *mine: whether it is a
 * stream; it is taken over on success. */
int vmdk_salvage_open(struct tranship_file *file, const struct open_params *params, bool *mine,
		      struct tranship_disk **out, struct tranship_error *err);

int vmdk_create(const struct create_params *params, struct tranship_writer **out,
		struct tranship_error *err);
extern const struct tranship_option_info vmdk_create_options[];

#endif
