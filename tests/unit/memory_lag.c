// SPDX-License-Identifier: Apache-2.0
/* Listings of a target in memory that lag behind what was put and removed. */
#include "memory_target_inside.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(struct memory_target *m, const struct memory_change *c)
{
	size_t at = 0;
	bool was;

	while (at < m->shown_count && strcmp(m->shown[at].key, c->info.key) < 0)
		at++;
	was = at < m->shown_count && strcmp(m->shown[at].key, c->info.key) == 0;
	if (c->there && !was) {
		m->shown = realloc(m->shown, (m->shown_count + 1) * sizeof(*m->shown));
		assert_non_null(m->shown);
		memmove(m->shown + at + 1, m->shown + at,
			(m->shown_count++ - at) * sizeof(*m->shown));
	} else if (!c->there && was) {
		memmove(m->shown + at, m->shown + at + 1,
			(--m->shown_count - at) * sizeof(*m->shown));
	}
	if (c->there)
		m->shown[at] = c->info;
}

void memory_lag_settle(struct memory_target *m)
{
	size_t i, k, left = 0;

	for (i = 0; m->lags && i < m->change_count; i++) {
		struct memory_change c = m->changes[i];
		bool due = m->calls >= c.due && m->now >= c.due_time;

		/* Not before an older change of the same key. */
		for (k = 0; due && k < left; k++)
			due = strcmp(m->changes[k].info.key, c.info.key) != 0;
		if (due)
			show(m, &c);
		else
			m->changes[left++] = c;
	}
	m->change_count = left;
}

void memory_lag_note(struct memory_target *m, const struct object_info *info, bool there)
{
	struct memory_change c = { .info = *info, .there = there };

	if (!m->lags)
		return;
	if (strncmp(info->key, m->lag_prefix, strlen(m->lag_prefix)) == 0) {
		c.due = m->calls + m->lag_calls;
		c.due_time = m->now + m->lag_seconds;
	}
	m->changes = realloc(m->changes, (m->change_count + 1) * sizeof(*m->changes));
	assert_non_null(m->changes);
	m->changes[m->change_count++] = c;
}

void memory_target_lag(struct target *t, const char *prefix, unsigned long calls, int64_t seconds)
{
	struct memory_target *m = memory_target_of(t);
	size_t i;

	pthread_mutex_lock(&m->lock);
	if (!m->lags) {
		m->shown = realloc(m->shown, (m->count + 1) * sizeof(*m->shown));
		assert_non_null(m->shown);
		for (i = 0; i < m->count; i++)
			m->shown[i] = m->objects[i].info;
		m->shown_count = m->count;
		m->lags = true;
	}
	snprintf(m->lag_prefix, sizeof(m->lag_prefix), "%s", prefix);
	m->lag_calls = calls;
	m->lag_seconds = seconds;
	pthread_mutex_unlock(&m->lock);
}
