// SPDX-License-Identifier: Apache-2.0
#include "folder_power.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTSTANDING 400
#define ALL_UP_TO 8
#define SAMPLES 30U
#define SEEN (1U << 18)

struct explorer {
	const struct folder_case *c;
	struct folder_result *r;
	uint64_t *seen; /* hashed; 0: free */
	struct rng rng;
};

/* What is interrupted, and where. */
struct place {
	const struct folder_log *log;
	size_t prefix;
	size_t calls[OUTSTANDING];
	size_t count;
	bool kept[OUTSTANDING];
	unsigned depth; /* of runs that were interrupted before */
};

static void explore(struct explorer *x, const struct folder_log *log, size_t from, unsigned depth);

static bool is_new(struct explorer *x, uint64_t key)
{
	size_t i = (size_t)(key ^ key >> 32) & (SEEN - 1);

	key = key ? key : 1;
	while (x->seen[i] && x->seen[i] != key)
		i = (i + 1) & (SEEN - 1);
	if (x->seen[i])
		return false;
	x->seen[i] = key;
	assert_true(x->r->states++ < SEEN / 2);
	return true;
}

/* Says that what `why` tells was so. */
static void fail_state(struct explorer *x, const struct folder_log *state, const char *stage,
		       const char *why)
{
	x->r->failed = true;
	snprintf(x->r->why, sizeof(x->r->why), "%s: %s", stage, why);
	if (getenv("FOLDER_POWER_VERBOSE"))
		folder_log_print(state);
}

static bool nothing_left(struct explorer *x, char *why, size_t cap)
{
	char name[100];

	if (folder_medium_new_names(x->c->fm, name, sizeof(name)) > 0)
		snprintf(why, cap, "'%s' stays behind", name);
	else if (folder_medium_open_handles(x->c->fm) > 0)
		snprintf(why, cap, "a handle stays open");
	else
		return true;
	return false;
}

/* Looks at a state, runs the work on it, and looks again; what was done is added to the state. */
static void finish(struct explorer *x, struct folder_log *state, bool finished, unsigned depth)
{
	const struct folder_case *c = x->c;
	bool again = c->run_again && depth == 0;
	int (*run)(const struct medium *medium, void *ctx, struct tranship_error *err) =
		again ? c->run_again : c->run;
	bool (*done)(void *ctx, char *why, size_t cap) = again ? c->done_again : c->done;
	bool (*was)(void *ctx, char *why, size_t cap) =
		c->run_again && depth ? c->done_again : c->done;
	struct tranship_error err = { 0 };
	char why[900] = "";

	folder_medium_begin(c->fm, state);
	if (finished && (!nothing_left(x, why, sizeof(why)) || !was(c->ctx, why, sizeof(why))))
		fail_state(x, state, "it was done, and is lost", why);
	else if (!finished && !c->look(c->ctx, why, sizeof(why)))
		fail_state(x, state, "interrupted", why);
	else if (run(folder_medium(c->fm), c->ctx, &err))
		fail_state(x, state, "it cannot be done again", err.message);
	else if (!nothing_left(x, why, sizeof(why)) || !done(c->ctx, why, sizeof(why)))
		fail_state(x, state, "done again", why);
}

/* One interruption of the second run, anywhere. */
static void interrupt_once(struct explorer *x, const struct folder_log *log, size_t from);

/* Takes the state over. */
static void visit(struct explorer *x, struct folder_log *state, const struct place *p,
		  const char *how, uint64_t n)
{
	bool kill = x->c->nested_kills && strcmp(how, "killed") == 0;
	bool finished = p->prefix == p->log->count, was = x->r->failed;
	size_t from = state->count;

	if (!was && is_new(x, folder_log_hash(state) ^ (finished ? 0x5555 : 0))) {
		size_t number = x->r->states;

		finish(x, state, finished, p->depth);
		if (!x->r->failed && p->depth == 0) {
			if (kill || number % x->c->nested_one_in == 0)
				explore(x, state, from, 1);
			else if (number % 2 == 0)
				interrupt_once(x, state, from);
		}
		if (x->r->failed) {
			size_t used = strlen(x->r->why);

			snprintf(x->r->why + used, sizeof(x->r->why) - used,
				 "\n  depth %u, operation %zu of %zu, %s %llx", p->depth, p->prefix,
				 p->log->count, how, (unsigned long long)n);
		}
	}
	folder_log_free(state);
}

static void lose(struct explorer *x, struct place *p, const char *how, uint64_t n, size_t torn,
		 uint64_t seed)
{
	struct folder_log state;

	if (x->r->failed)
		return;
	folder_log_lose(p->log, p->prefix, p->kept, torn, seed, &state);
	if (x->c->one_in > 1 && rng_below(&x->rng, x->c->one_in) > 0) {
		folder_log_free(&state);
		return;
	}
	visit(x, &state, p, how, n);
}

static void keep_some(struct explorer *x, struct place *p, uint64_t mask, bool random)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		p->kept[i] = random ? rng_below(&x->rng, 2) : i < 64 ? mask >> i & 1 : mask & 1;
}

static void drop_some(struct explorer *x, struct place *p)
{
	unsigned samples = p->depth == 0 ? SAMPLES : 1;
	uint64_t mask;
	size_t i;

	for (mask = 0; p->depth == 0 && p->count <= ALL_UP_TO && mask < 1U << p->count; mask++) {
		keep_some(x, p, mask, false);
		lose(x, p, "kept", mask, FOLDER_NOT_TORN, 0);
	}
	if (p->depth == 0 && p->count <= ALL_UP_TO)
		return;
	for (i = 0; p->depth == 0 && i < 2 * p->count + 2; i++) { /* all or none, but for one */
		keep_some(x, p, i & 1 ? UINT64_MAX : 0, false);
		if (i / 2 < p->count)
			p->kept[i / 2] = !(i & 1);
		lose(x, p, "but for one", i, FOLDER_NOT_TORN, 0);
	}
	for (i = 0; i < samples; i++) {
		keep_some(x, p, 0, true);
		lose(x, p, "sample", i, FOLDER_NOT_TORN, 0);
	}
}

/* One write torn, with all, none, or some of the others. */
static void tear_one(struct explorer *x, struct place *p, size_t call)
{
	size_t sectors = folder_log_sectors(p->log, call), i;
	uint64_t seeds[] = { rng_next(&x->rng) | 1024, 1, sectors - 1, rng_next(&x->rng) | 1024,
			     rng_below(&x->rng, sectors) };

	for (i = 0; i < (p->depth == 0 ? COUNT_OF(seeds) : 1); i++) {
		keep_some(x, p, i % 2 ? 0 : UINT64_MAX, i == 3);
		lose(x, p, "torn", i, call, seeds[i]);
	}
}

static void lose_power(struct explorer *x, struct place *p)
{
	size_t i;

	p->count = folder_log_outstanding(p->log, p->prefix, p->calls, OUTSTANDING);
	assert_true(p->count < OUTSTANDING);
	drop_some(x, p);
	for (i = 0; i < p->count; i++)
		if (folder_log_sectors(p->log, p->calls[i]) > 1 &&
		    (p->depth == 0 || rng_below(&x->rng, p->count) == 0))
			tear_one(x, p, p->calls[i]);
}

static void kill_at(struct explorer *x, struct place *p)
{
	struct folder_log state;

	if (x->r->failed)
		return;
	folder_log_kill(p->log, p->prefix, &state);
	visit(x, &state, p, "killed", 0);
}

static void explore(struct explorer *x, const struct folder_log *log, size_t from, unsigned depth)
{
	struct place p = { .log = log, .depth = depth };

	for (p.prefix = from; !x->r->failed && p.prefix <= log->count; p.prefix++) {
		lose_power(x, &p);
		kill_at(x, &p);
	}
}

static void interrupt_once(struct explorer *x, const struct folder_log *log, size_t from)
{
	struct place p = { .log = log, .depth = 1 };

	p.prefix = from + (size_t)rng_below(&x->rng, log->count - from + 1);
	p.count = folder_log_outstanding(log, p.prefix, p.calls, OUTSTANDING);
	keep_some(x, &p, 0, true);
	lose(x, &p, "once", 0, FOLDER_NOT_TORN, 0);
}

void folder_try(const struct folder_case *c, unsigned lose_sync, struct folder_result *result)
{
	struct explorer x = { .c = c, .r = result };
	struct folder_log log = { 0 };
	struct tranship_error err;
	char why[900] = "";
	size_t from;

	*result = (struct folder_result){ 0 };
	x.rng.state = 2026;
	x.seen = calloc(SEEN, sizeof(*x.seen));
	assert_non_null(x.seen);
	folder_medium_begin(c->fm, &log);
	folder_medium_syncs(c->fm)->lose = lose_sync;
	assert_ok(c->run(folder_medium(c->fm), c->ctx, &err), &err);
	result->syncs = folder_medium_syncs(c->fm)->count;
	result->idle = folder_medium_syncs(c->fm)->lost_idle;
	result->note = folder_medium_syncs(c->fm)->lost_note;
	result->skipped = lose_sync && !result->note && c->notes_only;
	from = folder_medium_syncs(c->fm)->lost_at;
	if (!nothing_left(&x, why, sizeof(why)) || !c->done(c->ctx, why, sizeof(why)))
		fail_state(&x, &log, "without an interruption", why);
	if (!result->skipped &&
	    !(lose_sync && result->idle)) /* before the lost sync all is as it was with it */
		explore(&x, &log, from, 0);
	folder_log_free(&log);
	folder_medium_begin(c->fm, &log);
	free(x.seen);
}

void folder_prove(const struct folder_case *c)
{
	struct folder_result whole, less;
	unsigned n, idle = 0, spare = 0, spare_notes = 0;

	folder_try(c, 0, &whole);
	if (whole.failed)
		fail_msg("%s", whole.why);
	for (n = 1; c->one_in <= 1 && n <= whole.syncs; n++) {
		folder_try(c, n, &less);
		if (getenv("FOLDER_POWER_VERBOSE") && !less.idle && !less.failed && !less.skipped)
			print_message("nobody misses sync %u\n", n);
		idle += less.idle;
		spare_notes += !less.idle && !less.failed && less.note;
		spare += !less.idle && !less.failed && !less.note && !less.skipped;
	}
	print_message(
		"%zu states, %u syncs, %u idle; nobody misses %u of transactions, %u of notes\n",
		whole.states, whole.syncs, idle, spare, spare_notes);
	assert_int_equal(spare_notes, c->one_in > 1 ? 0 : c->spare_notes);
	assert_true(spare < whole.syncs - idle);
}
