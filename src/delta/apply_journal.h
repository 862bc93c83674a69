/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a delta that is being applied: NAME.tranship-journal beside the target, or where
 * the caller says. It appears under its name when it is whole and on stable storage, and holds
 *
 *	a head, 4096 bytes: whose it is and how far things are (only its first sector is used, which
 *	is written at once)
 *	a delta file that goes back: from the version that is being made to the one that was there
 *	the delta file that is being applied, because only both together tell whether a block that
 *	was torn is one
 *
 * so that the work can be finished, or undone, with nothing but the journal and the target. That
 * the target may be a mixture is said by the note (io/edit.h) that stands beside it meanwhile:
 * readers look for that, wherever the journal is.
 */
#ifndef DELTA_APPLY_JOURNAL_H
#define DELTA_APPLY_JOURNAL_H

#include "core/disk.h"
#include "delta/delta_file.h"
#include "io/journal_medium.h"

#include <limits.h>

#define APPLY_MAGIC "TSHPAPLY"
#define APPLY_VERSION 1U
#define APPLY_HEAD_SIZE 4096U
#define APPLY_HEAD_SECTOR 512U
#define APPLY_JOURNAL_SUFFIX ".tranship-journal"
#define APPLY_PARTIAL_SUFFIX "-partial"
/* A device's journal of pages (io/edit.h) stands beside its own. */
#define APPLY_PAGES_SUFFIX ".pages"

/* Bytes kept of the name of a target, with the terminator. */
#define APPLY_NAME_SIZE 256U

enum apply_state {
	APPLY_UNFINISHED = 1, /* the target may be old, new, or a mixture */
	APPLY_FINISHED = 2,   /* it is new, and the journal is kept to go back */
	APPLY_VOID = 3,       /* it is old: the journal is about nothing any more */
};

/* The head, decoded. */
struct apply_head {
	enum apply_state state;
	bool keep; /* it stays when it is finished */
	/* Whose it is (apply_owner.c). */
	uint64_t ino;               /* of the target; 0: a device */
	uint64_t dev;               /* of the file, or the device's own number */
	uint64_t device_size;       /* bytes; 0: a file */
	uint64_t attached;          /* of the device (struct medium_info); 0: not known */
	uint64_t name_check;        /* of the absolute path */
	char name[APPLY_NAME_SIZE]; /* its end, for people */
	uint64_t base_size, target_size;
	uint64_t back_len;                        /* bytes of the delta that goes back */
	uint64_t forward_off, forward_len;        /* where the delta that is applied stands */
	unsigned char sha256[32];                 /* of that */
	char format[16];                          /* of the target, as it is named to open it */
	char identity_before[DISK_IDENTITY_SIZE]; /* "": none */
	/* When it is finished: the identity that the target got, and what its files were then. */
	char identity_after[DISK_IDENTITY_SIZE];
	uint64_t stamp;
};

/* A path from the root, as it is named, links and all. */
void apply_absolute(const char *path, char *out, size_t cap);

/* apply_journal_ondisk.c. `raw` has APPLY_HEAD_SECTOR bytes. */
void apply_head_encode(const struct apply_head *head, unsigned char *raw);
/* file_size: of the journal. */
int apply_head_decode(const unsigned char *raw, uint64_t file_size, struct apply_head *out,
		      struct tranship_error *err);

struct apply_journal {
	const struct medium *medium;
	int folder;           /* -1: not open */
	char path[PATH_MAX];  /* for people, escaped */
	char where[PATH_MAX]; /* the same from the root, for who is somewhere else */
	char name[NAME_MAX + 32], partial[NAME_MAX + 64];
	bool found;                            /* it stands there; then: */
	struct apply_head head;                /* what it says */
	unsigned char seen[APPLY_HEAD_SECTOR]; /* its head as it was read */
	/* Of one that is read, after apply_journal_open. */
	int file; /* -1: not open */
	struct tranship_file *back_file, *forward_file;
	struct delta *back, *forward;
	/* Of one that is written. */
	struct tranship_file *partial_file;
	struct delta_writer *writer;
};

/* Finds out where the journal of `target` stands; `path`: where the caller says, or NULL. */
int apply_journal_place(struct apply_journal *j, const struct medium *medium, const char *target,
			const char *path, struct tranship_error *err);
/* Whether there is one, and its head. TRANSHIP_ECORRUPT: it is damaged. */
int apply_journal_load(struct apply_journal *j, struct tranship_error *err);
/* Removes what a crash left of one that was being written: nothing that another run is writing, or
 * that does not look like one. */
int apply_journal_tidy(struct apply_journal *j, struct tranship_error *err);
/* Opens both deltas of one that was found and verifies all of them. */
int apply_journal_open(struct apply_journal *j, struct tranship_error *err);

void apply_journal_close_parts(struct apply_journal *j);

/* What was read of one that was found lasts, too, whatever was killed before it had synced it. */
int apply_journal_secure(struct apply_journal *j, struct tranship_error *err);

/*
 * Begins a new one, under a partial name. `back`: the head of the delta that goes back. The partial
 * file is locked until it has its final name: of two runs whose journals are to stand in the same
 * place the second gets TRANSHIP_EBUSY, here.
 */
int apply_journal_begin(struct apply_journal *j, const struct delta_head *back,
			struct tranship_error *err);
/* Ends it with `forward`, a copy of the delta file; j->head is that of the caller, but for what is
 * about lengths. Now it is durable, under its name. On failure there is none. */
int apply_journal_end(struct apply_journal *j, struct tranship_file *forward,
		      struct tranship_error *err);
/* One that was begun and not ended is gone afterwards. */
void apply_journal_abandon(struct apply_journal *j);

/* Writes j->head with another state, durably. */
int apply_journal_mark(struct apply_journal *j, enum apply_state state, struct tranship_error *err);
int apply_journal_remove(struct apply_journal *j, struct tranship_error *err);
void apply_journal_close(struct apply_journal *j);

/* What apply_journal.c and apply_journal_write.c share. */
#define APPLY_JOURNAL_WHAT "the journal"
/* A part of j->file, as a file. */
int apply_journal_part(const struct apply_journal *j, uint64_t base, uint64_t len,
		       struct tranship_file **out, struct tranship_error *err);
void apply_journal_close_file(struct apply_journal *j);

#endif
