/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What in-place work does to a file system, as one small table: every call that a power loss can
 * undo passes here, so that a test can record and lose it (tests/unit/recording.h). Outside of
 * tests it is medium_local.
 */
#ifndef IO_JOURNAL_MEDIUM_H
#define IO_JOURNAL_MEDIUM_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct medium_info {
	mode_t mode;
	uint64_t size; /* of a block device, too */
	uint64_t ino, dev;
	int64_t mtime_ns;
	/* Of a device: its number, and what tells it from whatever else had that number since this
	 * machine started (0: nothing does). */
	uint64_t rdev, attached;
	uint64_t room;      /* bytes that its file system has left; UINT64_MAX: not known */
	uint64_t allocated; /* bytes that a file takes of it */
	uint64_t links;     /* names that the file has; 0: not known */
};

/*
 * Each function returns 0 or an errno value, except `claim`. Names are last components; folders and
 * files are handles, which are descriptors where the medium is the machine's own.
 *
 *   resolve      the real path of a file, links followed, in PATH_MAX bytes.
 *   open_folder  for the functions that take a folder.
 *   claim        opens a regular file or a block device (O_EXCL) for reading and writing, locks it
 *                exclusively, and makes sure that the name still is it. A tranship_code, with *err.
 *   open         `create`: O_CREAT | O_EXCL for writing, mode 0600; else for reading. No links.
 *   info         of an open file.
 *   read         *got is short only at the end.
 *   write        all of it; behind the end it extends the file.
 *   punch        makes a range inside of the file a hole; EOPNOTSUPP where there are none. NULL:
 *                the same.
 *   sync         content and length of a file are on stable storage.
 *   sync_folder  so are the names in it.
 */
struct medium_ops {
	int (*resolve)(void *ctx, const char *path, char *real);
	int (*open_folder)(void *ctx, const char *path, int *out);
	int (*claim)(void *ctx, int folder, const char *name, int *out, struct tranship_error *err);
	int (*open)(void *ctx, int folder, const char *name, bool create, int *out);
	int (*info)(void *ctx, int file, struct medium_info *out);
	int (*read)(void *ctx, int file, uint64_t off, void *buf, size_t len, size_t *got);
	int (*write)(void *ctx, int file, uint64_t off, const void *buf, size_t len);
	int (*resize)(void *ctx, int file, uint64_t size);
	int (*punch)(void *ctx, int file, uint64_t off, uint64_t len);
	int (*sync)(void *ctx, int file);
	int (*sync_folder)(void *ctx, int folder);
	int (*unlink)(void *ctx, int folder, const char *name);
	int (*rename)(void *ctx, int folder, const char *from, const char *to);
	void (*close)(void *ctx, int handle);
};

struct medium {
	const struct medium_ops *ops;
	void *ctx;
};

extern const struct medium medium_local;

/* Opens the folder of `path`; *name, its last component, points into `work` (PATH_MAX). *folder is
 * -1 on failure. */
int medium_open_folder_of(const struct medium *m, const char *path, char *work, int *folder,
			  const char **name, struct tranship_error *err);

/* The calls that more than one place makes, with their errors. `what` names the file for people. */
int medium_read(const struct medium *m, int file, const char *what, uint64_t off, void *buf,
		size_t len, size_t *got, struct tranship_error *err);
int medium_write(const struct medium *m, int file, const char *what, uint64_t off, const void *buf,
		 size_t len, struct tranship_error *err);
int medium_resize(const struct medium *m, int file, const char *what, uint64_t size,
		  struct tranship_error *err);
int medium_sync(const struct medium *m, int file, const char *what, struct tranship_error *err);
int medium_sync_folder(const struct medium *m, int folder, struct tranship_error *err);
/* A name that is not there is as good as removed. */
int medium_unlink(const struct medium *m, int folder, const char *name, struct tranship_error *err);

#endif
