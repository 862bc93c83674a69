/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk: a virtual disk to be read. Whatever it comes from (an image, an image in an archive, a
 * stream), it has a size, a map that says where data is, and bytes.
 *
 * Threads: a disk never changes once it is open. tranship_disk_map and tranship_disk_read may be
 * called from any number of threads at once, each with its own scratch. A forward disk (see
 * tranship_disk_is_forward) is the exception.
 */
#ifndef TRANSHIP_DISK_H
#define TRANSHIP_DISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_disk;
struct tranship_scratch;

enum tranship_extent_kind {
	TRANSHIP_DATA,   /* the image stores these bytes (they may still be zeros) */
	TRANSHIP_ZERO,   /* the image says that these bytes are zeros */
	TRANSHIP_ABSENT, /* the image does not hold them: a base may; without one they read as zeros
			  */
	TRANSHIP_LOST,   /* only with TRANSHIP_OPEN_SALVAGE: the image is damaged or cut short and
			    may have held them; reading them is TRANSHIP_ECORRUPT */
};

#define TRANSHIP_NO_OFFSET UINT64_MAX

/*
 * `len` bytes from `off`, all of one kind. Where data stands in a file as it is, file_off is its
 * offset in the file number file_index (see tranship_disk_file_name); compressed or absent data has
 * TRANSHIP_NO_OFFSET or, when compressed, the offset of the stored bytes.
 */
struct tranship_extent {
	uint64_t off;
	uint64_t len;
	enum tranship_extent_kind kind;
	bool compressed;
	uint32_t file_index;
	uint64_t file_off;
	uint32_t depth; /* which image of a chain says so: 0 is the one that was opened */
};

/* The size in bytes. Not always a multiple of the sector size: a raw file may end anywhere. */
TRANSHIP_API uint64_t tranship_disk_size(const struct tranship_disk *disk);

/* The logical sector size in bytes: 512 or 4096. */
TRANSHIP_API uint32_t tranship_disk_sector_size(const struct tranship_disk *disk);

/* The unit of allocation in bytes (a grain, a block), 0 where there is none. */
TRANSHIP_API uint32_t tranship_disk_cluster_size(const struct tranship_disk *disk);

/* The name of the format that reads it: "raw", "vmdk", "vpc", "vhdx". Never NULL. */
TRANSHIP_API const char *tranship_disk_format(const struct tranship_disk *disk);

/* Bytes that its files occupy on their file systems, as they were when it was opened. */
TRANSHIP_API uint64_t tranship_disk_allocated(const struct tranship_disk *disk);

/* The name of file number index as it was given or as the image spells it; NULL past the last one.
 */
TRANSHIP_API const char *tranship_disk_file_name(const struct tranship_disk *disk, uint32_t index);

/*
 * Chains. An image may hold only what differs from its parent (a differencing disk, a checkpoint, a
 * delta link). Opened as usual it is a disk over all of its parents, and complete; opened as a
 * layer (TRANSHIP_OPEN_LAYER) it is not: tranship_copy, tranship_compare and tranship_measure
 * refuse it.
 */
TRANSHIP_API bool tranship_disk_is_complete(const struct tranship_disk *disk);

/*
 * How many images the disk consists of (1 where there is no chain), and image number index alone: 0
 * is the one that was opened, the last one has no parent. NULL past the last one. It belongs to the
 * disk. Its files are its own: tranship_disk_file_name(layer, 0) is where it was found.
 */
TRANSHIP_API uint32_t tranship_disk_layer_count(const struct tranship_disk *disk);
TRANSHIP_API struct tranship_disk *tranship_disk_layer(struct tranship_disk *disk, uint32_t index);

/*
 * What a child records to know the disk again as its parent, as text: the unique id of a VHD, the
 * data write GUID of a VHDX, the CID of a VMDK. "" for a disk that cannot be a parent, but of a
 * delta, which knows its base by what is in it.
 */
TRANSHIP_API const char *tranship_disk_identity(const struct tranship_disk *disk);

/* The identity of the parent that the image needs, NULL if it needs none (of a delta: the id of its
 * base, or a text that says that it has none); and the paths that it gives for it, the best one
 * first, as it spells them: NULL past the last one. */
TRANSHIP_API const char *tranship_disk_parent_identity(const struct tranship_disk *disk);
TRANSHIP_API const char *tranship_disk_parent_hint(const struct tranship_disk *disk,
						   uint32_t index);

/* The format of the parent that the image needs, "" where it is not known, NULL if it needs none.
 * All but deltas have parents of their own format. */
TRANSHIP_API const char *tranship_disk_parent_format(const struct tranship_disk *disk);

/*
 * Whether this disk comes from a pipe: it is read once, front to back. Its extents are asked for in
 * ascending order by one thread at a time, and each data extent is read exactly once, soon after it
 * was mapped, from any thread.
 */
TRANSHIP_API bool tranship_disk_is_forward(const struct tranship_disk *disk);

/*
 * What a read needs to keep: a decompressor, buffers. One for each thread; released before the disk
 * is closed.
 */
TRANSHIP_API int tranship_scratch_new(struct tranship_disk *disk, struct tranship_scratch **out,
				      struct tranship_error *err);
TRANSHIP_API void tranship_scratch_free(struct tranship_scratch *scratch);

/*
 * The extent that begins at off (off < size). It is as long as the format can tell cheaply, so
 * neighbouring extents may be of one kind; the extents from 0 on tile the disk.
 */
TRANSHIP_API int tranship_disk_map(struct tranship_disk *disk, uint64_t off,
				   struct tranship_extent *out, struct tranship_error *err);

/*
 * Reads len bytes at off, both arbitrary; a range that passes the end of the disk is
 * TRANSHIP_EINVAL. What the image does not hold reads as zeros. `scratch` belongs to this disk and
 * to the calling thread; NULL borrows one, which costs a lock and, now and then, an allocation.
 */
TRANSHIP_API int tranship_disk_read(struct tranship_disk *disk, struct tranship_scratch *scratch,
				    uint64_t off, void *buf, size_t len,
				    struct tranship_error *err);

/*
 * What the format knows beyond the fields above, as a list of names and values. A dot in a name is
 * a level: "extents.0.filename". Numbers among the levels count the elements of a list.
 */
enum tranship_property_type {
	TRANSHIP_PROPERTY_TEXT,
	TRANSHIP_PROPERTY_NUMBER,
	TRANSHIP_PROPERTY_BOOL
};

struct tranship_property {
	const char *name;
	enum tranship_property_type type;
	const char *text;
	uint64_t number; /* also the value of a bool: 0 or 1 */
};

/* Calls fn for each property, in order; what it is given lives until it returns. Stops when fn
 * returns nonzero. */
TRANSHIP_API int
tranship_disk_properties(struct tranship_disk *disk,
			 int (*fn)(void *ctx, const struct tranship_property *property), void *ctx);

/*
 * The bytes [off, off + len) of a complete disk as a disk of their own. Takes over `disk` on
 * success. TRANSHIP_EINVAL if the range passes its end; TRANSHIP_EUNSUPPORTED for a forward disk.
 */
TRANSHIP_API int tranship_disk_window(struct tranship_disk *disk, uint64_t off, uint64_t len,
				      struct tranship_disk **out, struct tranship_error *err);

/* Closes the disk and everything beneath it; NULL is accepted. */
TRANSHIP_API void tranship_disk_close(struct tranship_disk *disk);

#ifdef __cplusplus
}
#endif

#endif
