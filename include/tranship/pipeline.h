/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replication run: a disk is read, what changed since the last point is found, and carried into a
 * store as a new point (tranship/store.h); and the way back. docs/pipeline.md explains a run.
 *
 * Threads: one call at a time on one disk; the store may be shared.
 */
#ifndef TRANSHIP_PIPELINE_H
#define TRANSHIP_PIPELINE_H

#include "tranship/boot.h"
#include "tranship/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to do where changes are given and do not begin at the last point, or have no ids. */
enum tranship_lost_tracking {
	TRANSHIP_LOST_TRACKING_FAIL,        /* TRANSHIP_ETRACKING */
	TRANSHIP_LOST_TRACKING_FINGERPRINT, /* read all of the disk, compare with the last point */
};

/* How a run found what changed. */
enum tranship_method {
	TRANSHIP_METHOD_FULL,        /* there was no point to compare with */
	TRANSHIP_METHOD_CHANGES,     /* the changes that were given */
	TRANSHIP_METHOD_FINGERPRINT, /* all was read, and compared by digests */
};

/* A run's progress, beyond tranship_progress. */
struct tranship_replicate_progress {
	struct tranship_progress common; /* phase "reading", "checking", "committing" */
	uint64_t read;                   /* bytes of the disk that were read */
	uint64_t changed;                /* that differ from the last point */
	uint64_t sent;                   /* bytes that were stored */
};
typedef int tranship_replicate_progress_fn(void *ctx,
					   const struct tranship_replicate_progress *progress);

struct tranship_replicate_options {
	const char *name;    /* of the point, without '@'; NULL: the disk's id */
	const char *disk;    /* which disk it is a version of; needed */
	const char *version; /* what this version is called; NULL: the changes' target id, or a
				random one */
	/*
	 * What changed since the version that the last point is: base id and target id must be
	 * there. NULL: all is read and compared by digests.
	 */
	const struct tranship_changes *changes;
	enum tranship_lost_tracking on_lost_tracking;
	/*
	 * The plan through which the source is read: `source` is what tranship_boot_open made of
	 * the disk with this very plan. NULL: none. The point remembers it. The changes are those
	 * of the disk without it: where the last point was read through another plan, or through
	 * none, or this run has none, what the two plans have different is read, too. A run under
	 * another plan than the last point's makes a point even if nothing else has changed. Stays
	 * the caller's.
	 */
	const struct tranship_boot_plan *boot;
	/* Who the source is: the same text means the same content. NULL: its local files' device,
	 * inode, size, mtime and ctime, which are looked at again at the end. */
	const char *source_identity;
	/* What else makes the source what it is: how the image is looked at (a member of an
	 * archive, options of its format). Where it is another text than the interrupted run's
	 * nothing that one read counts. NULL: nothing. */
	const char *source_view;
	/* A file in which the run says how far it got, so that the next one goes on from there; it
	 * is removed after success. Beside it, in a file of its name with ".last", stands which
	 * point was the newest then: where the store does not have that one any more, it is warned
	 * of. NULL: none. */
	const char *checkpoint;
	int level;        /* of zstd, 1 to 19; 0: 1; TRANSHIP_LEVEL_NONE: not compressed */
	unsigned threads; /* that read and pack; 0: one a CPU, at most 8 */
	unsigned uploads; /* slots on their way at once, each in memory; 0: 2 */
	uint64_t rate;    /* bytes read a second; 0: no limit */
	uint64_t grace;   /* that gc is run with; 0: TRANSHIP_GRACE_DEFAULT */
	tranship_replicate_progress_fn *progress;
	void *progress_ctx;
	tranship_warn_fn *warn;
	void *warn_ctx;
};
#define TRANSHIP_LEVEL_NONE (-1)

struct tranship_replicate_result {
	bool nothing;        /* nothing had changed: no point was made */
	bool resumed;        /* went on from a checkpoint */
	bool lost_tracking;  /* changes were given and could not be used */
	bool source_changed; /* while it was read: that is why it failed */
	enum tranship_method method;
	char point[64];       /* the id of the new point; where nothing changed, of the last */
	char predecessor[64]; /* "": none */
	char version[TRANSHIP_ID_MAX + 1];
	uint64_t size, read, changed, zeroed; /* bytes of the disk */
	uint64_t deduplicated; /* bytes of it that differ and were in the store already */
	uint64_t sent;         /* bytes stored */
	uint64_t slots;        /* stored */
	double seconds;
};

/*
 * Makes one run. The point is visible when this returns 0, and not before. An interrupted run
 * leaves nothing visible; the next one uses what it stored.
 *
 * TRANSHIP_EINVAL: the boot plan is refused, or of a disk of another size (and what else is wrong
 * in the options); TRANSHIP_ETRACKING: the changes have no ids, or do not begin at the last point;
 * TRANSHIP_EBUSY: the source changed while it was read; TRANSHIP_EMISMATCH: the source has another
 * format than at the last point; TRANSHIP_ECANCELED: by the progress function, or the lease ran
 * out.
 */
TRANSHIP_API int tranship_replicate(struct tranship_disk *source, struct tranship_store *store,
				    const struct tranship_replicate_options *options,
				    struct tranship_replicate_result *out,
				    struct tranship_error *err);

/* The way back. All zero but format is a good start. */
struct tranship_restore_options {
	const char *format;  /* of the output */
	const char *options; /* of that format */
	unsigned create_flags;
	enum tranship_cache cache;
	uint64_t time; /* seconds since 1970 for time stamps inside the image; 0: now */
	/* Damaged or missing blocks become zeros and are told; NULL: the first ends the restore. */
	tranship_lost_fn *lost;
	void *lost_ctx;
	struct tranship_copy_options copy; /* threads, rate, progress, warn count */
};
struct tranship_restore_result {
	uint64_t written; /* bytes of the disk */
	uint64_t same;    /* that an existing output had already */
	uint64_t lost;
};
/*
 * Writes a point as an image, every block verified. A new output takes its name when it is whole.
 *
 * With TRANSHIP_CREATE_IN_PLACE onto an existing image or device of at least the point's size, of
 * which only what differs is written (all, where it has a parent, cannot be read, or is known to be
 * zeros). That is not atomic: interrupted, the target is partly the one and partly the other, and
 * the same call finishes it. An image of a format with structure is sound at every instant, keeps
 * its kind and its size, and gets a new identity; what a larger one has behind the point's end
 * becomes zeros, while a larger raw file or device keeps it.
 *
 * TRANSHIP_ENOTFOUND: there is no such point; TRANSHIP_ECORRUPT: a slot is missing or damaged, the
 * message names it and the range of the disk; TRANSHIP_ELIMIT: the target is too small.
 */
TRANSHIP_API int tranship_restore(struct tranship_store *store, const char *point, const char *path,
				  const struct tranship_restore_options *options,
				  struct tranship_restore_result *out, struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
