// SPDX-License-Identifier: Apache-2.0
/* The calls of the recording medium: they fail when they are told to, else they are logged. */
#include "recording_inside.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Counts a call; an errno value if it fails. */
static int fault(struct recording *rec)
{
	struct recording_faults *f = &rec->faults;

	f->calls++;
	if (!f->fail_at || f->calls < f->fail_at || (f->calls > f->fail_at && !f->for_good))
		return 0;
	f->failed = true;
	return f->sys ? f->sys : EIO;
}

static struct inode *inode_of(struct recording *rec, int handle)
{
	return &rec->now.inodes[rec->handles[handle]];
}

static int new_handle(struct recording *rec, int inode, int *out)
{
	int i;

	for (i = 0; i < HANDLES && rec->handles[i] != UNUSED; i++)
		;
	if (i == HANDLES)
		return EMFILE;
	rec->handles[i] = inode;
	*out = i;
	return 0;
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int rec_resolve(void *ctx, const char *path, char *real)
{
	int sys = fault(ctx);

	if (sys == 0 && !recording_find(&((struct recording *)ctx)->now, last_component(path)))
		sys = ENOENT;
	if (sys == 0)
		snprintf(real, PATH_MAX, "/%s", last_component(path));
	return sys;
}

static int rec_open_folder(void *ctx, const char *path, int *out)
{
	int sys = fault(ctx);

	(void)path;
	return sys ? sys : new_handle(ctx, FOLDER, out);
}

static int rec_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	struct recording *rec = ctx;
	struct call c = { .kind = CALL_CREATE };
	int sys = fault(rec), *inode = recording_find(&rec->now, name);

	(void)folder;
	if (sys)
		return sys;
	if (create == (inode != NULL))
		return create ? EEXIST : ENOENT;
	if (create) {
		c.inode = recording_new_inode(&rec->now);
		snprintf(c.name, sizeof(c.name), "%s", name);
		recording_append(rec, &c);
		return new_handle(rec, c.inode, out);
	}
	return new_handle(rec, *inode, out);
}

static int rec_claim(void *ctx, int folder, const char *name, int *out, struct tranship_error *err)
{
	int sys = rec_open(ctx, folder, name, false, out);

	return sys ? error_sys(err, sys, "could not be opened for writing") : 0;
}

static int rec_info(void *ctx, int file, struct medium_info *out)
{
	struct recording *rec = ctx;
	int sys = fault(rec);

	bool device = rec->faults.device && rec->handles[file] == 0;

	if (sys == 0)
		*out = (struct medium_info){ device ? S_IFBLK : S_IFREG, inode_of(rec, file)->size,
					     FIRST_INO + (uint64_t)rec->handles[file], 1, 0 };
	return sys;
}

static int rec_read(void *ctx, int file, uint64_t off, void *buf, size_t len, size_t *got)
{
	struct recording *rec = ctx;
	const struct inode *inode = inode_of(rec, file);
	int sys = fault(rec);

	*got = 0;
	if (sys || off >= inode->size)
		return sys;
	*got = len < inode->size - (size_t)off ? len : inode->size - (size_t)off;
	memcpy(buf, inode->bytes + off, *got);
	return 0;
}

static bool has_room(struct recording *rec, const struct inode *inode, uint64_t end)
{
	uint64_t sum = end > inode->size ? end - inode->size : 0;
	int i;

	for (i = 0; i < NAMES; i++)
		if (rec->now.names[i].name[0])
			sum += rec->now.inodes[rec->now.names[i].inode].size;
	return rec->faults.room == 0 || end <= inode->size || sum <= rec->faults.room;
}

static int rec_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	struct recording *rec = ctx;
	unsigned char *bytes;
	int sys = fault(rec);

	if (sys)
		return sys;
	if (!has_room(rec, inode_of(rec, file), off + len))
		return ENOSPC;
	bytes = recording_must(malloc(len + 1));
	memcpy(bytes, buf, len);
	recording_append(rec, &(struct call){ .kind = CALL_WRITE,
					      .inode = rec->handles[file],
					      .off = off,
					      .len = len,
					      .bytes = bytes });
	free(bytes);
	return 0;
}

static int rec_resize(void *ctx, int file, uint64_t size)
{
	struct recording *rec = ctx;
	int sys = fault(rec);

	if (sys == 0)
		recording_append(rec, &(struct call){ .kind = CALL_RESIZE,
						      .inode = rec->handles[file],
						      .off = size });
	return sys;
}

static int sync_as(struct recording *rec, struct call c)
{
	int sys = fault(rec);

	if (sys == 0 && ++rec->faults.syncs != rec->faults.lose_sync)
		recording_append(rec, &c);
	return sys;
}

static int rec_sync(void *ctx, int file)
{
	struct recording *rec = ctx;

	return sync_as(rec, (struct call){ .kind = CALL_SYNC, .inode = rec->handles[file] });
}

static int rec_sync_folder(void *ctx, int folder)
{
	(void)folder;
	return sync_as(ctx, (struct call){ .kind = CALL_SYNC_FOLDER });
}

static int rec_unlink(void *ctx, int folder, const char *name)
{
	struct recording *rec = ctx;
	struct call c = { .kind = CALL_UNLINK };
	int sys = fault(rec);

	(void)folder;
	if (sys)
		return sys;
	if (!recording_find(&rec->now, name))
		return ENOENT;
	snprintf(c.name, sizeof(c.name), "%s", name);
	recording_append(rec, &c);
	return 0;
}

static int rec_rename(void *ctx, int folder, const char *from, const char *to)
{
	struct recording *rec = ctx;
	struct call c = { .kind = CALL_RENAME };
	int sys = fault(rec), *inode = recording_find(&rec->now, from);

	(void)folder;
	if (sys || !inode)
		return sys ? sys : ENOENT;
	c.inode = *inode;
	snprintf(c.name, sizeof(c.name), "%s", from);
	snprintf(c.to, sizeof(c.to), "%s", to);
	recording_append(rec, &c);
	return 0;
}

static void rec_close(void *ctx, int handle)
{
	((struct recording *)ctx)->handles[handle] = UNUSED;
}

const struct medium_ops recording_ops = {
	.resolve = rec_resolve,
	.open_folder = rec_open_folder,
	.claim = rec_claim,
	.open = rec_open,
	.info = rec_info,
	.read = rec_read,
	.write = rec_write,
	.resize = rec_resize,
	.sync = rec_sync,
	.sync_folder = rec_sync_folder,
	.unlink = rec_unlink,
	.rename = rec_rename,
	.close = rec_close,
};
