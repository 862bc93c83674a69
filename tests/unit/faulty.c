// SPDX-License-Identifier: Apache-2.0
#include "faulty.h"

#include "base/error.h"
#include "io/file.h"

#include <stdlib.h>

struct faulty {
	struct tranship_file *inner;
	struct faults *faults;
};

/* Counts one call; whether it is the one that fails. */
static int count(struct faults *f, atomic_uint *counter, unsigned fail_at,
		 struct tranship_error *err)
{
	if (atomic_fetch_add(counter, 1) + 1 != fail_at)
		return 0;
	f->failed = true;
	return error_set(err, TRANSHIP_EIO, FAULT_MESSAGE);
}

static int count_read(struct faulty *f, struct tranship_error *err)
{
	return count(f->faults, &f->faults->reads, f->faults->fail_read, err);
}

static int count_write(struct faulty *f, struct tranship_error *err)
{
	return count(f->faults, &f->faults->writes, f->faults->fail_write, err);
}

static int faulty_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct faulty *f = ctx;
	int rc = count_read(f, err);

	if (rc == 0 && off < f->faults->bad + f->faults->bad_len && off + len > f->faults->bad)
		rc = error_set(err, TRANSHIP_EIO, FAULT_MESSAGE);
	return rc ? rc : tranship_file_read(f->inner, off, buf, len, err);
}

static int faulty_write(void *ctx, uint64_t off, const void *buf, size_t len,
			struct tranship_error *err)
{
	struct faulty *f = ctx;
	int rc = count_write(f, err);

	return rc ? rc : file_write(f->inner, off, buf, len, err);
}

static int faulty_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	struct faulty *f = ctx;
	int rc = count_write(f, err);

	return rc ? rc : file_resize(f->inner, size, err);
}

static int faulty_sync(void *ctx, struct tranship_error *err)
{
	struct faulty *f = ctx;
	int rc = count_write(f, err);

	return rc ? rc : file_sync(f->inner, err);
}

static void faulty_close(void *ctx)
{
	struct faulty *f = ctx;

	tranship_file_close(f->inner);
	free(f);
}

static const struct tranship_file_ops faulty_ops = {
	.read = faulty_read,
	.write = faulty_write,
	.resize = faulty_resize,
	.sync = faulty_sync,
	.close = faulty_close,
};

struct tranship_file *faulty_over(struct tranship_file *inner, struct faults *faults)
{
	struct faulty *f = malloc(sizeof(*f));
	struct tranship_file *file = NULL;

	if (!f)
		return NULL;
	*f = (struct faulty){ inner, faults };
	if (tranship_file_new(&faulty_ops, f, tranship_file_size(inner), &file, NULL))
		free(f);
	return file;
}
