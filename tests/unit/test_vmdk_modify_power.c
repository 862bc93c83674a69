// SPDX-License-Identifier: Apache-2.0
/*
 * Sparse VMDKs that are changed in place while power is lost, the program is killed, or a call or
 * an allocation fails: what is left is the old image or the new one.
 */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "core/modify.h"
#include "heap.h"
#include "image_vmdk.h"
#include "power.h"

#include <stdlib.h>
#include <string.h>

#define GRAIN 4096U
#define SMALL (5 * GRAIN + 512)
/* More tables than one sector of the directory names. */
#define LARGE (513 * GRAIN)

struct job {
	const char *folder;
	int (*work)(struct tranship_disk *disk, struct tranship_error *err);
	const unsigned char *old, *new;
	size_t old_size, new_size;
	bool mixture;    /* each sector may be old or new */
	uint64_t errors; /* that the old one has */
};

static unsigned char old_content[LARGE], new_content[LARGE];

static const char descriptor[] = "# Disk DescriptorFile\nversion=1\nCID=0a1b2c3d\n"
				 "parentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
				 "RW 1 SPARSE \"a.vmdk\"\n";

static void make(struct buffer *image, uint32_t flags, size_t size)
{
	struct image_vmdk vmdk = image_vmdk_defaults();
	struct rng rng = { 33 };

	memset(old_content, 0, sizeof(old_content));
	rng_fill(&rng, old_content, size / 2);
	rng_fill(&rng, old_content + size - 512, 512);
	memcpy(new_content, old_content, sizeof(new_content));
	vmdk.flags = flags;
	vmdk.version = flags & VMDK_FLAG_ZERO_GRAIN ? 2 : 1;
	vmdk.descriptor = descriptor;
	*image = (struct buffer){ 0 };
	assert_int_equal(image_vmdk(&vmdk, old_content, size, image), 0);
}

#define FLAGS (VMDK_FLAG_NEWLINE_TEST | VMDK_FLAG_REDUNDANT_GD)

static int change(const char *path, const struct medium *medium, const struct job *job,
		  struct recording *rec, struct tranship_error *err)
{
	struct tranship_open_options open = { .format = "vmdk" };
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

static bool content_good(const struct job *job, const unsigned char *bytes, size_t size, bool done)
{
	bool old = size == job->old_size, new = size == job->new_size;
	size_t i;

	if (job->mixture && !done) {
		for (i = 0; old && i < size; i++)
			old = bytes[i] == job->old[i] || bytes[i] == job->new[i];
		return old;
	}
	new = new &&memcmp(bytes, job->new, size) == 0;
	old = old && memcmp(bytes, job->old, size) == 0;
	return new || (old && !done);
}

static bool job_good(const struct power_state *state, void *ctx)
{
	struct tranship_open_options layer = { .format = "vmdk", .flags = TRANSHIP_OPEN_LAYER };
	const struct job *job = ctx;
	struct tranship_check_result result;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back;
	bool good = false;
	size_t size;
	const unsigned char *bytes = recording_get(state->rec, POWER_TARGET, &size);

	if (!bytes || tranship_open_file(file_of(bytes, size), &layer, &disk, &err))
		return false;
	size = (size_t)tranship_disk_size(disk);
	back = malloc(size + 1);
	if (back && tranship_disk_read(disk, NULL, 0, back, size, &err) == 0 &&
	    tranship_check(disk, NULL, NULL, &result, &err) == 0)
		good = result.errors <= (state->mark == 1 ? 0 : job->errors) &&
		       content_good(job, back, size, state->mark == 1);
	free(back);
	tranship_disk_close(disk);
	return good;
}

/* What is left is old or new, and whoever was told that it worked has the new one. */
static void assert_good(struct recording *rec, struct job *job, int rc, unsigned long n,
			const struct tranship_error *err)
{
	struct power_state state = { .rec = rec, .mark = rc == 0 };

	if (!job_good(&state, job))
		fail_msg("after fault %lu (%s) what is left is not good", n,
			 rc ? err->message : "it said it worked");
}

/* One call on the folder fails. */
static void try_faults(struct job *job, const void *image, size_t size)
{
	unsigned n;
	bool failed = true;

	for (n = 1; failed; n++) {
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
static void try_memory(struct job *job, const void *image, size_t size)
{
	const char *path = path_in(job->folder, "disk.vmdk");
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

static void try_power(struct job *job, const void *image, size_t size)
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

static int work_grow(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, 9 * GRAIN, err);
}

static int work_grow_much(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, LARGE, err);
}

static int work_shrink(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->resize(disk, SMALL - 512, err);
}

static void test_power__resize(void **state)
{
	struct job job = { .folder = *state, .old = old_content, .new = new_content };
	struct buffer image;

	make(&image, FLAGS, SMALL);
	job.old_size = SMALL;
	job.new_size = 9 * GRAIN;
	job.work = work_grow;
	try_power(&job, image.bytes, image.len);
	job.new_size = LARGE;
	job.work = work_grow_much;
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);

	job.old_size = 9 * GRAIN;
	make(&image, FLAGS, 9 * GRAIN);
	memset(new_content + SMALL - 512, 0, sizeof(new_content) - SMALL + 512);
	job.new_size = SMALL - 512;
	job.work = work_shrink;
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

#define AT (2 * GRAIN + 512)

/* Over grains that are there and grains that are not, as a commit does. */
static int work_write(struct tranship_disk *disk, struct tranship_error *err)
{
	const struct modify_ops *ops = disk->ops->modify;
	int rc = ops->write(disk, AT, new_content + AT, 3 * GRAIN, err);

	if (rc == 0)
		rc = ops->flush(disk, err);
	if (rc == 0)
		rc = ops->zero(disk, 512, GRAIN, err);
	return rc ? rc : ops->flush(disk, err);
}

static void test_power__write(void **state)
{
	struct job job = { .folder = *state,
			   .work = work_write,
			   .old = old_content,
			   .new = new_content,
			   .old_size = SMALL,
			   .new_size = SMALL,
			   .mixture = true };
	struct buffer image;

	make(&image, FLAGS, SMALL);
	memset(new_content + AT, 0x77, 3 * GRAIN);
	memset(new_content + 512, 0, GRAIN);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

static int work_repair(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->repair(disk, TRANSHIP_REPAIR_ERRORS | TRANSHIP_REPAIR_LEAKS, err);
}

/* The first grain's place is given up: what is behind must move there. */
static void test_power__repair_leaks(void **state)
{
	struct job job = { .folder = *state,
			   .work = work_repair,
			   .old = old_content,
			   .new = old_content,
			   .old_size = SMALL,
			   .new_size = SMALL };
	struct buffer image;
	uint64_t gd, rgd;

	make(&image, FLAGS, SMALL);
	gd = get_le64(image.bytes + 56) * 512;
	rgd = get_le64(image.bytes + 48) * 512;
	put_le32(image.bytes + get_le32(image.bytes + gd) * 512ULL, 0);
	put_le32(image.bytes + get_le32(image.bytes + rgd) * 512ULL, 0);
	memset(old_content, 0, GRAIN);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

static void test_power__repair_errors(void **state)
{
	struct job job = { .folder = *state,
			   .work = work_repair,
			   .old = old_content,
			   .new = old_content,
			   .old_size = SMALL,
			   .new_size = SMALL,
			   .errors = 100 };
	struct buffer image;
	uint64_t gd, rgd;

	make(&image, FLAGS, SMALL); /* entries of the copy */
	rgd = get_le64(image.bytes + 48) * 512;
	put_le32(image.bytes + get_le32(image.bytes + rgd) * 512ULL, 0);
	put_le32(image.bytes + rgd + 4, 0x00FFFFFF);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);

	make(&image, FLAGS, SMALL); /* the directory */
	gd = get_le64(image.bytes + 56) * 512;
	memset(image.bytes + gd, 0, 512);
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

static int work_relink(struct tranship_disk *disk, struct tranship_error *err)
{
	struct base_info base = { .identity = "01234567", .relative = "some/where/base.vmdk" };

	return disk->ops->modify->relink(disk, &base, err);
}

static int work_empty(struct tranship_disk *disk, struct tranship_error *err)
{
	return disk->ops->modify->empty(disk, err);
}

static void test_power__relink_and_empty(void **state)
{
	struct job job = { .folder = *state,
			   .work = work_relink,
			   .old = old_content,
			   .new = new_content,
			   .old_size = SMALL,
			   .new_size = SMALL };
	struct buffer image;

	make(&image, FLAGS | VMDK_FLAG_ZERO_GRAIN, SMALL);
	try_power(&job, image.bytes, image.len);
	memset(new_content, 0, sizeof(new_content));
	job.work = work_empty;
	job.mixture = true;
	try_power(&job, image.bytes, image.len);
	buffer_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_power__resize),           IN_FOLDER(test_power__write),
		IN_FOLDER(test_power__repair_leaks),     IN_FOLDER(test_power__repair_errors),
		IN_FOLDER(test_power__relink_and_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
