/* SPDX-License-Identifier: Apache-2.0 */
/* Which files the command line names, and where one is seen from another. */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* One of the files that the command line names. */
struct named_file {
	const char *option, *path; /* path NULL: not given */
	bool is_output;
};

/* An output may not be an object of a store, nor stand among them: 0, or -1 with a message. */
int cli_spare_stores(const char *path);

/*
 * No output may be in a store, or the file of another one, or of an input; `renewed` (NULL: none)
 * is an output that may take the place of a fingerprint. 0, or -1 with a message.
 */
int cli_check_places(const struct named_file *files, size_t count, const char *renewed);

/* How what is written to `out` finds `old` again: a path from its own folder, with '/', in `path`
 * (PATH_MAX bytes). NULL: it has no folder, or there is no such file. */
const char *cli_relative_path(const char *out, const char *old, char *path);

#endif
