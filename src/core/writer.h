/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a format implements to be written. Core enforces the order (ascending, no gap, multiples of
 * `unit`) before it calls.
 *
 * Writing a run of data has two steps, so that the costly one can run on many threads: `encode`
 * turns bytes of the disk into bytes of the file, on any thread, and depends on its arguments and
 * constant options only; `put` places what encode made, on one thread, in order.
 */
#ifndef CORE_WRITER_H
#define CORE_WRITER_H

#include "base/buffer.h"
#include "tranship/writer.h"

#include <stdbool.h>

struct output;

struct writer_ops {
	/* Appends the stored form of the data to out. NULL: data is stored as it is. */
	int (*encode)(struct tranship_writer *w, void *scratch, uint64_t off, const void *data,
		      size_t len, struct buffer *out, struct tranship_error *err);
	/* What an encoding thread keeps. NULL: nothing. */
	int (*scratch_new)(struct tranship_writer *w, void **out, struct tranship_error *err);
	void (*scratch_free)(void *scratch);
	/* Places the stored form (stored bytes) of [off, off + len); borrows it for the call. */
	int (*put)(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		   size_t stored_len, struct tranship_error *err);
	int (*zero)(struct tranship_writer *w, uint64_t off, uint64_t len,
		    struct tranship_error *err);
	/* Leaves what the base has; over one, put and zero hide it. NULL: nothing to do. */
	int (*skip)(struct tranship_writer *w, uint64_t off, uint64_t len,
		    struct tranship_error *err);
	/* Writes what is left: tables, footers. Core finishes the output afterwards. */
	int (*finish)(struct tranship_writer *w, struct tranship_error *err);
	/* The size of all files together if every byte were data that does not compress. */
	uint64_t (*full_size)(const struct tranship_writer *w);
	/* Releases the format's own struct, which contains this writer. */
	void (*close)(struct tranship_writer *w);
};

/* Embedded as the first member of a format's own struct. */
struct tranship_writer {
	const struct writer_ops *ops;
	struct output *output; /* NULL for a writer that has none; core closes it */
	uint64_t size;
	uint32_t unit;
	uint32_t sector_size;       /* what the image says, or is taken for: 512 */
	bool has_base;              /* it is laid over another disk: skip is legal */
	struct tranship_disk *base; /* that disk, borrowed; NULL: it is not at hand */
	bool any_base;              /* and of it nothing is recorded: any disk will do */
	bool discards; /* what it is given does not matter: zeros need not be looked for */
	uint64_t pos;
	bool failed; /* an earlier call failed: nothing else is accepted */
	bool finished;
	void *own_scratch; /* what tranship_writer_put encodes with */
	struct buffer own_encoded;
};

/* `unit` is a power of two; `size` a multiple of 512 or, with unit 1, anything. */
void writer_init(struct tranship_writer *w, const struct writer_ops *ops, uint64_t size,
		 uint32_t unit);

/* Both halves of tranship_writer_put, for the copy loop. encode checks nothing and is safe on any
 * thread. */
int writer_encode(struct tranship_writer *w, void *scratch, uint64_t off, const void *data,
		  size_t len, struct buffer *out, struct tranship_error *err);
int writer_put_encoded(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		       size_t stored_len, struct tranship_error *err);
int writer_scratch_new(struct tranship_writer *w, void **out, struct tranship_error *err);
void writer_scratch_free(struct tranship_writer *w, void *scratch);

#endif
