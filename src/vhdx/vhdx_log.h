/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a VHDX: what a crash left in it, and the file as it is with that written. Everything
 * but the headers is read through the view; the file itself is never touched.
 */
#ifndef VHDX_VHDX_LOG_H
#define VHDX_VHDX_LOG_H

#include "io/file.h"
#include "vhdx/vhdx_ondisk.h"

/* A dirty log is held in memory, with lists over it of at most four times its size. */
#define VHDX_LOG_MAX (64U << 20)

/* Bytes of the file that the log replaces. */
struct vhdx_log_segment {
	uint64_t off;
	uint64_t len;
	const unsigned char *bytes; /* NULL: zeros */
};

struct vhdx_log {
	unsigned char *ring; /* the log as it is in the file, data sectors made what they were */
	uint32_t ring_len;
	uint32_t tail;     /* where the first entry to replay stands in it */
	uint32_t entries;  /* how many are to be replayed */
	uint64_t size;     /* of the file afterwards */
	uint64_t old_size; /* as it is */
	struct tranship_file *file;
	struct vhdx_log_segment *segments; /* apart from each other, ascending */
	size_t count;
};

/*
 * Reads the log that `header` names and that lies in the file; *out is NULL where nothing is to be
 * replayed. The file stays the caller's and outlives what comes out.
 */
int vhdx_log_open(const struct vhdx_header *header, struct tranship_file *file,
		  struct vhdx_log **out, struct tranship_error *err);
void vhdx_log_free(struct vhdx_log *log);

/* Fills in segments and size from the entries (vhdx_replay.c). */
int vhdx_log_flatten(struct vhdx_log *log, const struct vhdx_header *header,
		     struct tranship_error *err);

/* The file as it is after the replay. Closing it closes neither the log nor the file. */
int vhdx_log_view(struct vhdx_log *log, struct tranship_file **out, struct tranship_error *err);

/* How much of [off, off + len) of the view comes from one side: the file (*in_file), or not. */
uint64_t vhdx_log_stretch(const struct vhdx_log *log, uint64_t off, uint64_t len, bool *in_file);

#endif
