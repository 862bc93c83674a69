// SPDX-License-Identifier: Apache-2.0
/* What an interrupted run leaves is only gone on with where it says what this run would find. */
#include "store_scene.h"

#include "core/disk.h"
#include "emit/slot.h"
#include "pipeline/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define PIECES 8

struct resume_scene {
	struct store_scene s;
	struct sparse_disk d; /* a piece in each leaf of the table */
	char folder[32], checkpoint[64];
	uint64_t limit;
	struct warnings warnings;
	struct tranship_replicate_options options;
	struct tranship_replicate_result result;
};

/* Ends a run when it has sent so much. */
static int stop_at(void *ctx, const struct tranship_replicate_progress *progress)
{
	return progress->sent >= *(uint64_t *)ctx;
}

static void scene_begin(struct resume_scene *r)
{
	int i;

	memset(r, 0, sizeof(*r));
	strcpy(r->folder, "/tmp/tranship-test-XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	snprintf(r->checkpoint, sizeof(r->checkpoint), "%s/c", r->folder);
	r->d.size = PIECES * 256 * MIB;
	store_scene_begin(&r->s, false, 1U << 20);
	for (i = 0; i < PIECES; i++)
		sparse_write(&r->d, &r->s.rng, (uint64_t)i * 256 * MIB, 6 * MIB);
	r->options = (struct tranship_replicate_options){ .disk = "d",
							  .threads = 2,
							  .source_identity = "one",
							  .progress = stop_at,
							  .progress_ctx = &r->limit,
							  .warn = warnings_take,
							  .warn_ctx = &r->warnings };
	r->limit = UINT64_MAX;
}

static void scene_end(struct resume_scene *r)
{
	char last[80];

	snprintf(last, sizeof(last), "%s.last", r->checkpoint);
	unlink(last);
	assert_int_equal(rmdir(r->folder), 0);
	sparse_free(&r->d);
	store_scene_end(&r->s);
}

/* A run that ends when it has sent so much; it leaves a checkpoint with leaves. */
static void interrupt(struct resume_scene *r, uint64_t limit)
{
	struct tranship_error err;
	struct stat st;

	r->limit = limit;
	r->options.checkpoint = r->checkpoint;
	r->options.rate = 40 * MIB;
	assert_fails(store_scene_try(&r->s, &r->d, &r->options, &r->result, &err),
		     TRANSHIP_ECANCELED, &err, "");
	assert_int_equal(stat(r->checkpoint, &st), 0);
	assert_true(st.st_size > 450);
	r->limit = UINT64_MAX;
	r->options.rate = 0;
}

static void go_on(struct resume_scene *r)
{
	store_scene_run(&r->s, &r->d, &r->options, &r->result);
	assert_true(r->result.resumed);
	store_scene_check(&r->s, r->result.point, &r->d);
	assert_int_equal(access(r->checkpoint, F_OK), -1);
}

/* The same file, and the identity of that; but another member of it, say. */
static void test_resume__another_view_of_the_source(void **state)
{
	struct resume_scene r;

	(void)state;
	scene_begin(&r);
	r.options.source_view = "disk1.vmdk";
	interrupt(&r, 20 * MIB);
	sparse_write(&r.d, &r.s.rng, 1000, MIB);
	r.options.source_view = "disk2.vmdk";
	go_on(&r);
	scene_end(&r);
}

static void give_changes(struct resume_scene *r, uint64_t off, uint64_t len)
{
	struct tranship_changes *changes;
	struct tranship_error err;

	assert_ok(tranship_changes_new(r->d.size, &changes, &err), &err);
	assert_ok(tranship_changes_set_ids(changes, "v1", "v2", &err), &err);
	assert_ok(tranship_changes_add(changes, off, len, false, &err), &err);
	assert_ok(tranship_changes_add(changes, 512 * MIB, 1536 * MIB, false, &err), &err);
	tranship_changes_free((struct tranship_changes *)(uintptr_t)r->options.changes);
	r->options.changes = changes;
}

/* Who gave the wrong list, noticed, and gives the right one gets what the right one says. */
static void test_resume__other_changes(void **state)
{
	struct resume_scene r;
	int i;

	(void)state;
	scene_begin(&r);
	r.options.version = "v1";
	store_scene_run(&r.s, &r.d, &r.options, &r.result);
	r.options.version = NULL;
	sparse_write(&r.d, &r.s.rng, 5 * MIB, 1000);
	for (i = 2; i < PIECES; i++)
		sparse_write(&r.d, &r.s.rng, (uint64_t)i * 256 * MIB, 6 * MIB);
	give_changes(&r, 300 * MIB, MIB);
	interrupt(&r, 17 * MIB);
	give_changes(&r, 0, 256 * MIB);
	go_on(&r);
	assert_int_equal(r.result.method, TRANSHIP_METHOD_CHANGES);
	tranship_changes_free((struct tranship_changes *)(uintptr_t)r.options.changes);
	scene_end(&r);
}

/* Leaves that were made without the last point say nothing of where it has data and the source has
 * none any more. */
static void test_resume__the_last_point_is_whole_again(void **state)
{
	char key[TARGET_KEY_MAX + 1];
	struct tranship_error err;
	struct resume_scene r;
	unsigned char *bytes, *kept;
	struct manifest m;
	size_t len;

	(void)state;
	scene_begin(&r);
	store_scene_run(&r.s, &r.d, &r.options, &r.result);
	assert_ok(manifest_find(r.s.store, "d", true, &m, &err), &err);
	slot_key(&m.slots[m.slot_count - 1].id, key);
	bytes = memory_target_bytes(r.s.target, key, &len);
	kept = malloc(len);
	assert_non_null(kept);
	memcpy(kept, bytes, len);
	assert_ok(target_remove(r.s.target, key, &err), &err);
	sparse_zero(&r.d, 0, 6 * MIB);
	sparse_write(&r.d, &r.s.rng, 256 * MIB, 6 * MIB);
	sparse_write(&r.d, &r.s.rng, 512 * MIB, 6 * MIB);
	sparse_write(&r.d, &r.s.rng, 768 * MIB, 6 * MIB);
	sparse_write(&r.d, &r.s.rng, 1024 * MIB, 6 * MIB);
	sparse_write(&r.d, &r.s.rng, 1280 * MIB, 6 * MIB);
	interrupt(&r, 14 * MIB);
	assert_int_equal(r.result.method, TRANSHIP_METHOD_FULL);
	assert_ok(target_put(r.s.target, key, kept, len, NULL, &err), &err);
	go_on(&r);
	assert_int_equal(r.result.method, TRANSHIP_METHOD_FINGERPRINT);
	manifest_free(&m);
	free(kept);
	scene_end(&r);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[8192];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = read(in, bytes, sizeof(bytes));

	assert_true(n > 0 && n < (ssize_t)sizeof(bytes));
	assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

/* A home that was restored or cloned has the checkpoint of a run that went on since: the slots of
 * both have numbers of their own. */
static void test_resume__two_copies_of_a_checkpoint(void **state)
{
	struct tranship_replicate_result first;
	struct resume_scene r;
	struct sparse_disk was;
	char copy[80];

	(void)state;
	scene_begin(&r);
	interrupt(&r, 20 * MIB);
	snprintf(copy, sizeof(copy), "%s/copy", r.folder);
	copy_file(r.checkpoint, copy);
	go_on(&r);
	first = r.result;
	sparse_copy(&r.d, &was);
	copy_file(copy, r.checkpoint);
	unlink(copy);
	sparse_write(&r.d, &r.s.rng, 1100 * MIB, 6 * MIB);
	r.options.source_identity = "two";
	go_on(&r);
	/* A reader that remembers nothing of the slots. */
	slots_free(r.s.store->slots);
	assert_int_equal(slots_new(r.s.target, &r.s.store->keys, &r.s.store->slots, NULL), 0);
	store_scene_check(&r.s, first.point, &was);
	store_scene_check(&r.s, r.result.point, &r.d);
	sparse_free(&was);
	scene_end(&r);
}

/* Another disk may stand behind a device that has the same name and times. */
static void test_resume__nobody_knows_a_device(void **state)
{
	struct tranship_disk disk = { 0 };
	struct disk_file file = { .name = (char *)(uintptr_t) "/dev/null", .has_id = true };
	char id[SOURCE_ID_TEXT], path[] = "/tmp/tranship-test-XXXXXX";
	struct tranship_error err;
	struct stat st;
	int fd = mkstemp(path);

	(void)state;
	disk.files = &file;
	disk.file_count = 1;
	assert_int_equal(stat(file.name, &st), 0);
	file.id = (struct file_id){ st.st_dev, st.st_ino };
	assert_ok(files_id(&disk, id, &err), &err);
	assert_string_equal(id, "");
	assert_true(fd >= 0);
	file.name = path;
	assert_int_equal(fstat(fd, &st), 0);
	file.id = (struct file_id){ st.st_dev, st.st_ino };
	assert_ok(files_id(&disk, id, &err), &err);
	assert_int_equal(strlen(id), SOURCE_ID_TEXT - 1);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resume__another_view_of_the_source),
		cmocka_unit_test(test_resume__other_changes),
		cmocka_unit_test(test_resume__the_last_point_is_whole_again),
		cmocka_unit_test(test_resume__two_copies_of_a_checkpoint),
		cmocka_unit_test(test_resume__nobody_knows_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
