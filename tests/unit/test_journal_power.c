// SPDX-License-Identifier: Apache-2.0
/*
 * Changes in place under power loss: whatever is lost, and wherever the program is killed, the file
 * is as it was or as it was to become; and each sync is needed for that.
 */
#include "power.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096U
#define STAGES 4

/* A file in stages; what leads from one to the next is a transaction. */
struct plan {
	struct power_stages stages;
	const unsigned char *bytes[STAGES];
	size_t sizes[STAGES];
	unsigned char buffers[STAGES][16 * PAGE];
};

static void stage(struct plan *plan, unsigned n, size_t size)
{
	plan->bytes[n] = plan->buffers[n];
	plan->sizes[n] = size;
	plan->stages = (struct power_stages){ plan->bytes, plan->sizes, n + 1 };
	if (n > 0)
		memcpy(plan->buffers[n], plan->buffers[n - 1],
		       size < plan->sizes[n - 1] ? size : plan->sizes[n - 1]);
}

static void scribble(struct plan *plan, unsigned n, size_t off, size_t len)
{
	struct rng rng = { n * 1000 + off };

	rng_fill(&rng, plan->buffers[n] + off, len);
}

/* Brings the file to the content of the stage, byte by byte where that differs. */
static int become(struct tranship_file *file, const unsigned char *bytes, size_t size,
		  struct tranship_error *err)
{
	size_t i, n;
	unsigned char old;
	int rc = file_resize(file, size, err);

	for (i = 0; rc == 0 && i < size; i += n + 1) {
		for (n = 0; rc == 0 && i + n < size; n++) {
			rc = tranship_file_read(file, i + n, &old, 1, err);
			if (old == bytes[i + n])
				break;
		}
		if (rc == 0 && n > 0)
			rc = file_write(file, i, bytes + i, n, err);
	}
	return rc;
}

static int run_stages(struct recording *rec, void *ctx, struct tranship_error *err)
{
	const struct power_stages *s = ctx;
	struct edit_params params = { .medium = recording_medium(rec) };
	struct edit *e;
	unsigned n;
	int rc = edit_open(POWER_TARGET, &params, &e, err);

	for (n = 1; rc == 0 && n < s->count; n++) {
		rc = become(edit_file(e), s->bytes[n], s->sizes[n], err);
		if (rc == 0)
			rc = edit_apply(e, err);
		if (rc == 0)
			recording_mark(rec, n);
	}
	edit_close(e);
	return rc;
}

/* Cases that were proved, for the proof of the syncs of recovery. */
static struct power_case proved[16];
static size_t proved_count;

static void prove(struct power_case c)
{
	power_prove(&c);
	assert_true(proved_count < COUNT_OF(proved));
	proved[proved_count++] = c;
}

static void prove_stages(struct plan *plan)
{
	struct power_case c = { .initial = plan->bytes[0],
				.size = plan->sizes[0],
				.run = run_stages,
				.good = power_stage_good,
				.ctx = &plan->stages,
				.opening_syncs = EDIT_OPENING_SYNCS };

	prove(c);
}

static void test_power__pages_change(void **state)
{
	static struct plan plan;

	(void)state;
	stage(&plan, 0, 4 * PAGE);
	scribble(&plan, 0, 0, 4 * PAGE);
	stage(&plan, 1, 4 * PAGE);
	scribble(&plan, 1, 700, 3000);
	scribble(&plan, 1, 2 * PAGE, PAGE);
	scribble(&plan, 1, 4 * PAGE - 5, 5);
	prove_stages(&plan);
}

static void test_power__the_file_grows(void **state)
{
	static struct plan plan;

	(void)state;
	stage(&plan, 0, 2 * PAGE + 1000); /* not whole sectors */
	scribble(&plan, 0, 0, plan.sizes[0]);
	stage(&plan, 1, 7 * PAGE + 512);
	scribble(&plan, 1, 100, 10);
	scribble(&plan, 1, 2 * PAGE + 800, 900); /* across the old end */
	scribble(&plan, 1, 7 * PAGE, 512);
	prove_stages(&plan);
}

static void test_power__the_file_shrinks(void **state)
{
	static struct plan plan;

	(void)state;
	stage(&plan, 0, 5 * PAGE + 100);
	scribble(&plan, 0, 0, plan.sizes[0]);
	stage(&plan, 1, 2 * PAGE + 700);
	scribble(&plan, 1, 10, 900);
	scribble(&plan, 1, 2 * PAGE + 400, 300); /* up to the new end, which is in a sector */
	prove_stages(&plan);
}

static void test_power__only_the_length(void **state)
{
	static struct plan plan;

	(void)state;
	stage(&plan, 0, 1000);
	scribble(&plan, 0, 0, 1000);
	stage(&plan, 1, 3 * PAGE);
	prove_stages(&plan);
}

static void test_power__one_transaction_after_another(void **state)
{
	static struct plan plan;

	(void)state;
	stage(&plan, 0, 2 * PAGE);
	scribble(&plan, 0, 0, 2 * PAGE);
	stage(&plan, 1, 3 * PAGE);
	scribble(&plan, 1, 0, 600);
	scribble(&plan, 1, 2 * PAGE, 100);
	stage(&plan, 2, PAGE);
	scribble(&plan, 2, 0, 600);
	prove_stages(&plan);
}

/* The first sector says which of the others hold the data: 'T', offset / 512. */
struct table {
	unsigned char data[3 * 512];
	size_t free_at; /* where the data goes before something refers to it */
};

static int run_free(struct recording *rec, void *ctx, struct tranship_error *err)
{
	const struct table *t = ctx;
	struct edit_params params = { .medium = recording_medium(rec) };
	unsigned char entry = (unsigned char)(t->free_at / 512);
	struct edit *e;
	int rc = edit_open(POWER_TARGET, &params, &e, err);

	if (rc == 0)
		rc = edit_write_free(e, t->free_at, t->data, sizeof(t->data), err);
	if (rc == 0)
		rc = file_write(edit_file(e), 1, &entry, 1, err);
	if (rc == 0)
		rc = file_write(edit_file(e), 5 * 512, &entry, 1, err);
	if (rc == 0)
		rc = edit_apply(e, err);
	if (rc == 0)
		recording_mark(rec, 1);
	edit_close(e);
	return rc;
}

/* What the entry leads to must be the data, whatever stands where nothing refers to. */
static bool free_good(const struct power_state *state, void *ctx)
{
	const struct table *t = ctx;
	size_t size, at;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);

	if (!bytes || size < 6 * 512 || bytes[0] != 'T' || bytes[1] != bytes[5 * 512])
		return false;
	at = (size_t)bytes[1] * 512;
	if (at == 512)
		return state->mark == 0;
	return at == t->free_at && at + sizeof(t->data) <= size &&
	       memcmp(bytes + at, t->data, sizeof(t->data)) == 0;
}

static struct table tables[3];
static size_t table_count;

static void prove_free(size_t at)
{
	static unsigned char initial[6 * 512] = { 'T', 1 };
	struct table *t = &tables[table_count++];
	struct rng rng = { 5 };
	struct power_case c = { .initial = initial,
				.size = sizeof(initial),
				.run = run_free,
				.good = free_good,
				.ctx = t,
				.opening_syncs = EDIT_OPENING_SYNCS };

	t->free_at = at;
	initial[5 * 512] = 1; /* a copy of the entry: a change of one sector needs no journal */
	rng_fill(&rng, t->data, sizeof(t->data));
	prove(c);
}

static void test_power__free_space_in_a_gap(void **state)
{
	(void)state;
	prove_free(2 * 512);
}

static void test_power__free_space_behind_the_end(void **state)
{
	(void)state;
	prove_free(6 * 512);
	prove_free(20 * 512);
}

static int run_truncate(struct recording *rec, void *ctx, struct tranship_error *err)
{
	const struct power_stages *s = ctx;
	struct edit_params params = { .medium = recording_medium(rec) };
	struct edit *e;
	int rc = edit_open(POWER_TARGET, &params, &e, err);

	if (rc == 0)
		rc = edit_truncate(e, s->sizes[1], err);
	if (rc == 0)
		recording_mark(rec, 1);
	edit_close(e);
	return rc;
}

static void test_power__truncate(void **state)
{
	static struct plan plan;
	struct power_case c = { .run = run_truncate,
				.good = power_stage_good,
				.ctx = &plan.stages,
				.opening_syncs = EDIT_OPENING_SYNCS };

	(void)state;
	stage(&plan, 0, 3 * PAGE);
	scribble(&plan, 0, 0, 3 * PAGE);
	stage(&plan, 1, 777);
	c.initial = plan.bytes[0];
	c.size = plan.sizes[0];
	prove(c);
}

/* A note is written, replaced, outlives a transaction, and goes. Marks count these steps. */
static const char *const note_texts[] = { NULL, "first", "second and longer", "second and longer",
					  NULL };

static int run_notes(struct recording *rec, void *ctx, struct tranship_error *err)
{
	struct edit_params params = { .medium = recording_medium(rec), .with_note = true };
	struct edit *e;
	int rc = edit_open(POWER_TARGET, &params, &e, err);

	(void)ctx;
	if (rc == 0)
		rc = edit_note_write(e, EDIT_NOTE_COMMIT, note_texts[1], err);
	recording_mark(rec, 1);
	if (rc == 0)
		rc = edit_note_write(e, EDIT_NOTE_COMMIT, note_texts[2], err);
	recording_mark(rec, 2);
	if (rc == 0)
		rc = file_write(edit_file(e), 508, "changed", 7, err);
	if (rc == 0)
		rc = edit_apply(e, err);
	recording_mark(rec, 3);
	if (rc == 0)
		rc = edit_note_remove(e, err);
	recording_mark(rec, 4);
	edit_close(e);
	return rc;
}

static bool note_is(const struct power_state *state, unsigned step)
{
	struct edit_params params = { .medium = recording_medium(state->rec), .with_note = true };
	char text[EDIT_NOTE_MAX + 1];
	size_t size;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);
	uint32_t kind = 0;
	struct edit *e;
	bool found = false;
	int rc;

	if (step >= COUNT_OF(note_texts) || !bytes ||
	    memcmp(bytes + 508, step >= 3 ? "changed" : "\0\0\0\0\0\0", 7) != 0 ||
	    edit_open(POWER_TARGET, &params, &e, NULL))
		return false;
	rc = edit_note_read(e, &found, &kind, text, NULL);
	edit_close(e);
	return rc == 0 && found == (note_texts[step] != NULL) &&
	       (!found || (kind == EDIT_NOTE_COMMIT && strcmp(text, note_texts[step]) == 0));
}

static bool notes_good(const struct power_state *state, void *ctx)
{
	(void)ctx;
	return note_is(state, state->mark) || (!state->settled && note_is(state, state->mark + 1));
}

static void test_power__notes(void **state)
{
	static const unsigned char initial[1024] = { 1 };
	struct power_case c = { .initial = initial,
				.size = sizeof(initial),
				.run = run_notes,
				.good = notes_good,
				.opening_syncs = EDIT_OPENING_SYNCS };

	(void)state;
	prove(c);
}

/* After all others, whose cases it takes. */
static void test_power__recovery_needs_each_of_its_syncs(void **state)
{
	(void)state;
	power_prove_recovery(proved, proved_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power__pages_change),
		cmocka_unit_test(test_power__the_file_grows),
		cmocka_unit_test(test_power__the_file_shrinks),
		cmocka_unit_test(test_power__only_the_length),
		cmocka_unit_test(test_power__one_transaction_after_another),
		cmocka_unit_test(test_power__free_space_in_a_gap),
		cmocka_unit_test(test_power__free_space_behind_the_end),
		cmocka_unit_test(test_power__truncate),
		cmocka_unit_test(test_power__notes),
		cmocka_unit_test(test_power__recovery_needs_each_of_its_syncs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
