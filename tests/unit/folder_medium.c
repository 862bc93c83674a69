// SPDX-License-Identifier: Apache-2.0
#include "folder_inside.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 2000
#define STARTING 16
#define NAMES 64
#define HANDLES 1024
#define PAGE 4096U

/* A file of the start: its content then, and which pages of it may differ now. */
struct starting {
	char name[FOLDER_NAME];
	unsigned char *bytes;
	size_t size;
	unsigned char *dirty; /* of the first `size` bytes, a byte each page */
	int fd;
};

struct folder_medium {
	struct medium medium;
	char root[PATH_MAX];
	struct starting starting[STARTING];
	int starting_count, file_count;
	struct {
		char name[FOLDER_NAME];
		int file;
	} names[NAMES];
	int name_count;
	struct {
		bool used;
		int file;
		char folder[FOLDER_NAME];
	} handles[HANDLES];
	struct folder_log *log;
	struct folder_syncs syncs;
};

static void full_path(const struct folder_medium *fm, const char *name, char *out)
{
	assert_true(snprintf(out, PATH_MAX, "%s/%s", fm->root, name) < PATH_MAX);
}

/* Names. */

static int find_name(const struct folder_medium *fm, const char *name)
{
	int i;

	for (i = 0; i < fm->name_count; i++)
		if (strcmp(fm->names[i].name, name) == 0)
			return i;
	return -1;
}

static void forget_name(struct folder_medium *fm, const char *name)
{
	int i = find_name(fm, name);

	if (i >= 0)
		fm->names[i] = fm->names[--fm->name_count];
}

static void enter_name(struct folder_medium *fm, const char *name, int file)
{
	forget_name(fm, name);
	assert_true(fm->name_count < NAMES);
	snprintf(fm->names[fm->name_count].name, FOLDER_NAME, "%s", name);
	fm->names[fm->name_count++].file = file;
}

unsigned folder_medium_new_names(const struct folder_medium *fm, char *name, size_t cap)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < fm->name_count; i++)
		if (fm->names[i].file >= fm->starting_count && n++ == 0)
			snprintf(name, cap, "%s", fm->names[i].name);
	return n;
}

/* What operations do. */

static void mark_dirty(struct starting *s, uint64_t off, uint64_t len)
{
	uint64_t page;

	for (page = off / PAGE; len > 0 && page <= (off + len - 1) / PAGE; page++)
		if (page * PAGE < s->size)
			s->dirty[page] = 1;
}

static void note_change(struct folder_medium *fm, const struct folder_op *op)
{
	struct starting *s;

	if (op->file >= fm->starting_count)
		return;
	s = &fm->starting[op->file];
	if (op->kind == FOLDER_WRITE)
		mark_dirty(s, op->off, op->len);
	else if (op->off < s->size)
		mark_dirty(s, op->off, s->size - op->off);
}

/* A file whose name was removed comes back under it, as another one. */
static void bring_back(struct folder_medium *fm, struct starting *s)
{
	char path[PATH_MAX];
	struct stat st;

	assert_int_equal(fstat(s->fd, &st), 0);
	if (st.st_nlink > 0)
		return;
	full_path(fm, s->name, path);
	close(s->fd);
	s->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(s->fd >= 0);
	memset(s->dirty, 1, s->size / PAGE + 1);
}

/* Of the files of the start those go that lost their names. */
static void remove_starting(struct folder_medium *fm)
{
	char path[PATH_MAX];
	int i, at;

	for (i = 0; i < fm->starting_count; i++) {
		at = find_name(fm, fm->starting[i].name);
		if (at >= 0 && fm->names[at].file == i)
			continue;
		full_path(fm, fm->starting[i].name, path);
		assert_int_equal(unlink(path), 0);
	}
}

/* A file as it was at the start. */
static void start_again(struct starting *s)
{
	size_t page;

	for (page = 0; page * PAGE < s->size; page++) {
		size_t n = s->size - page * PAGE < PAGE ? s->size - page * PAGE : PAGE;

		if (s->dirty[page])
			assert_int_equal(
				pwrite(s->fd, s->bytes + page * PAGE, n, (off_t)(page * PAGE)), n);
		s->dirty[page] = 0;
	}
	assert_int_equal(ftruncate(s->fd, (off_t)s->size), 0);
}

static int fd_of(struct folder_medium *fm, int file, int *created)
{
	if (file < fm->starting_count)
		return fm->starting[file].fd;
	if (created[file] < 0)
		created[file] = memfd_create("file", MFD_CLOEXEC);
	assert_true(created[file] >= 0);
	return created[file];
}

static bool can_be_seen(const struct folder_medium *fm, int file)
{
	int i;

	for (i = 0; i < fm->name_count; i++)
		if (fm->names[i].file == file)
			return true;
	return false;
}

static void perform_data(struct folder_medium *fm, const struct folder_op *op, int *created)
{
	if (op->kind == FOLDER_WRITE)
		assert_int_equal(
			pwrite(fd_of(fm, op->file, created), op->bytes, op->len, (off_t)op->off),
			op->len);
	else if (op->kind == FOLDER_RESIZE)
		assert_int_equal(ftruncate(fd_of(fm, op->file, created), (off_t)op->off), 0);
	else
		return;
	note_change(fm, op);
}

static void perform_name(struct folder_medium *fm, const struct folder_op *op)
{
	if (op->kind == FOLDER_UNLINK || op->kind == FOLDER_RENAME)
		forget_name(fm, op->name);
	if (op->kind == FOLDER_CREATE)
		enter_name(fm, op->name, op->file);
	else if (op->kind == FOLDER_RENAME)
		enter_name(fm, op->to, op->file);
}

/* Gives a file that was created its name. */
static void place(struct folder_medium *fm, const char *name, int from)
{
	char path[PATH_MAX];
	unsigned char chunk[1 << 16];
	ssize_t n;
	off_t off;
	int fd;

	full_path(fm, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (off = 0; from >= 0 && (n = pread(from, chunk, sizeof(chunk), off)) > 0; off += n)
		assert_int_equal(write(fd, chunk, (size_t)n), n);
	close(fd);
}

/* Removes what was created. */
static void clear_names(struct folder_medium *fm)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; i < fm->name_count; i++)
		if (fm->names[i].file >= fm->starting_count) {
			full_path(fm, fm->names[i].name, path);
			assert_int_equal(unlink(path), 0);
		}
	fm->name_count = 0;
	for (i = 0; i < fm->starting_count; i++)
		enter_name(fm, fm->starting[i].name, i);
}

void folder_medium_begin(struct folder_medium *fm, struct folder_log *log)
{
	int created[FILES];
	size_t i;
	int n;

	for (n = 0; n < FILES; n++)
		created[n] = -1;
	clear_names(fm);
	for (n = 0; n < fm->starting_count; n++) {
		bring_back(fm, &fm->starting[n]);
		start_again(&fm->starting[n]);
	}
	fm->file_count = fm->starting_count;
	for (i = 0; i < log->count; i++) {
		perform_name(fm, log->ops[i]);
		if (log->ops[i]->file >= fm->file_count)
			fm->file_count = log->ops[i]->file + 1;
	}
	for (i = 0; i < log->count; i++)
		if (can_be_seen(fm, log->ops[i]->file))
			perform_data(fm, log->ops[i], created);
	remove_starting(fm);
	for (n = 0; n < fm->name_count; n++)
		if (fm->names[n].file >= fm->starting_count)
			place(fm, fm->names[n].name, created[fm->names[n].file]);
	for (n = 0; n < FILES; n++)
		if (created[n] >= 0)
			close(created[n]);
	fm->log = log;
	fm->syncs = (struct folder_syncs){ 0 };
}

struct folder_syncs *folder_medium_syncs(struct folder_medium *fm)
{
	return &fm->syncs;
}

/* The calls. */

static void done(struct folder_medium *fm, const struct folder_op *op)
{
	folder_log_add(fm->log, op);
	if (op->kind == FOLDER_WRITE || op->kind == FOLDER_RESIZE)
		note_change(fm, op);
}

static void hold(struct folder_medium *fm, int fd, int file, const char *folder)
{
	assert_true(fd < HANDLES && !fm->handles[fd].used);
	fm->handles[fd].used = true;
	fm->handles[fd].file = file;
	snprintf(fm->handles[fd].folder, FOLDER_NAME, "%s", folder);
}

unsigned folder_medium_open_handles(const struct folder_medium *fm)
{
	unsigned i, n = 0;

	for (i = 0; i < HANDLES; i++)
		n += fm->handles[i].used;
	return n;
}

static void name_in(const struct folder_medium *fm, int folder, const char *name, char *out)
{
	assert_true(fm->handles[folder].used);
	assert_true(snprintf(out, FOLDER_NAME, "%s%s", fm->handles[folder].folder, name) <
		    (int)FOLDER_NAME);
}

static int fm_resolve(void *ctx, const char *path, char *real)
{
	(void)ctx;
	return medium_local.ops->resolve(NULL, path, real);
}

static int fm_open_folder(void *ctx, const char *path, int *out)
{
	struct folder_medium *fm = ctx;
	char folder[FOLDER_NAME] = "";
	size_t len = strlen(fm->root);
	int sys = medium_local.ops->open_folder(NULL, path, out);

	if (sys)
		return sys;
	assert_int_equal(strncmp(path, fm->root, len), 0);
	if (path[len])
		snprintf(folder, sizeof(folder), "%s/", path + len + 1);
	hold(fm, *out, -1, folder);
	return 0;
}

static int fm_claim(void *ctx, int folder, const char *name, int *out, struct tranship_error *err)
{
	struct folder_medium *fm = ctx;
	char full[FOLDER_NAME];
	int rc = medium_local.ops->claim(NULL, folder, name, out, err);

	if (rc)
		return rc;
	name_in(fm, folder, name, full);
	assert_true(find_name(fm, full) >= 0);
	hold(fm, *out, fm->names[find_name(fm, full)].file, "");
	return 0;
}

static int fm_open(void *ctx, int folder, const char *name, bool create, int *out)
{
	struct folder_medium *fm = ctx;
	struct folder_op op = { .kind = FOLDER_CREATE };
	int sys = medium_local.ops->open(NULL, folder, name, create, out);

	if (sys)
		return sys;
	name_in(fm, folder, name, op.name);
	if (create) {
		assert_true(fm->file_count < FILES);
		op.file = fm->file_count++;
		enter_name(fm, op.name, op.file);
		done(fm, &op);
	}
	assert_true(find_name(fm, op.name) >= 0);
	hold(fm, *out, fm->names[find_name(fm, op.name)].file, "");
	return 0;
}

static int fm_info(void *ctx, int file, struct medium_info *out)
{
	int sys = medium_local.ops->info(NULL, file, out);

	(void)ctx;
	out->mtime_ns = 0; /* states are made again and again */
	return sys;
}

static int fm_read(void *ctx, int file, uint64_t off, void *buf, size_t len, size_t *got)
{
	(void)ctx;
	return medium_local.ops->read(NULL, file, off, buf, len, got);
}

static int fm_write(void *ctx, int file, uint64_t off, const void *buf, size_t len)
{
	struct folder_medium *fm = ctx;
	unsigned char *bytes = malloc(len + 1);
	int sys;

	assert_non_null(bytes);
	memcpy(bytes, buf, len);
	sys = medium_local.ops->write(NULL, file, off, buf, len);
	if (sys == 0)
		done(fm, &(struct folder_op){ .kind = FOLDER_WRITE,
					      .file = fm->handles[file].file,
					      .off = off,
					      .len = len,
					      .bytes = bytes });
	free(bytes);
	return sys;
}

static int fm_resize(void *ctx, int file, uint64_t size)
{
	struct folder_medium *fm = ctx;
	int sys = medium_local.ops->resize(NULL, file, size);

	if (sys == 0)
		done(fm, &(struct folder_op){ .kind = FOLDER_RESIZE,
					      .file = fm->handles[file].file,
					      .off = size });
	return sys;
}

/* What reads as the same: zeros that are written. */
static int fm_punch(void *ctx, int file, uint64_t off, uint64_t len)
{
	struct folder_medium *fm = ctx;
	unsigned char *zeros = calloc(len + 1, 1);
	int sys = medium_local.ops->punch(NULL, file, off, len);

	assert_non_null(zeros);
	if (sys == 0)
		done(fm, &(struct folder_op){ .kind = FOLDER_WRITE,
					      .file = fm->handles[file].file,
					      .off = off,
					      .len = len,
					      .bytes = zeros });
	free(zeros);
	return sys;
}

static int sync_as(struct folder_medium *fm, const struct folder_op *op)
{
	if (++fm->syncs.count != fm->syncs.lose) {
		done(fm, op);
		return 0;
	}
	fm->syncs.lost_at = fm->log->count;
	fm->syncs.lost_idle = folder_log_idle(fm->log, op, &fm->syncs.lost_note);
	return 0;
}

static int fm_sync(void *ctx, int file)
{
	struct folder_medium *fm = ctx;

	return sync_as(fm,
		       &(struct folder_op){ .kind = FOLDER_SYNC, .file = fm->handles[file].file });
}

static int fm_sync_folder(void *ctx, int folder)
{
	struct folder_medium *fm = ctx;
	struct folder_op op = { .kind = FOLDER_SYNC_FOLDER };

	name_in(fm, folder, "", op.name);
	return sync_as(fm, &op);
}

static int fm_unlink(void *ctx, int folder, const char *name)
{
	struct folder_medium *fm = ctx;
	struct folder_op op = { .kind = FOLDER_UNLINK };
	int sys = medium_local.ops->unlink(NULL, folder, name);

	if (sys)
		return sys;
	name_in(fm, folder, name, op.name);
	forget_name(fm, op.name);
	done(fm, &op);
	return 0;
}

static int fm_rename(void *ctx, int folder, const char *from, const char *to)
{
	struct folder_medium *fm = ctx;
	struct folder_op op = { .kind = FOLDER_RENAME };
	int sys = medium_local.ops->rename(NULL, folder, from, to);

	if (sys)
		return sys;
	name_in(fm, folder, from, op.name);
	name_in(fm, folder, to, op.to);
	op.file = fm->names[find_name(fm, op.name)].file;
	forget_name(fm, op.name);
	enter_name(fm, op.to, op.file);
	done(fm, &op);
	return 0;
}

static void fm_close(void *ctx, int handle)
{
	struct folder_medium *fm = ctx;

	assert_true(fm->handles[handle].used);
	fm->handles[handle].used = false;
	medium_local.ops->close(NULL, handle);
}

static const struct medium_ops folder_ops = {
	.resolve = fm_resolve,
	.open_folder = fm_open_folder,
	.claim = fm_claim,
	.open = fm_open,
	.info = fm_info,
	.read = fm_read,
	.write = fm_write,
	.resize = fm_resize,
	.punch = fm_punch,
	.sync = fm_sync,
	.sync_folder = fm_sync_folder,
	.unlink = fm_unlink,
	.rename = fm_rename,
	.close = fm_close,
};

/* The start. */

static void take_file(struct folder_medium *fm, const char *name)
{
	struct starting *s = &fm->starting[fm->starting_count];
	char path[PATH_MAX];

	assert_true(fm->starting_count < STARTING);
	snprintf(s->name, sizeof(s->name), "%s", name);
	full_path(fm, name, path);
	s->bytes = read_path(path, &s->size);
	s->dirty = calloc(s->size / PAGE + 1, 1);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(s->dirty && s->fd >= 0);
	enter_name(fm, name, fm->starting_count++);
}

static void take_folder(struct folder_medium *fm, const char *folder)
{
	char path[PATH_MAX], name[FOLDER_NAME];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	full_path(fm, folder, path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		assert_true(snprintf(name, sizeof(name), "%s%s", folder, entry->d_name) <
			    (int)sizeof(name));
		full_path(fm, name, path);
		assert_int_equal(lstat(path, &st), 0);
		if (S_ISREG(st.st_mode))
			take_file(fm, name);
		else if (S_ISDIR(st.st_mode)) {
			strcat(name, "/");
			take_folder(fm, name);
		}
	}
	closedir(dir);
}

static void drop_starting(struct folder_medium *fm)
{
	while (fm->starting_count > 0) {
		struct starting *s = &fm->starting[--fm->starting_count];

		free(s->bytes);
		free(s->dirty);
		close(s->fd);
	}
	fm->name_count = 0;
}

void folder_medium_rebase(struct folder_medium *fm)
{
	drop_starting(fm);
	take_folder(fm, "");
	fm->file_count = fm->starting_count;
}

struct folder_medium *folder_medium_new(const char *root)
{
	struct folder_medium *fm = calloc(1, sizeof(*fm));

	assert_non_null(fm);
	assert_non_null(realpath(root, fm->root));
	fm->medium = (struct medium){ &folder_ops, fm };
	folder_medium_rebase(fm);
	return fm;
}

void folder_medium_free(struct folder_medium *fm)
{
	drop_starting(fm);
	free(fm);
}

const struct medium *folder_medium(const struct folder_medium *fm)
{
	return &fm->medium;
}
