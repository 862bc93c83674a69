/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of applying a delta share. */
#ifndef DELTA_APPLY_INSIDE_H
#define DELTA_APPLY_INSIDE_H

#include "copy/meter.h"
#include "core/modify.h"
#include "delta/apply.h"
#include "delta/apply_journal.h"

#include <stdbool.h>

/* What is read of the disk, and put into a record of the journal, at once. */
#define APPLY_PIECE RECORD_DATA_MAX
#define APPLY_BLOCKS (APPLY_PIECE / TRANSHIP_BLOCK_MIN)
/* Items of a pipeline that wait, each with up to a piece. */
#define APPLY_SPARE_ITEMS 2U
/* What is written between two flushes. */
#define APPLY_FLUSH ((uint64_t)64 << 20)

struct apply {
	const struct medium *medium; /* NULL: this machine's */
	const struct tranship_apply_options *options;
	struct modified target;
	struct apply_journal journal;
	char pages[PATH_MAX];    /* where a device's journal of pages is */
	struct apply_head owner; /* of which only what says whose a journal is counts */
	bool noted;              /* the note stands beside the target */
	bool changing;           /* what fails from here on leaves the target unfinished */
	struct medium_info info; /* of the target's own file */
	unsigned threads;
	struct meter meter;
	struct tranship_apply_result *result;
};

/* A stretch of the disk. */
struct apply_range {
	uint64_t off, len;
};

/* What the blocks that a delta touches are, compared with what it says of them. */
struct apply_found {
	bool old, new;              /* each of them is */
	struct apply_range not_old; /* the first stretch that is not, where `old` is false */
	struct apply_range not_new; /* and not what the delta makes */
	bool some_new;              /* a block is what the delta makes, and not what was there */
};

/* apply_target.c. */
void apply_init(struct apply *a, const struct medium *medium,
		const struct tranship_apply_options *options, struct tranship_apply_result *out);
/* Where the journal is, and what it says as long as nothing is locked: it is the target's. */
int apply_place(struct apply *a, const char *target, struct tranship_error *err);
/* Opens and locks it; then journal and note are what they say. */
int apply_open_target(struct apply *a, const char *target, bool undo, struct tranship_error *err);
/* What had ended, but for the last steps, or had not begun: then the journal goes, and its state is
 * APPLY_VOID. *was: it had ended. */
int apply_settle(struct apply *a, bool *was, struct tranship_error *err);
int apply_write_note(struct apply *a, struct tranship_error *err);
int apply_remove_note(struct apply *a, struct tranship_error *err);
/* The files of the target as they are: anything that writes to one changes this. */
int apply_stamp(const struct apply *a, uint64_t *out, struct tranship_error *err);
/* Makes the target what `to` makes of it. */
int apply_carry(struct apply *a, struct delta *to, bool back, struct tranship_error *err);
bool apply_is_device(const struct apply *a);
struct edit *apply_main_edit(const struct apply *a);
/* Closes everything; what went wrong is told with what it means for the target. */
int apply_end(struct apply *a, int rc, struct tranship_error *err);

/* apply_owner.c. Puts into *out what says that a journal is about the target, which is open. */
void apply_owner(const struct apply *a, const char *target, struct apply_head *out);
/* A journal that stands must be about the target: TRANSHIP_EMISMATCH. */
int apply_check_owner(const struct apply *a, struct tranship_error *err);
/* Work that was interrupted is ended on a device only if it was this one. `mixture`: some of its
 * blocks are old, and some new. */
int apply_check_evidence(const struct apply *a, bool mixture, struct tranship_error *err);

enum apply_compare_mode {
	APPLY_COMPARE,      /* it stops where the blocks are neither all old nor all new */
	APPLY_COMPARE_SAVE, /* the same; as long as all are old the way back is put into the journal
			     */
	APPLY_COMPARE_ALL,  /* it looks at every block */
};

/* Compares every block of the target that `delta` touches. */
int apply_compare(struct apply *a, struct delta *delta, enum apply_compare_mode mode,
		  struct apply_found *out, struct tranship_error *err);

/* Where the target becomes smaller: what the delta does not name of [from, end of the disk) must be
 * zeros. */
int apply_check_tail(struct apply *a, struct delta *delta, uint64_t from,
		     struct tranship_error *err);

/*
 * The same for a target on which work was interrupted: each block must be what `to` replaces, what
 * it makes of it, or sector by sector one of both, of which `from` has the other; else
 * TRANSHIP_ECORRUPT; on a device some must be the one and some the other (apply_check_evidence).
 */
int apply_compare_torn(struct apply *a, struct delta *to, struct delta *from,
		       struct tranship_error *err);

/* The whole target against the fingerprint that the caller gave. */
int apply_verify_all(struct apply *a, struct tranship_error *err);

/* Whether the target's file system has room for what the delta adds, and for the rest of the
 * journal, which was begun. */
int apply_check_room(struct apply *a, struct delta *delta, struct tranship_error *err);

/* Writes all that the delta names, and flushes. `back`: it goes back. */
int apply_write(struct apply *a, struct delta *delta, bool back, struct tranship_error *err);

/* Whole blocks of the target; behind its end there are zeros. */
int apply_read(const struct apply *a, struct tranship_scratch *scratch, uint64_t off,
	       unsigned char *bytes, size_t len, struct tranship_error *err);

#endif
