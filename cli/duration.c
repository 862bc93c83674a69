// SPDX-License-Identifier: Apache-2.0
#include "duration.h"

#include <string.h>

static uint64_t unit_of(const char *suffix)
{
	return strcmp(suffix, "") == 0 || strcmp(suffix, "s") == 0 ? 1
	       : strcmp(suffix, "m") == 0                          ? 60
	       : strcmp(suffix, "h") == 0                          ? 3600
	       : strcmp(suffix, "d") == 0                          ? 24 * 3600
								   : 0;
}

int cli_duration(const char *text, uint64_t *seconds)
{
	uint64_t n = 0, unit;
	const char *at = text;

	for (; *at >= '0' && *at <= '9' && n <= DURATION_MAX; at++)
		n = n * 10 + (uint64_t)(*at - '0');
	unit = unit_of(at);
	if (at == text || unit == 0 || n > DURATION_MAX / unit)
		return -1;
	*seconds = n * unit;
	return 0;
}
