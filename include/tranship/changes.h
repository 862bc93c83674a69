/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes: which ranges of a disk may differ from what they were. They come from whoever tracked
 * them (a hypervisor, a cloud, a storage system), from the layers of a chain, or from comparing.
 * Outside of them nothing has changed: that is the whole promise, so a list that is not known to be
 * whole is never taken for one. Inside of them anything may be the same: more ranges than needed
 * cost time, never data.
 *
 * Threads: a set may be read from any number of threads while nobody changes it.
 */
#ifndef TRANSHIP_CHANGES_H
#define TRANSHIP_CHANGES_H

#include "tranship/disk.h"
#include "tranship/file.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_changes;
struct tranship_open_options; /* tranship/image.h */

/* The longest id of a version of a disk, in bytes, without the end of the string. */
#define TRANSHIP_ID_MAX 255

/* The most ranges that a set holds: a million, 16 MB. Past that those with the
 * smallest gaps between them become one: it grows, and is never less than what was put in. */
#define TRANSHIP_CHANGES_MAX (1U << 20)

/* [off, off + len) in bytes. `zero`: whoever tracked it says that it reads as zeros now (a cleared
 * page, a discarded extent). */
struct tranship_change {
	uint64_t off;
	uint64_t len;
	bool zero;
};

/* An empty set for a disk of `size` bytes: nothing has changed. TRANSHIP_ELIMIT: it has 2^63 or
 * more. */
TRANSHIP_API int tranship_changes_new(uint64_t size, struct tranship_changes **out,
				      struct tranship_error *err);
/* NULL is accepted. */
TRANSHIP_API void tranship_changes_free(struct tranship_changes *changes);

/*
 * Adds a range, in any order; what overlaps or touches becomes one. Where a range that is zeros and
 * one that is not overlap, it is not. Cheap where ranges ascend. TRANSHIP_EINVAL: it is empty or
 * passes the end of the disk.
 */
TRANSHIP_API int tranship_changes_add(struct tranship_changes *changes, uint64_t off, uint64_t len,
				      bool zero, struct tranship_error *err);

/* The size of the disk in bytes; how many ranges there are (neighbours of different kind count
 * twice), and their sum in bytes. */
TRANSHIP_API uint64_t tranship_changes_size(const struct tranship_changes *changes);
TRANSHIP_API size_t tranship_changes_count(const struct tranship_changes *changes);
TRANSHIP_API uint64_t tranship_changes_bytes(const struct tranship_changes *changes);
/* Range number index, ascending; index < count. */
TRANSHIP_API struct tranship_change tranship_changes_at(const struct tranship_changes *changes,
							size_t index);
/* The number of the first range that ends behind off; count if there is none. */
TRANSHIP_API size_t tranship_changes_find(const struct tranship_changes *changes, uint64_t off);

/* Where the set comes from ("vmware", "layers", ...), and which versions of the disk it is between.
 * "" where that is not known. Setting TRANSHIP_EINVAL: longer than TRANSHIP_ID_MAX. */
TRANSHIP_API const char *tranship_changes_origin(const struct tranship_changes *changes);
TRANSHIP_API const char *tranship_changes_base_id(const struct tranship_changes *changes);
TRANSHIP_API const char *tranship_changes_target_id(const struct tranship_changes *changes);
TRANSHIP_API int tranship_changes_set_origin(struct tranship_changes *changes, const char *origin,
					     struct tranship_error *err);
TRANSHIP_API int tranship_changes_set_ids(struct tranship_changes *changes, const char *base_id,
					  const char *target_id, struct tranship_error *err);

/*
 * New sets: what is in either, in both, in a but not in b. Zeros stay zeros where nothing that is
 * not zeros meets them, in the second as in the first. TRANSHIP_EMISMATCH: the sizes of the
 * disks differ. The ids are those that both agree on. A union of A to B and B to C (the target id
 * of one is the base id of the other) is from A to C.
 */
TRANSHIP_API int tranship_changes_union(const struct tranship_changes *a,
					const struct tranship_changes *b,
					struct tranship_changes **out, struct tranship_error *err);
TRANSHIP_API int tranship_changes_intersect(const struct tranship_changes *a,
					    const struct tranship_changes *b,
					    struct tranship_changes **out,
					    struct tranship_error *err);
TRANSHIP_API int tranship_changes_subtract(const struct tranship_changes *a,
					   const struct tranship_changes *b,
					   struct tranship_changes **out,
					   struct tranship_error *err);
/* The same set in whole blocks (a power of two, bytes): changed ranges grow outwards, zero ranges
 * inwards. */
TRANSHIP_API int tranship_changes_round(const struct tranship_changes *changes, uint64_t block,
					struct tranship_changes **out, struct tranship_error *err);

/* How to read a list. All zero is right for the library's own format. */
struct tranship_changes_options {
	/*
	 * "tranship" (NULL: this), "vmware", "rct", "azure", "rbd", "qemu", "nbd", "ebs", "era",
	 * "thin". docs/formats/changes.md says what each of them is, where its end mark is, and
	 * what is refused. Nothing is guessed from the content.
	 */
	const char *format;
	uint64_t size;       /* of the disk in bytes, where the list does not say; 0: it must */
	uint64_t block_size; /* bytes of an era block, which era_invalidate does not say */
	const char *base_id; /* where the list has none; another one than it has is EMISMATCH */
	const char *target_id;
};

/*
 * Reads a list. Several pages (replies of a service that answers in parts) stand behind each other
 * in one file; in any order where each says what it is about (vmware, rct), else as they came.
 *
 * TRANSHIP_ECORRUPT: it breaks its format, or a range passes the end of the disk, or pages
 * contradict each other; TRANSHIP_EINVAL: something is not in the list that it does not say (size,
 * block_size), or an unknown format; TRANSHIP_EMISMATCH: another id or size than wanted;
 * TRANSHIP_EUNSUPPORTED: the list says nothing about changes (totals, a fault of the service), or
 * has a part that is not known and may say what changed; TRANSHIP_ELIMIT: longer than 256 MiB, or
 * an element of it longer than 64 KiB (a page may have any number of those). A list without its end
 * mark is TRANSHIP_ECORRUPT and never "no changes".
 */
TRANSHIP_API int tranship_changes_read(struct tranship_file *file,
				       const struct tranship_changes_options *options,
				       struct tranship_changes **out, struct tranship_error *err);

/* The same for a path; "-" is standard input. */
TRANSHIP_API int tranship_changes_open(const char *path,
				       const struct tranship_changes_options *options,
				       struct tranship_changes **out, struct tranship_error *err);

/* Writes the set as JSON in the library's own format, in pieces; nonzero from `put` stops with that
 * code. */
TRANSHIP_API int tranship_changes_write(const struct tranship_changes *changes,
					int (*put)(void *ctx, const char *text, size_t len,
						   struct tranship_error *err),
					void *ctx, struct tranship_error *err);

/* The same into a file, which takes its name when it is whole; "-": standard output. */
TRANSHIP_API int tranship_changes_save(const struct tranship_changes *changes, const char *path,
				       struct tranship_error *err);

/*
 * What the first `depth` images of a chain hold (1: the child alone), without reading data: the
 * changes against the parent below them. Also of a disk that was opened alone as a layer.
 */
TRANSHIP_API int tranship_changes_of_layers(struct tranship_disk *disk, uint32_t depth,
					    struct tranship_changes **out,
					    struct tranship_error *err);

/*
 * What the dirty bitmap of an NBD export (of a running qemu, of a qcow2 image that qemu-nbd -B
 * serves) has noted, without reading data. `url` and `options` (NULL: none; only options.options is
 * looked at) are as for tranship_open; `bitmap` is its name, or the whole name of its context
 * ("qemu:dirty-bitmap:NAME"). The set's origin is "nbd-bitmap"; it has no ids.
 *
 * TRANSHIP_ENOTFOUND: the export has no such bitmap, so nothing is known of what changed;
 * TRANSHIP_EIO: there is no such export, or the connection was lost (it is not made again: a bitmap
 * may be another one by then); TRANSHIP_ECORRUPT, TRANSHIP_EUNSUPPORTED: what the server says is
 * none of a bitmap; TRANSHIP_EINVAL: the URL or the name.
 */
TRANSHIP_API int tranship_changes_of_nbd(const char *url,
					 const struct tranship_open_options *options,
					 const char *bitmap, struct tranship_changes **out,
					 struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
