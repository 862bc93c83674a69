/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss, for work on several files that is finished by doing it again (commit, rebase): like
 * tests/unit/power.h, on real files.
 *
 * A case is run once and logged (folder_medium.h). Then, for every prefix of its operations: the
 * program is killed, or power is lost with any subset of what was outstanding (all subsets up to 8,
 * else seeded samples), or with one write torn. Each time the files are looked at, the same work is
 * done again, and the files are looked at again; and that second run is itself interrupted, by
 * samples, and done a third time. When a run has returned, nothing of it may be lost.
 */
#ifndef TESTS_UNIT_FOLDER_POWER_H
#define TESTS_UNIT_FOLDER_POWER_H

#include "folder_medium.h"

struct folder_case {
	struct folder_medium *fm;
	int (*run)(const struct medium *medium, void *ctx, struct tranship_error *err);
	/* Whether files that the work was interrupted on mislead nobody; `why` says what does. */
	bool (*look)(void *ctx, char *why, size_t cap);
	/* Whether they are what the work makes of them. */
	bool (*done)(void *ctx, char *why, size_t cap);
	void *ctx;
	/* What is done after the first run was interrupted, if that is something else, and whether
	 * the files are what it makes of them. If that is interrupted, `run` is what follows. */
	int (*run_again)(const struct medium *medium, void *ctx, struct tranship_error *err);
	bool (*done_again)(void *ctx, char *why, size_t cap);
	unsigned
		nested_one_in; /* so many states have their second run interrupted at every place */
	bool nested_kills;     /* and after each kill of the first run */
	unsigned spare_notes;  /* syncs of notes that nobody misses, see folder_prove */
	bool notes_only;       /* the syncs of transactions are not left out */
	/* So many states of power losses are looked at, and no syncs left out; 0: all. For images
	 * that take long to open. */
	unsigned one_in;
};

struct folder_result {
	bool failed;
	char why[1200];
	size_t states;
	unsigned syncs;
	/* The sync that was lost had nothing to do; was a note's; was not tried. */
	bool idle, note, skipped;
};

/* Does all that, with sync number `lose` (1: the first, 0: none) of the first run doing nothing. */
void folder_try(const struct folder_case *c, unsigned lose, struct folder_result *result);

/*
 * Asserts that the case holds, and that it does not without any single one of the syncs that the
 * work itself asks for, which are those of notes; but for `spare_notes` of them: the name of a note
 * is made durable again by the journal's of the transaction that follows it (test_journal_power.c
 * proves that sync where none follows), and those of a note and of what it says of the same image's
 * other files by the last one's, where they share a folder. The syncs inside of transactions are
 * proved there, too; here some are missed and many are not, because all that a commit did is done
 * again while its note stands. Syncs that had nothing to do do not count: opening a file syncs what
 * a program that was killed may have left.
 */
void folder_prove(const struct folder_case *c);

#endif
