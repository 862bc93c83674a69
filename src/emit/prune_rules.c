// SPDX-License-Identifier: Apache-2.0
#include "emit/prune_rules.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A number that all moments of one period have, and no other. */
static int64_t period_of(unsigned kind, int64_t time_us)
{
	time_t seconds = (time_t)floor_div(time_us, 1000000);
	int64_t day = floor_div(seconds, 86400);
	struct tm tm;

	switch (PRUNE_LAST << kind) {
	case PRUNE_LAST: return time_us;
	case PRUNE_HOURLY: return floor_div(seconds, 3600);
	case PRUNE_DAILY: return day;
	case PRUNE_WEEKLY: return floor_div(day + 3, 7); /* 1970 began on a Thursday */
	default: break;
	}
	if (!gmtime_r(&seconds, &tm))
		return day;
	return (PRUNE_LAST << kind) == PRUNE_MONTHLY ? (int64_t)tm.tm_year * 12 + tm.tm_mon
						     : tm.tm_year;
}

void prune_begin(struct prune_state *s, const struct tranship_prune_options *options)
{
	*s = (struct prune_state){ .left = { options->keep_last, options->keep_hourly,
					     options->keep_daily, options->keep_weekly,
					     options->keep_monthly, options->keep_yearly } };
}

unsigned prune_next(struct prune_state *s, int64_t time_us, bool tagged)
{
	unsigned rules = (s->begun ? 0U : PRUNE_NEWEST) | (tagged ? PRUNE_TAG : 0U), i;

	s->begun = true;
	for (i = 0; i < PRUNE_PERIODS; i++) {
		int64_t period = period_of(i, time_us);

		/* Two points of one microsecond are two points. */
		if (s->left[i] == 0 || (i > 0 && s->any[i] && s->period[i] == period))
			continue;
		s->left[i]--;
		s->any[i] = true;
		s->period[i] = period;
		rules |= (unsigned)PRUNE_LAST << i;
	}
	return rules;
}

const char *prune_why(unsigned rules, char *text)
{
	static const char *const names[] = { "newest", "tag",    "last",    "hourly",
					     "daily",  "weekly", "monthly", "yearly" };
	size_t i, n = 0;

	*text = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rules & 1U << i)
			n += (size_t)snprintf(text + n, 80 - n, "%s%s", n ? ", " : "", names[i]);
	return text;
}
