// SPDX-License-Identifier: Apache-2.0
#include "failing_medium.h"

#include "base/error.h"

#include <errno.h>

static int fault(struct failing *f)
{
	if (++f->calls != f->fail)
		return 0;
	f->failed = true;
	return EIO;
}

static int fail_resolve(void *ctx, const char *path, char *real)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->resolve(NULL, path, real);
}

static int fail_open_folder(void *ctx, const char *path, int *out)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->open_folder(NULL, path, out);
}

static int fail_claim(void *ctx, int folder, const char *name, int *out, struct tranship_error *err)
{
	int sys = fault(ctx);

	return sys ? error_sys(err, sys, "planted")
		   : medium_local.ops->claim(NULL, folder, name, out, err);
}

static int fail_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->open(NULL, folder, name, create, out);
}

static int fail_info(void *ctx, int file, struct medium_info *out)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->info(NULL, file, out);
}

static int fail_read(void *ctx, int file, uint64_t off, void *buf, size_t len, size_t *got)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->read(NULL, file, off, buf, len, got);
}

static int fail_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	struct failing *f = ctx;
	int sys = fault(f);

	if (f->fail_write && ++f->writes >= f->fail_write)
		sys = ENOSPC;
	return sys ? sys : medium_local.ops->write(NULL, file, off, buf, len);
}

static int fail_resize(void *ctx, int file, uint64_t size)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->resize(NULL, file, size);
}

static int fail_punch(void *ctx, int file, uint64_t off, uint64_t len)
{
	int sys = fault(ctx);

	return sys ? sys : medium_local.ops->punch(NULL, file, off, len);
}

static int sync_fault(struct failing *f)
{
	int sys = fault(f);

	return ++f->syncs == f->fail_sync ? EIO : sys;
}

static int fail_sync(void *ctx, int file)
{
	(void)file;
	return sync_fault(ctx);
}

static int fail_sync_folder(void *ctx, int folder)
{
	(void)folder;
	return sync_fault(ctx);
}

static int fail_unlink(void *ctx, int folder, const char *name)
{
	struct failing *f = ctx;
	int sys = fault(f);

	if (f->fail_rename && f->renames >= f->fail_rename)
		sys = EIO;
	return sys ? sys : medium_local.ops->unlink(NULL, folder, name);
}

static int fail_rename(void *ctx, int folder, const char *from, const char *to)
{
	struct failing *f = ctx;
	int sys = fault(f);

	if (f->fail_rename && ++f->renames >= f->fail_rename)
		sys = EIO;
	return sys ? sys : medium_local.ops->rename(NULL, folder, from, to);
}

static void fail_close(void *ctx, int handle)
{
	(void)ctx;
	medium_local.ops->close(NULL, handle);
}

static const struct medium_ops failing_ops = {
	.resolve = fail_resolve,
	.open_folder = fail_open_folder,
	.claim = fail_claim,
	.open = fail_open,
	.info = fail_info,
	.read = fail_read,
	.write = fail_write,
	.resize = fail_resize,
	.punch = fail_punch,
	.sync = fail_sync,
	.sync_folder = fail_sync_folder,
	.unlink = fail_unlink,
	.rename = fail_rename,
	.close = fail_close,
};

void failing_init(struct failing *f, unsigned fail)
{
	*f = (struct failing){ .medium = { &failing_ops, f }, .fail = fail };
}
