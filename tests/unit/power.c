// SPDX-License-Identifier: Apache-2.0
#include "power.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTSTANDING 200
#define DEPTH_MAX 2       /* of recoveries that are interrupted */
#define NESTED_ALL 200    /* so many states have their recovery interrupted, then a sample */
#define NESTED_SAMPLE 32U /* one of so many */

struct explorer {
	const struct power_case *c;
	struct power_result *r;
	struct power_lost_sync lost;
	uint64_t *seen; /* hashed; 0: free */
	size_t seen_count, seen_cap;
	struct rng rng;
};

/* What a power loss in a stretch of calls must leave. */
struct promise {
	unsigned mark;
	bool settled;    /* nothing was begun behind the mark */
	bool no_journal; /* may come back: a mark, or a recovery, is behind it */
	uint64_t expect; /* recording_hash of the folder, 0: it may be anything that is good */
	unsigned depth;
};

__attribute__((format(printf, 2, 3))) static void fail_case(struct explorer *x, const char *fmt,
							    ...)
{
	va_list ap;

	if (x->r->failed)
		return;
	x->r->failed = true;
	va_start(ap, fmt);
	vsnprintf(x->r->why, sizeof(x->r->why), fmt, ap);
	va_end(ap);
}

static bool insert(uint64_t *set, size_t cap, uint64_t key)
{
	size_t i = (size_t)key & (cap - 1);

	while (set[i] && set[i] != key)
		i = (i + 1) & (cap - 1);
	if (set[i])
		return false;
	set[i] = key;
	return true;
}

/* Whether this state is new. */
static bool is_new(struct explorer *x, uint64_t key)
{
	size_t cap = x->seen_cap ? x->seen_cap * 2 : 1024, i;
	uint64_t *bigger;

	if (x->seen_count * 2 >= x->seen_cap) {
		bigger = calloc(cap, sizeof(*bigger));
		assert_non_null(bigger);
		for (i = 0; i < x->seen_cap; i++)
			if (x->seen[i])
				insert(bigger, cap, x->seen[i]);
		free(x->seen);
		x->seen = bigger;
		x->seen_cap = cap;
	}
	if (!insert(x->seen, x->seen_cap, key ? key : 1))
		return false;
	x->seen_count++;
	return true;
}

static int recover_edit(struct recording *rec, bool *found, struct tranship_error *err)
{
	struct edit_params params = { .medium = recording_medium(rec) };

	return edit_recover(POWER_TARGET, &params, found, err);
}

/* Recovers and looks. False if something is wrong. */
static bool recover(struct explorer *x, struct recording *rec, const struct promise *p)
{
	struct power_state state = { rec, p->mark, p->settled };
	struct recording_faults *faults = recording_faults(rec);
	struct tranship_error err = { 0 };
	size_t size;
	bool found = false, had_journal = recording_get(rec, POWER_TARGET JOURNAL_SUFFIX, &size);
	int rc;

	if (p->expect && recording_hash(rec) != p->expect)
		fail_case(x, "a recovery was done, and is lost");
	faults->syncs = 0;
	faults->lose_sync = had_journal == x->lost.of_journal ? x->lost.of_recovery : 0;
	rc = x->c->recover ? x->c->recover(rec, &found, x->c->ctx, &err)
			   : recover_edit(rec, &found, &err);
	if (faults->syncs > x->r->recovery_syncs[had_journal])
		x->r->recovery_syncs[had_journal] = faults->syncs;
	if (rc)
		fail_case(x, "recovery failed: %s", err.message);
	else if (p->no_journal && found)
		fail_case(x, "a journal came back");
	else if (recording_open_handles(rec))
		fail_case(x, "recovery left a handle open");
	else if (!x->c->good(&state, x->c->ctx))
		fail_case(x, "what recovery left is not good");
	return !x->r->failed;
}

static void explore(struct explorer *x, const struct recording *rec, size_t from,
		    const struct promise *after);

/* A state that a power loss left. Takes it over. */
static void visit(struct explorer *x, struct recording *left, const struct promise *p,
		  size_t prefix, const char *how, uint64_t n)
{
	uint64_t hash = recording_hash(left);
	struct promise after = { p->mark, false, true, 0, p->depth + 1 };
	bool nested =
		p->depth < DEPTH_MAX && (x->r->states < NESTED_ALL || hash % NESTED_SAMPLE == 0);

	if (!x->r->failed &&
	    is_new(x, hash ^ p->mark * 0x9E3779B97F4A7C15U ^ (p->settled ? 0x5555 : 0) ^
			      (p->no_journal ? 0x333300 : 0) ^ p->expect * 31)) {
		x->r->states++;
		if (recover(x, left, p) && nested) {
			after.expect = recording_hash(left);
			explore(x, left, 0, &after);
		}
		if (x->r->failed) {
			char why[300];

			snprintf(why, sizeof(why), "%.299s", x->r->why);
			snprintf(x->r->why, sizeof(x->r->why),
				 "%s\n  depth %u, mark %u%s, call %zu, %s %llx", why, p->depth,
				 p->mark, p->settled ? " (settled)" : "", prefix, how,
				 (unsigned long long)n);
		}
	}
	recording_free(left);
}

struct lost {
	const struct recording *rec;
	size_t prefix;
	size_t calls[OUTSTANDING];
	size_t count;
	bool kept[OUTSTANDING];
};

static void keep_all(struct lost *l, bool kept)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		l->kept[i] = kept;
}

static void keep_random(struct explorer *x, struct lost *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		l->kept[i] = rng_below(&x->rng, 2);
}

static void visit_lost(struct explorer *x, struct lost *l, const struct promise *p, const char *how,
		       uint64_t n, struct tear tear)
{
	if (!x->r->failed)
		visit(x, recording_lose(l->rec, l->prefix, l->kept, tear), p, l->prefix, how, n);
}

/* Subsets of the outstanding calls. */
static void drop_some(struct explorer *x, struct lost *l, const struct promise *p)
{
	struct tear none = { .any = false };
	unsigned all_up_to = p->depth == 0 ? 8 : 5, samples = p->depth == 0 ? 60 : 8;
	uint64_t mask;
	size_t i;

	for (mask = 0; l->count <= all_up_to && mask < 1U << l->count; mask++) {
		for (i = 0; i < l->count; i++)
			l->kept[i] = mask >> i & 1;
		visit_lost(x, l, p, "kept", mask, none);
	}
	if (l->count <= all_up_to)
		return;
	for (i = 0; i < 2 * l->count + 2; i++) { /* all or none, but for one */
		keep_all(l, i & 1);
		if (i / 2 < l->count)
			l->kept[i / 2] = !(i & 1);
		visit_lost(x, l, p, "but for one", i, none);
	}
	for (i = 0; i < samples; i++) {
		keep_random(x, l);
		visit_lost(x, l, p, "sample", i, none);
	}
}

/* One write torn, with all, none, or some of the others. */
static void tear_one(struct explorer *x, struct lost *l, const struct promise *p, size_t call)
{
	size_t sectors = recording_sectors(l->rec, call), i, others;
	struct tear tears[] = {
		{ true, call, TEAR_FIRST, 1 },
		{ true, call, TEAR_SOME, rng_next(&x->rng) },
		{ true, call, TEAR_LENGTH, 0 },
		{ true, call, TEAR_NO_LENGTH, 0 },
		{ true, call, TEAR_FIRST, sectors - 1 },
		{ true, call, TEAR_FIRST, sectors / 2 },
		{ true, call, TEAR_SOME, rng_next(&x->rng) },
		{ true, call, TEAR_SOME, rng_next(&x->rng) },
		{ true, call, TEAR_SOME, rng_next(&x->rng) },
		{ true, call, TEAR_FIRST, rng_below(&x->rng, sectors) },
		{ true, call, TEAR_FIRST, rng_below(&x->rng, sectors) },
	};

	for (i = 0; i < (p->depth == 0 ? COUNT_OF(tears) : 4); i++)
		for (others = 0; others < (p->depth == 0 ? 4 : 2); others++) {
			if (others < 2)
				keep_all(l, others == 0);
			else
				keep_random(x, l);
			visit_lost(x, l, p, "torn", i << 8 | others, tears[i]);
		}
}

static void lose_power(struct explorer *x, const struct recording *rec, size_t prefix,
		       const struct promise *p)
{
	struct lost l = { .rec = rec, .prefix = prefix };
	size_t i;

	l.count = recording_outstanding(rec, prefix, l.calls, OUTSTANDING);
	assert_true(l.count < OUTSTANDING);
	drop_some(x, &l, p);
	for (i = 0; i < l.count; i++)
		if (recording_sectors(rec, l.calls[i]) > 0)
			tear_one(x, &l, p, l.calls[i]);
}

/* Power is lost after call number `from` and each behind it; what `after` promises holds at the
 * last.
 */
static void explore(struct explorer *x, const struct recording *rec, size_t from,
		    const struct promise *after)
{
	struct promise before = { after->mark, false, false, 0, after->depth };
	size_t prefix, end = recording_length(rec);

	for (prefix = from; !x->r->failed && prefix <= end; prefix++)
		lose_power(x, rec, prefix, prefix == end ? after : &before);
}

/* The program is killed, somebody recovers, and then power is lost. */
static void kill_at(struct explorer *x, const struct recording *rec, size_t prefix)
{
	struct recording *killed = recording_kill(rec, prefix);
	struct promise p = { .depth = 0 }, after;

	p.mark = recording_mark_at(rec, prefix, &p.settled);
	p.no_journal = p.settled;
	after = (struct promise){ p.mark, false, true, 0, 1 };
	if (recover(x, killed, &p)) {
		after.expect = recording_hash(killed);
		explore(x, killed, prefix, &after);
	}
	if (x->r->failed) {
		size_t used = strlen(x->r->why);

		snprintf(x->r->why + used, sizeof(x->r->why) - used,
			 "\n  killed at call %zu of %zu", prefix, recording_length(rec));
	}
	recording_free(killed);
}

void power_try(const struct power_case *c, struct power_lost_sync lost, struct power_result *result)
{
	struct recording *rec = recording_new();
	struct explorer x = { .c = c, .r = result, .lost = lost };
	struct tranship_error err;
	size_t prefix;

	*result = (struct power_result){ 0 };
	x.rng.state = 2026;
	recording_put(rec, POWER_TARGET, c->initial, c->size);
	recording_faults(rec)->lose_sync = lost.of_run;
	assert_ok(c->run(rec, c->ctx, &err), &err);
	assert_int_equal(recording_open_handles(rec), 0);
	result->syncs = recording_faults(rec)->syncs;
	for (prefix = 0; !result->failed && prefix <= recording_length(rec); prefix++) {
		struct promise p = { .depth = 0 };

		p.mark = recording_mark_at(rec, prefix, &p.settled);
		p.no_journal = p.settled;
		lose_power(&x, rec, prefix, &p);
		if (!result->failed)
			kill_at(&x, rec, prefix);
	}
	free(x.seen);
	recording_free(rec);
}

void power_prove(const struct power_case *c)
{
	struct power_lost_sync lost = { 0 };
	struct power_result whole, less;

	power_try(c, lost, &whole);
	if (whole.failed)
		fail_msg("%s", whole.why);
	print_message("%zu states, %u syncs\n", whole.states, whole.syncs);
	for (lost.of_run = c->opening_syncs + 1; lost.of_run <= whole.syncs; lost.of_run++) {
		power_try(c, lost, &less);
		if (!less.failed)
			fail_msg("nobody misses sync %u of %u", lost.of_run, whole.syncs);
	}
}

static bool is_missed(const struct power_case *cases, size_t count, struct power_lost_sync lost)
{
	struct power_result less = { 0 };
	size_t i;

	for (i = 0; i < count && !less.failed; i++)
		power_try(&cases[i], lost, &less);
	return less.failed;
}

void power_prove_recovery(const struct power_case *cases, size_t count)
{
	struct power_lost_sync lost = { 0 };
	struct power_result whole;
	unsigned most[2] = { 0 }, kind;
	size_t i;

	for (i = 0; i < count; i++) {
		power_try(&cases[i], lost, &whole);
		if (whole.failed)
			fail_msg("%s", whole.why);
		for (kind = 0; kind < 2; kind++)
			if (whole.recovery_syncs[kind] > most[kind])
				most[kind] = whole.recovery_syncs[kind];
	}
	for (kind = 0; kind < 2; kind++)
		for (lost.of_recovery = 1; lost.of_recovery <= most[kind]; lost.of_recovery++) {
			lost.of_journal = kind == 1;
			if (!is_missed(cases, count, lost))
				fail_msg("nobody misses sync %u of a recovery with%s a journal",
					 lost.of_recovery, kind == 1 ? "" : "out");
		}
}

static bool is_stage(const struct power_stages *s, unsigned stage, const unsigned char *bytes,
		     size_t size)
{
	return stage < s->count && size == s->sizes[stage] &&
	       memcmp(bytes, s->bytes[stage], size) == 0;
}

bool power_stage_good(const struct power_state *state, void *ctx)
{
	size_t size;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);

	return bytes && (is_stage(ctx, state->mark, bytes, size) ||
			 (!state->settled && is_stage(ctx, state->mark + 1, bytes, size)));
}
