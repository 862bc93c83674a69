// SPDX-License-Identifier: Apache-2.0
/* What a location of a store says. */
#include "base/error.h"
#include "base/text.h"
#include "emit/target.h"

#include <string.h>

static bool begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

int target_open(const char *location, bool create, const struct tranship_store_options *options,
		struct target **out, struct tranship_error *err)
{
	char shown[200];

	*out = NULL;
	if (begins_with(location, "s3://"))
		return target_s3_open(location, options, out, err);
	if (begins_with(location, "store:"))
		location += strlen("store:");
	if (*location == '\0' || strstr(location, "://")) {
		text_escape(shown, sizeof(shown), location, strlen(location));
		return error_set(err, TRANSHIP_EINVAL,
				 "'%s' is no place of a store: a folder, or s3://BUCKET/PREFIX",
				 shown);
	}
	return target_folder_open(location, create, out, err);
}
