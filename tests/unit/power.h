/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss, for whatever changes a file in place: "run this on a file with this content; whatever
 * happens, what is left must be good".
 *
 * A case is run once and recorded (recording.h). Then, for every prefix of its calls: power is lost
 * with any subset of the outstanding calls (all subsets up to 8, else seeded samples), and with one
 * write torn; or the program is killed, and power is lost during or after the recovery that
 * follows. Each time the file is recovered and looked at; and the recovery is itself interrupted in
 * the same ways, and begun again.
 *
 * Beside what the case calls good, these must hold: recovery works; at a mark, and when a recovery
 * is done, no journal comes back, and nothing that a recovery left is lost; no handle stays open.
 */
#ifndef TESTS_UNIT_POWER_H
#define TESTS_UNIT_POWER_H

#include "recording.h"

#include "io/edit.h"
#include "io/journal.h"

#define POWER_TARGET "disk" /* the name of the file; use it as the path */

/* What was recovered. */
struct power_state {
	const struct recording *rec; /* recording_get(rec, POWER_TARGET, &size) */
	unsigned mark; /* the last recording_mark that was passed: that much must have lasted */
	bool settled;  /* and nothing was begun behind it: the file must be as it was there */
};

struct power_case {
	const void *initial; /* content of the file */
	size_t size;
	/* Does the work through recording_medium(rec), calls recording_mark(rec, 1), 2, ... after
	 * each step that must last. Must not fail. Must do the same calls each time. */
	int (*run)(struct recording *rec, void *ctx, struct tranship_error *err);
	/* Whether what is there after recovery is right. */
	bool (*good)(const struct power_state *state, void *ctx);
	/* What a user does after a crash, the same each time; NULL: edit_recover. *found may say
	 * that a journal was found. */
	int (*recover)(struct recording *rec, bool *found, void *ctx, struct tranship_error *err);
	void *ctx;
	/* How many of the run's syncs its opening does: those are needed only after somebody else
	 * was killed, so they are proved as a recovery's. */
	unsigned opening_syncs;
};

#define EDIT_OPENING_SYNCS 2

struct power_result {
	bool failed;
	char why[800];
	size_t states;  /* different ones that were recovered */
	unsigned syncs; /* of the run */
	/* The most that a recovery did which found no journal [0], which found one [1]. */
	unsigned recovery_syncs[2];
};

/* Syncs that do nothing, as if they had been forgotten; they count from 1, 0: none is lost. */
struct power_lost_sync {
	unsigned of_run;
	unsigned of_recovery; /* of each */
	bool of_journal; /* of each recovery that finds a journal; else of each that finds none */
};

/* Does all that. Stops at the first failure. */
void power_try(const struct power_case *c, struct power_lost_sync lost,
	       struct power_result *result);

/* Asserts that the case holds, and that it does not without any single one of its syncs: so that
 * every one is needed, and the case could find a missing one. */
void power_prove(const struct power_case *c);

/* Asserts that each sync of a recovery is missed by one of the cases. */
void power_prove_recovery(const struct power_case *cases, size_t count);

/*
 * A `good` for a file with known stages: ctx is a struct power_stages; the content must be that of
 * stage `mark`, or, unless settled, of the next.
 */
struct power_stages {
	const unsigned char *const *bytes;
	const size_t *sizes;
	unsigned count;
};
bool power_stage_good(const struct power_state *state, void *ctx);

#endif
