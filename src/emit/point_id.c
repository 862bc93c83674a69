// SPDX-License-Identifier: Apache-2.0
/* Ids of points: a time in front, so that they are in order of time as text. */
#include "base/error.h"
#include "base/hex.h"
#include "emit/points.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_TEXT 22U /* YYYYMMDDThhmmssuuuuuuZ */

/* False: it is not from 1970 to 9999. */
static bool time_text(int64_t us, char out[TIME_TEXT + 1])
{
	time_t seconds = (time_t)(us / 1000000);
	char day[16];
	struct tm tm;

	if (us < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900 ||
	    strftime(day, sizeof(day), "%Y%m%dT%H%M%S", &tm) != 15)
		return false;
	snprintf(out, TIME_TEXT + 1, "%s%06uZ", day, (unsigned)(us % 1000000));
	return true;
}

int point_id_make(int64_t time_us, const unsigned char random[OBJECT_ID_SIZE],
		  char out[POINT_ID_TEXT], struct tranship_error *err)
{
	if (!time_text(time_us, out))
		return error_set(err, TRANSHIP_ELIMIT,
				 "the clock does not stand between the years 1970 and 9999");
	out[TIME_TEXT] = '-';
	hex_text(random, OBJECT_ID_SIZE, out + TIME_TEXT + 1);
	return 0;
}

/* Digits of a text that are known to be there. */
static int number(const char *text, size_t digits)
{
	int v = 0;

	for (; digits > 0; digits--)
		v = v * 10 + (*text++ - '0');
	return v;
}

bool point_id_parse(const char *id, int64_t *time_us)
{
	unsigned char bytes[OBJECT_ID_SIZE];
	char again[TIME_TEXT + 1];
	struct tm tm = { 0 };
	int64_t us;
	size_t i;

	if (strlen(id) != POINT_ID_TEXT - 1 || id[TIME_TEXT] != '-' ||
	    !hex_parse(id + TIME_TEXT + 1, bytes, sizeof(bytes)))
		return false;
	for (i = 0; i < TIME_TEXT - 1; i++)
		if (i != 8 && (id[i] < '0' || id[i] > '9'))
			return false;
	tm.tm_year = number(id, 4) - 1900;
	tm.tm_mon = number(id + 4, 2) - 1;
	tm.tm_mday = number(id + 6, 2);
	tm.tm_hour = number(id + 9, 2);
	tm.tm_min = number(id + 11, 2);
	tm.tm_sec = number(id + 13, 2);
	us = (int64_t)timegm(&tm) * 1000000 + number(id + 15, 6);
	/* A day that no month has becomes another one. */
	if (!time_text(us, again) || memcmp(id, again, TIME_TEXT) != 0)
		return false;
	if (time_us)
		*time_us = us;
	return true;
}

void point_object_id(const char *id, unsigned char out[OBJECT_ID_SIZE])
{
	if (!hex_parse(id + TIME_TEXT + 1, out, OBJECT_ID_SIZE))
		memset(out, 0, OBJECT_ID_SIZE);
}
