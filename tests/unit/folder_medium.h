/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real files in a folder, as a medium for in-place work (io/journal_medium.h) that logs what is
 * done to them, and can bring the files into the state that a power loss at any point of the log
 * would leave. For work on several files (commit, rebase) whose reading half opens them by path;
 * tests/unit/recording.h is the same for one file, in memory.
 *
 * The promises are those of a POSIX file system and no more, see recording.h. Folders beneath the
 * folder are synced each for itself. Files that were there at the start keep their inodes, because
 * journals name them: states are made in place, one after the other. Nothing is really synced.
 */
#ifndef TESTS_UNIT_FOLDER_MEDIUM_H
#define TESTS_UNIT_FOLDER_MEDIUM_H

#include "io/journal_medium.h"
#include "support.h"

struct folder_medium;
struct folder_op;

/* What was done since the start, in order. Zeroed: nothing. */
struct folder_log {
	struct folder_op **ops;
	size_t count, cap;
	size_t certain; /* the first of them that a power loss could undo */
};

/* Takes the files in `root`, and in folders in it, as they are. Links do not count. */
struct folder_medium *folder_medium_new(const char *root);
void folder_medium_free(struct folder_medium *fm);
/* For paths beneath the root. */
const struct medium *folder_medium(const struct folder_medium *fm);

/* Makes the files what they are after all of `log`, to which is added what is done from now on. */
void folder_medium_begin(struct folder_medium *fm, struct folder_log *log);
/* The files as they are now are those of the start. Logs from before mean nothing any more. */
void folder_medium_rebase(struct folder_medium *fm);

/* Syncs since the last begin, and the one of them that does nothing, 1: the first, 0: none; where
 * in the log it would stand; whether it had nothing to do. */
struct folder_syncs {
	unsigned count, lose;
	size_t lost_at;
	bool lost_idle;
	bool lost_note; /* whether it was to make a note (io/edit.h) or its name durable */
};
struct folder_syncs *folder_medium_syncs(struct folder_medium *fm);

/* Open descriptors; names that were not there at the start (the first of them goes to `name`). */
unsigned folder_medium_open_handles(const struct folder_medium *fm);
unsigned folder_medium_new_names(const struct folder_medium *fm, char *name, size_t cap);

void folder_log_free(struct folder_log *log);
/* The first `prefix` operations. */
void folder_log_kill(const struct folder_log *log, size_t prefix, struct folder_log *out);
/* Which of the first `prefix` operations a power loss could undo; their number, at most `cap`. */
size_t folder_log_outstanding(const struct folder_log *log, size_t prefix, size_t *calls,
			      size_t cap);
/* Whether the operation is a write, and of how many sectors. */
size_t folder_log_sectors(const struct folder_log *log, size_t call);

#define FOLDER_NOT_TORN SIZE_MAX

/*
 * What is left of the first `prefix` operations by a power loss: kept[i] says whether outstanding
 * operation number i arrived; of operation `torn` those sectors of 512 bytes arrived that `seed`
 * says: below 1024 so many of the first ones, else each by a coin.
 */
void folder_log_lose(const struct folder_log *log, size_t prefix, const bool *kept, size_t torn,
		     uint64_t seed, struct folder_log *out);

/* A number for the operations in it and for what is certain of them. */
uint64_t folder_log_hash(const struct folder_log *log);
/* For people: one line an operation. */
void folder_log_print(const struct folder_log *log);

#endif
