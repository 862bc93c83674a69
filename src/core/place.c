// SPDX-License-Identifier: Apache-2.0
#include "core/place.h"

#include "base/error.h"

#include <string.h>

/* The rows, each in the folder of its kind. */
extern const struct place store_place, s3_place, nbd_place, nbd_unix_place, nbds_place,
	nbds_unix_place;

static const struct place *const places[] = {
	&store_place, &s3_place, &nbd_place, &nbd_unix_place, &nbds_place, &nbds_unix_place, NULL,
};

const struct place *place_find(const char *location)
{
	size_t i;

	for (i = 0; places[i]; i++)
		if (strncmp(location, places[i]->prefix, strlen(places[i]->prefix)) == 0)
			return places[i];
	return NULL;
}

bool tranship_is_place(const char *location)
{
	return place_find(location);
}

int place_open(const struct place *place, const char *location,
	       const struct tranship_open_options *how, struct tranship_disk **out,
	       struct tranship_error *err)
{
	struct options *options = NULL;
	int rc;

	*out = NULL;
	if (how->format && strcmp(how->format, "raw") != 0)
		return error_set(err, TRANSHIP_EINVAL, "%s is a disk as it is: there is no format",
				 place->prefix);
	if (how->member || how->parent_count > 0)
		return error_set(err, TRANSHIP_EINVAL, "%s has no members and no parents",
				 place->prefix);
	rc = options_parse(how->options, place->open_options, NULL, &options, err);
	if (rc == 0)
		rc = place->open(location, options, how, out, err);
	options_free(options);
	return rc;
}
