/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in memory with writers that go step by step, so that gc can be put between any two of
 * their steps, and they between any two operations of gc. Leases, manifests, the check before a
 * commit, prune and gc are the real ones; a slot is a few bytes.
 */
#ifndef TESTS_UNIT_GC_SCENE_H
#define TESTS_UNIT_GC_SCENE_H

#include "emit/block_index.h"
#include "emit/lease.h"
#include "emit/manifest.h"
#include "emit/slot_uses.h"
#include "memory_target.h"
#include "support.h"

#define GRACE 1000U
/* The most that a listing may lag, in seconds. */
#define LAG (GRACE / 4 - 1)
#define WRITERS_MAX 6U

struct writer {
	bool used;
	struct lease lease;
	struct slot_uses uses;
	uint64_t next;          /* number of its next slot */
	struct slot_set *trash; /* as listed when it began */
	unsigned restored;      /* slots that its checks made it store again */
};

struct scene {
	struct tranship_store *store;
	struct target *t;
	struct writer writers[WRITERS_MAX];
	struct tranship_gc_result gc; /* of the last one */
	char warned[500];

	/* What happens at an operation of gc. */
	unsigned long at;
	unsigned long seen;
	void (*step)(struct scene *s);
};

/* lag: the prefix whose listings lag; NULL: none. */
void care_open(struct scene *s, const char *lag);
void care_close(struct scene *s);
/* Time goes on, for the server and for the writers. */
void care_pass(struct scene *s, unsigned seconds);
void care_gc(struct scene *s);
/* The same with a step before the nth operation (1: the first). False: there are fewer. */
bool care_gc_with(struct scene *s, unsigned long at, void (*step)(struct scene *s));
/* Prunes all points of a disk but the newest. */
void care_prune(struct scene *s, const char *disk);
/* A point of its own slot only, by a writer that is gone again. id, slot: may be NULL. */
void care_point(struct scene *s, const char *disk, char id[POINT_ID_TEXT], struct slot_id *slot);
bool care_has_slot(struct scene *s, const struct slot_id *slot);
bool care_has_mark(struct scene *s, const struct slot_id *slot);
/* Runs gc until everything that can go is gone; then every point must have all its slots. */
void care_end(struct scene *s);
/* Whether every point has all its slots. */
bool care_complete(struct scene *s);

/* base: "" or an id, whose slots are the new point's, too. False: the base is gone. */
bool writer_begin(struct scene *s, unsigned n, const char *base);
/* With the same id, and what it had put: as by a checkpoint. */
void writer_resume(struct scene *s, unsigned n);
/* Uses a slot that is there; not if it is marked. */
bool writer_dedupe(struct scene *s, unsigned n, const struct slot_id *slot);
struct slot_id writer_put(struct scene *s, unsigned n);
/* Renews the lease if it is time, checks, and stores again what is bad. */
int writer_check(struct scene *s, unsigned n);
/* The lease's age, the manifest. */
int writer_commit(struct scene *s, unsigned n, const char *disk, const char *name);
/* Drops the lease and forgets. */
void writer_end(struct scene *s, unsigned n);
/* Dies: the lease stays, and so does what a checkpoint would know. */
void writer_die(struct scene *s, unsigned n);

#endif
