// SPDX-License-Identifier: Apache-2.0
/* GRUB's images out of files that the caller names. */
#include "base/error.h"
#include "mbr-gpt/grub_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, size_t max, struct buffer *out, struct tranship_error *err)
{
	size_t room = max + 1;
	ssize_t n = 1;
	int rc;

	rc = buffer_reserve(out, room, err);
	while (rc == 0 && room > 0 && n != 0) {
		n = read(fd, out->bytes + out->len, room);
		if (n < 0 && errno != EINTR)
			rc = error_sys(err, errno, "grub: reading");
		if (n <= 0)
			continue;
		out->len += (size_t)n;
		room -= (size_t)n;
	}
	if (rc == 0 && room == 0)
		rc = error_set(err, TRANSHIP_ELIMIT, "grub: has more than %zu bytes", max);
	return rc;
}

int grub_file_read(const char *path, size_t max, struct buffer *out, struct tranship_error *err)
{
	/* Not to wait for a FIFO's writer: it is refused below. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0 && errno == ENOENT)
		rc = error_set(err, TRANSHIP_ENOTFOUND, "grub: there is no such file");
	else if (fd < 0)
		rc = error_sys(err, errno, "grub: cannot be opened");
	else if (fstat(fd, &st) < 0)
		rc = error_sys(err, errno, "grub: cannot be examined");
	else if (!S_ISREG(st.st_mode))
		rc = error_set(err, TRANSHIP_EINVAL, "grub: is not a regular file");
	else
		rc = read_all(fd, max, out, err);
	if (fd >= 0)
		close(fd);
	return rc ? error_in_file(err, rc, path) : 0;
}

/* A file that is too large is not what it should be, and nothing else. */
static int read_image(const char *path, size_t max, struct buffer *out, struct tranship_error *err)
{
	int rc = grub_file_read(path, max, out, err);

	if (rc != TRANSHIP_ELIMIT)
		return rc;
	if (err)
		err->code = TRANSHIP_ECORRUPT;
	return TRANSHIP_ECORRUPT;
}

int grub_files_get(const struct tranship_boot_options *options, struct grub_images *out,
		   struct tranship_error *err)
{
	struct buffer boot = { 0 }, core = { 0 };
	int rc;

	rc = read_image(options->grub_boot, GRUB_BOOT_SIZE, &boot, err);
	if (rc == 0)
		rc = read_image(options->grub_core, GRUB_CORE_MAX, &core, err);
	if (rc == 0)
		rc = grub_images_take(out, boot.bytes, boot.len, &core, "the given", err);
	buffer_free(&boot);
	buffer_free(&core);
	return rc;
}
