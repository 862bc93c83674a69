// SPDX-License-Identifier: Apache-2.0
/*
 * What is in a folder target, in order of keys. The names of one folder at a time (and of those
 * above it) are in memory. A folder counts as its name with the '/' behind it, because that is how
 * its keys compare with its neighbours': "a-b" stands before "a/b".
 */
#include "emit/target_folder_inside.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALE_SECONDS (2 * 86400)

struct walk {
	struct folder_target *f;
	object_fn *fn;
	void *ctx;
	char key[TARGET_KEY_MAX + 2];
};

/* The names of a folder, those of folders with a '/'. */
struct names {
	struct buffer text;
	char **at;
	size_t count;
};

static void names_free(struct names *n)
{
	buffer_free(&n->text);
	free(n->at);
}

/* Whether it may be the next part of a key of which `len` bytes are there. */
static bool is_part(const char *name, size_t len)
{
	size_t own = strlen(name);

	return len + own <= TARGET_KEY_MAX && target_key_ok(name) && !strchr(name, '/');
}

/* What kind of file an entry is, as d_type says it. Returns an errno value. */
static int kind_of(DIR *dir, const struct dirent *e, unsigned char *out)
{
	struct stat st;

	*out = e->d_type;
	if (e->d_type != DT_UNKNOWN)
		return 0;
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno;
	*out = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_sort(struct names *n, struct tranship_error *err)
{
	char *p = (char *)n->text.bytes;
	size_t i;

	n->at = calloc(n->count + 1, sizeof(*n->at));
	if (!n->at)
		return error_nomem(err, (n->count + 1) * sizeof(*n->at));
	for (i = 0; i < n->count; i++, p += strlen(p) + 1)
		n->at[i] = p;
	qsort(n->at, n->count, sizeof(*n->at), compare_names);
	return 0;
}

static int add_name(struct names *n, const char *name, bool folder, struct tranship_error *err)
{
	int rc = buffer_append(&n->text, name, strlen(name), err);

	if (rc == 0)
		rc = folder ? buffer_append(&n->text, "/", 2, err)
			    : buffer_append(&n->text, "", 1, err);
	n->count += rc == 0;
	return rc;
}

/* Those that begin with `filter` and may be parts of keys. A symbolic link is an error: who moved
 * objects elsewhere and left one must not have gc think that they are gone. */
static int names_read(const struct walk *w, DIR *dir, size_t len, const char *filter,
		      struct names *out, struct tranship_error *err)
{
	struct dirent *e;
	unsigned char kind;
	int rc, sys;

	while (errno = 0, (e = readdir(dir))) {
		if (!is_part(e->d_name, len) || strncmp(e->d_name, filter, strlen(filter)) != 0)
			continue;
		sys = kind_of(dir, e, &kind);
		if (sys == ENOENT)
			continue;
		if (sys)
			return folder_fail(w->f, w->key, sys, "could not be listed", err);
		if (kind == DT_LNK)
			return error_set(err, TRANSHIP_EDENIED,
					 "%s/%s%s is a symbolic link, which is not followed",
					 w->f->target.name, w->key, e->d_name);
		rc = add_name(out, e->d_name, kind == DT_DIR, err);
		if (rc)
			return rc;
	}
	if (errno)
		return folder_fail(w->f, w->key, errno, "could not be listed", err);
	return names_sort(out, err);
}

static int walk_folder(struct walk *w, int fd, const char *filter, struct tranship_error *err);

/* One entry, whose key stands in w->key. What went away meanwhile is not told. */
static int walk_entry(struct walk *w, int folder, const char *name, struct tranship_error *err)
{
	size_t len = strlen(w->key);
	struct object_info info;
	struct stat st;
	int fd;

	if (w->key[len - 1] == '/') {
		w->key[len - 1] = '\0';
		fd = openat(folder, w->key + len - strlen(name),
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT ? 0
					       : folder_fail(w->f, w->key, errno,
							     "could not be listed", err);
		w->key[len - 1] = '/';
		return walk_folder(w, fd, "", err);
	}
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : folder_fail(w->f, w->key, errno, "could not be listed", err);
	if (!S_ISREG(st.st_mode))
		return 0;
	memcpy(info.key, w->key, len + 1);
	info.size = (uint64_t)st.st_size;
	info.time = st.st_mtime;
	return w->fn(w->ctx, &info, err);
}

/* w->key is the key as far as the folder, with the '/' behind it. Takes fd over. As deep as keys
 * are long. */
static int walk_folder(struct walk *w, int fd, const char *filter, struct tranship_error *err)
{
	struct names names = { { 0 }, NULL, 0 };
	size_t len = strlen(w->key), i;
	DIR *dir = fdopendir(fd);
	int rc;

	if (!dir) {
		rc = folder_fail(w->f, w->key, errno, "could not be listed", err);
		close(fd);
		return rc;
	}
	rc = names_read(w, dir, len, filter, &names, err);
	for (i = 0; rc == 0 && i < names.count; i++) {
		memcpy(w->key + len, names.at[i], strlen(names.at[i]) + 1);
		rc = walk_entry(w, fd, names.at[i], err);
		w->key[len] = '\0';
	}
	names_free(&names);
	closedir(dir);
	return rc;
}

int folder_list(struct target *t, const char *prefix, object_fn *fn, void *ctx,
		struct tranship_error *err)
{
	struct walk w = { .f = (struct folder_target *)t, .fn = fn, .ctx = ctx };
	const char *filter;
	int fd, rc;

	rc = folder_enter(w.f, prefix, false, &fd, &filter, err);
	if (rc)
		return rc == TRANSHIP_ENOTFOUND ? 0 : rc;
	/* A listing has a place of its own in the folder, which a copy of the root's would share.
	 */
	if (filter == prefix) {
		close(fd);
		fd = openat(w.f->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return folder_fail(w.f, "", errno, "could not be listed", err);
	}
	memcpy(w.key, prefix, (size_t)(filter - prefix));
	return walk_folder(&w, fd, filter, err);
}

/* ---- What is no object ---- */

struct sweep {
	struct folder_target *f;
	int64_t now;
	uint64_t removed;
};

static bool is_partial(const char *name)
{
	size_t len = strlen(name), suffix = strlen(PARTIAL_SUFFIX);

	return name[0] == '.' && len > suffix && strcmp(name + len - suffix, PARTIAL_SUFFIX) == 0;
}

static int sweep_file(struct sweep *s, int folder, const char *name, struct tranship_error *err)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    s->now - st.st_mtime <= STALE_SECONDS)
		return 0;
	if (unlinkat(folder, name, 0) < 0)
		return errno == ENOENT ? 0
				       : folder_fail(s->f, "", errno,
						     "keeps what a killed writer left", err);
	s->removed++;
	return 0;
}

/* Takes fd over. len: bytes of a key as far as this folder. */
static int sweep_folder(struct sweep *s, int fd, size_t len, struct tranship_error *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int rc = 0, next;

	if (!dir) {
		rc = folder_fail(s->f, "", errno, "could not be swept", err);
		close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, e = readdir(dir))) {
		if (is_partial(e->d_name)) {
			rc = sweep_file(s, fd, e->d_name, err);
		} else if (is_part(e->d_name, len)) {
			next = openat(fd, e->d_name,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next >= 0)
				rc = sweep_folder(s, next, len + strlen(e->d_name) + 1, err);
		}
	}
	if (rc == 0 && errno && !e)
		rc = folder_fail(s->f, "", errno, "could not be swept", err);
	closedir(dir);
	return rc;
}

int target_folder_sweep(struct target *t, uint64_t *removed, struct tranship_error *err)
{
	struct sweep s = { .f = (struct folder_target *)t };
	int fd, rc;

	*removed = 0;
	if (!target_is_folder(t))
		return 0;
	rc = target_now(t, &s.now, err);
	if (rc)
		return rc;
	fd = openat(s.f->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return folder_fail(s.f, "", errno, "could not be swept", err);
	rc = sweep_folder(&s, fd, 0, err);
	*removed = s.removed;
	return rc;
}

static bool is_vacant(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       strcmp(name, "lost+found") == 0 || is_partial(name);
}

int target_folder_vacant(struct target *t, struct tranship_error *err)
{
	struct folder_target *f = (struct folder_target *)t;
	struct dirent *e;
	char shown[100];
	int fd, rc = 0;
	DIR *dir;

	if (!target_is_folder(t))
		return 0;
	fd = openat(f->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		rc = folder_fail(f, "", errno, "could not be listed", err);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (errno = 0, e = readdir(dir)) {
		if (is_vacant(e->d_name))
			continue;
		text_escape(shown, sizeof(shown), e->d_name, strlen(e->d_name));
		rc = error_set(err, TRANSHIP_EINVAL, "%s is not empty: there is '%s'", t->name,
			       shown);
		break;
	}
	if (rc == 0 && errno)
		rc = folder_fail(f, "", errno, "could not be listed", err);
	closedir(dir);
	return rc;
}
