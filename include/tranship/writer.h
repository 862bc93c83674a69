/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer: a virtual disk being produced. Every byte of [0, size) is named exactly once and in
 * ascending order, by put, by zero or, over a base, by skip; finish refuses a gap. tranship_copy
 * does all of this; call these functions yourself only to produce a disk that no tranship_disk
 * describes.
 *
 * Threads: one thread at a time.
 */
#ifndef TRANSHIP_WRITER_H
#define TRANSHIP_WRITER_H

#include "tranship/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_writer;

/* What the page cache keeps of an output, and what is certain when finish returns. */
enum tranship_cache {
	TRANSHIP_CACHE_WRITEBACK, /* cached; on stable storage when finish returns */
	TRANSHIP_CACHE_NONE,      /* the same, and given back to the page cache as it is written */
	TRANSHIP_CACHE_WRITETHROUGH, /* every write is on stable storage when it returns */
	TRANSHIP_CACHE_UNSAFE, /* nothing is synced: a power failure after finish may lose or damage
				  it */
};

/* The size in bytes of the disk being written: what was asked for, rounded up to what the format
 * can say. */
TRANSHIP_API uint64_t tranship_writer_size(const struct tranship_writer *writer);

/*
 * The unit of the format in bytes (a sector, a grain): offsets and lengths of put, zero and skip
 * are multiples of it, except that the last range ends at the end of the disk.
 */
TRANSHIP_API uint32_t tranship_writer_unit(const struct tranship_writer *writer);

/* The next bytes of the disk: [off, off + len) with off where the last put, zero or skip
 * ended. */
TRANSHIP_API int tranship_writer_put(struct tranship_writer *writer, uint64_t off, const void *data,
				     size_t len, struct tranship_error *err);

/* The same, all zeros; any length. */
TRANSHIP_API int tranship_writer_zero(struct tranship_writer *writer, uint64_t off, uint64_t len,
				      struct tranship_error *err);

/*
 * The same, as the base has it: the image will not hold these bytes. Only for a writer over a base
 * (tranship_create_options.base), else TRANSHIP_EINVAL. What is zeros over a base is named by zero.
 */
TRANSHIP_API int tranship_writer_skip(struct tranship_writer *writer, uint64_t off, uint64_t len,
				      struct tranship_error *err);

/*
 * Completes the image, brings it to stable storage and gives it its final name. Only after this
 * returned 0 does the output exist (an output that is written in place, or a pipe, exists all
 * along). The writer is still to be closed.
 */
TRANSHIP_API int tranship_writer_finish(struct tranship_writer *writer, struct tranship_error *err);

/* Closes; without a finish that succeeded nothing is left behind under the output's name. NULL is
 * accepted. */
TRANSHIP_API void tranship_writer_close(struct tranship_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
