/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IN_PLACE_H
#define CORE_IN_PLACE_H

#include "core/format.h"

/* A writer into the image that stands at path, in the format of the options. */
int in_place_create(const char *path, const struct tranship_create_options *options,
		    struct tranship_writer **out, struct tranship_error *err);

#endif
