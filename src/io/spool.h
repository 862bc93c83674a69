/* SPDX-License-Identifier: Apache-2.0 */
/* What comes through a pipe and cannot be read forward is put into a temporary file first. */
#ifndef IO_SPOOL_H
#define IO_SPOOL_H

#include "io/stream.h"
#include "tranship/file.h"

/*
 * Takes all of the stream into an unnamed file in `folder`, which is gone with its last descriptor,
 * whatever happens; zeros become holes. The stream stays the caller's.
 */
int stream_spool(struct stream *stream, const char *folder, struct tranship_file **out,
		 struct tranship_error *err);

#endif
