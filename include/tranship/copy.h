/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving disks: copy and compare. Both read only what a disk's map calls data, on several threads
 * at once, with memory that depends on the number of threads and not on the disk. The output of a
 * copy does not depend on the number of threads.
 */
#ifndef TRANSHIP_COPY_H
#define TRANSHIP_COPY_H

#include "tranship/disk.h"
#include "tranship/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a long operation stands. Bytes are bytes of the disk. */
struct tranship_progress {
	const char *phase; /* "copying", "comparing", "finishing" */
	uint64_t done;     /* bytes that are through */
	uint64_t total;
	uint64_t data; /* those of `done` that had to be read */
};

/* Called on the calling thread, some times a second. Nonzero stops the operation with
 * TRANSHIP_ECANCELED. */
typedef int tranship_progress_fn(void *ctx, const struct tranship_progress *progress);

/*
 * Receives a range of the disk, in bytes, that could not be read and is zeros in what was written;
 * `why` is the first error in it and lives for the duration of the call. Called on the calling
 * thread, in ascending order; ranges that touch come as one. The sum of the lengths is what is
 * lost.
 */
typedef void tranship_lost_fn(void *ctx, uint64_t off, uint64_t len, const char *why);

/* Zeros are not looked for; every byte is written. */
#define TRANSHIP_SPARSE_OFF UINT64_MAX
/* The largest sparse_size, in bytes. */
#define TRANSHIP_SPARSE_MAX (1U << 20)

struct tranship_copy_options {
	unsigned threads;     /* workers; 0: one for each CPU that this process may use */
	uint64_t sparse_size; /* runs of zeros of this many bytes are left out; 0: 4096; at
				 most TRANSHIP_SPARSE_MAX, or TRANSHIP_SPARSE_OFF */
	uint64_t rate;        /* bytes of data a second; 0: no limit */
	tranship_progress_fn *progress; /* NULL: none */
	void *progress_ctx;
	tranship_warn_fn *warn;
	void *warn_ctx;
	/*
	 * Salvage; NULL: the first error ends the copy. Where reading fails with TRANSHIP_EIO or
	 * TRANSHIP_ECORRUPT it is tried again in halves, down to sectors of 512 bytes; where the
	 * map fails so, one cluster is lost. Of a pipe only what its map calls TRANSHIP_LOST is
	 * passed over. At least two threads are used, so that the copy can be canceled while a
	 * device takes its time over an error.
	 */
	tranship_lost_fn *lost;
	void *lost_ctx;
};

/*
 * Copies all of `disk` to `writer`, which may be larger (the rest is zeros) and must be fresh. Does
 * not finish the writer. `options` may be NULL. After an error close the writer.
 *
 * TRANSHIP_EINVAL if the writer is smaller than the disk; what reading and writing return;
 * TRANSHIP_ECANCELED.
 */
TRANSHIP_API int tranship_copy(struct tranship_disk *disk, struct tranship_writer *writer,
			       const struct tranship_copy_options *options,
			       struct tranship_error *err);

enum tranship_difference {
	TRANSHIP_SAME,
	TRANSHIP_CONTENT_DIFFERS,
	TRANSHIP_MAP_DIFFERS,  /* strict only: the same bytes, but stored in one and absent in the
				  other */
	TRANSHIP_SIZE_DIFFERS, /* strict only */
};

struct tranship_compare_result {
	enum tranship_difference difference;
	uint64_t off;      /* of the first difference, in bytes */
	bool size_differs; /* also where the rest of the longer one is zeros, which counts as the
			      same */
};

/*
 * Compares the content of two disks; the longer one's tail must be zeros to count as the same.
 * `strict`: sizes and what is allocated must agree too. `options` may be NULL; sparse_size and rate
 * are ignored, as is `lost`.
 */
TRANSHIP_API int tranship_compare(struct tranship_disk *a, struct tranship_disk *b, bool strict,
				  const struct tranship_copy_options *options,
				  struct tranship_compare_result *out, struct tranship_error *err);

#ifdef __cplusplus
}
#endif

#endif
