/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAW_RAW_H
#define RAW_RAW_H

#include "core/format.h"

struct raw_disk {
	struct tranship_disk disk;
	struct tranship_file *file;
	uint64_t start; /* of the disk in the file */
};

static inline struct raw_disk *raw_of(struct tranship_disk *disk)
{
	return (struct raw_disk *)disk;
}

extern const struct modify_ops raw_modify_ops;

int raw_open(struct tranship_file *file, const struct open_params *params,
	     struct tranship_disk **out, struct tranship_error *err);

bool raw_streams(const struct probe_input *in, const struct options *options);

/* A raw disk of known size that comes through a pipe. */
int raw_stream_open(struct stream *stream, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err);

#endif
