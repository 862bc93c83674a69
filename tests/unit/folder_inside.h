/* SPDX-License-Identifier: Apache-2.0 */
/* What folder_medium.c (the files and the calls) and folder_log.c share. */
#ifndef TESTS_UNIT_FOLDER_INSIDE_H
#define TESTS_UNIT_FOLDER_INSIDE_H

#include "folder_medium.h"

#define FOLDER_NAME 128

enum folder_op_kind {
	FOLDER_WRITE,
	FOLDER_RESIZE,
	FOLDER_SYNC,
	FOLDER_CREATE,
	FOLDER_UNLINK,
	FOLDER_RENAME,
	FOLDER_SYNC_FOLDER,
};

/* Names are paths from the root. Files are numbers: those of the start first, by order. */
struct folder_op {
	enum folder_op_kind kind;
	unsigned refs;
	int file;
	uint64_t off; /* FOLDER_RESIZE: the size */
	size_t len;
	unsigned char *bytes;
	char name[FOLDER_NAME]; /* FOLDER_SYNC_FOLDER: the folder, "" or with a '/' at its end */
	char to[FOLDER_NAME];
};

/* Adds a copy of *op, which owns its bytes. */
void folder_log_add(struct folder_log *log, const struct folder_op *op);
/* Whether a sync would do nothing, and whether what it does is for a note. */
bool folder_log_idle(const struct folder_log *log, const struct folder_op *sync, bool *note);

#endif
