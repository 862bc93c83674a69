// SPDX-License-Identifier: Apache-2.0
#include "io/output_inside.h"

#include "base/error.h"
#include "io/file_local.h"
#include "io/journal.h"
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sync_folder(const struct output *o, struct tranship_error *err)
{
	if (o->params.cache == TRANSHIP_CACHE_UNSAFE || fsync(o->folder) == 0 || errno == EINVAL)
		return 0;
	return error_sys(err, errno, "fsync of the output's folder failed");
}

/* A file of its own name: resolve links first, so that a link to an image stays a link. */
static int open_replace(struct output *o, const char *path, struct tranship_error *err)
{
	char real[PATH_MAX], folder[PATH_MAX], name[PATH_MAX];

	if (*path == '\0' || path[strlen(path) - 1] == '/')
		return error_sys(err, *path ? EISDIR : ENOENT, "could not be written");
	if (!realpath(path, real)) {
		if (errno != ENOENT)
			return error_sys(err, errno, "could not be resolved");
		if (readlink(path, real, sizeof(real)) >= 0)
			return error_set(err, TRANSHIP_EINVAL, "it is a symbolic link to nothing");
		if (strlen(path) >= sizeof(real))
			return error_sys(err, ENAMETOOLONG, "could not be resolved");
		strcpy(real, path);
	}
	strcpy(folder, real);
	strcpy(name, real);
	o->kind = OUTPUT_REPLACE;
	o->folder = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->folder < 0)
		return error_sys(err, errno, "its folder could not be opened");
	return pending_open(o, &o->main, basename(name), &o->existed, err);
}

static int open_existing(struct output *o, const char *path, const struct stat *st,
			 struct tranship_error *err)
{
	bool device = S_ISBLK(st->st_mode);
	bool stream = !device && !S_ISREG(st->st_mode);
	int flags = O_CLOEXEC | O_NOCTTY | (stream ? O_WRONLY : O_RDWR) | (device ? O_EXCL : 0) |
		    output_sync_flag(o);
	int fd, rc;

	if (output_is_source(o, st))
		return output_source_refused(path, err);
	if (o->params.no_clobber && !o->params.in_place && !stream)
		return error_sys(err, EEXIST, "it is not overwritten");
	o->kind = stream ? OUTPUT_STREAM : OUTPUT_IN_PLACE;
	fd = open(path, flags);
	if (fd < 0)
		return error_sys(err, errno, "could not be opened for writing");
	rc = stream ? 0 : lock_exclusive(fd, err);
	if (rc == 0)
		rc = journal_check_fd(fd, err);
	if (rc == 0)
		rc = file_local_writer(fd, o->params.cache, stream, &o->file, err);
	if (rc)
		close(fd);
	return rc;
}

static int open_stdout(struct output *o, struct tranship_error *err)
{
	struct stat st;
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = error_sys(err, errno, "standard output could not be used");
	else if (output_is_source(o, &st))
		rc = output_source_refused("standard output", err);
	else if ((rc = journal_check_fd(fd, err)) ==
		 0) /* even a regular file: what stands before its offset is somebody else's */
		rc = file_local_writer(fd, o->params.cache, true, &o->file, err);
	if (rc && fd >= 0)
		close(fd);
	o->kind = OUTPUT_STREAM;
	return rc;
}

int output_open(const struct output_params *params, struct output **out, struct tranship_error *err)
{
	struct output *o = calloc(1, sizeof(*o));
	struct stat st;
	int rc;

	*out = NULL;
	if (!o) {
		free(params->sources);
		return error_nomem(err, sizeof(*o));
	}
	o->params = *params;
	o->folder = -1;
	if (strcmp(params->path, "-") == 0)
		rc = open_stdout(o, err);
	else if (stat(params->path, &st) == 0 && (!S_ISREG(st.st_mode) || params->in_place))
		rc = S_ISDIR(st.st_mode) ? error_sys(err, EISDIR, "could not be written")
					 : open_existing(o, params->path, &st, err);
	else if (params->in_place)
		rc = error_sys(err, errno ? errno : ENOENT, "it must exist to be written in place");
	else
		rc = open_replace(o, params->path, err);
	if (rc) {
		output_close(o);
		return rc;
	}
	*out = o;
	return 0;
}

int output_from_file(struct tranship_file *file, struct output **out, struct tranship_error *err)
{
	struct output *o = calloc(1, sizeof(*o));

	*out = NULL;
	if (!o)
		return error_nomem(err, sizeof(*o));
	o->kind = OUTPUT_BORROWED;
	o->folder = -1;
	o->file = file;
	*out = o;
	return 0;
}

static int count_write(void *ctx, uint64_t off, const void *buf, size_t len,
		       struct tranship_error *err)
{
	(void)ctx;
	(void)off;
	(void)buf;
	(void)len;
	(void)err;
	return 0;
}

static int count_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	(void)ctx;
	(void)size;
	(void)err;
	return 0;
}

/* The wrapper keeps the size; there is nothing to read. */
static const struct tranship_file_ops count_ops = { .write = count_write, .resize = count_resize };

int output_count(struct output **out, struct tranship_error *err)
{
	struct output *o = calloc(1, sizeof(*o));
	int rc;

	*out = NULL;
	if (!o)
		return error_nomem(err, sizeof(*o));
	o->kind = OUTPUT_COUNT;
	o->folder = -1;
	rc = tranship_file_new(&count_ops, NULL, 0, &o->file, err);
	if (rc) {
		output_close(o);
		return rc;
	}
	*out = o;
	return 0;
}

uint64_t output_total(const struct output *o)
{
	return o->file->size + o->counted_total;
}

struct tranship_file *output_main(struct output *o)
{
	return o->kind == OUTPUT_REPLACE ? o->main.file : o->file;
}

bool output_is_in_place(const struct output *o)
{
	return o->kind == OUTPUT_IN_PLACE;
}

bool output_is_stream(const struct output *o)
{
	return o->kind == OUTPUT_STREAM;
}

bool output_has_folder(const struct output *o)
{
	return o->kind == OUTPUT_REPLACE || o->kind == OUTPUT_COUNT;
}

const char *output_name(const struct output *o)
{
	return o->main.name ? o->main.name : "";
}

int output_extra(struct output *o, const char *name, struct tranship_file **out,
		 struct tranship_error *err)
{
	struct pending *extras;
	bool existed;
	int rc;

	*out = NULL;
	if (o->kind == OUTPUT_COUNT) {
		rc = tranship_file_new(&count_ops, NULL, 0, &o->counted, err);
		*out = o->counted;
		return rc;
	}
	extras = realloc(o->extras, (o->extra_count + 1) * sizeof(*extras));
	if (!extras)
		return error_nomem(err, (o->extra_count + 1) * sizeof(*extras));
	o->extras = extras;
	extras[o->extra_count] = (struct pending){ 0 };
	rc = pending_open(o, &extras[o->extra_count], name, &existed, err);
	if (rc) {
		pending_discard(o, &extras[o->extra_count]);
		return rc;
	}
	*out = extras[o->extra_count++].file;
	return 0;
}

int output_extra_done(struct output *o, struct tranship_error *err)
{
	if (o->kind == OUTPUT_COUNT) {
		o->counted_total += o->counted->size;
		tranship_file_close(o->counted);
		o->counted = NULL;
		return 0;
	}
	/* Its lock keeps other runs away from the partial file until that is renamed. */
	return file_sync(o->extras[o->extra_count - 1].file, err);
}

/*
 * An old descriptor must not stand beside new extents: it goes before the first of them comes. From
 * there to the last rename the image is missing, never mixed; extents without a descriptor do not
 * stay.
 */
static int finish_replace(struct output *o, struct tranship_error *err)
{
	size_t i;
	int rc = file_sync(o->main.file, err);

	/* A change of the old ones may have been begun, and interrupted, meanwhile. */
	if (rc == 0)
		rc = journal_check_name(o->folder, o->main.name, err);
	for (i = 0; rc == 0 && i < o->extra_count; i++)
		rc = journal_check_name(o->folder, o->extras[i].name, err);
	if (rc == 0 && o->extra_count > 0 && o->existed &&
	    unlinkat(o->folder, o->main.name, 0) < 0 && errno != ENOENT)
		rc = error_sys(err, errno, "the old '%s' could not be removed", o->main.name);
	if (rc == 0 && o->extra_count > 0 && o->existed)
		rc = sync_folder(o, err);
	for (i = 0; rc == 0 && i < o->extra_count; i++)
		rc = pending_rename(o, &o->extras[i], err);
	if (rc == 0 && o->extra_count > 0)
		rc = sync_folder(o, err);
	if (rc == 0)
		rc = pending_rename(o, &o->main, err);
	if (rc == 0)
		return sync_folder(o, err);
	for (i = 0; i < o->extra_count; i++)
		if (!o->extras[i].partial)
			unlinkat(o->folder, o->extras[i].name, 0);
	return rc;
}

int output_finish(struct output *o, struct tranship_error *err)
{
	if (o->kind == OUTPUT_REPLACE)
		return finish_replace(o, err);
	return file_sync(o->file, err);
}

void output_close(struct output *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->extra_count; i++)
		pending_discard(o, &o->extras[i]);
	free(o->extras);
	pending_discard(o, &o->main);
	tranship_file_close(o->counted);
	if (o->kind != OUTPUT_BORROWED)
		tranship_file_close(o->file);
	if (o->folder >= 0)
		close(o->folder);
	free(o->params.sources);
	free(o);
}
