/* SPDX-License-Identifier: Apache-2.0 */
/* Local files: regular ones and block devices for reading; what an output is written to. */
#ifndef IO_FILE_LOCAL_H
#define IO_FILE_LOCAL_H

#include "io/file.h"
#include "tranship/writer.h"

/* Among the flags: read it although a change in place was interrupted; for who will finish that. */
#define FILE_UNFINISHED (1U << 30)

/*
 * Makes a file of an open descriptor: a regular file or a block device. `flags` are
 * TRANSHIP_FILE_*. Takes over fd on success. Locks it shared, and refuses it while a journal of an
 * interrupted change stands beside it, unless flags say otherwise.
 */
int file_local_reader(int fd, unsigned flags, struct tranship_file **out,
		      struct tranship_error *err);

/*
 * The same for writing: a regular file or a block device; `sequential`: anything that takes
 * write(2), from where it stands. Locks nothing. `cache` decides what the page cache keeps.
 */
int file_local_writer(int fd, enum tranship_cache cache, bool sequential,
		      struct tranship_file **out, struct tranship_error *err);

/* What begins at off, as the file system tells it; *out comes filled in as data to the end. */
void file_local_map(int fd, uint64_t off, struct tranship_file_extent *out);

/* The descriptor of a file that file_local_writer made. */
int file_local_fd(const struct tranship_file *file);

#endif
