// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel keeps the promise: openat2 with RESOLVE_BENEATH refuses every way out of a folder
 * (absolute names, "..", symbolic links, /proc links) without a race. Where the kernel has no
 * openat2 the name is walked component by component without following any link, which is stricter.
 */
#include "io/resolver.h"

#include "base/error.h"
#include "base/text.h"
#include "io/file_local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define HINT_MAX 4096
/* How often the kernel is asked again when something was renamed while it followed a "..". */
#define RENAME_RETRIES 32

struct resolver {
	const struct tranship_policy *policy;
	int folder;        /* of the first image, -1: none */
	char *folder_name; /* with its slash; "" where the image was opened by a plain name */
};

/* Where a hint led to: name in folder, which is empty or a folder. */
struct found {
	const char *folder;
	char name[2 * HINT_MAX];
};

/* A name as an image gives it. */
struct hint {
	const char *from; /* the path of the image, as it was given or found */
	const char *text;
};

int resolver_new(const char *path, const struct tranship_policy *policy, struct resolver **out,
		 struct tranship_error *err)
{
	static const struct tranship_policy none = { .kind = TRANSHIP_POLICY_NONE };
	struct resolver *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return error_nomem(err, sizeof(*r));
	r->policy = policy ? policy : &none;
	r->folder = -1;
	if (path && r->policy->kind != TRANSHIP_POLICY_NONE) {
		const char *slash = strrchr(path, '/');

		r->folder_name = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
		if (!r->folder_name) {
			free(r);
			return error_nomem(err, strlen(path) + 1);
		}
		/* A folder that may be searched but not read is no obstacle. */
		r->folder = open(slash ? r->folder_name : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	*out = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	if (r->folder >= 0)
		close(r->folder);
	free(r->folder_name);
	free(r);
}

size_t resolver_table_memory(const struct resolver *r)
{
	return r->policy->table_memory;
}

/* The walk for kernels before 5.6: no link, no "..". */
static int open_beneath_by_hand(int folder, const char *name)
{
	char part[256];
	int at = fcntl(folder, F_DUPFD_CLOEXEC, 0), fd;

	while (at >= 0) {
		size_t len = strcspn(name, "/");
		int last = name[len + strspn(name + len, "/")] == '\0';

		if (len == 0 || len >= sizeof(part) || (len == 2 && memcmp(name, "..", 2) == 0)) {
			close(at);
			errno = EXDEV;
			return -1;
		}
		memcpy(part, name, len);
		part[len] = '\0';
		fd = openat(at, part,
			    last ? OPEN_FLAGS | O_NOFOLLOW
				 : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		if (last)
			return fd;
		at = fd;
		name += len;
		name += strspn(name, "/");
	}
	return -1;
}

static int open_beneath(int folder, const char *name)
{
	struct open_how how = { .flags = OPEN_FLAGS,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	long fd;
	int tries = 0;

	do
		fd = syscall(SYS_openat2, folder, name, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN && ++tries < RENAME_RETRIES);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return open_beneath_by_hand(folder, name);
	return (int)fd;
}

static int looks_absolute(const char *hint)
{
	return hint[0] == '/' || hint[0] == '\\' || (hint[0] != '\0' && hint[1] == ':');
}

/* Behind the last slash of either kind. */
static const char *last_component(const char *hint)
{
	const char *last = hint;

	for (; *hint; hint++)
		if (*hint == '/' || *hint == '\\')
			last = hint + 1;
	return last;
}

/* How long the folder part of a path is, with its slash. */
static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* What is left of `path` beneath the folder; NULL if it is elsewhere. */
static const char *beneath(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len > 0 && folder[len - 1] == '/')
		len--;
	if (*folder == '\0')
		return *path == '/' ? NULL : path;
	if (strncmp(path, folder, len) != 0 || path[len] != '/')
		return NULL;
	return path + len + strspn(path + len, "/");
}

static void turn_backslashes(char *name)
{
	for (; *name; name++)
		if (*name == '\\')
			*name = '/';
}

/*
 * A name in the folder, that is, in the sub-folder of it that the image is in: as it stands, else
 * with its backslashes turned (it was written on Windows).
 */
static int open_named(int folder, const char *sub, const char *name, struct found *found)
{
	size_t start = sub ? folder_len(sub) : 0;
	int fd;

	if (start + strlen(name) >= sizeof(found->name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (start > 0)
		memcpy(found->name, sub, start);
	strcpy(found->name + start, name);
	fd = open_beneath(folder, found->name);
	if (fd >= 0 || errno != ENOENT || !strchr(name, '\\'))
		return fd;
	turn_backslashes(found->name + start);
	return open_beneath(folder, found->name);
}

/*
 * In a folder and beneath it: a relative name from where the image is, anything else by its last
 * component; then, as images are moved about, by its last component in the folder itself. So is a
 * name that leads out of a listed folder, if it is not from there that it counts.
 */
static int open_in_folder(int fd_folder, const char *folder, const struct hint *hint,
			  struct found *found)
{
	const char *sub = beneath(hint->from, folder), *last = last_component(hint->text);
	int fd, why;

	found->folder = folder;
	fd = open_named(fd_folder, sub, looks_absolute(hint->text) ? last : hint->text, found);
	why = errno;
	if (fd >= 0 || !(why == ENOENT || (why == EXDEV && !sub)) || (sub && folder_len(sub) == 0))
		return fd;
	fd = open_named(fd_folder, NULL, last, found);
	if (fd < 0 && errno == ENOENT)
		errno = why;
	return fd;
}

/* An absolute hint beneath a listed folder keeps its path there. */
static int open_listed(const struct tranship_policy *policy, const struct hint *hint,
		       struct found *found)
{
	struct hint in_folder = *hint;
	size_t i;
	int fd = -1;

	errno = ENOENT;
	for (i = 0; fd < 0 && i < 2 * policy->folder_count; i++) {
		const char *folder = policy->folders[i % policy->folder_count];
		bool as_it_is = i < policy->folder_count;
		const char *rest = *hint->text == '/' ? beneath(hint->text, folder) : NULL;
		int at;

		if (as_it_is && !rest)
			continue;
		at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (at < 0)
			continue;
		in_folder.text = as_it_is ? rest : hint->text;
		in_folder.from = as_it_is ? "/" : hint->from; /* no sub-folder */
		fd = open_in_folder(at, folder, &in_folder, found);
		close(at);
	}
	return fd;
}

static int open_anywhere(const struct resolver *r, const struct hint *hint, struct found *found)
{
	size_t start = *hint->text == '/' ? 0 : folder_len(hint->from);
	int fd;

	if (start + strlen(hint->text) >= sizeof(found->name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	found->folder = "";
	memcpy(found->name, hint->from, start);
	strcpy(found->name + start, hint->text);
	if (r->folder < 0 && start == 0 && *hint->text != '/') {
		errno = ENOENT; /* the current folder is nobody's word */
		return -1;
	}
	fd = open(found->name, OPEN_FLAGS);
	if (fd < 0 && errno == ENOENT && !looks_absolute(hint->text)) {
		turn_backslashes(found->name + start);
		fd = open(found->name, OPEN_FLAGS);
	}
	return fd >= 0 || r->folder < 0 || *hint->text == '/'
		       ? fd
		       : open_in_folder(r->folder, r->folder_name, hint, found);
}

static int denied(const char *hint, const char *why, struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), hint, strlen(hint));
	return error_set(err, TRANSHIP_EDENIED, "the image refers to the file '%s': %s", shown,
			 why);
}

static int open_failed(const char *hint, int sys, struct tranship_error *err)
{
	char shown[200];

	if (sys == EXDEV || sys == ELOOP)
		return denied(
			hint,
			"it leads out of the image's folder, and the policy does not allow that",
			err);
	text_escape(shown, sizeof(shown), hint, strlen(hint));
	return error_sys(err, sys, "the image refers to the file '%s', which could not be opened",
			 shown);
}

/* Opens the hint as the policy, which is not "none", allows. -1 with errno. */
static int open_hint(const struct resolver *r, const struct hint *hint, struct found *found)
{
	int fd = -1;

	if (r->policy->kind == TRANSHIP_POLICY_ANYWHERE)
		return open_anywhere(r, hint, found);
	errno = ENOENT;
	if (r->folder >= 0)
		fd = open_in_folder(r->folder, r->folder_name, hint, found);
	if (fd < 0 && r->policy->kind == TRANSHIP_POLICY_LISTED)
		fd = open_listed(r->policy, hint, found);
	return fd;
}

/* "./a/././b" becomes "a/b": each image of a chain may put its dot before the next one's. */
static void drop_dots(char *name)
{
	char *from = name, *to = name;

	while (*from) {
		bool dot = (to == name || to[-1] == '/') && from[0] == '.' && from[1] == '/';

		if (dot)
			from += 1 + strspn(from + 1, "/");
		else
			*to++ = *from++;
	}
	*to = '\0';
}

static int found_path(struct found *found, char **path, struct tranship_error *err)
{
	size_t len = strlen(found->folder);
	const char *slash = len > 0 && found->folder[len - 1] != '/' ? "/" : "";

	drop_dots(found->name);
	if (asprintf(path, "%s%s%s", found->folder, slash, found->name) >= 0)
		return 0;
	*path = NULL;
	return error_nomem(err, len + strlen(found->name) + 2);
}

int resolver_open(struct resolver *r, const char *from, const char *hint, unsigned file_flags,
		  struct tranship_file **out, char **path, struct tranship_error *err)
{
	enum tranship_policy_kind kind = r->policy->kind;
	struct hint wanted = { from, hint };
	struct found found = { 0 };
	struct stat st;
	int fd, rc;

	*out = NULL;
	if (path)
		*path = NULL;
	if (kind == TRANSHIP_POLICY_NONE)
		return denied(hint, "the policy allows no other files", err);
	if (r->folder < 0 && kind == TRANSHIP_POLICY_BESIDE)
		return denied(hint, "it has no folder that this could be beside", err);
	if (strlen(hint) >= HINT_MAX || *last_component(hint) == '\0')
		return denied(hint, "that is no name of a file", err);
	fd = open_hint(r, &wanted, &found);
	if (fd < 0)
		return open_failed(hint, errno, err);
	if (fstat(fd, &st) < 0 ||
	    !(S_ISREG(st.st_mode) || (S_ISBLK(st.st_mode) && kind == TRANSHIP_POLICY_ANYWHERE))) {
		close(fd);
		return denied(hint, "it is no regular file", err);
	}
	rc = file_local_reader(fd, file_flags, out, err);
	if (rc) {
		close(fd);
		return error_in_file(err, rc, hint);
	}
	rc = path ? found_path(&found, path, err) : 0;
	if (rc) {
		tranship_file_close(*out);
		*out = NULL;
	}
	return rc;
}
