/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an image is written to. A regular file appears under its name only when it is whole: it is
 * written as NAME.tranship-partial, synced, renamed, and its folder synced. An image of several
 * files gets its main file (the descriptor) last. Devices and pipes are written as they are.
 */
#ifndef IO_OUTPUT_H
#define IO_OUTPUT_H

#include "io/file.h"
#include "tranship/writer.h"

struct output;

struct output_params {
	const char *path; /* "-": standard output */
	bool no_clobber;
	bool in_place; /* write into what exists */
	bool secret;   /* nobody but its owner may read it, whatever it replaces */
	enum tranship_cache cache;
	struct file_id
		*sources; /* none of these may be written; malloc'ed, taken over in any case */
	size_t source_count;
};

int output_open(const struct output_params *params, struct output **out,
		struct tranship_error *err);

/* Writes into a file of the caller's, which outlives the output. */
int output_from_file(struct tranship_file *file, struct output **out, struct tranship_error *err);

/* Keeps nothing and counts: output_total says how large the files became. */
int output_count(struct output **out, struct tranship_error *err);
uint64_t output_total(const struct output *o);

/* The main file. Belongs to the output. */
struct tranship_file *output_main(struct output *o);

/* It existed and keeps what is not written: zeros must be written, its size stays. */
bool output_is_in_place(const struct output *o);

/* It takes bytes in order only. */
bool output_is_stream(const struct output *o);

/* Whether output_extra can work: the image has a folder. */
bool output_has_folder(const struct output *o);

/* The last component of the main file's final name; "" where it has none. */
const char *output_name(const struct output *o);

/*
 * Adds a file called `name` beside the main one. It belongs to the output and is at hand until
 * output_extra_done, which syncs it and closes its descriptor; its final name comes with
 * output_finish.
 */
int output_extra(struct output *o, const char *name, struct tranship_file **out,
		 struct tranship_error *err);
int output_extra_done(struct output *o, struct tranship_error *err);

/* Syncs, gives everything its final name, extra files first. */
int output_finish(struct output *o, struct tranship_error *err);

/* Closes; what was not finished is removed. */
void output_close(struct output *o);

#endif
