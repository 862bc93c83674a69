// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

void cli_say_in_place(const char *path, unsigned flags)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || stat(path, &st))
		return;
	if (S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && flags & TRANSHIP_CREATE_IN_PLACE))
		cli_error("note: '%s' is written in place; if this is interrupted it is neither "
			  "old nor new",
			  path);
}

int cli_create_options(const struct cli_target *target, bool quiet,
		       struct tranship_create_options *out)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char *end = "";
	uint64_t seconds = 0;

	if (epoch) {
		seconds = strtoull(epoch, &end, 10);
		if (*epoch < '0' || *epoch > '9' || *end) {
			cli_error("SOURCE_DATE_EPOCH '%s' is no number of seconds", epoch);
			return -1;
		}
		seconds += seconds == 0; /* 0 means now; no format can say 1970 anyway */
	}
	*out = (struct tranship_create_options){ .format = target->format,
						 .options = target->options,
						 .flags = target->compressed
								  ? TRANSHIP_CREATE_COMPRESSED
								  : 0,
						 .time = seconds,
						 .warn = quiet ? NULL : cli_warn };
	return 0;
}
