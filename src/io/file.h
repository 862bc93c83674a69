/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a tranship_file, and the writing half that only the library uses. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "tranship/file.h"

#include <sys/stat.h>

/* Which file of the machine this is; known for local files only. */
struct file_id {
	dev_t dev;
	ino_t ino;
};

struct tranship_file {
	const struct tranship_file_ops *ops;
	void *ctx;
	uint64_t size;
	bool has_id;
	bool sequential; /* a pipe or a character device: written front to back, never read */
	bool kept;       /* closing it does nothing */
	struct file_id id;
	uint64_t allocated; /* bytes on disk when it was opened; size where that is unknown */
};

/* Writers. off may pass the end, what lies between reads as zeros; a sequential file takes only its
 * end. */
int file_write(struct tranship_file *file, uint64_t off, const void *buf, size_t len,
	       struct tranship_error *err);
int file_resize(struct tranship_file *file, uint64_t size, struct tranship_error *err);
int file_zero(struct tranship_file *file, uint64_t off, uint64_t len, struct tranship_error *err);
int file_sync(struct tranship_file *file, struct tranship_error *err);

static inline bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

#endif
