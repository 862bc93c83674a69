/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder in memory, as a medium for in-place work (io/journal_medium.h), with the promises of a
 * POSIX file system and no more: it logs what is done to it, and can say what would be left if
 * power was lost at any point.
 *
 * Writes and lengths of a file are certain after a sync of that file; names (created, removed,
 * renamed) after a sync of the folder. Anything else may be lost, each call for itself and in any
 * order, and a write may be torn: some of its 512-byte sectors arrived, or only the length that it
 * gave the file, or only what lay before the old end.
 *
 * tests/unit/power.h runs whole cases with it.
 */
#ifndef TESTS_UNIT_RECORDING_H
#define TESTS_UNIT_RECORDING_H

#include "io/journal_medium.h"
#include "support.h"

struct recording;

/* What goes wrong while the folder is used; set at will, zero is "nothing". */
struct recording_faults {
	unsigned calls;     /* counted: calls that can fail, from open to rename */
	unsigned fail_at;   /* this one fails, 1: the first, 0: none; it changes nothing */
	bool for_good;      /* and all behind it: the program was killed there */
	int sys;            /* with this errno; 0: EIO */
	bool failed;        /* it did */
	unsigned syncs;     /* counted: syncs of files and folders */
	unsigned lose_sync; /* this one says 0 and does nothing, 0: none */
	bool device;        /* the first file that was put there is a block device */
	uint64_t room;      /* bytes of all files together, beyond which ENOSPC; 0: no limit */
};

struct recording *recording_new(void);
void recording_free(struct recording *rec);

/* To give to what is tested, with any path: only its last component counts. */
const struct medium *recording_medium(const struct recording *rec);
struct recording_faults *recording_faults(struct recording *rec);

/* Puts a file there, durable; not logged. Before anything else. */
void recording_put(struct recording *rec, const char *name, const void *bytes, size_t size);

/* Its bytes as they are now; NULL: there is no such file. Lives until the next call that changes
 * it. */
const unsigned char *recording_get(const struct recording *rec, const char *name, size_t *size);

/* Flips bits of the byte of a file, past the log. */
void recording_flip(struct recording *rec, const char *name, size_t off, unsigned char bits);

/* Open files and folders. */
unsigned recording_open_handles(const struct recording *rec);

/* Writes into the log that stage `mark` (1, 2, ...) is reached: what came before must last. */
void recording_mark(struct recording *rec, unsigned mark);

/* How many calls the log has, and the last mark in the first `prefix` of them (0: none);
 * *settled: it is the last of these calls. */
size_t recording_length(const struct recording *rec);
unsigned recording_mark_at(const struct recording *rec, size_t prefix, bool *settled);

/* Which of the first `prefix` calls a power loss now could undo; their number, at most `cap`. */
size_t recording_outstanding(const struct recording *rec, size_t prefix, size_t *calls, size_t cap);

/* Whether the call is a write, and of how many sectors. */
size_t recording_sectors(const struct recording *rec, size_t call);

enum tear_kind {
	TEAR_FIRST,     /* the first `seed` sectors arrived */
	TEAR_SOME,      /* each sector by a coin, repeatable by `seed` */
	TEAR_LENGTH,    /* the length that it gave the file, but none of the bytes */
	TEAR_NO_LENGTH, /* the bytes up to the file's end, but no new length */
};

struct tear {
	bool any;
	size_t call;
	enum tear_kind kind;
	uint64_t seed;
};

/*
 * A folder as it is after the first `prefix` calls and a power loss. kept[i] says whether
 * outstanding call number i arrived; kept NULL: all did. Its log is empty, its faults are none.
 */
struct recording *recording_lose(const struct recording *rec, size_t prefix, const bool *kept,
				 struct tear tear);

/* A folder after the first `prefix` calls and no power loss: the log goes on where it stopped. */
struct recording *recording_kill(const struct recording *rec, size_t prefix);

/* A number for everything that can be seen in the folder. */
uint64_t recording_hash(const struct recording *rec);

#endif
