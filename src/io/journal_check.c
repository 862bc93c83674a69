// SPDX-License-Identifier: Apache-2.0
/* Whether a file may be believed: no journal and no note stands beside it. */
#include "io/journal.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a name with a suffix can be found out to be: there, not there, unknown. */
static int beside(int folder, const char *name, const char *suffix, char *out, bool *there,
		  struct tranship_error *err)
{
	struct stat st;

	*there = false;
	if (snprintf(out, PATH_MAX, "%s%s", name, suffix) >= PATH_MAX)
		return 0; /* no such name can be made either */
	if (fstatat(folder, out, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*there = true;
		return 0;
	}
	if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == EACCES)
		return 0;
	return error_sys(err, errno,
			 "it could not be found out whether a change of it was interrupted");
}

static int open_beside(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* It may be about a file that this one replaced, or the file may be a copy, of what was half
 * written: who put it there knows. */
static int refuse_other(const char *other, const char *what, struct tranship_error *err)
{
	char shown[200];
	const char *last = strrchr(other, '/');

	last = last ? last + 1 : other;
	text_escape(shown, sizeof(shown), last, strlen(last));
	return error_set(
		err, TRANSHIP_EBUSY,
		"'%s' beside it says that %s was interrupted, of another file: if this "
		"one replaced that, remove '%s'; if it is a copy of that, it is unfinished",
		shown, what, shown);
}

static int refuse_note(int folder, const char *note, uint64_t ino, struct tranship_error *err)
{
	char text[NOTE_TEXT_MAX + 1];
	struct note_header h = { 0 };
	int fd = open_beside(folder, note);
	int rc = fd < 0 ? -1 : journal_note_decode(&medium_local, fd, &h, text, NULL);

	if (fd >= 0)
		close(fd);
	if (rc)
		return error_set(err, TRANSHIP_EBUSY,
				 "work on it was interrupted, and its note cannot be read");
	return h.ino == ino ? journal_note_refuse(&h, text, err)
			    : refuse_other(note, journal_note_work(h.kind), err);
}

static int refuse_journal(int folder, const char *journal, uint64_t ino, struct tranship_error *err)
{
	unsigned char raw[JOURNAL_HEADER];
	struct journal_header h = { 0 };
	int fd = open_beside(folder, journal);
	size_t got = 0;
	bool other = fd >= 0 &&
		     medium_read(&medium_local, fd, "the journal", 0, raw, sizeof(raw), &got,
				 NULL) == 0 &&
		     got == sizeof(raw) && journal_header_decode(raw, &h, NULL) == JOURNAL_GOOD &&
		     (h.device || h.ino != ino);

	if (fd >= 0)
		close(fd);
	if (other)
		return refuse_other(journal, "a change", err);
	return error_set(err, TRANSHIP_EBUSY,
			 "an earlier change of it was interrupted; 'check -r all' finishes or "
			 "undoes it");
}

/* `name` is no link, and has the inode. */
static int check_real(int folder, const char *name, uint64_t ino, struct tranship_error *err)
{
	char other[PATH_MAX];
	bool there;
	int rc = beside(folder, name, JOURNAL_SUFFIX, other, &there, err);

	if (rc == 0 && there)
		return refuse_journal(folder, other, ino, err);
	if (rc == 0)
		rc = beside(folder, name, NOTE_SUFFIX, other, &there, err);
	return rc == 0 && there ? refuse_note(folder, other, ino, err) : rc;
}

int journal_check_name(int folder, const char *name, struct tranship_error *err)
{
	static const char *const suffixes[] = { JOURNAL_SUFFIX, NOTE_SUFFIX };
	char other[PATH_MAX], shown[2][200];
	bool there = false;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && !there && i < 2; i++)
		rc = beside(folder, name, suffixes[i], other, &there, err);
	if (rc || !there)
		return rc;
	text_escape(shown[0], sizeof(shown[0]), name, strlen(name));
	text_escape(shown[1], sizeof(shown[1]), other, strlen(other));
	return error_set(err, TRANSHIP_EBUSY,
			 "a change of '%s' was interrupted and must be finished or undone before "
			 "another file takes its name; to give it up, remove '%s'",
			 shown[0], shown[1]);
}

int journal_check_fd(int fd, struct tranship_error *err)
{
	char link[40], real[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "fstat failed");
	if (!S_ISREG(st.st_mode) || st.st_nlink == 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		return error_sys(err, errno, "the name of an open file could not be found out");
	real[len] = '\0';
	return check_real(AT_FDCWD, real, (uint64_t)st.st_ino, err);
}

int journal_check_at(int folder, const char *name, struct tranship_error *err)
{
	struct stat st;
	int fd, rc;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* who opens it will say so */
	if (S_ISREG(st.st_mode))
		return check_real(folder, name, (uint64_t)st.st_ino, err);
	if (!S_ISLNK(st.st_mode))
		return 0;
	fd = openat(folder, name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = journal_check_fd(fd, err);
	close(fd);
	return rc;
}

int journal_check(const char *path, struct tranship_error *err)
{
	return journal_check_at(AT_FDCWD, path, err);
}
