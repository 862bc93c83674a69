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

static int refuse_note(int folder, const char *note, struct tranship_error *err)
{
	char text[NOTE_TEXT_MAX + 1], shown[300];
	struct note_header h = { 0 };
	int fd = openat(folder, note, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = fd < 0 ? -1 : journal_note_decode(&medium_local, fd, &h, text, NULL);

	if (fd >= 0)
		close(fd);
	if (rc)
		return error_set(err, TRANSHIP_EBUSY,
				 "work on it was interrupted, and its note cannot be read");
	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_EBUSY, "%s was interrupted and must be finished first: %s",
			 journal_note_work(h.kind), shown);
}

/* `name` is no link. */
static int check_real(int folder, const char *name, struct tranship_error *err)
{
	char other[PATH_MAX];
	bool there;
	int rc = beside(folder, name, JOURNAL_SUFFIX, other, &there, err);

	if (rc == 0 && there)
		return error_set(err, TRANSHIP_EBUSY,
				 "an earlier change of it was interrupted; 'check -r all' finishes "
				 "or undoes it");
	if (rc == 0)
		rc = beside(folder, name, NOTE_SUFFIX, other, &there, err);
	return rc == 0 && there ? refuse_note(folder, other, err) : rc;
}

int journal_check_fd(int fd, struct tranship_error *err)
{
	char link[40], real[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_nlink == 0))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		return error_sys(err, errno, "the name of an open file could not be found out");
	real[len] = '\0';
	return check_real(AT_FDCWD, real, err);
}

int journal_check_at(int folder, const char *name, struct tranship_error *err)
{
	struct stat st;
	int fd, rc;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* who opens it will say so */
	if (S_ISREG(st.st_mode))
		return check_real(folder, name, err);
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
