// SPDX-License-Identifier: Apache-2.0
/*
 * Local files.
 *
 * Reading a disk of terabytes must not push everything else out of the page cache. With
 * TRANSHIP_FILE_DROP_BEHIND each read first takes what is cached already (RWF_NOWAIT) and leaves
 * that alone; only what had to be fetched is given back afterwards. Read-ahead is off then, because
 * pages that it brings in would pass for somebody else's; the reads of the copy loop are large
 * enough without it.
 */
#include "io/file_local.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/journal.h"
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define DIRECT_ALIGN 4096U
#define DIRECT_CHUNK (1U << 20)
#define WRITE_BEHIND (8U << 20)

struct local {
	int fd;
	unsigned flags;
	atomic_bool drop_behind;
	enum tranship_cache cache;
	uint64_t written_from; /* start of the stretch that no writeback was started for */
	uint64_t flushed_from; /* start of the stretch whose writeback runs */
};

static int read_failed(uint64_t off, size_t len, struct tranship_error *err)
{
	return error_sys(err, errno, "reading %zu bytes at %" PRIu64 " failed", len, off);
}

/* pread until len bytes are there. *got is short only at the end of the file. */
static int read_fully(int fd, uint64_t off, unsigned char *buf, size_t len, size_t *got,
		      struct tranship_error *err)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(fd, buf + *got, len - *got, (off_t)(off + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return read_failed(off, len, err);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

static int shorter_than_it_was(uint64_t off, size_t len, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "%zu bytes at %" PRIu64 ": the file became shorter while it was read", len,
			 off);
}

static int read_cached(struct local *local, uint64_t off, void *buf, size_t len,
		       struct tranship_error *err)
{
	size_t cached = 0, got;
	int rc;

	if (atomic_load_explicit(&local->drop_behind, memory_order_relaxed)) {
		struct iovec iov = { buf, len };
		ssize_t n = preadv2(local->fd, &iov, 1, (off_t)off, RWF_NOWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			atomic_store(&local->drop_behind, false); /* EOPNOTSUPP: tmpfs and others */
		cached = n > 0 ? (size_t)n : 0;
	}
	if (cached == len)
		return 0;
	rc = read_fully(local->fd, off + cached, (unsigned char *)buf + cached, len - cached, &got,
			err);
	if (rc)
		return rc;
	if (got < len - cached)
		return shorter_than_it_was(off, len, err);
	if (atomic_load_explicit(&local->drop_behind, memory_order_relaxed))
		posix_fadvise(local->fd, (off_t)(off + cached), (off_t)(len - cached),
			      POSIX_FADV_DONTNEED);
	return 0;
}

/* O_DIRECT wants aligned offsets, lengths and memory: whatever is not goes through an aligned
 * buffer. */
static int read_direct(struct local *local, uint64_t off, unsigned char *buf, size_t len,
		       struct tranship_error *err)
{
	unsigned char *bounce;
	int rc = 0;

	if (((uintptr_t)buf | off | len) % DIRECT_ALIGN == 0) {
		size_t got;

		rc = read_fully(local->fd, off, buf, len, &got, err);
		return rc ? rc : got < len ? shorter_than_it_was(off, len, err) : 0;
	}
	bounce = aligned_alloc(DIRECT_ALIGN, DIRECT_CHUNK);
	if (!bounce)
		return error_nomem(err, DIRECT_CHUNK);
	while (len > 0) {
		uint64_t start = round_down(off, DIRECT_ALIGN);
		size_t skip = (size_t)(off - start);
		size_t n = (size_t)min_u64(len, DIRECT_CHUNK - skip), got;

		rc = read_fully(local->fd, start, bounce, (size_t)round_up(skip + n, DIRECT_ALIGN),
				&got, err);
		if (rc == 0 && got < skip + n)
			rc = shorter_than_it_was(off, n, err);
		if (rc)
			break;
		memcpy(buf, bounce + skip, n);
		off += n;
		buf += n;
		len -= n;
	}
	free(bounce);
	return rc;
}

static int local_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct local *local = ctx;

	return local->flags & TRANSHIP_FILE_DIRECT ? read_direct(local, off, buf, len, err)
						   : read_cached(local, off, buf, len, err);
}

/* Where lseek cannot tell (block devices, some network file systems) everything is data. */
void file_local_map(int fd, uint64_t off, struct tranship_file_extent *out)
{
	off_t data = lseek(fd, (off_t)off, SEEK_DATA);
	off_t hole;

	if (data < 0) {
		out->hole = errno == ENXIO;
		return;
	}
	if ((uint64_t)data > off) {
		out->len = (uint64_t)data - off;
		out->hole = true;
		return;
	}
	hole = lseek(fd, (off_t)off, SEEK_HOLE);
	if (hole > data)
		out->len = (uint64_t)hole - off;
}

static int local_map(void *ctx, uint64_t off, struct tranship_file_extent *out,
		     struct tranship_error *err)
{
	(void)err;
	file_local_map(((const struct local *)ctx)->fd, off, out);
	return 0;
}

/*
 * Starts writeback early, so that the fsync at the end finds little to do; with TRANSHIP_CACHE_NONE
 * the stretch before it is waited for and given back to the cache. Both are hints: their errors
 * come with fsync.
 */
static void write_behind(struct local *local, uint64_t end)
{
	if (end < local->written_from + WRITE_BEHIND)
		return;
	sync_file_range(local->fd, (off_t)local->written_from, (off_t)(end - local->written_from),
			SYNC_FILE_RANGE_WRITE);
	if (local->cache == TRANSHIP_CACHE_NONE && local->written_from > local->flushed_from) {
		off_t from = (off_t)local->flushed_from,
		      len = (off_t)(local->written_from - local->flushed_from);

		sync_file_range(local->fd, from, len,
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					SYNC_FILE_RANGE_WAIT_AFTER);
		posix_fadvise(local->fd, from, len, POSIX_FADV_DONTNEED);
	}
	local->flushed_from = local->written_from;
	local->written_from = end;
}

static int local_write(void *ctx, uint64_t off, const void *buf, size_t len,
		       struct tranship_error *err)
{
	struct local *local = ctx;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(local->fd, (const unsigned char *)buf + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "writing %zu bytes at %" PRIu64 " failed", len,
					 off);
		done += (size_t)n;
	}
	if (local->cache != TRANSHIP_CACHE_UNSAFE)
		write_behind(local, off + len);
	return 0;
}

static int stream_write(void *ctx, uint64_t off, const void *buf, size_t len,
			struct tranship_error *err)
{
	struct local *local = ctx;
	size_t done = 0;

	(void)off; /* the wrapper lets only the end through */
	while (done < len) {
		ssize_t n = write(local->fd, (const unsigned char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "writing %zu bytes at %" PRIu64 " failed", len,
					 off);
		done += (size_t)n;
	}
	return 0;
}

static int local_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	const struct local *local = ctx;

	if (ftruncate(local->fd, (off_t)size) < 0)
		return error_sys(err, errno, "making the file %" PRIu64 " bytes long failed", size);
	return 0;
}

static int local_zero(void *ctx, uint64_t off, uint64_t len, struct tranship_error *err)
{
	static const int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	static const unsigned char zeros[64 * 1024];
	const struct local *local = ctx;
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (fallocate(local->fd, modes[i], (off_t)off, (off_t)len) == 0)
			return 0;
	while (len > 0 && rc == 0) {
		size_t n = (size_t)min_u64(len, sizeof(zeros));

		rc = local_write(ctx, off, zeros, n, err);
		off += n;
		len -= n;
	}
	return rc;
}

static int local_sync(void *ctx, struct tranship_error *err)
{
	const struct local *local = ctx;

	if (local->cache == TRANSHIP_CACHE_UNSAFE || fsync(local->fd) == 0)
		return 0;
	if (errno == EINVAL ||
	    errno == EROFS) /* not a thing that can be synced: a pipe, /dev/null */
		return 0;
	return error_sys(err, errno, "fsync failed, what was written may be lost");
}

static void local_close(void *ctx)
{
	struct local *local = ctx;

	close(local->fd);
	free(local);
}

static const struct tranship_file_ops reader_ops = {
	.read = local_read,
	.map = local_map,
	.close = local_close,
};

static const struct tranship_file_ops writer_ops = {
	.read = local_read,
	.write = local_write,
	.resize = local_resize,
	.zero = local_zero,
	.sync = local_sync,
	.map = local_map,
	.close = local_close,
};

static const struct tranship_file_ops stream_ops = {
	.write = stream_write,
	.sync = local_sync,
	.close = local_close,
};

static const char *kind_name(mode_t mode)
{
	return S_ISDIR(mode)    ? "a directory"
	       : S_ISCHR(mode)  ? "a character device"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "no regular file";
}

static int local_size(int fd, const struct stat *st, uint64_t *size, struct tranship_error *err)
{
	*size = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, size) < 0)
		return error_sys(err, errno, "the size of the device could not be read");
	return 0;
}

static int local_new(int fd, unsigned flags, enum tranship_cache cache,
		     const struct tranship_file_ops *ops, const struct stat *st, uint64_t size,
		     struct tranship_file **out, struct tranship_error *err)
{
	struct local *local = calloc(1, sizeof(*local));
	int rc;

	if (!local)
		return error_nomem(err, sizeof(*local));
	local->fd = fd;
	local->flags = flags;
	local->cache = cache;
	atomic_init(&local->drop_behind, (flags & TRANSHIP_FILE_DROP_BEHIND) != 0);
	rc = tranship_file_new(ops, local, size, out, err);
	if (rc) {
		free(local);
		return rc;
	}
	(*out)->has_id = true;
	(*out)->id = (struct file_id){ st->st_dev, st->st_ino };
	if (S_ISREG(st->st_mode))
		(*out)->allocated = (uint64_t)st->st_blocks * 512;
	return 0;
}

int file_local_reader(int fd, unsigned flags, struct tranship_file **out,
		      struct tranship_error *err)
{
	struct stat st;
	uint64_t size;
	int rc;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "fstat failed");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, TRANSHIP_EINVAL,
				 "it is %s, not a file with content at offsets",
				 kind_name(st.st_mode));
	rc = local_size(fd, &st, &size, err);
	if (rc)
		return rc;
	if (!(flags & TRANSHIP_FILE_FORCE_SHARE)) {
		rc = lock_shared(fd, err);
		if (rc == 0 && !(flags & FILE_UNFINISHED))
			rc = journal_check_fd(fd, err);
		if (rc)
			return rc;
	}
	if (flags & TRANSHIP_FILE_DIRECT && fcntl(fd, F_SETFL, O_DIRECT) < 0) /* tmpfs and others */
		flags = (flags & ~(unsigned)TRANSHIP_FILE_DIRECT) | TRANSHIP_FILE_DROP_BEHIND;
	if (flags & TRANSHIP_FILE_DROP_BEHIND)
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return local_new(fd, flags, TRANSHIP_CACHE_WRITEBACK, &reader_ops, &st, size, out, err);
}

int file_local_writer(int fd, enum tranship_cache cache, bool sequential,
		      struct tranship_file **out, struct tranship_error *err)
{
	struct stat st;
	uint64_t size;
	int rc;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "fstat failed");
	if (S_ISDIR(st.st_mode))
		return error_set(err, TRANSHIP_EINVAL, "it is a directory");
	rc = local_size(fd, &st, &size, err);
	if (rc)
		return rc;
	rc = local_new(fd, 0, cache, sequential ? &stream_ops : &writer_ops, &st,
		       sequential ? 0 : size, out, err);
	if (rc == 0)
		(*out)->sequential = sequential;
	return rc;
}

int file_local_fd(const struct tranship_file *file)
{
	return ((const struct local *)file->ctx)->fd;
}

int tranship_file_open(const char *path, unsigned flags, struct tranship_file **out,
		       struct tranship_error *err)
{
	int fd, rc;

	*out = NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_sys(err, errno, "could not be opened");
	rc = file_local_reader(fd, flags, out, err);
	if (rc)
		close(fd);
	return rc;
}
