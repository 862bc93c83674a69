// SPDX-License-Identifier: Apache-2.0
/*
 * A folder as a target: an object is a file. It is written under a name that no key has
 * (.NAME.RANDOM.partial), synced, and renamed; then its folder is synced. What a power loss or a
 * kill leaves is such a partial file, which no listing shows.
 *
 * No symbolic link beneath the folder is followed, neither for reading nor for writing: who may
 * write there could else lead the store to other files.
 */
#include "emit/target_folder_inside.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* ".", a part of a key, 16 digits and the suffix. */
#define PARTIAL_MAX (TARGET_KEY_MAX + 40)

static struct folder_target *folder_of(struct target *t)
{
	return (struct folder_target *)t;
}

int folder_fail(const struct folder_target *f, const char *key, int sys, const char *what,
		struct tranship_error *err)
{
	char text[100];

	if (sys == ENOENT)
		return error_set(err, TRANSHIP_ENOTFOUND, "%s/%s is not there", f->target.name,
				 key);
	if ((sys == EACCES || sys == EPERM) && text_strerror(sys, text, sizeof(text)) == 0)
		return error_set(err, TRANSHIP_EDENIED, "%s/%s %s: %s", f->target.name, key, what,
				 text);
	return error_sys(err, sys, "%s/%s %s", f->target.name, key, what);
}

/* ---- Folders of keys ---- */

/* Not every file system syncs folders; one that has no such thing says EINVAL. */
static int sync_folder(const struct folder_target *f, int fd, const char *key,
		       struct tranship_error *err)
{
	if (fsync(fd) == 0 || errno == EINVAL)
		return 0;
	return folder_fail(f, key, errno,
			   "may not be on stable storage, fsync of its folder failed", err);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_synced(struct folder_target *f, const char *path)
{
	bool found;

	pthread_mutex_lock(&f->lock);
	found = tfind(path, &f->synced, compare_paths) != NULL;
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* What cannot be noted is synced again the next time. */
static void note_synced(struct folder_target *f, const char *path)
{
	char *copy = strdup(path), **node;

	if (!copy)
		return;
	pthread_mutex_lock(&f->lock);
	node = tsearch(copy, &f->synced, compare_paths);
	if (!node || *node != copy)
		free(copy);
	pthread_mutex_unlock(&f->lock);
}

/* One level down. `path` is the key as far as that level. A folder that another writer has just
 * made may not be on stable storage yet, so it is synced here too, once. */
static int enter_level(struct folder_target *f, int fd, const char *path, const char *part,
		       bool make, int *out, struct tranship_error *err)
{
	int rc = 0, next = openat(fd, part, OPEN_FOLDER | O_NOFOLLOW);
	bool made = next < 0 && errno == ENOENT && make;

	if (made) {
		if (mkdirat(fd, part, 0700) < 0 && errno != EEXIST)
			return folder_fail(f, path, errno, "could not be made", err);
		next = openat(fd, part, OPEN_FOLDER | O_NOFOLLOW);
	}
	if (next < 0)
		return folder_fail(f, path, errno, "could not be opened as a folder", err);
	if (made || (make && !is_synced(f, path)))
		rc = sync_folder(f, fd, path, err);
	if (rc) {
		close(next);
		return rc;
	}
	if (make)
		note_synced(f, path);
	*out = next;
	return 0;
}

int folder_enter(struct folder_target *f, const char *key, bool make, int *fd, const char **name,
		 struct tranship_error *err)
{
	int at = fcntl(f->root, F_DUPFD_CLOEXEC, 3), next = -1, rc;
	char path[TARGET_KEY_MAX + 1];
	const char *part = key, *end;

	*fd = -1;
	if (at < 0)
		return folder_fail(f, key, errno, "could not be reached", err);
	for (; (end = strchr(part, '/')); part = end + 1) {
		memcpy(path, key, (size_t)(end - key));
		path[end - key] = '\0';
		rc = enter_level(f, at, path, path + (part - key), make, &next, err);
		close(at);
		if (rc)
			return rc;
		at = next;
	}
	*fd = at;
	*name = part;
	return 0;
}

/* ---- Writing ---- */

/* A new file that is no object yet. Returns an errno value. */
static int make_partial(int folder, const char *name, char *partial, int *out)
{
	uint64_t number;

	do {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return errno;
		snprintf(partial, PARTIAL_MAX, ".%s.%016llx" PARTIAL_SUFFIX, name,
			 (unsigned long long)number);
		*out = openat(folder, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			      0600);
	} while (*out < 0 && errno == EEXIST);
	return *out < 0 ? errno : 0;
}

static int write_all(int fd, const unsigned char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes and syncs, and gives the descriptor back whatever happens. Returns an errno value. */
static int fill(int fd, const void *bytes, size_t len)
{
	int sys = write_all(fd, bytes, len);

	if (sys == 0 && fsync(fd) < 0)
		sys = errno;
	if (close(fd) < 0 && sys == 0)
		sys = errno;
	return sys;
}

static int folder_put(struct target *t, const char *key, const void *bytes, size_t len,
		      const unsigned char *sha256, struct tranship_error *err)
{
	struct folder_target *f = folder_of(t);
	char partial[PARTIAL_MAX];
	int folder, fd = -1, sys, rc;
	const char *name;

	(void)sha256;
	rc = folder_enter(f, key, true, &folder, &name, err);
	if (rc)
		return rc;
	sys = make_partial(folder, name, partial, &fd);
	if (sys == 0) {
		sys = fill(fd, bytes, len);
		if (sys == 0 && renameat(folder, partial, folder, name) < 0)
			sys = errno;
		if (sys)
			unlinkat(folder, partial, 0);
	}
	rc = sys ? folder_fail(f, key, sys, "could not be written", err)
		 : sync_folder(f, folder, key, err);
	close(folder);
	return rc;
}

static int folder_remove_object(struct target *t, const char *key, struct tranship_error *err)
{
	struct folder_target *f = folder_of(t);
	const char *name;
	int folder, rc;

	rc = folder_enter(f, key, false, &folder, &name, err);
	if (rc)
		return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		rc = folder_fail(f, key, errno, "could not be removed", err);
	else
		rc = sync_folder(f, folder, key, err);
	close(folder);
	return rc;
}

/* ---- Reading ---- */

static int open_object(struct folder_target *f, const char *key, int *out, struct stat *st,
		       struct tranship_error *err)
{
	const char *name;
	int folder, fd, sys, rc;

	rc = folder_enter(f, key, false, &folder, &name, err);
	if (rc)
		return rc;
	/* Without blocking: what is there may be a pipe. */
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	sys = fd < 0 || fstat(fd, st) < 0 ? errno : 0;
	close(folder);
	if (sys)
		rc = folder_fail(f, key, sys, "could not be opened", err);
	else if (!S_ISREG(st->st_mode))
		rc = error_set(err, TRANSHIP_ECORRUPT, "%s/%s is no regular file", f->target.name,
			       key);
	if (rc && fd >= 0)
		close(fd);
	else
		*out = fd;
	return rc;
}

/* Fewer bytes only where the file ends. */
static int read_at(int fd, uint64_t off, unsigned char *buf, size_t len, size_t *got)
{
	ssize_t n;

	*got = 0;
	while (*got < len) {
		n = pread(fd, buf + *got, len - *got, (off_t)(off + *got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

static int folder_get(struct target *t, const char *key, uint64_t off, void *buf, size_t len,
		      size_t *got, struct tranship_error *err)
{
	struct folder_target *f = folder_of(t);
	struct stat st;
	int fd, sys = 0, rc = open_object(f, key, &fd, &st, err);

	*got = 0;
	if (rc)
		return rc;
	if (off < (uint64_t)st.st_size)
		sys = read_at(fd, off, buf, len, got);
	close(fd);
	return sys ? folder_fail(f, key, sys, "could not be read", err) : 0;
}

static int folder_tail(struct target *t, const char *key, void *buf, size_t len, size_t *got,
		       uint64_t *size, struct tranship_error *err)
{
	struct folder_target *f = folder_of(t);
	struct stat st;
	int fd, sys, rc = open_object(f, key, &fd, &st, err);

	*got = 0;
	if (rc)
		return rc;
	*size = (uint64_t)st.st_size;
	if (len > *size)
		len = (size_t)*size;
	sys = read_at(fd, *size - len, buf, len, got);
	close(fd);
	return sys ? folder_fail(f, key, sys, "could not be read", err) : 0;
}

static int folder_stat(struct target *t, const char *key, struct object_info *out,
		       struct tranship_error *err)
{
	struct stat st;
	int fd, rc = open_object(folder_of(t), key, &fd, &st, err);

	if (rc)
		return rc;
	close(fd);
	snprintf(out->key, sizeof(out->key), "%s", key);
	out->size = (uint64_t)st.st_size;
	out->time = st.st_mtime;
	return 0;
}

/* The clock by which the file system dates objects, which may be another machine's. */
static int folder_now(struct target *t, int64_t *out, struct tranship_error *err)
{
	struct folder_target *f = folder_of(t);
	char partial[PARTIAL_MAX];
	struct stat st;
	int fd, sys = make_partial(f->root, "now", partial, &fd);

	if (sys == 0) {
		sys = fstat(fd, &st) < 0 ? errno : 0;
		close(fd);
		unlinkat(f->root, partial, 0);
	}
	if (sys)
		return folder_fail(f, "", sys, "does not tell the time", err);
	*out = st.st_mtime;
	return 0;
}

/* ---- Opening ---- */

static void folder_close(struct target *t)
{
	struct folder_target *f = folder_of(t);
	char *path;

	while (f->synced) {
		path = *(char **)f->synced;
		tdelete(path, &f->synced, compare_paths);
		free(path);
	}
	pthread_mutex_destroy(&f->lock);
	close(f->root);
	free(f);
}

static const struct target_ops folder_ops = {
	.put = folder_put,
	.get = folder_get,
	.tail = folder_tail,
	.stat = folder_stat,
	.list = folder_list,
	.remove = folder_remove_object,
	.now = folder_now,
	.close = folder_close,
};

bool target_is_folder(const struct target *t)
{
	return t->ops == &folder_ops;
}

/* Makes the folder, and syncs the one that it is in. */
static int make_root(const char *path, const char *shown, struct tranship_error *err)
{
	char *copy;
	int parent, sys = 0;

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : error_sys(err, errno, "%s could not be made", shown);
	copy = strdup(path);
	if (!copy)
		return error_nomem(err, strlen(path) + 1);
	parent = open(dirname(copy), OPEN_FOLDER);
	if (parent < 0 || (fsync(parent) < 0 && errno != EINVAL))
		sys = errno;
	if (parent >= 0)
		close(parent);
	free(copy);
	return sys ? error_sys(err, sys, "fsync of the folder that %s is in failed", shown) : 0;
}

int target_folder_open(const char *path, bool create, struct target **out,
		       struct tranship_error *err)
{
	struct folder_target *f = calloc(1, sizeof(*f));
	int rc = 0;

	*out = NULL;
	if (!f)
		return error_nomem(err, sizeof(*f));
	text_show(f->target.name, sizeof(f->target.name), path, strlen(path));
	if (create)
		rc = make_root(path, f->target.name, err);
	f->root = rc ? -1 : open(path, OPEN_FOLDER);
	if (rc == 0 && f->root < 0)
		rc = errno == ENOENT ? error_set(err, TRANSHIP_ENOTFOUND,
						 "%s: there is no such folder", f->target.name)
		     : errno == EACCES
			     ? error_set(err, TRANSHIP_EDENIED, "%s may not be opened by this user",
					 f->target.name)
			     : error_sys(err, errno, "%s could not be opened as a folder",
					 f->target.name);
	if (rc) {
		free(f);
		return rc;
	}
	f->target.ops = &folder_ops;
	pthread_mutex_init(&f->lock, NULL);
	*out = &f->target;
	return 0;
}
