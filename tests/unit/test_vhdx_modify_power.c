// SPDX-License-Identifier: Apache-2.0
/*
 * VHDX files that are changed in place while power is lost, the program is killed, or a call or an
 * allocation fails: what is left is the old image or the new one.
 */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "core/modify.h"
#include "heap.h"
#include "image_vhdx_log.h"
#include "power.h"

#include <stdlib.h>
#include <string.h>

#define MB(n) ((size_t)(n) << 20)

struct power_job {
	const char *folder;
	int (*work)(struct tranship_disk *disk, struct tranship_error *err);
	const unsigned char *old, *new;
	size_t old_size, new_size;
	bool mixture;   /* each sector may be old or new */
	size_t compare; /* so many bytes of larger disks */
};

static int change(const char *path, const struct medium *medium, const struct power_job *job,
		  struct recording *rec, struct tranship_error *err)
{
	struct tranship_open_options open = { .format = "vhdx" };
	struct modified m = { .edits = { .medium = medium } };
	int rc = modify_open(path, &open, false, &m, err);

	if (rc == 0)
		rc = job->work(m.disk, err);
	if (rc == 0 && rec)
		recording_mark(rec, 1);
	modify_close(&m);
	return rc;
}

static int run_job(struct recording *rec, void *ctx, struct tranship_error *err)
{
	return change(POWER_TARGET, recording_medium(rec), ctx, rec, err);
}

static bool job_good(const struct power_state *state, void *ctx)
{
	struct tranship_open_options layer = { .format = "vhdx", .flags = TRANSHIP_OPEN_LAYER };
	const struct power_job *job = ctx;
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back;
	bool good = false, dirty;
	size_t size, disk_size, i;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);

	if (!bytes || tranship_open_file(file_of(bytes, size), &layer, &disk, &err))
		return false;
	disk_size = (size_t)tranship_disk_size(disk);
	size = (size_t)min_u64(disk_size, job->compare ? job->compare : disk_size);
	dirty = get_le64(bytes + VHDX_HEADER_2 + VHDX_HEAD_LOG_GUID) != 0 ||
		get_le64(bytes + VHDX_HEADER_1 + VHDX_HEAD_LOG_GUID) != 0;
	back = malloc(size + 1);
	if (!back || tranship_disk_read(disk, NULL, 0, back, size, &err) ||
	    tranship_check(disk, NULL, NULL, &result, &err))
		goto out;
	good = result.errors <= dirty;
	if (state->mark == 1)
		good = good && disk_size == job->new_size && memcmp(back, job->new, size) == 0;
	else if (job->mixture)
		for (i = 0; good && i < size; i++)
			good = back[i] == job->old[i] || back[i] == job->new[i];
	else
		good = good && ((disk_size == job->new_size && memcmp(back, job->new, size) == 0) ||
				(disk_size == job->old_size && memcmp(back, job->old, size) == 0));
out:
	free(back);
	tranship_disk_close(disk);
	return good;
}

/* What is left is old or new, and whoever was told that it worked has the new one. */
static void assert_good(struct recording *rec, struct power_job *job, int rc, unsigned long n,
			const struct tranship_error *err)
{
	struct power_state state = { .rec = rec, .mark = rc == 0 };

	if (!job_good(&state, job))
		fail_msg("after fault %lu (%s) what is left is not good", n,
			 rc ? err->message : "it said it worked");
}

/* One call on the folder fails. */
static void try_faults(struct power_job *job, const void *image, size_t size)
{
	unsigned n;
	bool failed = true;

	for (n = 1; failed; n += job->compare ? 7 : 1) { /* large ones take their time */
		struct recording *rec = recording_new();
		struct recording_faults *faults = recording_faults(rec);
		struct edit_params params = { .medium = recording_medium(rec) };
		struct tranship_error err;
		int rc;

		recording_put(rec, POWER_TARGET, image, size);
		faults->fail_at = n;
		rc = run_job(rec, job, &err);
		failed = faults->failed;
		if (!failed)
			assert_ok(rc, &err);
		faults->fail_at = 0;
		assert_int_equal(recording_open_handles(rec), 0);
		assert_ok(edit_recover(POWER_TARGET, &params, NULL, &err), &err);
		assert_good(rec, job, rc, n, &err);
		recording_free(rec);
	}
	assert_true(n > 10);
}

#if HEAP_WATCHED
/* One allocation fails; in a file, because the recording folder does not take that. */
static void try_memory(struct power_job *job, const void *image, size_t size)
{
	const char *path = path_in(job->folder, "disk.vhdx");
	unsigned n;
	bool failed = true;

	for (n = 1; failed; n += 3) { /* each waits for the medium */
		struct recording *rec = recording_new();
		struct tranship_error err;
		struct heap_seen seen;
		unsigned char *bytes;
		size_t now;
		int rc;

		write_path(path, image, size);
		heap_watch(n, false);
		rc = change(path, NULL, job, NULL, &err);
		seen = heap_unwatch();
		failed = seen.failed;
		assert_int_equal(seen.held, 0);
		if (!failed)
			assert_ok(rc, &err);
		assert_ok(edit_recover(path, &(struct edit_params){ 0 }, NULL, &err), &err);
		bytes = read_path(path, &now);
		recording_put(rec, POWER_TARGET, bytes, now);
		free(bytes);
		assert_good(rec, job, rc, n, &err);
		recording_free(rec);
	}
	assert_true(n > 10);
}
#endif

static void try_power(struct power_job *job, const void *image, size_t size)
{
	struct power_case c = { .initial = image,
				.size = size,
				.run = run_job,
				.good = job_good,
				.ctx = job,
				.opening_syncs = EDIT_OPENING_SYNCS };
	struct power_result result = { 0 };

	power_try(&c, (struct power_lost_sync){ 0 }, &result);
	if (result.failed)
		fail_msg("%s", result.why);
	assert_true(result.states > 10);
	try_faults(job, image, size);
#if HEAP_WATCHED
	try_memory(job, image, size);
#endif
}

static unsigned char old_content[MB(3)], new_content[MB(3)];

/* An image with a log, what it reads as, and its size. */
static void make_dirty(struct buffer *image, unsigned char content[MB(3)])
{
	static const unsigned states[] = { 6, 6, 0 };
	static const unsigned char fill[] = { 0xA1, 0xB2, 0 };
	struct image_vhdx vhdx = image_vhdx_defaults();
	struct tranship_disk *disk;
	struct tranship_error err;

	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = 3;
	vhdx.disk_size = MB(3);
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
	assert_int_equal(image_log_usual(image->bytes, image->len), 0);
	assert_ok(tranship_open_file(file_of(image->bytes, image->len), NULL, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), MB(3));
	assert_ok(tranship_disk_read(disk, NULL, 0, content, MB(3), &err), &err);
	tranship_disk_close(disk);
}

static int work_grow(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, MB(2), err);
}

static int work_shrink(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, MB(1), err);
}

static int work_write(struct tranship_disk *disk, struct tranship_error *err)
{
	int rc =
		disk->ops->modify->write(disk, MB(1) - 1024, new_content + MB(1) - 1024, 2048, err);

	if (rc == 0)
		rc = disk->ops->modify->flush(disk, err);
	return rc;
}

static int work_repair(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->repair(disk, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, err);
}

static void make_small(struct buffer *image, uint64_t disk_size)
{
	static const unsigned states[] = { 6, 0 };
	static const unsigned char fill[] = { 0xA1, 0 };
	struct image_vhdx vhdx = image_vhdx_defaults();

	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.blocks = (size_t)div_up(disk_size, MB(1));
	vhdx.disk_size = disk_size;
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
	memset(old_content, 0, sizeof(old_content));
	memset(old_content, 0xA1, (size_t)min_u64(disk_size, MB(1)));
	memcpy(new_content, old_content, sizeof(new_content));
}

static void test_power__resize(void **state)
{
	struct power_job up = { *state,      work_grow, old_content, new_content,
				MB(1) - 512, MB(2),     false,       0 };
	struct power_job down = { *state, work_shrink, old_content, new_content,
				  MB(2),  MB(1),       false,       0 };
	struct buffer image;

	make_small(&image, MB(1) - 512);
	memset(new_content + MB(1) - 512, 0, 512);
	try_power(&up, image.bytes, image.len);
	buffer_free(&image);
	make_small(&image, MB(2));
	try_power(&down, image.bytes, image.len);
	buffer_free(&image);
}

static void test_power__write(void **state)
{
	struct power_job job = {
		*state, work_write, old_content, new_content, MB(2), MB(2), true, 0
	};
	struct buffer image;

	make_small(&image, MB(2));
	memset(new_content + MB(1) - 1024, 0x77, 2048);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

static void test_power__repair(void **state)
{
	struct power_job job = { *state, work_repair, old_content, old_content,
				 MB(3),  MB(3),       false,       0 };
	struct buffer image;

	make_dirty(&image, old_content);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
	job.old_size = job.new_size = MB(2);
	make_small(&image, MB(2)); /* its block a MiB later, and a damaged header */
	assert_int_equal(buffer_append(&image, image.bytes + MB(4), MB(1), NULL), 0);
	memset(image.bytes + MB(4), 0xEE, MB(1));
	put_le64(image.bytes + IMAGE_VHDX_BAT, MB(5) | VHDX_BLOCK_FULLY_PRESENT);
	image.bytes[VHDX_HEADER_1 + 50] ^= 1;
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

static int work_grow_much(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, (uint64_t)129 << 30, err);
}

/* The BAT goes to the end of the file. Faults only: every loss of power takes minutes here. */
static void test_faults__the_bat_moves(void **state)
{
	struct power_job job = { *state, work_grow_much,    old_content, new_content,
				 MB(2),  (size_t)129 << 30, false,       MB(3) };
	struct buffer image;

	make_small(&image, MB(2));
	try_faults(&job, image.bytes, image.len);
	buffer_free(&image);
}

/* A child with a block that is partially there, and one that is absent. */
static void make_child(struct buffer *image)
{
	static const unsigned states[] = { 7, 0 };
	static const unsigned char fill[] = { 0xA1, 0 }, bits[] = { 0x0F, 0 };
	struct image_vhdx vhdx = image_vhdx_defaults();
	size_t i;

	vhdx.has_parent = true;
	vhdx.locator = image_vhdx_locator;
	vhdx.locator_pairs = COUNT_OF(image_vhdx_locator);
	vhdx.states = states;
	vhdx.fill = fill;
	vhdx.bits = bits;
	vhdx.blocks = 2;
	vhdx.disk_size = MB(2);
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vhdx(&vhdx, image), 0);
	memset(old_content, 0, sizeof(old_content));
	for (i = 0; i < MB(1); i++)
		old_content[i] = i / 512 % 8 < 4 ? 0xA1 : 0;
	memcpy(new_content, old_content, sizeof(new_content));
}

static int work_relink(struct tranship_disk *disk, struct tranship_error *err)
{
	struct base_info base = { .identity = "01234567-89ab-cdef-0123-456789abcdef",
				  .relative = "other.vhdx",
				  .sector_size = 512 };
	int rc = disk->ops->modify->relink(disk, &base, err);

	return rc ? rc : disk->ops->modify->relink(disk, NULL, err);
}

static int work_empty(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->empty(disk, err);
}

static void test_faults__child(void **state)
{
	struct power_job write = { *state, work_write, old_content, new_content,
				   MB(2),  MB(2),      true,        0 };
	struct power_job relink = { *state, work_relink, old_content, old_content,
				    MB(2),  MB(2),       false,       0 };
	struct power_job empty = { *state, work_empty, old_content, new_content,
				   MB(2),  MB(2),      false,       0 };
	struct buffer image;

	make_child(&image);
	try_faults(&relink, image.bytes, image.len);
	memset(new_content + MB(1) - 1024, 0x77, 2048);
	try_faults(&write, image.bytes, image.len);
	memset(new_content, 0, sizeof(new_content));
	try_faults(&empty, image.bytes, image.len);
	buffer_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_power__resize), IN_FOLDER(test_faults__the_bat_moves),
		IN_FOLDER(test_power__write),  IN_FOLDER(test_power__repair),
		IN_FOLDER(test_faults__child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
