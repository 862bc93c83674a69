/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that are not files: a restore point in a store, an export of an NBD server. A user names
 * them by a location that begins with a scheme; all rows stand in one table (place.c). Only what is
 * given to tranship_open itself is looked at here: a hint inside an image never names a place.
 */
#ifndef CORE_PLACE_H
#define CORE_PLACE_H

#include "core/options.h"
#include "tranship/image.h"

struct place {
	const char *prefix; /* "store:", "nbd://" */
	/* `options` are those of tranship_open_options.options, parsed by open_options. */
	int (*open)(const char *location, const struct options *options,
		    const struct tranship_open_options *how, struct tranship_disk **out,
		    struct tranship_error *err);
	const struct tranship_option_info *open_options;
};

/* NULL: it is a path. */
const struct place *place_find(const char *location);

/* Checks what is asked of it (no format but raw, no member, no parents), and opens it. */
int place_open(const struct place *place, const char *location,
	       const struct tranship_open_options *how, struct tranship_disk **out,
	       struct tranship_error *err);

#endif
