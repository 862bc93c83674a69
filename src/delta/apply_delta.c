// SPDX-License-Identifier: Apache-2.0
/* Where a delta comes from: a file, or a pipe, which is kept until its end was seen. */
#include "delta/apply_delta.h"

#include "base/error.h"
#include "io/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int look(void *ctx, struct tranship_error *err)
{
	return meter_tick(ctx, err);
}

/* What is no delta is refused before it is kept, however much of it there is. */
static int check_head(struct stream *stream, struct tranship_error *err)
{
	struct delta_head head;
	const unsigned char *bytes;
	size_t got;
	int rc = stream_peek(stream, DELTA_HEAD_SIZE, &bytes, &got, err);

	if (rc)
		return rc;
	if (got < DELTA_HEAD_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "a delta has at least %u bytes, %zu came through the pipe",
				 DELTA_HEAD_SIZE, got);
	return delta_head_decode(bytes, &head, err);
}

/* Takes over fd. */
static int spool(int fd, const char *folder, struct meter *meter, struct tranship_file **out,
		 struct tranship_error *err)
{
	struct stream *stream;
	int rc;

	if (!folder) {
		close(fd);
		return error_set(err, TRANSHIP_EINVAL,
				 "a delta from a pipe needs a folder where it is kept");
	}
	rc = stream_new(fd, &stream, err);
	if (rc) {
		close(fd);
		return rc;
	}
	stream_watch(stream, look, meter);
	rc = check_head(stream, err);
	if (rc == 0)
		rc = stream_spool(stream, folder, out, err);
	stream_close(stream);
	return rc;
}

static int open_file(const char *path, const char *folder, struct meter *meter,
		     struct tranship_file **out, struct tranship_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	struct stat st;
	int fd;

	*out = NULL;
	if ((standard ? fstat(STDIN_FILENO, &st) : stat(path, &st)) < 0)
		return error_sys(err, errno, "could not be opened");
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return tranship_file_open(standard ? "/proc/self/fd/0" : path, 0, out, err);
	if (S_ISCHR(st.st_mode) || S_ISDIR(st.st_mode))
		return error_set(err, TRANSHIP_EINVAL,
				 "a delta is a file, or comes through a pipe; this is neither");
	fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "could not be opened");
	return spool(fd, folder, meter, out, err);
}

int apply_delta_open(struct apply_delta *d, const char *path, const char *spool_folder,
		     struct meter *meter, struct tranship_error *err)
{
	int rc;

	*d = (struct apply_delta){ .path = path };
	atomic_init(&d->stop, false);
	rc = open_file(path, spool_folder, meter, &d->file, err);
	if (rc == 0)
		rc = delta_open(d->file, 0, &d->delta, err);
	if (rc)
		apply_delta_close(d);
	return rc;
}

static int look_up(void *ctx, uint64_t done, struct tranship_error *err)
{
	struct apply_delta *d = ctx;

	(void)done;
	return atomic_load(&d->stop) ? error_set(err, TRANSHIP_ECANCELED, "canceled") : 0;
}

static void *verify_main(void *arg)
{
	struct apply_delta *d = arg;

	d->rc = delta_verify(d->delta, look_up, d, &d->err);
	return NULL;
}

void apply_delta_verify(struct apply_delta *d, bool alone)
{
	d->running = !alone && pthread_create(&d->thread, NULL, verify_main, d) == 0;
	if (!d->running)
		verify_main(d);
}

int apply_delta_verified(struct apply_delta *d, bool stop, struct tranship_error *err)
{
	if (stop)
		atomic_store(&d->stop, true);
	if (d->running)
		pthread_join(d->thread, NULL);
	d->running = false;
	if (d->rc == 0 || stop)
		return 0;
	error_copy(err, &d->err, d->rc);
	return error_in_file(err, d->rc, d->path);
}

void apply_delta_close(struct apply_delta *d)
{
	delta_close(d->delta);
	tranship_file_close(d->file);
	d->delta = NULL;
	d->file = NULL;
}
