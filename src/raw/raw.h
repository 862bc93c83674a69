/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAW_RAW_H
#define RAW_RAW_H

#include "core/format.h"

int raw_open(struct tranship_file *file, const struct open_params *params,
	     struct tranship_disk **out, struct tranship_error *err);

bool raw_streams(const struct probe_input *in, const struct options *options);

/* A raw disk of known size that comes through a pipe. */
int raw_stream_open(struct stream *stream, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err);

#endif
