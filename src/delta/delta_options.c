// SPDX-License-Identifier: Apache-2.0
#include "delta/delta_options.h"

#include "base/error.h"
#include "core/options.h"

#define LEVEL_DEFAULT 1
#define LEVEL_MAX 19

static const struct tranship_option_info table[] = {
	{ "level", "int", "of zstd, 1 to 19; 0: not compressed (default 1)" },
	{ "seed", "text", "hexadecimal seed for identifiers, instead of random ones" },
	{ 0 },
};

int delta_options_parse(const char *text, int *level, struct idgen *ids, struct tranship_error *err)
{
	struct options *parsed = NULL;
	int rc = options_parse(text, table, NULL, &parsed, err);

	if (rc)
		return rc;
	*level = options_int(parsed, "level", LEVEL_DEFAULT);
	if (*level < 0 || *level > LEVEL_MAX)
		rc = error_set(err, TRANSHIP_EINVAL, "level %d is not one of 0 to %d", *level,
			       LEVEL_MAX);
	if (rc == 0)
		rc = idgen_init(ids, options_text(parsed, "seed", NULL), err);
	options_free(parsed);
	return rc;
}
