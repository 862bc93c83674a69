// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdlib.h>
#include <string.h>

void cli_target_option(struct cli_target *target, const char *arg)
{
	if (strcmp(arg, "help") == 0 || strcmp(arg, "?") == 0)
		target->help = true;
	else
		cli_join_options(&target->options, arg);
}

void cli_target_free(struct cli_target *target)
{
	free(target->options);
}

void cli_create_options(const struct cli_target *target, bool quiet,
			struct tranship_create_options *out)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	*out = (struct tranship_create_options){ .format = target->format,
						 .options = target->options,
						 .flags = target->compressed
								  ? TRANSHIP_CREATE_COMPRESSED
								  : 0,
						 .time = epoch ? strtoull(epoch, NULL, 10) : 0,
						 .warn = quiet ? NULL : cli_warn };
}
