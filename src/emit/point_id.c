// SPDX-License-Identifier: Apache-2.0
#include "emit/points.h"

#include <string.h>
#include <time.h>

/* Digits of a text that are known to be there. */
static int number(const char *text, size_t digits)
{
	int v = 0;

	for (; digits > 0; digits--)
		v = v * 10 + (*text++ - '0');
	return v;
}

bool point_id_time(const char *id, int64_t *time_us)
{
	unsigned char bytes[OBJECT_ID_SIZE];
	char again[POINT_ID_TEXT];
	struct tm tm = { 0 };

	if (!manifest_id_parse(id, bytes))
		return false;
	tm.tm_year = number(id, 4) - 1900;
	tm.tm_mon = number(id + 4, 2) - 1;
	tm.tm_mday = number(id + 6, 2);
	tm.tm_hour = number(id + 9, 2);
	tm.tm_min = number(id + 11, 2);
	tm.tm_sec = number(id + 13, 2);
	*time_us = (int64_t)timegm(&tm) * 1000000 + number(id + 15, 6);
	/* A day that its month does not have became another one. */
	return manifest_id_format(*time_us, bytes, again, NULL) == 0 && strcmp(id, again) == 0;
}
