// SPDX-License-Identifier: Apache-2.0
/* Files that are written under a partial name: what they may replace, and when. */
#include "base/error.h"
#include "base/text.h"
#include "io/file_local.h"
#include "io/journal.h"
#include "io/lock.h"
#include "io/output_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTIAL_SUFFIX ".tranship-partial"

bool output_is_source(const struct output *o, const struct stat *st)
{
	struct file_id id = { st->st_dev, st->st_ino };
	size_t i;

	for (i = 0; i < o->params.source_count; i++)
		if (file_id_equal(&id, &o->params.sources[i]))
			return true;
	return false;
}

int output_source_refused(const char *name, struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), name, strlen(name));
	return error_set(err, TRANSHIP_EINVAL,
			 "'%s' belongs to the source and would be overwritten", shown);
}

int output_sync_flag(const struct output *o)
{
	return o->params.cache == TRANSHIP_CACHE_WRITETHROUGH ? O_DSYNC : 0;
}

/*
 * Creates `partial` in the folder, locked. One that an earlier run left behind (nobody holds its
 * lock) is removed first. Between open and lock somebody may have removed ours in turn: then start
 * again.
 */
static int open_partial(const struct output *o, const char *partial, int *out,
			struct tranship_error *err)
{
	int folder = o->folder, flags = output_sync_flag(o), tries;
	mode_t mode = o->params.secret ? 0600 : 0666;

	for (tries = 0; tries < 10; tries++) {
		struct stat ours, there;
		int fd = openat(folder, partial,
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | flags, mode);
		bool fresh = fd >= 0;

		if (!fresh && errno == EEXIST)
			fd = openat(folder, partial, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (!fresh && fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return error_sys(err, errno, "'%s' could not be created", partial);
		if (!fresh && fstat(fd, &ours) == 0 && output_is_source(o, &ours)) {
			close(fd);
			return output_source_refused(partial, err);
		}
		if (lock_exclusive(fd, NULL)) {
			close(fd);
			return error_set(err, TRANSHIP_EBUSY, "another run is writing '%s'",
					 partial);
		}
		if (!fresh) {
			unlinkat(folder, partial, 0);
			close(fd);
			continue;
		}
		if (fstat(fd, &ours) == 0 &&
		    fstatat(folder, partial, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev) {
			*out = fd;
			return 0;
		}
		close(fd);
	}
	return error_set(err, TRANSHIP_EBUSY, "other runs are writing '%s'", partial);
}

/* A file that another program has open (a running machine's disk) is not replaced beneath it, nor
 * one in the middle of a change. */
static int check_unused(const struct output *o, const char *name, struct tranship_error *err)
{
	int fd = openat(o->folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW), rc = 0;

	if (fd >= 0) { /* not readable: nothing can be said */
		rc = lock_exclusive(fd, err);
		close(fd);
	}
	if (rc == 0)
		return journal_check_name(o->folder, name, err);
	return rc ? error_in_file(err, rc, name) : 0;
}

int pending_open(struct output *o, struct pending *p, const char *name, bool *existed,
		 struct tranship_error *err)
{
	size_t cap = strlen(name) + sizeof(PARTIAL_SUFFIX);
	char *partial;
	struct stat st;
	int fd = -1, rc;

	*existed = fstatat(o->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (*existed && !S_ISREG(st.st_mode))
		return error_set(err, TRANSHIP_EINVAL, "'%s' exists and is no regular file", name);
	if (*existed && output_is_source(o, &st))
		return output_source_refused(name, err);
	if (*existed && o->params.no_clobber)
		return error_sys(err, EEXIST, "'%s' is not replaced", name);
	if (*existed && faccessat(o->folder, name, W_OK, AT_EACCESS) < 0)
		return error_sys(err, errno, "'%s' is not writable", name);
	rc = check_unused(o, name, err);
	if (rc)
		return rc;
	p->name = strdup(name);
	partial = malloc(cap);
	if (!p->name || !partial) {
		free(partial);
		return error_nomem(err, cap);
	}
	snprintf(partial, cap, "%s%s", name, PARTIAL_SUFFIX);
	rc = open_partial(o, partial, &fd, err);
	if (rc == 0 && *existed) {
		/* The owner can be kept by root alone; the mode comes after it, because chown
		 * clears bits. */
		if (fchown(fd, st.st_uid, st.st_gid) < 0 && fchown(fd, (uid_t)-1, st.st_gid) < 0)
			errno = 0;
		if (!o->params.secret && fchmod(fd, st.st_mode & 07777) < 0)
			rc = error_sys(err, errno, "the mode of '%s' could not be kept", name);
	}
	if (rc == 0)
		rc = file_local_writer(fd, o->params.cache, false, &p->file, err);
	if (rc == 0) {
		p->partial = partial;
		return 0;
	}
	if (fd >= 0) {
		unlinkat(o->folder, partial, 0);
		close(fd);
	}
	free(partial);
	return rc;
}

void pending_discard(struct output *o, struct pending *p)
{
	if (p->partial)
		unlinkat(o->folder, p->partial, 0);
	tranship_file_close(p->file);
	free(p->partial);
	free(p->name);
	*p = (struct pending){ 0 };
}

int pending_rename(struct output *o, struct pending *p, struct tranship_error *err)
{
	int rc;

	if (o->params.no_clobber)
		rc = renameat2(o->folder, p->partial, o->folder, p->name, RENAME_NOREPLACE);
	else
		rc = renameat(o->folder, p->partial, o->folder, p->name);
	if (rc < 0)
		return error_sys(err, errno, "'%s' could not be renamed to '%s'", p->partial,
				 p->name);
	free(p->partial);
	p->partial = NULL;
	return 0;
}
