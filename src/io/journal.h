/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The undo journal of a file that is changed in place, and the refusal that readers owe it. Who
 * wants to change a file uses io/edit.h; who opens a file for reading uses journal_check.
 *
 * Before the first byte of the target changes, NAME.tranship-pages beside it holds the old and
 * the new content of every page that will, whole and on stable storage. While that file stands, the
 * target may be a mixture, so every reader refuses it. Undoing puts the old content back. The
 * layout is in io/journal_ondisk.h.
 *
 * A note is a second, small file, NAME.tranship-note: it says that something of several steps is
 * under way, which must be finished by doing it again and not by undoing. It is refused by readers
 * in the same way. Journal and note are independent: each step under a note can be a transaction.
 */
#ifndef IO_JOURNAL_H
#define IO_JOURNAL_H

#include "io/journal_medium.h"
#include "io/journal_ondisk.h"

#include <limits.h>

#define JOURNAL_SUFFIX ".tranship-pages"
#define NOTE_SUFFIX ".tranship-note"
#define NOTE_PARTIAL ".tranship-note-partial"

/*
 * For every reader, before it believes what it reads: 0, or TRANSHIP_EBUSY with sys_errno 0 (a lock
 * that is held sets EAGAIN) if a journal or a note stands beside the file. `path` may be a link;
 * the journal stands beside what it leads to. Costs a few system calls and reads nothing, unless
 * there is one: then a note's text is told, and whether it was made for another inode. Such a one
 * refuses as well, because a copy of a file that is half written has another inode, too. Where the
 * folder may not be looked into, and for what is no regular file (a device's journal is where its
 * owner put it), nothing is known and 0 returned. TRANSHIP_EIO if the system cannot tell.
 *
 * Call it after the file was opened and locked: then nobody begins a change behind the answer.
 */
int journal_check(const char *path, struct tranship_error *err);

/* The same for `name`, which may have several components and may be a link, beneath the folder. */
int journal_check_at(int folder, const char *name, struct tranship_error *err);

/* The same for an open file, by the name that /proc/self/fd gives it. */
int journal_check_fd(int fd, struct tranship_error *err);

/*
 * Before a new file takes `name`, a last component, whether or not something has it now: 0, or
 * TRANSHIP_EBUSY if a journal or a note stands beside it. They belong to the old file, so nobody
 * could read the new one; and what the old one was is lost with it.
 */
int journal_check_name(int folder, const char *name, struct tranship_error *err);

/* What follows is for io/edit.c and its recovery. */

/* A target that is open and locked, and where its journal stands. */
struct journal_site {
	const struct medium *medium;
	int folder; /* of journal and note */
	int target;
	bool device;
	uint64_t ino, dev;
	char journal[NAME_MAX + 32];
	char note[NAME_MAX + 32];
	char note_partial[NAME_MAX + 32];
};

/* A page that changes, in memory: JOURNAL_PAGE bytes, what lies behind the new end is zero. */
struct journal_page {
	uint64_t page; /* offset / JOURNAL_PAGE */
	unsigned char *bytes;
};

/*
 * Reads the page as it stands in the target, which is `size` bytes long: JOURNAL_PAGE bytes, zeros
 * from the end of the target on.
 */
int journal_read_target(const struct journal_site *site, uint64_t page, uint64_t size,
			unsigned char *out, struct tranship_error *err);

/*
 * Writes the journal and makes it and its name durable. `h` has the three lengths; `pages` are
 * ascending. On failure the target is as it was and the journal removed; *final says that a sync
 * failed or that the journal could not be removed, so that nothing more may be done.
 */
int journal_write(const struct journal_site *site, struct journal_header *h,
		  const struct journal_page *pages, bool *final, struct tranship_error *err);

/* Removes the journal and makes that durable: the moment from which a transaction is done. */
int journal_remove(const struct journal_site *site, struct tranship_error *err);

/*
 * Undoes what an interrupted change did to the target. *found says whether there was a journal.
 *
 * A whole journal: every page must be old, new, or sector by sector old or new, and the length
 * between the lengths that it names; else nothing is written, and TRANSHIP_ECORRUPT says which page
 * is neither. Then old content and length are restored and synced, and the journal is removed.
 *
 * A torn one (power was lost before it was synced): the target was not touched. It is removed, once
 * what can be read of it agrees; if a page has changed all the same, the journal was damaged later:
 * TRANSHIP_ECORRUPT, nothing is written.
 *
 * The journal of another file: TRANSHIP_EMISMATCH. May be interrupted and begun again.
 */
int journal_recover(const struct journal_site *site, bool *found, struct tranship_error *err);

/* Notes; `text` is NUL-terminated, at most NOTE_TEXT_MAX bytes. Writing replaces, at once and
 * durably. */
int journal_note_write(const struct journal_site *site, uint32_t kind, const char *text,
		       struct tranship_error *err);
/* *found false: there is none. `text` takes NOTE_TEXT_MAX + 1 bytes. TRANSHIP_EMISMATCH: another
 * file's; TRANSHIP_ECORRUPT: damaged. */
int journal_note_read(const struct journal_site *site, bool *found, uint32_t *kind, char *text,
		      struct tranship_error *err);
/* For messages: what the kind of note is about. */
const char *journal_note_work(uint32_t kind);
int journal_note_remove(const struct journal_site *site, struct tranship_error *err);

/* The error of a note about the file. */
int journal_note_refuse(const struct note_header *h, const char *text, struct tranship_error *err);

/* Of a note that is open, whoever it belongs to. */
int journal_note_decode(const struct medium *m, int file, struct note_header *h, char *text,
			struct tranship_error *err);

#endif
