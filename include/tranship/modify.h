/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing images where they stand: another size, another parent, a child merged into its parents,
 * damage mended.
 *
 * Every function here opens the image for itself, under an exclusive lock, and ends with the image
 * closed and on stable storage. A kill or a power loss at any instant leaves the image as it was or
 * as it will be, or with a journal beside it (NAME.tranship-pages), with which every function of
 * this library refuses to open it until one of these functions, or tranship_repair, has undone or
 * finished the work. Other programs do not know the journal and would see a mixture.
 *
 * A change of what the disk contains gives the image a new identity first, so that other children
 * of it are refused from then on; in a VHDX another size does that, too ([MS-VHDX] 2.2.2.1).
 *
 * Journals and notes are found by the image's name: after an interrupted change the image is not to
 * be renamed, or opened by another hard link, before the change is undone or finished. A file that
 * has several names already is not changed: TRANSHIP_EUNSUPPORTED from all functions here.
 *
 * Threads: different images may be changed at once; one image by one caller at a time.
 */
#ifndef TRANSHIP_MODIFY_H
#define TRANSHIP_MODIFY_H

#include "tranship/copy.h"
#include "tranship/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tranship_resize_flag {
	/* Allow a smaller size. The part that is cut off must be unused: absent, or zeros. */
	TRANSHIP_RESIZE_SHRINK = 1 << 0,
};

/*
 * Gives the disk another size in bytes; the format rounds it up to what it can say, and what is new
 * reads as zeros. `options` as for tranship_open; may be NULL.
 *
 * TRANSHIP_EINVAL: a smaller size without the flag, or with data in what would be cut;
 * TRANSHIP_ELIMIT: larger than the format allows, with the name of one that does;
 * TRANSHIP_EUNSUPPORTED: a kind of image that cannot be changed in place (streamOptimized), a file
 * of several names (hard links), or a larger size for a child whose parent is larger already.
 */
TRANSHIP_API int tranship_resize(const char *path, const struct tranship_open_options *options,
				 uint64_t size, unsigned flags, struct tranship_error *err);

enum tranship_commit_flag {
	/* Leave the child as it is; otherwise it is emptied. */
	TRANSHIP_COMMIT_KEEP_CHILD = 1 << 0,
};

/*
 * Writes what the image at path holds into its parent (`base` NULL), or what it and the images
 * between hold into the parent whose path is `base` (from the current folder or the image's). A
 * parent that is smaller grows first. After a failure nothing is lost: the child still has its
 * data, and the same call again finishes the work. The images between then read as the parent does
 * where they hold nothing: they get new identities, too, so that only this chain goes on over them.
 * The child is emptied only where the parent was the next one.
 *
 * One thread copies; `copy` gives progress and rate, and may be NULL.
 *
 * TRANSHIP_EINVAL: the image has no such parent; TRANSHIP_EBUSY: somebody has one of the images
 * open, or the commit of another child was interrupted; TRANSHIP_EUNSUPPORTED: a parent of a kind
 * that cannot be changed in place, or that would have to grow over a larger one of its own.
 */
TRANSHIP_API int tranship_commit(const char *path, const struct tranship_open_options *options,
				 const char *base, unsigned flags,
				 const struct tranship_copy_options *copy,
				 struct tranship_error *err);

enum tranship_rebase_flag {
	/* Change the record of the parent only: the caller's word that the new parent has the same
	   content as the old one (it was moved, renamed or converted). */
	TRANSHIP_REBASE_UNSAFE = 1 << 0,
};

/*
 * Gives the image another parent: the image at `parent`, in the format of the child; NULL: none, it
 * becomes complete in itself. Unless the flag is set, first everything in which the old and the new
 * parent differ is copied into the image, so that its content stays what it was.
 */
TRANSHIP_API int tranship_rebase(const char *path, const struct tranship_open_options *options,
				 const char *parent, unsigned flags,
				 const struct tranship_copy_options *copy,
				 struct tranship_error *err);

enum tranship_repair_flag {
	TRANSHIP_REPAIR_LEAKS = 1 << 0,  /* give back space that nothing refers to */
	TRANSHIP_REPAIR_ERRORS = 1 << 1, /* copies of structures, the log, the journal */
};

/* Receives each finding twice: as it was found, and, if it could not be mended, with `left` set. */
typedef void tranship_repair_fn(void *ctx, enum tranship_finding_kind kind, const char *message,
				bool left);

/*
 * Checks the image as tranship_check does, mends what can be mended without guessing, and checks it
 * again. A commit that was interrupted is not undone: it is what is left. `finding` may be NULL.
 * *before is what was found, *after what is left; *format is the name of the format (NULL: not
 * wanted).
 */
TRANSHIP_API int tranship_repair(const char *path, const struct tranship_open_options *options,
				 unsigned flags, tranship_repair_fn *finding, void *ctx,
				 struct tranship_check_result *before,
				 struct tranship_check_result *after, const char **format,
				 struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
