/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a format implements so that its images can be changed where they stand. Such a disk was
 * opened alone (as a layer) over files of io/edit.h: reads see what was changed, file_write and
 * file_resize on them are kept in memory until modify_apply makes them durable as a whole.
 *
 * Bytes of the disk are written straight to the file (modify_free), and what names them in the
 * tables is part of the transaction: so nothing ever names bytes that are not there. A format's
 * table cache forgets what was written beneath it (table_cache_forget).
 */
#ifndef CORE_MODIFY_H
#define CORE_MODIFY_H

#include "core/format.h"
#include "io/edit.h"
#include "tranship/modify.h"

struct modify_ops {
	/*
	 * Writes bytes of the disk, allocating what is absent; off and len are whole sectors. They
	 * are durable after flush; memory does not grow with what is written between two flushes
	 * but for the tables. Where the image has a parent only what is written becomes present; a
	 * format whose unit of allocation has no bitmap (whole_clusters) is then given whole
	 * clusters (or what the disk has of the last one), and otherwise fills up with zeros.
	 */
	int (*write)(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
		     struct tranship_error *err);
	/* The range reads as zeros afterwards, whatever a parent has there. */
	int (*zero)(struct tranship_disk *disk, uint64_t off, uint64_t len,
		    struct tranship_error *err);
	int (*flush)(struct tranship_disk *disk, struct tranship_error *err);
	bool whole_clusters;

	/* The following are durable when they return; nothing else is pending when they begin. */

	/*
	 * Another size, rounded up to what the format can say, also in disk->size. A smaller one
	 * was found to cut nothing but absent ranges and zeros; what becomes unused may stay as
	 * leaks for repair.
	 */
	int (*resize)(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
	/* What resize would refuse to do, for who must know before anything is changed. */
	int (*can_resize)(struct tranship_disk *disk, uint64_t size, struct tranship_error *err);
	/* What resize adds to a child is zeros even where a larger parent has something. */
	bool grows_over_parent;
	/* A new data identity, also in disk->identity. NULL: the format has none. */
	int (*renew)(struct tranship_disk *disk, struct idgen *ids, struct tranship_error *err);
	/* An identity that it had before, as disk->identity told it: for who made the content what
	 * it was then. Where renew is. */
	int (*restore)(struct tranship_disk *disk, const char *identity,
		       struct tranship_error *err);
	/*
	 * Records another parent; NULL: none, then nothing of the disk is absent any more that was
	 * not zeros. A base without paths: the same parent in the same place, with another
	 * identity. NULL: the format has no parents.
	 */
	int (*relink)(struct tranship_disk *disk, const struct base_info *base,
		      struct tranship_error *err);
	/* Everything that the image holds is absent afterwards: its parent has the same. */
	int (*empty)(struct tranship_disk *disk, struct tranship_error *err);
	/* Mends what `flags` (TRANSHIP_REPAIR_*) name, in as many transactions as it takes. NULL:
	 * nothing can be mended. */
	int (*repair)(struct tranship_disk *disk, unsigned flags, struct tranship_error *err);
};

/* The files of an image that is being changed. */
struct edit_list {
	const struct medium *medium; /* for tests; NULL: this machine's */
	const char *journal;         /* of a device, which is the first; NULL: none is */
	struct edit **edits;
	size_t count;
};

/* Opens path for changes and adds it; *out, which its taker closes, reads and writes. `id` (NULL:
 * any) is the file that it must be. */
int edit_list_open(struct edit_list *list, const char *path, const struct file_id *id,
		   bool with_note, struct tranship_file **out, struct tranship_error *err);

/* An image that is being changed. */
struct modified {
	struct tranship_disk *disk; /* alone, without its parents */
	struct edit_list edits;     /* the image's own file first */
	bool recovered;             /* an interrupted change was undone first */
};

/*
 * Opens an image so that it can be changed into *out, of which only edits.medium is set (the rest
 * is zero); TRANSHIP_EUNSUPPORTED if its kind cannot. Flags of `options` that say which layers are
 * wanted do not matter. with_note: also one into which a commit was interrupted.
 */
int modify_open(const char *path, const struct tranship_open_options *options, bool with_note,
		struct modified *out, struct tranship_error *err);
/* What was not applied is dropped. */
void modify_close(struct modified *m);

/* For formats; `file` is one that edit_list_open gave. Bytes that nothing names yet, at once; zeros
 * in the same way (edit_zero_free); what was changed in the file, durably; the file cut to `size`,
 * with nothing pending. */
int modify_free(struct tranship_file *file, uint64_t off, const void *buf, size_t len,
		struct tranship_error *err);
int modify_zero_free(struct tranship_file *file, uint64_t off, uint64_t len,
		     struct tranship_error *err);
int modify_apply(struct tranship_file *file, struct tranship_error *err);
int modify_cut(struct tranship_file *file, uint64_t size, struct tranship_error *err);

#endif
