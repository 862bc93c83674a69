/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of a pipe: read once, front to back, with a look ahead at the beginning for
 * probing. A file can be read so, too. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "tranship/file.h"

#include <stddef.h>
#include <stdint.h>

struct stream;

/* The most that stream_peek shows. */
#define STREAM_PEEK_MAX (64U * 1024)

/* Takes over fd on success. */
int stream_new(int fd, struct stream **out, struct tranship_error *err);
/*
 * A file from its beginning, for readers that go forward anyway; it stays the caller's. What cannot
 * be read of it (TRANSHIP_EIO) comes as zeros, a sector at a time: for salvage only.
 */
int stream_of_file(struct tranship_file *file, struct stream **out, struct tranship_error *err);
void stream_close(struct stream *s);

/* The next bytes without taking them: at most STREAM_PEEK_MAX, fewer at the end. Valid until the
 * next call. */
int stream_peek(struct stream *s, size_t want, const unsigned char **data, size_t *got,
		struct tranship_error *err);

/* Takes len bytes; *got is short only at the end. */
int stream_read_some(struct stream *s, void *buf, size_t len, size_t *got,
		     struct tranship_error *err);

/* Takes exactly len bytes, or TRANSHIP_ECORRUPT. */
int stream_read(struct stream *s, void *buf, size_t len, struct tranship_error *err);
int stream_skip(struct stream *s, uint64_t len, struct tranship_error *err);

/* How many bytes were taken. */
uint64_t stream_pos(const struct stream *s);

/* `look` is called while a read waits for input, some times a second, and its code, if it is not 0,
 * ends that read, whose *err it sets. */
void stream_watch(struct stream *s, int (*look)(void *ctx, struct tranship_error *err), void *ctx);

/* What it says now; 0 without one. */
int stream_look(struct stream *s, struct tranship_error *err);

/* Makes a read that waits for input, and all later ones, return TRANSHIP_ECANCELED. From any
 * thread. */
void stream_cancel(struct stream *s);

#endif
