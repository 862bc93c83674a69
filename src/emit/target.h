/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a store keeps its objects: a folder, or a bucket. An object is whole or not there, never
 * half written, and is on stable storage when put returns. A target knows nothing of what is in
 * the objects.
 *
 * Keys are paths of lower-case letters, digits, '.', '-' and '_', with '/' between levels; no level
 * begins with a dot. Times are those of the server (of the file system), in seconds since 1970.
 *
 * Threads: all functions from any number of threads at once; they block. What can be tried again
 * (a reset, a timeout, 5xx, 429) was tried again by the target before it is an error.
 *
 * Errors: TRANSHIP_ENOTFOUND no such object; TRANSHIP_EDENIED credentials or rights; TRANSHIP_EIO
 * the rest, with sys_errno where there is one (ENOSPC). Listings may lag behind puts and removes;
 * get, tail and stat of one key do not.
 */
#ifndef EMIT_TARGET_H
#define EMIT_TARGET_H

#include "tranship/store.h"

#define TARGET_KEY_MAX 200U

/* Whether it is a key, and whether keys may begin with it ("" too). */
bool target_key_ok(const char *key);
bool target_prefix_ok(const char *prefix);

struct target;

struct object_info {
	char key[TARGET_KEY_MAX + 1];
	uint64_t size; /* bytes */
	int64_t time;  /* of its last put */
};

/* Nonzero ends the listing with that code. */
typedef int object_fn(void *ctx, const struct object_info *object, struct tranship_error *err);

struct target_ops {
	int (*put)(struct target *t, const char *key, const void *bytes, size_t len,
		   const unsigned char *sha256, struct tranship_error *err);
	int (*get)(struct target *t, const char *key, uint64_t off, void *buf, size_t len,
		   size_t *got, struct tranship_error *err);
	int (*tail)(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		    uint64_t *size, struct tranship_error *err);
	int (*stat)(struct target *t, const char *key, struct object_info *out,
		    struct tranship_error *err);
	int (*list)(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		    struct tranship_error *err);
	int (*remove)(struct target *t, const char *key, struct tranship_error *err);
	int (*now)(struct target *t, int64_t *out, struct tranship_error *err);
	void (*close)(struct target *t);
};

/* Embedded as the first member of a target's own struct. */
struct target {
	const struct target_ops *ops;
	char name[300]; /* for people: the folder, or s3://bucket/prefix */
};

/* Replaces an object that is there. sha256: of the bytes, where the caller has it; NULL: not. */
int target_put(struct target *t, const char *key, const void *bytes, size_t len,
	       const unsigned char *sha256, struct tranship_error *err);
/* Reads up to len bytes from off; *got is fewer only where the object ends. */
int target_get(struct target *t, const char *key, uint64_t off, void *buf, size_t len, size_t *got,
	       struct tranship_error *err);
/* Exactly len bytes; TRANSHIP_ECORRUPT where the object is shorter. */
int target_get_exactly(struct target *t, const char *key, uint64_t off, void *buf, size_t len,
		       struct tranship_error *err);
/* All of it, malloc'ed; TRANSHIP_ELIMIT where it is longer than max. */
int target_get_all(struct target *t, const char *key, size_t max, unsigned char **out, size_t *len,
		   struct tranship_error *err);
/* The last len bytes (fewer, if it is shorter), and its size. */
int target_tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		uint64_t *size, struct tranship_error *err);
int target_stat(struct target *t, const char *key, struct object_info *out,
		struct tranship_error *err);
/* All objects whose keys begin with prefix, ascending by key (as strcmp orders them). */
int target_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		struct tranship_error *err);
/* No error where there is none. */
int target_remove(struct target *t, const char *key, struct tranship_error *err);
/* The server's clock. */
int target_now(struct target *t, int64_t *out, struct tranship_error *err);
/* NULL is accepted. */
void target_close(struct target *t);

/* A folder. `create`: it is made (with its parents' last level only) where it is not there. */
int target_folder_open(const char *path, bool create, struct target **out,
		       struct tranship_error *err);
/* Removes what writers that were killed left of objects, if it is older than two days; *removed
 * counts. Nothing to do for a target that is no folder. gc calls it. */
int target_folder_sweep(struct target *t, uint64_t *removed, struct tranship_error *err);
/* TRANSHIP_EINVAL where a folder has anything in it but lost+found and what a killed writer left.
 */
int target_folder_vacant(struct target *t, struct tranship_error *err);
/* s3://bucket/prefix. */
int target_s3_open(const char *url, const struct tranship_store_options *options,
		   struct target **out, struct tranship_error *err);
/* What a location says: s3://bucket/prefix, store:PATH, or a path. */
int target_open(const char *location, bool create, const struct tranship_store_options *options,
		struct target **out, struct tranship_error *err);

#endif
