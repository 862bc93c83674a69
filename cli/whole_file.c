// SPDX-License-Identifier: Apache-2.0
#include "whole_file.h"

#include "texts.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL ".tranship-partial"

static int failed(const char *path, const char *what, struct tranship_error *err)
{
	int code = texts_error(err, TRANSHIP_EIO, "'%s' could not be %s: %s", path, what,
			       strerror(errno));

	return code;
}

int whole_file_check(const char *path, struct tranship_error *err)
{
	char folder[PATH_MAX];
	struct stat st;

	if (strlen(path) >= PATH_MAX - sizeof(PARTIAL))
		return texts_error(err, TRANSHIP_EINVAL, "a path is longer than %d bytes",
				   PATH_MAX);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return texts_error(err, TRANSHIP_EINVAL, "'%s' is no regular file", path);
	strcpy(folder, path);
	return access(dirname(folder), W_OK) ? failed(path, "written", err) : 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

int whole_file_write(const char *path, const char *text, size_t len, struct tranship_error *err)
{
	char partial[PATH_MAX];
	int fd, rc = whole_file_check(path, err);

	if (rc)
		return rc;
	snprintf(partial, sizeof(partial), "%s" PARTIAL, path);
	unlink(partial);
	fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return failed(path, "written", err);
	rc = write_all(fd, text, len);
	if (close(fd) < 0)
		rc = -1;
	if (rc == 0)
		rc = rename(partial, path);
	if (rc == 0)
		return 0;
	rc = failed(path, "written", err);
	unlink(partial);
	return rc;
}
