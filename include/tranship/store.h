/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunk stores: disks as compressed blocks in a folder or an S3 bucket, one restore point after the
 * other. Equal blocks are stored once, zeros never. A point exists when everything that it names is
 * stored and synced, and reads as a disk at once. docs/formats/store.md is the layout,
 * docs/pipeline.md explains a run; runs are made by tranship_replicate (tranship/pipeline.h).
 *
 * A location is a folder ("/backup", "store:/backup") or "s3://bucket/prefix".
 *
 * Threads: an open store may be used from any number of threads. Several programs may use one store
 * at once: writers, readers and gc do not hurt each other.
 */
#ifndef TRANSHIP_STORE_H
#define TRANSHIP_STORE_H

#include "tranship/changes.h"
#include "tranship/copy.h"
#include "tranship/image.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_store;

/* How an S3 server is reached. All zero: Amazon's, in the region and with the credentials that the
 * environment or ~/.aws say. */
struct tranship_s3_options {
	const char *endpoint; /* "https://host:port"; NULL: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
				 the profile's endpoint_url, or Amazon's */
	const char *region;   /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1 */
	const char *profile;  /* in ~/.aws; NULL: AWS_PROFILE, "default" */
	bool instance;        /* take credentials from the instance's metadata service (IMDSv2) */
	bool virtual_host;    /* bucket.host/key instead of host/bucket/key */
	const char *ca_file;  /* certificates that are trusted instead of the system's */
	const char *proxy;    /* NULL: as the environment says */
	unsigned retries;     /* of a request; 0: 8 */
	unsigned timeout;     /* seconds without a byte moving; 0: 60 */
};

/* How a store is opened. All zero is right for one that is not encrypted. */
struct tranship_store_options {
	const char *passphrase; /* of an encrypted store; not kept */
	const char *key_file;   /* or: a file whose content (32 to 4096 bytes) unwraps it */
	/* Asked for the passphrase where the store has one and nothing is given; NULL, or where it
	 * returns NULL: there is none. The text belongs to who is asked, and is not kept. */
	const char *(*ask)(void *ctx);
	void *ask_ctx;
	const char *cache; /* a folder for what can be built again; NULL: $XDG_CACHE_HOME/tranship
			      or ~/.cache/tranship; "": none */
	struct tranship_s3_options s3;
	tranship_warn_fn *warn;
	void *warn_ctx;
};

struct tranship_store_init_options {
	bool encrypt;       /* with the passphrase or the key file of `open` */
	uint64_t slot_size; /* bytes, 1 to 256 MiB; 0: 25 MiB */
	struct tranship_store_options open;
};

/* Makes a store where there is none; an empty folder, or one that is not there, may become one.
 * TRANSHIP_EINVAL: there is one, or something else. */
TRANSHIP_API int tranship_store_init(const char *location,
				     const struct tranship_store_init_options *options,
				     struct tranship_error *err);

/* TRANSHIP_ENOTFOUND: there is no store; TRANSHIP_EDENIED: the passphrase or key is wrong or
 * missing, or the server refuses the credentials. */
TRANSHIP_API int tranship_store_open(const char *location,
				     const struct tranship_store_options *options,
				     struct tranship_store **out, struct tranship_error *err);
/* After everything that was opened from it; NULL is accepted. */
TRANSHIP_API void tranship_store_close(struct tranship_store *store);

struct tranship_store_info {
	const char *id; /* lives with the store */
	bool encrypted;
	uint64_t slot_size;
	uint32_t block_size; /* what is compressed and named as one */
	uint32_t unit_size;  /* in which changes are found */
};
TRANSHIP_API void tranship_store_get_info(const struct tranship_store *store,
					  struct tranship_store_info *out);

/* Wraps the data key anew, with another passphrase or key file. Whoever has the data key still
 * has it: this changes what unlocks it from now on, no more. */
TRANSHIP_API int tranship_store_rekey(struct tranship_store *store, const char *passphrase,
				      const char *key_file, struct tranship_error *err);

/* A restore point. What is pointed to lives until the function that was given it returns. */
struct tranship_point {
	const char *id;
	const char *name;
	const char *disk;        /* which disk it is a version of */
	const char *version;     /* the id of the version: what changes are from and to */
	const char *predecessor; /* the id of the point before it; "": none */
	int64_t time;            /* microseconds since 1970 */
	uint64_t size;           /* of the disk, in bytes */
	uint32_t sector_size;
	uint64_t data;    /* bytes of it that are not zeros */
	uint64_t changed; /* bytes that the run found changed */
	uint64_t stored;  /* bytes that the run added to the store */
	size_t tag_count;
	const char *const *tags;
	const char
		*boot; /* what the disk was made on the way ("bios-mbr", "bios-gpt"); "": nothing */
};
/* Nonzero stops with that code. */
typedef int tranship_point_fn(void *ctx, const struct tranship_point *point);

/* All points, oldest first; disk NULL: of all disks. */
TRANSHIP_API int tranship_store_list(struct tranship_store *store, const char *disk,
				     tranship_point_fn *fn, void *ctx, struct tranship_error *err);
/* One: `point` is an id, the 32 digits at the end of one, or a name, of which the newest is meant.
 * TRANSHIP_ENOTFOUND. */
TRANSHIP_API int tranship_store_find(struct tranship_store *store, const char *point,
				     tranship_point_fn *fn, void *ctx, struct tranship_error *err);

/* Adds tags to a point and takes some off. A tag is a line of up to 64 bytes. */
TRANSHIP_API int tranship_store_tag(struct tranship_store *store, const char *point,
				    const char *const *add, size_t add_count,
				    const char *const *drop, size_t drop_count,
				    struct tranship_error *err);

/* The point as a disk: complete, of any number of threads. The store must outlive it. What is read
 * is verified; a missing or damaged slot is named. flags: TRANSHIP_OPEN_SALVAGE. */
TRANSHIP_API int tranship_store_open_point(struct tranship_store *store, const char *point,
					   unsigned flags, struct tranship_disk **out,
					   struct tranship_error *err);

/* What changed from one point of a disk to another, by their tables alone. TRANSHIP_EMISMATCH: they
 * are of different lineages. */
TRANSHIP_API int tranship_store_changes(struct tranship_store *store, const char *base,
					const char *target, struct tranship_changes **out,
					struct tranship_error *err);

/* What is wrong, as one sentence: a slot that is missing or damaged, with the ranges of the points
 * that it affects. */
struct tranship_store_verify_options {
	bool read_data; /* read and check the content of slots, */
	double subset;  /* of this share of them, 0 to 1; 0: all */
	unsigned threads;
	tranship_finding_fn *finding;
	void *finding_ctx;
	tranship_progress_fn *progress;
	void *progress_ctx;
};
struct tranship_store_verify_result {
	uint64_t points, slots; /* that were looked at */
	uint64_t errors;
	uint64_t read; /* bytes */
};
TRANSHIP_API int tranship_store_verify(struct tranship_store *store,
				       const struct tranship_store_verify_options *options,
				       struct tranship_store_verify_result *out,
				       struct tranship_error *err);

/* Which points stay, of each disk; the newest always does. */
struct tranship_prune_options {
	const char *disk; /* only of this one; NULL: of each */
	unsigned keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly;
	size_t keep_tag_count;
	const char *const *keep_tags; /* points that have one of these stay */
	bool dry_run;
	/* Told for each point: whether it stays, and which rule says so. */
	void (*told)(void *ctx, const struct tranship_point *point, bool stays, const char *why);
	void *told_ctx;
};
/* Takes points out of the list. Their blocks stay until gc. TRANSHIP_EINVAL: no rule. */
TRANSHIP_API int tranship_store_prune(struct tranship_store *store,
				      const struct tranship_prune_options *options,
				      struct tranship_error *err);

struct tranship_gc_options {
	uint64_t grace; /* seconds between the mark and the deletion; TRANSHIP_GRACE_DEFAULT if 0 */
	bool no_grace;  /* 0 seconds: only where nothing else uses the store */
	bool dry_run;
};
#define TRANSHIP_GRACE_DEFAULT (72U * 3600U)
struct tranship_gc_result {
	uint64_t slots, named;     /* that there are; that something names */
	uint64_t marked, unmarked; /* by this run */
	uint64_t waiting;          /* marked, and the grace is not over */
	uint64_t deleted, freed_bytes;
	uint64_t points_deleted; /* that prune had put aside */
};
/* Marks what no point and no writer names, and deletes what was marked longer than the grace ago
 * and still is not named. */
TRANSHIP_API int tranship_store_gc(struct tranship_store *store,
				   const struct tranship_gc_options *options,
				   struct tranship_gc_result *out, struct tranship_error *err);

struct tranship_store_copy_options {
	size_t point_count;
	const char *const *points; /* none: all that the other store does not have and did not
				      prune (a point that it has was made upon it) */
	unsigned threads;
	tranship_progress_fn *progress;
	void *progress_ctx;
};
/* Copies points to another store, which may be encrypted otherwise; blocks that are there are not
 * copied. *copied counts points. */
TRANSHIP_API int tranship_store_copy(struct tranship_store *from, struct tranship_store *to,
				     const struct tranship_store_copy_options *options,
				     uint64_t *copied, struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
