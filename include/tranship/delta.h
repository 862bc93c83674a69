/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas: what turns one version of a disk into the next. A delta file (format "tsd",
 * docs/formats/delta.md) holds the changed blocks, compressed, each with the digest of what it
 * replaces and of what it becomes; so a wrong base is found before anything is written. Opened as
 * an image (tranship_open) it is a disk that needs its base.
 *
 * Which version of a disk a file is, is said by ids: the caller's (a change id of a hypervisor), or
 * a random UUID that is handed on from one delta or fingerprint to the next. Where both sides carry
 * one they must agree. An image carries none: it is recognised by its size and by the digests of
 * every block that the delta touches.
 */
#ifndef TRANSHIP_DELTA_H
#define TRANSHIP_DELTA_H

#include "tranship/changes.h"
#include "tranship/copy.h"
#include "tranship/fingerprint.h"
#include "tranship/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a delta file says about itself. */
struct tranship_delta_info {
	uint64_t base_size;                /* bytes */
	uint64_t target_size;              /* bytes */
	uint32_t sector_size;              /* bytes */
	uint32_t block_size;               /* bytes for each digest, and the unit of its pieces */
	char hash[8];                      /* "xxh3", "sha256" */
	char base_id[TRANSHIP_ID_MAX + 1]; /* "": not known */
	char target_id[TRANSHIP_ID_MAX + 1];
	char base_format[16]; /* of the image that was compared; "": it was a fingerprint */
	uint64_t records;
	uint64_t data; /* bytes of the disk that it replaces by data, */
	uint64_t zero; /* and by zeros */
	uint64_t file_size;
};

/*
 * Reads the head and the end of the delta file at path. `verify`: all of it, its SHA-256 and every
 * record. TRANSHIP_ECORRUPT: it is none, cut short or altered.
 */
TRANSHIP_API int tranship_delta_inspect(const char *path, bool verify,
					struct tranship_delta_info *out,
					struct tranship_error *err);

/* The old side of a diff: one of the two. Both stay the caller's. */
struct tranship_diff_base {
	struct tranship_disk *disk;
	struct tranship_fingerprint *fingerprint;
};

/* What a stretch of the new disk is to the old one. */
enum tranship_diff_kind {
	TRANSHIP_DIFF_SAME,
	TRANSHIP_DIFF_CHANGED,
	TRANSHIP_DIFF_ZEROED, /* it changed, and is zeros now */
	TRANSHIP_DIFF_UNREAD, /* it was not looked at, because the changes that were given say so */
};

/* Receives the whole disk in ascending pieces, on the calling thread. */
typedef void tranship_diff_fn(void *ctx, uint64_t off, uint64_t len, enum tranship_diff_kind kind);

/* How to compare. All zero is a good start. */
struct tranship_diff_options {
	/*
	 * What is written: "tsd" (NULL: this) a delta file; "rbd", what rbd export-diff writes; or
	 * "vhdx", "vpc", "vmdk": a differencing image over the old disk, which must be one of the
	 * same format.
	 */
	const char *format;
	const char *options;   /* of that format, as for tranship_create; for "tsd" see there */
	unsigned create_flags; /* TRANSHIP_CREATE_NO_CLOBBER */
	const char *base_hint; /* the path of the old disk from the output's folder; NULL: none */
	const char *base_id;   /* of the old side; must agree with that of a fingerprint */
	const char *target_id; /* of the new disk; NULL: a random one */
	/*
	 * Only these ranges of the disks are looked at. Their ids must agree with the others that
	 * are known. NULL: all of the disk; where the old disk is a parent of the new one, what the
	 * images above it hold, and where both are restore points of one store and lineage, what
	 * their block tables say, without reading the rest.
	 */
	const struct tranship_changes *changes;
	/*
	 * With `changes`: a fingerprint of the base; all of the new disk is read, and
	 * TRANSHIP_EMISMATCH returned if anything outside of the changes differs from it, and
	 * the ranges put into *missed (NULL: not wanted), which is the caller's.
	 */
	struct tranship_fingerprint *verify;
	struct tranship_changes **missed;
	/*
	 * Where the fingerprint of the new disk is written, in the same pass; NULL: nowhere. With
	 * `changes` it is made from that of the base, which must be there: as the old side, as
	 * `verify`, or as `base_fingerprint`. Else it is one of the lineage of that of the base, or
	 * a new one.
	 */
	const char *fingerprint_out;
	struct tranship_fingerprint *base_fingerprint;
	const char *hash; /* of the digests where the old side is a disk; NULL: "xxh3" */
	/*
	 * Where the old side is a disk and there is no fingerprint of it: a delta or fingerprint
	 * whose lineage (hash and secret) the new ones are to be of, so that the deltas of many
	 * days can be merged. NULL: a new lineage.
	 */
	const char *like;
	tranship_diff_fn *found; /* NULL: none */
	void *found_ctx;
	struct tranship_copy_options copy; /* threads, rate, progress and warn count */
};

struct tranship_diff_result {
	uint64_t changed;                  /* bytes of the disk that are data now and differ */
	uint64_t zeroed;                   /* and that are zeros now and were not */
	uint64_t pieces;                   /* stretches of them */
	uint64_t read;                     /* bytes read of the new disk */
	uint64_t written;                  /* size of the output; 0 without one */
	char base_id[TRANSHIP_ID_MAX + 1]; /* "": not known */
	char target_id[TRANSHIP_ID_MAX + 1];
};

/*
 * Compares a disk with what it was, reading it once, and writes the difference to path ("-":
 * standard output, for "tsd" and "rbd"; NULL: nowhere, only `found`, the fingerprint and the result
 * are wanted). A delta file gets mode 0600, because the secret of the lineage is in it.
 *
 * Where both sides are disks, changes are kept in blocks of 4 KiB; against a fingerprint, in its
 * blocks. Options of "tsd": level=1..19 (of zstd; 0: not compressed; default 1), seed=HEX.
 *
 * TRANSHIP_EMISMATCH: ids that differ, a fingerprint of another disk, a base that is not complete.
 */
TRANSHIP_API int tranship_diff(const struct tranship_diff_base *base, struct tranship_disk *target,
			       const char *path, const struct tranship_diff_options *options,
			       struct tranship_diff_result *out, struct tranship_error *err);

/* How to apply. All zero is a good start; 0 threads are at most 8. */
struct tranship_apply_options {
	const struct tranship_open_options *target; /* how the target is opened; NULL: by probing */
	/* Where the journal stands: a path on storage that lasts. NULL: TARGET.tranship-journal.
	   Needed for a block device. */
	const char *journal;
	/* For tranship_apply_undo, after success. The next delta for this target replaces it. */
	bool keep_journal;
	const char *base_id; /* what the target is known to be; must agree with the delta */
	/* All of the target is compared with this before it is touched, not only the blocks that
	   the delta replaces. NULL: only these. */
	struct tranship_fingerprint *verify;
	const char *spool_folder;          /* where a delta that comes through a pipe is kept */
	struct tranship_copy_options copy; /* threads, rate, progress and warn count */
};

struct tranship_apply_result {
	uint64_t written; /* bytes of the disk that were written */
	bool nothing;     /* the target was what the delta makes of it already */
	bool resumed;     /* an interrupted apply was finished */
};

/*
 * Turns the image at `target` into the next version, where it stands. The delta file ("-": standard
 * input) is read and checked whole, and the old digest of every block that it touches is verified,
 * before the first byte of the target changes; TRANSHIP_EMISMATCH names the first range that
 * differs. What will be overwritten is saved in the journal first. Interrupted at any instant, the
 * target is refused by every function of this library (a device is not: nobody knows where its
 * journal is) until the same call finishes it or
 * tranship_apply_undo goes back. A target that is the next version already is left as it is.
 *
 * TRANSHIP_EUNSUPPORTED: an image that cannot be changed in place (tranship/modify.h), or one that
 * has a parent; TRANSHIP_EBUSY: somebody has it open, or something else was interrupted in it, or
 * another run makes a journal in the same place; TRANSHIP_EMISMATCH: the journal in that place is
 * of another target, whatever became of it; TRANSHIP_EIO with ENOSPC: there is not enough room,
 * which is estimated before anything is begun.
 */
TRANSHIP_API int tranship_apply(const char *delta, const char *target,
				const struct tranship_apply_options *options,
				struct tranship_apply_result *out, struct tranship_error *err);

/*
 * Goes back to what the target was before the last apply: an interrupted one, or one whose journal
 * was kept. Its identity is the old one then, too, so that children of the old version are accepted
 * again. It may be interrupted, and is finished by the same call; or tranship_apply goes forward
 * again. TRANSHIP_EMISMATCH, and nothing is written, if the target was written since;
 * TRANSHIP_EINVAL: there is no journal. Of the options target, journal and copy count.
 */
TRANSHIP_API int tranship_apply_undo(const char *target,
				     const struct tranship_apply_options *options,
				     struct tranship_apply_result *out, struct tranship_error *err);

/* How to merge. All zero is a good start. */
struct tranship_merge_options {
	const char *options;               /* as for a diff to "tsd" */
	unsigned create_flags;             /* TRANSHIP_CREATE_NO_CLOBBER */
	struct tranship_copy_options copy; /* threads and progress count */
};

/*
 * Makes of deltas that follow each other, oldest first, one that does the same in one step.
 * TRANSHIP_EMISMATCH: they do not follow each other (ids, sizes, or digests where they touch the
 * same blocks); TRANSHIP_EUNSUPPORTED: their block sizes or hashes differ.
 */
TRANSHIP_API int tranship_delta_merge(const char *const *deltas, size_t count, const char *path,
				      const struct tranship_merge_options *options,
				      struct tranship_diff_result *out, struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
