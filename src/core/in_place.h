/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IN_PLACE_H
#define CORE_IN_PLACE_H

#include "core/format.h"

/* A writer into the image that stands at path, in the format of the options. */
int in_place_create(const char *path, const struct tranship_create_options *options,
		    struct tranship_writer **out, struct tranship_error *err);

/* The disk that such a writer writes into, alone without its parents, for who reads it on the
 * writer's thread; NULL: the writer is another one. */
struct tranship_disk *in_place_disk(struct tranship_writer *writer);

#endif
