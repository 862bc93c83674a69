// SPDX-License-Identifier: Apache-2.0
/* The machine's own files, and errors for the calls of any medium. */
#include "io/journal_medium.h"

#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int local_resolve(void *ctx, const char *path, char *real)
{
	(void)ctx;
	return realpath(path, real) ? 0 : errno;
}

static int local_open_folder(void *ctx, const char *path, int *out)
{
	(void)ctx;
	*out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? errno : 0;
}

/* The kernel counts the disks that it attaches, from the same number on at each start. */
static uint64_t attached_as(int file, dev_t rdev)
{
	struct {
		char boot[40];
		uint64_t rdev, seq;
	} what = { .rdev = rdev };
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, what.boot, sizeof(what.boot) - 1);
	uint64_t sum;

	if (fd >= 0)
		close(fd);
	if (n < 36)
		return 0;
#ifdef BLKGETDISKSEQ
	if (ioctl(file, BLKGETDISKSEQ, &what.seq) < 0)
		what.seq = 0;
#else
	(void)file;
#endif
	sum = check64(&what, sizeof(what), 0);
	return sum ? sum : 1;
}

static int local_info(void *ctx, int file, struct medium_info *out)
{
	struct statvfs vfs;
	struct stat st;

	(void)ctx;
	if (fstat(file, &st) < 0)
		return errno;
	*out = (struct medium_info){ st.st_mode, (uint64_t)st.st_size, (uint64_t)st.st_ino,
				     (uint64_t)st.st_dev,
				     (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	out->links = (uint64_t)st.st_nlink;
	out->room = UINT64_MAX;
	out->allocated = (uint64_t)st.st_blocks * 512;
	if (S_ISREG(st.st_mode) && fstatvfs(file, &vfs) == 0 && vfs.f_blocks > 0 &&
	    !mul_ok(vfs.f_bavail, vfs.f_frsize, &out->room))
		out->room = UINT64_MAX;
	if (!S_ISBLK(st.st_mode))
		return 0;
	out->rdev = (uint64_t)st.st_rdev;
	out->attached = attached_as(file, st.st_rdev);
	return ioctl(file, BLKGETSIZE64, &out->size) < 0 ? errno : 0;
}

/* Of the descriptor that was opened with `exclusive`. */
static int check_claimed(int folder, const char *name, int fd, bool exclusive,
			 struct tranship_error *err)
{
	struct stat ours, there;
	int rc;

	if (fstat(fd, &ours) < 0)
		return error_sys(err, errno, "fstat failed");
	if (!S_ISREG(ours.st_mode) && !S_ISBLK(ours.st_mode))
		return error_set(err, TRANSHIP_EINVAL,
				 "it is neither a regular file nor a block device, and cannot be "
				 "changed in place");
	rc = lock_exclusive(fd, err);
	if (rc)
		return rc;
	if (S_ISBLK(ours.st_mode) != exclusive ||
	    fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_ino != there.st_ino ||
	    ours.st_dev != there.st_dev)
		return error_set(err, TRANSHIP_EBUSY,
				 "another program replaced it while it was opened");
	return 0;
}

static int local_claim(void *ctx, int folder, const char *name, int *out,
		       struct tranship_error *err)
{
	struct stat st;
	bool device = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISBLK(st.st_mode);
	int fd = openat(folder, name,
			O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW |
				(device ? O_EXCL : 0));
	int rc;

	(void)ctx;
	if (fd < 0 && device && errno == EBUSY)
		return error_set(err, TRANSHIP_EBUSY, "the device is in use");
	if (fd < 0)
		return error_sys(err, errno, "could not be opened for writing");
	rc = check_claimed(folder, name, fd, device, err);
	if (rc)
		close(fd);
	else
		*out = fd;
	return rc;
}

static int local_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	int flags = create ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY | O_NONBLOCK;

	(void)ctx;
	*out = openat(folder, name, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	return *out < 0 ? errno : 0;
}

static int local_read(void *ctx, int file, uint64_t off, void *buf, size_t len, size_t *got)
{
	(void)ctx;
	*got = 0;
	while (*got < len) {
		ssize_t n =
			pread(file, (unsigned char *)buf + *got, len - *got, (off_t)(off + *got));

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

static int local_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	size_t done = 0;

	(void)ctx;
	while (done < len) {
		ssize_t n = pwrite(file, (const unsigned char *)buf + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		done += (size_t)n;
	}
	return 0;
}

static int local_resize(void *ctx, int file, uint64_t size)
{
	(void)ctx;
	return ftruncate(file, (off_t)size) < 0 ? errno : 0;
}

static int local_punch(void *ctx, int file, uint64_t off, uint64_t len)
{
	(void)ctx;
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) <
			       0
		       ? errno
		       : 0;
}

static int local_sync(void *ctx, int file)
{
	(void)ctx;
	return fsync(file) < 0 ? errno : 0;
}

/* Some network file systems cannot sync a folder, and say EINVAL: their names are durable at once.
 */
static int local_sync_folder(void *ctx, int folder)
{
	(void)ctx;
	return fsync(folder) < 0 && errno != EINVAL ? errno : 0;
}

static int local_unlink(void *ctx, int folder, const char *name)
{
	(void)ctx;
	return unlinkat(folder, name, 0) < 0 ? errno : 0;
}

static int local_rename(void *ctx, int folder, const char *from, const char *to)
{
	(void)ctx;
	return renameat(folder, from, folder, to) < 0 ? errno : 0;
}

static void local_close(void *ctx, int handle)
{
	(void)ctx;
	close(handle);
}

static const struct medium_ops local_ops = {
	.resolve = local_resolve,
	.open_folder = local_open_folder,
	.claim = local_claim,
	.open = local_open,
	.info = local_info,
	.read = local_read,
	.write = local_write,
	.resize = local_resize,
	.punch = local_punch,
	.sync = local_sync,
	.sync_folder = local_sync_folder,
	.unlink = local_unlink,
	.rename = local_rename,
	.close = local_close,
};

const struct medium medium_local = { &local_ops, NULL };

int medium_open_folder_of(const struct medium *m, const char *path, char *work, int *folder,
			  const char **name, struct tranship_error *err)
{
	char parent[PATH_MAX];
	int sys;

	*folder = -1;
	if (strlen(path) >= PATH_MAX)
		return error_sys(err, ENAMETOOLONG, "its folder could not be opened");
	strcpy(parent, path);
	strcpy(work, path);
	*name = basename(work);
	if (strlen(*name) > NAME_MAX)
		return error_sys(err, ENAMETOOLONG, "its folder could not be opened");
	sys = m->ops->open_folder(m->ctx, dirname(parent), folder);
	if (sys)
		*folder = -1;
	return sys ? error_sys(err, sys, "its folder could not be opened") : 0;
}

int medium_read(const struct medium *m, int file, const char *what, uint64_t off, void *buf,
		size_t len, size_t *got, struct tranship_error *err)
{
	int sys = m->ops->read(m->ctx, file, off, buf, len, got);

	return sys ? error_sys(err, sys, "reading %zu bytes of %s at %" PRIu64 " failed", len, what,
			       off)
		   : 0;
}

int medium_write(const struct medium *m, int file, const char *what, uint64_t off, const void *buf,
		 size_t len, struct tranship_error *err)
{
	int sys = m->ops->write(m->ctx, file, off, buf, len);

	return sys ? error_sys(err, sys, "writing %zu bytes to %s at %" PRIu64 " failed", len, what,
			       off)
		   : 0;
}

int medium_resize(const struct medium *m, int file, const char *what, uint64_t size,
		  struct tranship_error *err)
{
	int sys = m->ops->resize(m->ctx, file, size);

	return sys ? error_sys(err, sys, "making %s %" PRIu64 " bytes long failed", what, size) : 0;
}

int medium_sync(const struct medium *m, int file, const char *what, struct tranship_error *err)
{
	int sys = m->ops->sync(m->ctx, file);

	return sys ? error_sys(err, sys, "fsync of %s failed, what was written may be lost", what)
		   : 0;
}

int medium_sync_folder(const struct medium *m, int folder, struct tranship_error *err)
{
	int sys = m->ops->sync_folder(m->ctx, folder);

	return sys ? error_sys(err, sys, "fsync of the file's folder failed") : 0;
}

int medium_unlink(const struct medium *m, int folder, const char *name, struct tranship_error *err)
{
	int sys = m->ops->unlink(m->ctx, folder, name);

	return sys && sys != ENOENT ? error_sys(err, sys, "'%s' could not be removed", name) : 0;
}
