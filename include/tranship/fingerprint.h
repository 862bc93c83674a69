/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fingerprints: a digest of each block of a disk, so that what changed since then is found without
 * the disk as it was. A block is compared by XXH3-128 with a secret that belongs to a lineage of
 * fingerprints: whoever writes to the disk cannot know it, so cannot prepare two blocks of the same
 * digest. That makes such collisions impractical, not impossible: where more is at stake, "sha256"
 * is there. The layout is in docs/formats/fingerprint.md.
 *
 * Threads: an open fingerprint may be used from any number of threads.
 */
#ifndef TRANSHIP_FINGERPRINT_H
#define TRANSHIP_FINGERPRINT_H

#include "tranship/changes.h"
#include "tranship/copy.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_fingerprint;

#define TRANSHIP_BLOCK_MIN (4U << 10)
#define TRANSHIP_BLOCK_MAX (1U << 20)
#define TRANSHIP_BLOCK_DEFAULT (64U << 10)

struct tranship_fingerprint_info {
	uint64_t size;        /* of the disk, in bytes */
	uint32_t sector_size; /* of the disk */
	uint32_t block_size;  /* bytes for each digest */
	const char *hash;     /* "xxh3", "sha256" */
	const char *id;       /* which version of the disk this is; lives with the fingerprint */
	char lineage[20];     /* a name for the secret, which does not give it away */
	uint64_t blocks;      /* that are not zeros */
};

/*
 * Opens a fingerprint. What is read of it is checked as it is read. TRANSHIP_ECORRUPT: it is none,
 * it is cut short, or was altered.
 */
TRANSHIP_API int tranship_fingerprint_open(const char *path, struct tranship_fingerprint **out,
					   struct tranship_error *err);
/* The same for an open file, which it takes over on success. */
TRANSHIP_API int tranship_fingerprint_open_file(struct tranship_file *file,
						struct tranship_fingerprint **out,
						struct tranship_error *err);
/* NULL is accepted. */
TRANSHIP_API void tranship_fingerprint_close(struct tranship_fingerprint *fingerprint);
TRANSHIP_API void tranship_fingerprint_get_info(const struct tranship_fingerprint *fingerprint,
						struct tranship_fingerprint_info *out);
/* Reads all of it: TRANSHIP_ECORRUPT says where it is damaged. */
TRANSHIP_API int tranship_fingerprint_check(struct tranship_fingerprint *fingerprint,
					    struct tranship_error *err);

/* Whether the file begins as a fingerprint does. Something else, or no file: false. */
TRANSHIP_API bool tranship_is_fingerprint(const char *path);

/* How to make one. All zero is a good start. */
struct tranship_fingerprint_options {
	const char *hash;    /* "xxh3" (NULL: this), "sha256" */
	uint32_t block_size; /* bytes, a power of two; 0: TRANSHIP_BLOCK_DEFAULT */
	const char *id;      /* the version that the disk is; NULL: a new random one */
	/* Take hash, block size and secret of this one: the two can be compared. NULL: a new
	   lineage. */
	const struct tranship_fingerprint *like;
	const char *seed; /* hexadecimal digits that secret and id come from; NULL: random */
	struct tranship_copy_options copy; /* threads, rate, progress and warn count */
};

/*
 * Reads the disk and writes its fingerprint to path ("-": standard output). The file gets mode
 * 0600, because the secret is in it, and its name when it is whole. TRANSHIP_EINVAL: options that
 * contradict `like`; TRANSHIP_EMISMATCH: the disk is not complete.
 */
TRANSHIP_API int tranship_fingerprint_make(struct tranship_disk *disk, const char *path,
					   const struct tranship_fingerprint_options *options,
					   struct tranship_error *err);

/*
 * In which blocks two fingerprints of a lineage differ, as changes from `old` to `target`.
 * TRANSHIP_EMISMATCH: other secrets, hashes or block sizes.
 */
TRANSHIP_API int tranship_fingerprint_compare(struct tranship_fingerprint *old,
					      struct tranship_fingerprint *target,
					      struct tranship_changes **out,
					      struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
