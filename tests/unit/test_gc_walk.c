// SPDX-License-Identifier: Apache-2.0
/*
 * Writers, prunes and gcs in any order, one inside the other, with listings that lag: whatever
 * happens, a point has all its slots.
 */
#include "gc_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 600U
#define STEPS 70U
#define WRITERS 4U

static struct rng rng;
static bool checked[WRITERS]; /* and nothing was added since */

struct choice {
	char keys[200][TARGET_KEY_MAX + 1];
	unsigned count;
};

static int take_key(void *ctx, const struct object_info *object, struct tranship_error *err)
{
	struct choice *c = ctx;

	(void)err;
	if (c->count < COUNT_OF(c->keys))
		strcpy(c->keys[c->count++], object->key);
	return 0;
}

/* One of those that are listed; "": there is none. */
static const char *any_key(struct scene *s, const char *prefix)
{
	static struct choice c;
	struct tranship_error err;

	c.count = 0;
	assert_ok(target_list(s->t, prefix, take_key, &c, &err), &err);
	return c.count ? c.keys[rng_below(&rng, c.count)] : "";
}

static void begin(struct scene *s, unsigned n)
{
	const char *key = rng_below(&rng, 3) ? any_key(s, "points/") : "";
	char base[POINT_ID_TEXT];

	snprintf(base, sizeof(base), "%s", *key ? key + 7 : "");
	writer_begin(s, n, base);
	checked[n] = false;
}

static void name_any(struct scene *s, unsigned n)
{
	struct tranship_error err;
	struct slot_id id;

	/* Listed, and not marked when it began: whether it is there shows at the check. */
	if (!slot_id_of_key(any_key(s, "slots/"), &id) || slot_set_has(s->writers[n].trash, &id))
		return;
	assert_ok(slot_uses_add(&s->writers[n].uses, &id, 1, &err), &err);
	checked[n] = false;
}

static const char *any_disk(void)
{
	static const char *const disks[] = { "a", "b" };

	return disks[rng_below(&rng, 2)];
}

static void give_up(struct scene *s, unsigned n)
{
	if (rng_below(&rng, 2))
		writer_die(s, n);
	else
		writer_end(s, n);
	checked[n] = false;
}

static void writer_step(struct scene *s, unsigned n)
{
	const char *disk = any_disk();

	switch (rng_below(&rng, 9)) {
	case 0:
	case 1:
	case 2: name_any(s, n); break;
	case 3:
		writer_put(s, n);
		checked[n] = false;
		break;
	case 4:
	case 5:
		checked[n] = writer_check(s, n) == 0;
		if (!checked[n])
			give_up(s, n);
		break;
	case 6:
	case 7:
		if (checked[n] && writer_commit(s, n, disk, disk) == 0)
			writer_end(s, n);
		break;
	default: give_up(s, n); break;
	}
}

static void step_of_writers(struct scene *s)
{
	unsigned n = (unsigned)rng_below(&rng, WRITERS);
	struct writer *w = &s->writers[n];

	if (w->used)
		writer_step(s, n);
	else if (!w->next)
		begin(s, n);
	else if (rng_below(&rng, 2)) {
		writer_resume(s, n);
		checked[n] = false;
	}
}

static void step_inside(struct scene *s)
{
	unsigned more = 1 + (unsigned)rng_below(&rng, 6);

	while (more-- > 0) {
		switch (rng_below(&rng, 8)) {
		case 0: care_prune(s, any_disk()); break;
		case 1: care_pass(s, (unsigned)rng_below(&rng, GRACE / 48)); break;
		case 2: care_gc(s); break;
		default: step_of_writers(s); break;
		}
	}
}

static void step(struct scene *s)
{
	switch (rng_below(&rng, 12)) {
	case 0: care_prune(s, any_disk()); break;
	case 1: care_gc(s); break;
	case 2:
	case 3: care_gc_with(s, 1 + (unsigned)rng_below(&rng, 40), step_inside); break;
	case 4: care_pass(s, (unsigned)rng_below(&rng, GRACE / 2)); break;
	case 5: care_pass(s, (unsigned)rng_below(&rng, GRACE / 8)); break;
	default: step_of_writers(s); break;
	}
}

static void walk(uint64_t seed)
{
	static const char *const lags[] = { NULL, "", "points/", "slots/", "trash/", "leases/" };
	struct scene s;
	unsigned i;

	rng = (struct rng){ seed };
	memset(checked, 0, sizeof(checked));
	care_open(&s, lags[rng_below(&rng, COUNT_OF(lags))]);
	for (i = 0; i < STEPS; i++) {
		step(&s);
		if (!care_complete(&s))
			fail_msg("seed %llu: after step %u a point lacks a slot",
				 (unsigned long long)seed, i);
	}
	care_end(&s);
	care_close(&s);
}

static void test_any_order(void **state)
{
	const char *given = getenv("TRANSHIP_TEST_SEED");
	uint64_t seed;

	(void)state;
	if (given) {
		walk(strtoull(given, NULL, 10));
		return;
	}
	for (seed = 1; seed <= RUNS; seed++)
		walk(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_any_order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
