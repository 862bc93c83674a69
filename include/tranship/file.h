/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file: bytes at offsets. Images are read from files and written to files; a file may be a local
 * one, a piece of memory, a part of another file (a member of an OVA), or anything for which the
 * caller supplies a struct tranship_file_ops: an HTTP range, an object, a device behind a network
 * protocol.
 *
 * Threads: tranship_file_read and tranship_file_map may be called from any number of threads at
 * once. Everything else on one file is called by one thread at a time, and not beside reads.
 */
#ifndef TRANSHIP_FILE_H
#define TRANSHIP_FILE_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tranship_file;

/* A stretch of a file: `len` bytes from `off` that are a hole (they read as zeros), or may hold
 * data. */
struct tranship_file_extent {
	uint64_t off;
	uint64_t len;
	bool hole;
};

/*
 * What a file is made of. `ctx` is the pointer given to tranship_file_new. Each function returns 0
 * or a negative tranship_code and fills in *err. The library checks ranges before it calls: reads
 * and maps lie inside the file's size, and lengths are never zero.
 *
 *   read    exactly len bytes; called from many threads at once.
 *   write   exactly len bytes; extends the file. NULL: read-only.
 *   resize  makes the file size bytes long; new bytes read as zeros. NULL: read-only.
 *   zero    makes the range read as zeros, at best without storing them. NULL: the library writes
 * zeros. sync    everything written so far is on stable storage. NULL: there is nothing to do. map
 * the extent that begins at off. NULL: all of the file is data. close   releases ctx. NULL: nothing
 * to release.
 */
struct tranship_file_ops {
	int (*read)(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err);
	int (*write)(void *ctx, uint64_t off, const void *buf, size_t len,
		     struct tranship_error *err);
	int (*resize)(void *ctx, uint64_t size, struct tranship_error *err);
	int (*zero)(void *ctx, uint64_t off, uint64_t len, struct tranship_error *err);
	int (*sync)(void *ctx, struct tranship_error *err);
	int (*map)(void *ctx, uint64_t off, struct tranship_file_extent *out,
		   struct tranship_error *err);
	void (*close)(void *ctx);
};

/*
 * Makes a file of the caller's own kind. `ops` must outlive the file; `size` is its size in bytes
 * now. On success the file owns `ctx`; on failure the caller still does and *out is NULL.
 */
TRANSHIP_API int tranship_file_new(const struct tranship_file_ops *ops, void *ctx, uint64_t size,
				   struct tranship_file **out, struct tranship_error *err);

enum tranship_file_flag {
	/* Read although another program (a running qemu) holds the file for writing, or a change in
	   place was interrupted. What is read may be torn. */
	TRANSHIP_FILE_FORCE_SHARE = 1 << 0,
	/* Read past the page cache (O_DIRECT). */
	TRANSHIP_FILE_DIRECT = 1 << 1,
	/* Leave the page cache as it was: what was not cached before a read is not kept after it.
	 */
	TRANSHIP_FILE_DROP_BEHIND = 1 << 2,
};

/*
 * Opens a local regular file or block device for reading. The file is locked as qemu locks its
 * images (shared; TRANSHIP_EBUSY while somebody writes it) until it is closed. TRANSHIP_EBUSY also
 * while a journal says that a change of it in place was interrupted (see tranship_repair).
 */
TRANSHIP_API int tranship_file_open(const char *path, unsigned flags, struct tranship_file **out,
				    struct tranship_error *err);

/*
 * A file in memory. It starts with a copy of `size` bytes at `data` (NULL: none), grows with
 * writes, and can be read back with tranship_file_read. For tests, fuzzing and small images.
 */
TRANSHIP_API int tranship_file_memory(const void *data, size_t size, struct tranship_file **out,
				      struct tranship_error *err);

/*
 * The bytes [off, off + len) of `file` as a file of their own, read-only. Takes over `file` on
 * success. TRANSHIP_ECORRUPT if the range does not lie inside it.
 */
TRANSHIP_API int tranship_file_part(struct tranship_file *file, uint64_t off, uint64_t len,
				    struct tranship_file **out, struct tranship_error *err);

/* The size in bytes. */
TRANSHIP_API uint64_t tranship_file_size(const struct tranship_file *file);

/* Reads exactly len bytes at off. A range that passes the end of the file is TRANSHIP_ECORRUPT. */
TRANSHIP_API int tranship_file_read(struct tranship_file *file, uint64_t off, void *buf, size_t len,
				    struct tranship_error *err);

/* The extent that begins at off (off < size), cut at the end of the file. */
TRANSHIP_API int tranship_file_map(struct tranship_file *file, uint64_t off,
				   struct tranship_file_extent *out, struct tranship_error *err);

/* Closes; NULL is accepted. */
TRANSHIP_API void tranship_file_close(struct tranship_file *file);

#ifdef __cplusplus
}
#endif

#endif
