// SPDX-License-Identifier: Apache-2.0
/* The ids of points, and the keys of their manifests. */
#include "emit/manifest_ondisk.h"

#include "base/error.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* YYYYMMDDThhmmssuuuuuuZ: a digit stands for a digit. */
static const char time_shape[] = "00000000T000000000000Z";
#define TIME_TEXT (sizeof(time_shape) - 1)
/* Of the last microsecond of the year 9999. */
#define TIME_MAX INT64_C(253402300799999999)

_Static_assert(TIME_TEXT + 1 + 2 * OBJECT_ID_SIZE + 1 == POINT_ID_TEXT, "the text of an id");

int manifest_id_format(int64_t time_us, const unsigned char bytes[OBJECT_ID_SIZE],
		       char out[POINT_ID_TEXT], struct tranship_error *err)
{
	char digits[2 * OBJECT_ID_SIZE + 1];
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;

	if (time_us < 0 || time_us > TIME_MAX || !gmtime_r(&seconds, &tm))
		return error_set(err, TRANSHIP_EINVAL,
				 "the time %" PRId64 " of a point; allowed is 1970 to 9999",
				 time_us);
	hex_text(bytes, OBJECT_ID_SIZE, digits);
	snprintf(out, POINT_ID_TEXT, "%04u%02u%02uT%02u%02u%02u%06uZ-%s",
		 ((unsigned)tm.tm_year + 1900) % 10000, ((unsigned)tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100, (unsigned)(time_us % 1000000), digits);
	return 0;
}

bool manifest_id_parse(const char *id, unsigned char *bytes)
{
	unsigned char any[OBJECT_ID_SIZE];
	size_t i;

	if (strnlen(id, POINT_ID_TEXT) != POINT_ID_TEXT - 1 || id[TIME_TEXT] != '-')
		return false;
	for (i = 0; i < TIME_TEXT; i++)
		if (time_shape[i] == '0' ? id[i] < '0' || id[i] > '9' : id[i] != time_shape[i])
			return false;
	return hex_parse(id + TIME_TEXT + 1, bytes ? bytes : any, OBJECT_ID_SIZE);
}

void manifest_key(const char *id, char *out)
{
	snprintf(out, TARGET_KEY_MAX + 1, "points/%s", id);
}

void manifest_trash_key(const char *id, char *out)
{
	snprintf(out, TARGET_KEY_MAX + 1, "trash/points/%s", id);
}
