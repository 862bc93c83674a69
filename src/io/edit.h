/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A local file that is changed in place, by transactions that happen wholly or not at all, whenever
 * the program is killed or the machine loses power. For check -r, resize, rebase and commit.
 *
 *	edit_open(path, &params, &edit, err)       locked; an earlier crash is undone
 *	file = edit_file(edit)                     read, file_write, file_resize, file_zero: in
 *memory edit_write_free(edit, off, buf, len, err)  data into space that nothing refers to yet
 *	file_write(file, ...)                      the tables that refer to it
 *	edit_apply(edit, err)                      all of it, or nothing; then the next transaction
 *	edit_close(edit)                           what was not applied is dropped
 *
 * How much belongs into one transaction: everything that makes the file wrong while only a part of
 * it is done, and no more. The content of a block that moves is written free and its table entry in
 * the transaction, so that a transaction is small however much data moves.
 *
 * Between its first change and its end the journal NAME.tranship-pages stands beside the file
 *(for a device: where the caller says). Readers of this library refuse the file as long as it does
 * (journal_check in io/journal.h); other programs would see a mixture, and must not be let near it.
 *
 * A transaction counts as done when edit_apply returns 0: then it survives a power loss. When it is
 * interrupted the file is as it was before, after the next edit_open (or edit_recover). When it
 * returns an error, see there.
 *
 * Threads: one at a time; tranship_file_read on edit_file from several, not beside anything else.
 */
#ifndef IO_EDIT_H
#define IO_EDIT_H

#include "io/file.h"
#include "io/journal_medium.h"

/* Bytes of pages that one transaction may change; the journal takes twice that for a moment. */
#define EDIT_MEMORY_MAX ((size_t)64 << 20)

/* Bytes that a transaction may cut off the file; they go into the journal. edit_truncate has no
 * bound. */
#define EDIT_CUT_MAX (64U << 10)

/* What a note says. */
enum edit_note_kind {
	EDIT_NOTE_COMMIT = 1, /* a commit into this file, which must be done again from its start */
	EDIT_NOTE_APPLY =
		2, /* a delta is applied to it, which is finished or undone (delta/apply.h) */
	EDIT_NOTE_PART = 3, /* edit_join's, beside the other files of an image that has a note */
};

#define EDIT_NOTE_MAX 4096U

/* All zero is right for a file. */
struct edit_params {
	/*
	 * A block device's journal: a path on storage that survives what the device is to survive.
	 * The note stands beside it. Needed for devices; NULL for files, whose journal stands
	 * beside them.
	 */
	const char *journal_path;
	/* Go on although a note stands: for who finishes what it says. Else TRANSHIP_EBUSY. */
	bool with_note;
	/* It is a further file of an image: edit_join will look at its note. */
	bool part;
	size_t memory_max;           /* 0: EDIT_MEMORY_MAX */
	const struct medium *medium; /* for tests; borrowed. NULL: this machine's */
};

struct edit;

/*
 * Opens a regular file or block device for reading and writing. A link is followed first: journal
 * and lock are those of what it leads to. Locked exclusively, as qemu locks (TRANSHIP_EBUSY:
 * another program has it open); devices O_EXCL, too. If an interrupted change is found, it is
 * undone before the function returns, see edit_recovered; the codes of journal_recover apply.
 * TRANSHIP_EINVAL: it is neither file nor device, or a device without journal_path, or a file with
 * one. TRANSHIP_EUNSUPPORTED: the file has several names (hard links). All of them would change,
 * and who comes by another one would find neither journal nor note. What was interrupted is
 * finished all the same: the journal is undone, and with_note opens it if it has a note.
 */
int edit_open(const char *path, const struct edit_params *params, struct edit **out,
	      struct tranship_error *err);

/* The error of the last case, for who knows earlier that edit_open will be needed. */
int edit_refuse_names(bool recovered, uint64_t names, struct tranship_error *err);

/* Whether edit_open found a journal, and undid what it names (or removed a torn one). */
bool edit_recovered(const struct edit *e);

/* Opens, which recovers, and closes. *recovered may be NULL. */
int edit_recover(const char *path, const struct edit_params *params, bool *recovered,
		 struct tranship_error *err);

/*
 * The file as it will be: reads see what is not applied yet. Writes, resizes and zeros go to
 * memory, in pages of 4 KiB that count against memory_max: TRANSHIP_ELIMIT, and that call changed
 * nothing that was promised: apply what stood before, or close. file_resize to more is free, the
 * new bytes read as zeros; to less by at most EDIT_CUT_MAX below the length on the medium
 * (TRANSHIP_ELIMIT). A device keeps its length (TRANSHIP_EINVAL). file_sync does nothing. Borrowed:
 * edit_close closes it, nobody else may; so what takes over a file (tranship_open_file) gets
 * edit_view.
 */
struct tranship_file *edit_file(struct edit *e);

/* A second handle of the same, which its taker closes, before edit_close. Its length is what the
 * file's is now, and follows what is written through it alone. */
int edit_view(struct edit *e, struct tranship_file **out, struct tranship_error *err);

/* The edit that a view belongs to; NULL if it is none. */
struct edit *edit_of(const struct tranship_file *view);

/*
 * Writes to the file at once, without the journal: for bytes that nothing refers to yet, a gap or
 * what lies behind the end, which grows. Nobody checks that claim. A power loss may keep any part
 * of it, so a format that finds something by the file's length (the footer of a VHD) must grow
 * inside the transaction instead. Bytes that lie in a page of the transaction are changed there,
 * too. If the transaction is not applied the file gets its length back (not after a power loss
 * before edit_apply: then nothing refers to the tail). TRANSHIP_EINVAL: the transaction already cut
 * the file shorter than it is on the medium; a device would have to grow.
 */
int edit_write_free(struct edit *e, uint64_t off, const void *buf, size_t len,
		    struct tranship_error *err);

/*
 * The same with zeros. Pieces that are zeros already are left as they are, so that holes stay
 * holes; or, after edit_zero_surely(e, true), none is believed to be: it becomes a hole where the
 * file system has them, and is written else. For who ends what was interrupted, where after a
 * failed fsync what is read may stand in memory alone, and gives room back.
 */
int edit_zero_free(struct edit *e, uint64_t off, uint64_t len, struct tranship_error *err);
void edit_zero_surely(struct edit *e, bool surely);

/* Makes what was written free durable. edit_apply does it, too, before anything refers to it. */
int edit_sync_free(struct edit *e, struct tranship_error *err);

/*
 * Applies the transaction. On success it is durable, and the next one begins. Pages that did not
 * change are left out; if nothing changed, only what was written free is synced.
 *
 * On failure: edit_failed false: nothing of the file was touched, the transaction is still there
 * (the journal found no room, for example), and it may be applied again or dropped. edit_failed
 * true: this edit can do no more than be closed, because a sync failed, which is final, or because
 * the file had been touched; then it was put back at once if that was possible, and else the
 * journal stands, readers refuse the file, and the next edit_open undoes the transaction.
 */
int edit_apply(struct edit *e, struct tranship_error *err);
bool edit_failed(const struct edit *e);

/*
 * Cuts the file to `size` at once and durably, without a journal: one length changes, which file
 * systems do wholly or not at all. Nothing may refer to what is cut. TRANSHIP_EINVAL: something is
 * pending, or it would grow, or it is a device.
 */
int edit_truncate(struct edit *e, uint64_t size, struct tranship_error *err);

/* What the medium says of the file now: with nothing pending, who it is and when it was written. */
int edit_info(const struct edit *e, struct medium_info *out, struct tranship_error *err);

/* Whether anything would be lost by edit_close. */
bool edit_pending(const struct edit *e);

/*
 * A note beside the file, NAME.tranship-note: readers refuse the file while it stands, and tell
 * its text, which is NUL-terminated, at most EDIT_NOTE_MAX bytes (TRANSHIP_ELIMIT), and should say
 * in words what is to be done. It stands across transactions and crashes; written, replaced or
 * removed durably and at once. edit_note_read: *found false: there is none; text takes
 * EDIT_NOTE_MAX + 1 bytes.
 */
int edit_note_write(struct edit *e, enum edit_note_kind kind, const char *text,
		    struct tranship_error *err);
int edit_note_read(struct edit *e, bool *found, uint32_t *kind, char *text,
		   struct tranship_error *err);
int edit_note_remove(struct edit *e, struct tranship_error *err);

/*
 * Says that `part`, opened as one, is a further file of the image whose main file is `e`: from now
 * on e's notes come and go beside it, too, and what a crash left of that is mended. Both are open
 * as long as one is used. TRANSHIP_EBUSY: `part` has a note of its own, or one of another image.
 */
int edit_join(struct edit *e, struct edit *part, struct tranship_error *err);

/* Closes and unlocks; what was not applied is dropped. NULL is accepted. */
void edit_close(struct edit *e);

#endif
