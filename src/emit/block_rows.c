// SPDX-License-Identifier: Apache-2.0
#include "emit/block_rows.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A row's check is seeded with this, which changes with the layout. */
#define ROW_SEED 0x7472616E73686970ULL
#define OFF_NAME 0
#define OFF_SLOT 32
#define OFF_RECORD 48
#define OFF_RAW 52
#define OFF_ZERO 56
#define OFF_CHECK 64
#define WAITING_MAX 256U

struct block_rows {
	int fd;
	bool named;
	pthread_rwlock_t lock; /* of what waits */
	uint64_t written;      /* rows in the file */
	unsigned char waiting[WAITING_MAX * BLOCK_ROW_SIZE];
	size_t waiting_count;
};

/* Not every file system has files without a name. */
static int open_unnamed(void)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!folder || !*folder)
		folder = "/tmp";
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	if ((size_t)snprintf(path, sizeof(path), "%s/.tranship-XXXXXX", folder) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_named(const char *folder)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/blocks", folder) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int block_rows_open(const char *folder, struct block_rows **out, struct tranship_error *err)
{
	struct block_rows *rows = calloc(1, sizeof(*rows));
	struct stat st;

	*out = NULL;
	if (!rows)
		return error_nomem(err, sizeof(*rows));
	rows->named = folder != NULL;
	rows->fd = folder ? open_named(folder) : open_unnamed();
	if (rows->fd < 0 || (folder && flock(rows->fd, LOCK_EX | LOCK_NB) < 0) ||
	    fstat(rows->fd, &st) < 0) {
		int sys = errno;

		if (rows->fd >= 0)
			close(rows->fd);
		free(rows);
		return error_sys(err, sys, "the index of blocks in '%s' could not be opened",
				 folder ? folder : "the folder for temporary files");
	}
	rows->written = (uint64_t)st.st_size / BLOCK_ROW_SIZE; /* a part of one is written over */
	pthread_rwlock_init(&rows->lock, NULL);
	*out = rows;
	return 0;
}

void block_rows_close(struct block_rows *rows)
{
	if (!rows)
		return;
	close(rows->fd);
	pthread_rwlock_destroy(&rows->lock);
	free(rows);
}

uint64_t block_rows_count(const struct block_rows *rows)
{
	return rows->written + rows->waiting_count;
}

static void encode(const struct block_row *row, unsigned char *raw)
{
	memcpy(raw + OFF_NAME, row->name, NAME_SIZE);
	memcpy(raw + OFF_SLOT, row->at.slot.bytes, OBJECT_ID_SIZE);
	put_le32(raw + OFF_RECORD, row->at.record);
	put_le32(raw + OFF_RAW, row->raw);
	put_le64(raw + OFF_ZERO, 0);
	put_le64(raw + OFF_CHECK, check64(raw, OFF_CHECK, ROW_SEED));
}

static bool decode(const unsigned char *raw, struct block_row *out)
{
	if (get_le64(raw + OFF_CHECK) != check64(raw, OFF_CHECK, ROW_SEED))
		return false;
	memcpy(out->name, raw + OFF_NAME, NAME_SIZE);
	memcpy(out->at.slot.bytes, raw + OFF_SLOT, OBJECT_ID_SIZE);
	out->at.record = get_le32(raw + OFF_RECORD);
	out->raw = get_le32(raw + OFF_RAW);
	return true;
}

bool block_rows_get(const struct block_rows *rows, uint64_t number, struct block_row *out)
{
	pthread_rwlock_t *lock = (pthread_rwlock_t *)(uintptr_t)&rows->lock;
	unsigned char raw[BLOCK_ROW_SIZE];
	bool there = true;

	pthread_rwlock_rdlock(lock);
	if (number >= rows->written + rows->waiting_count)
		there = false;
	else if (number >= rows->written)
		memcpy(raw, rows->waiting + (number - rows->written) * BLOCK_ROW_SIZE,
		       BLOCK_ROW_SIZE);
	else
		there = pread(rows->fd, raw, sizeof(raw), (off_t)(number * BLOCK_ROW_SIZE)) ==
			(ssize_t)sizeof(raw);
	pthread_rwlock_unlock(lock);
	return there && decode(raw, out);
}

/* Under the lock. */
static int write_waiting(struct block_rows *rows, struct tranship_error *err)
{
	size_t len = rows->waiting_count * BLOCK_ROW_SIZE, done = 0;
	off_t at = (off_t)(rows->written * BLOCK_ROW_SIZE);

	while (done < len) {
		ssize_t n = pwrite(rows->fd, rows->waiting + done, len - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_sys(err, n < 0 ? errno : ENOSPC,
					 "the index of blocks could not be written");
		done += (size_t)n;
	}
	rows->written += rows->waiting_count;
	rows->waiting_count = 0;
	return 0;
}

int block_rows_add(struct block_rows *rows, const struct block_row *row, struct tranship_error *err)
{
	int rc = 0;

	pthread_rwlock_wrlock(&rows->lock);
	if (rows->waiting_count == WAITING_MAX)
		rc = write_waiting(rows, err);
	if (rc == 0)
		encode(row, rows->waiting + rows->waiting_count++ * BLOCK_ROW_SIZE);
	pthread_rwlock_unlock(&rows->lock);
	return rc;
}

int block_rows_settle(struct block_rows *rows, struct tranship_error *err)
{
	int rc;

	pthread_rwlock_wrlock(&rows->lock);
	rc = write_waiting(rows, err);
	pthread_rwlock_unlock(&rows->lock);
	if (rows->named)
		flock(rows->fd, LOCK_UN);
	return rc;
}

int block_rows_clear(struct block_rows *rows, struct tranship_error *err)
{
	if (ftruncate(rows->fd, 0) < 0)
		return error_sys(err, errno, "the index of blocks could not be emptied");
	rows->written = 0;
	rows->waiting_count = 0;
	return 0;
}
