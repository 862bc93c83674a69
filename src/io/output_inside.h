/* SPDX-License-Identifier: Apache-2.0 */
/* What output.c (where it goes) and output_pending.c (files under partial names) share. */
#ifndef IO_OUTPUT_INSIDE_H
#define IO_OUTPUT_INSIDE_H

#include "io/output.h"

#include <sys/stat.h>

enum output_kind {
	OUTPUT_REPLACE,  /* a new file that takes its name at the end */
	OUTPUT_IN_PLACE, /* an existing file or device */
	OUTPUT_STREAM,   /* a pipe or a character device */
	OUTPUT_BORROWED, /* a file of the caller's */
	OUTPUT_COUNT,    /* nothing is kept */
};

/* A file that is being written under a partial name. */
struct pending {
	char *name;                 /* final, in the folder */
	char *partial;              /* in the folder; NULL once it is renamed or removed */
	struct tranship_file *file; /* stays open, and locked, until it has its final name */
};

struct output {
	enum output_kind kind;
	struct output_params params;
	int folder;
	bool existed;
	struct tranship_file *file; /* of all kinds but OUTPUT_REPLACE */
	struct pending main;
	struct pending *extras;
	size_t extra_count;
	struct tranship_file *counted; /* OUTPUT_COUNT: the extra file at hand */
	uint64_t counted_total;        /* and the size of those before it */
};

bool output_is_source(const struct output *o, const struct stat *st);
int output_source_refused(const char *name, struct tranship_error *err);
int output_sync_flag(const struct output *o);

/* Opens the partial file for `name`, which takes the owner of what it will replace, and the mode
 * unless it is secret. */
int pending_open(struct output *o, struct pending *p, const char *name, bool *existed,
		 struct tranship_error *err);
void pending_discard(struct output *o, struct pending *p);
/* Gives a synced file its final name. The descriptor, and with it the lock, stays open until then.
 */
int pending_rename(struct output *o, struct pending *p, struct tranship_error *err);

#endif
