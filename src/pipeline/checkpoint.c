// SPDX-License-Identifier: Apache-2.0
#include "pipeline/checkpoint.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "pipeline/checkpoint_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* 64 TiB of leaves, all of them, are less. */
#define CHECKPOINT_MAX (64U << 20)

static int failed(const struct checkpoint *cp, const char *what, struct tranship_error *err)
{
	return error_sys(err, errno, "checkpoint '%s' could not be %s", cp->path, what);
}

static int write_all(const struct checkpoint *cp, int fd, const struct buffer *text,
		     struct tranship_error *err)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t n = write(fd, text->bytes + done, text->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(cp, "written", err);
		done += (size_t)n;
	}
	return fsync(fd) < 0 ? failed(cp, "synced", err) : 0;
}

static int read_all(const struct checkpoint *cp, int fd, struct buffer *text,
		    struct tranship_error *err)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return failed(cp, "read", err);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CHECKPOINT_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "'%s' is no checkpoint: it would be overwritten", cp->path);
	rc = buffer_reserve(text, (size_t)st.st_size + 1, err);
	while (rc == 0 && text->len < (size_t)st.st_size) {
		ssize_t n = pread(fd, text->bytes + text->len, (size_t)st.st_size - text->len,
				  (off_t)text->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(cp, "read", err);
		if (n == 0)
			break;
		text->len += (size_t)n;
	}
	if (rc == 0)
		text->bytes[text->len] = '\0';
	return rc;
}

static int add_page(struct checkpoint *cp, const struct put_page *page, struct tranship_error *err)
{
	if (cp->page_count == cp->page_cap) {
		size_t cap = cp->page_cap ? 2 * cp->page_cap : 64;
		struct put_page *more = realloc(cp->pages, cap * sizeof(*more));

		if (!more)
			return error_nomem(err, cap * sizeof(*more));
		cp->pages = more;
		cp->page_cap = cap;
	}
	cp->pages[cp->page_count++] = *page;
	return 0;
}

/* A section's lines, from `at` on; *next behind it, NULL where there is no whole one any more. */
static int take_section(struct checkpoint *cp, const char *at, const char **next,
			struct tranship_error *err)
{
	size_t kept = cp->page_count;
	uint64_t least = cp->next_leaf;
	const char *line = at, *end;
	int rc;

	*next = NULL;
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		struct put_counts counts;
		struct put_page page;
		uint64_t upto, check;

		if (checkpoint_parse_page(line, &page) && page.leaf >= least) {
			least = page.leaf + 1;
			rc = add_page(cp, &page, err);
			if (rc)
				return rc;
			continue;
		}
		if (checkpoint_parse_end(line, &upto, &counts, &check) && upto >= least &&
		    check == checkpoint_check(at, (size_t)(line - at), upto)) {
			cp->next_leaf = upto;
			cp->counts = counts;
			*next = end + 1;
			return 0;
		}
		break;
	}
	cp->page_count = kept;
	return 0;
}

static int load(struct checkpoint *cp, bool *found, struct tranship_error *err)
{
	struct buffer text = { 0 };
	const char *at;
	int rc = read_all(cp, cp->old_fd, &text, err);

	/* It is replaced, and removed in the end: somebody's other file is not to be. */
	if (rc == 0 && text.len > 0 && !checkpoint_may_be((const char *)text.bytes))
		rc = error_set(err, TRANSHIP_EINVAL,
			       "'%s' is no checkpoint: it would be overwritten", cp->path);
	if (rc == 0) {
		at = checkpoint_parse_head((const char *)text.bytes, &cp->head);
		*found = at != NULL;
		while (rc == 0 && at)
			rc = take_section(cp, at, &at, err);
	}
	buffer_free(&text);
	return rc;
}

/* Whether the file that is open is the one that has the name. */
static bool is_current(const struct checkpoint *cp)
{
	struct stat named, opened;

	return stat(cp->path, &named) == 0 && fstat(cp->old_fd, &opened) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/*
 * Opens the file, or makes it, so that there is something to lock for the first run, too. A run
 * that ends, or begins its own, between open and lock leaves the lock of a file that has no name
 * any more: what stands in it was used already.
 */
static int lock_file(struct checkpoint *cp, struct tranship_error *err)
{
	for (;;) {
		cp->old_fd = open(cp->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		cp->made = cp->old_fd < 0 && errno == ENOENT;
		if (cp->made)
			cp->old_fd =
				open(cp->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (cp->old_fd < 0)
			return failed(cp, "opened", err);
		if (flock(cp->old_fd, LOCK_EX | LOCK_NB) < 0) {
			cp->made = false;
			return error_set(err, TRANSHIP_EBUSY, "another run has the checkpoint '%s'",
					 cp->path);
		}
		if (is_current(cp))
			return 0;
		close(cp->old_fd);
	}
}

int checkpoint_open(const char *path, struct checkpoint *out, bool *found,
		    struct tranship_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	out->fd = out->old_fd = -1;
	*found = false;
	out->path = strdup(path);
	if (!out->path)
		return error_nomem(err, strlen(path));
	rc = lock_file(out, err);
	return rc ? rc : load(out, found, err);
}

static int sync_folder(const struct checkpoint *cp, struct tranship_error *err)
{
	const char *slash = strrchr(cp->path, '/');
	char *folder = slash ? strndup(cp->path, (size_t)(slash - cp->path) + 1) : strdup(".");
	int fd, rc;

	if (!folder)
		return error_nomem(err, strlen(cp->path));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	rc = fd < 0 || fsync(fd) < 0 ? failed(cp, "synced", err) : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int begin_text(struct checkpoint *cp, struct buffer *text, struct tranship_error *err)
{
	int rc = checkpoint_print_head(&cp->head, text, err);

	return rc || cp->next_leaf == 0
		       ? rc
		       : checkpoint_print_section(cp->next_leaf, cp->pages, cp->page_count,
						  &cp->counts, text, err);
}

int checkpoint_begin(struct checkpoint *cp, struct tranship_error *err)
{
	struct buffer text = { 0 };
	size_t len = strlen(cp->path) + sizeof(".tranship-partial");
	char *partial = malloc(len);
	int rc = partial ? begin_text(cp, &text, err) : error_nomem(err, len);

	if (rc == 0) {
		snprintf(partial, len, "%s.tranship-partial", cp->path);
		unlink(partial);
		cp->fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
		if (cp->fd < 0 || flock(cp->fd, LOCK_EX | LOCK_NB) < 0)
			rc = failed(cp, "made", err);
	}
	if (rc == 0)
		rc = write_all(cp, cp->fd, &text, err);
	if (rc == 0 && rename(partial, cp->path) < 0)
		rc = failed(cp, "renamed", err);
	if (rc && cp->fd >= 0)
		unlink(partial);
	if (rc == 0)
		rc = sync_folder(cp, err);
	buffer_free(&text);
	free(partial);
	return rc;
}

int checkpoint_add(struct checkpoint *cp, uint64_t next_leaf, const struct put_page *pages,
		   size_t count, const struct put_counts *counts, struct tranship_error *err)
{
	struct buffer text = { 0 };
	int rc = checkpoint_print_section(next_leaf, pages, count, counts, &text, err);

	if (rc == 0)
		rc = write_all(cp, cp->fd, &text, err);
	buffer_free(&text);
	return rc;
}

int checkpoint_remove(struct checkpoint *cp, struct tranship_error *err)
{
	return unlink(cp->path) < 0 && errno != ENOENT ? failed(cp, "removed", err) : 0;
}

void checkpoint_close(struct checkpoint *cp)
{
	if (!cp->path)
		return;
	if (cp->made && cp->fd < 0)
		unlink(cp->path); /* it was for the lock alone */
	if (cp->fd >= 0)
		close(cp->fd);
	if (cp->old_fd >= 0)
		close(cp->old_fd);
	free(cp->pages);
	free(cp->path);
	explicit_bzero(&cp->head, sizeof(cp->head));
	cp->path = NULL;
}
