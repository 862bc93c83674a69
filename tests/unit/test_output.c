// SPDX-License-Identifier: Apache-2.0
/* Outputs: partial names until the end, links, modes, what is refused, and that a failure leaves
 * nothing. */
#include "support.h"

#include "io/file_local.h"
#include "io/lock.h"
#include "io/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL ".tranship-partial"

static int open_output(const char *path, struct output **o, struct tranship_error *err)
{
	return output_open(&(struct output_params){ .path = path }, o, err);
}

static void put(struct tranship_file *file, const char *text)
{
	struct tranship_error err;

	assert_ok(file_write(file, 0, text, strlen(text), &err), &err);
}

static void assert_bytes(const char *path, const char *want, size_t len)
{
	size_t size;
	unsigned char *bytes = read_path(path, &size);

	assert_int_equal(size, len);
	assert_memory_equal(bytes, want, len);
	free(bytes);
}

static void assert_content(const char *path, const char *want)
{
	assert_bytes(path, want, strlen(want));
}

static bool exists(const char *folder, const char *name)
{
	struct stat st;

	return lstat(path_in(folder, name), &st) == 0;
}

static void test_output__has_its_name_only_when_it_is_finished(void **state)
{
	struct tranship_error err;
	struct output *o;

	assert_ok(open_output(path_in(*state, "disk"), &o, &err), &err);
	assert_string_equal(output_name(o), "disk");
	assert_true(output_has_folder(o));
	assert_false(output_is_in_place(o) || output_is_stream(o));
	put(output_main(o), "new");
	assert_false(exists(*state, "disk"));
	assert_true(exists(*state, "disk" PARTIAL));
	assert_ok(output_finish(o, &err), &err);
	assert_content(path_in(*state, "disk"), "new");
	output_close(o);
	assert_int_equal(count_entries(*state), 1);
	assert_content(path_in(*state, "disk"), "new");
}

static void test_output__closed_early_leaves_what_was_there(void **state)
{
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "disk"), "old", 3);
	assert_ok(open_output(path_in(*state, "disk"), &o, &err), &err);
	put(output_main(o), "new");
	output_close(o);
	assert_content(path_in(*state, "disk"), "old");
	assert_int_equal(count_entries(*state), 1);
	output_close(NULL);
}

static void test_output__replaces_and_keeps_the_mode(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_error err;
	struct output *o;
	struct stat st;

	write_path(path, "old", 3);
	assert_int_equal(chmod(path, 0640), 0);
	assert_ok(open_output(path, &o, &err), &err);
	put(output_main(o), "new");
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	assert_content(path, "new");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_output__a_link_stays_a_link(void **state)
{
	struct tranship_error err;
	struct output *o;
	char target[100];
	ssize_t len;

	assert_int_equal(mkdir(path_in(*state, "there"), 0700), 0);
	write_path(path_in(*state, "there/disk"), "old", 3);
	assert_int_equal(symlink("there/disk", path_in(*state, "link")), 0);
	assert_ok(open_output(path_in(*state, "link"), &o, &err), &err);
	assert_string_equal(output_name(o), "disk");
	put(output_main(o), "new");
	assert_true(exists(*state, "there/disk" PARTIAL));
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	len = readlink(path_in(*state, "link"), target, sizeof(target));
	assert_int_equal(len, 10);
	assert_content(path_in(*state, "there/disk"), "new");
}

static void test_output__what_is_refused(void **state)
{
	const char *folder = *state;
	struct tranship_error err;
	struct output *o;

	assert_int_equal(mkdir(path_in(folder, "folder"), 0700), 0);
	assert_int_equal(symlink("nothing", path_in(folder, "dangling")), 0);
	assert_fails(open_output(path_in(folder, "folder"), &o, &err), TRANSHIP_EIO, &err,
		     "Is a directory");
	assert_null(o);
	assert_fails(open_output(path_in(folder, "dangling"), &o, &err), TRANSHIP_EINVAL, &err,
		     "link to nothing");
	assert_fails(open_output(path_in(folder, "no/disk"), &o, &err), TRANSHIP_EIO, &err,
		     "No such file");
	assert_fails(open_output("", &o, &err), TRANSHIP_EIO, &err, "No such file");
	assert_int_equal(count_entries(folder), 2);
}

static void test_output__no_clobber(void **state)
{
	struct output_params params = { .path = path_in(*state, "disk"), .no_clobber = true };
	struct tranship_error err;
	struct output *o;

	/* Nothing is there when it begins, something is when it ends. */
	assert_ok(output_open(&params, &o, &err), &err);
	put(output_main(o), "new");
	write_path(params.path, "somebody's", 10);
	assert_fails(output_finish(o, &err), TRANSHIP_EIO, &err, "File exists");
	output_close(o);
	assert_content(params.path, "somebody's");
	assert_int_equal(count_entries(*state), 1);

	assert_fails(output_open(&params, &o, &err), TRANSHIP_EIO, &err, "is not replaced");
	assert_int_equal(err.sys_errno, EEXIST);
	assert_content(params.path, "somebody's");
}

static void test_output__a_read_only_file_is_not_replaced(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_error err;
	struct output *o;

	if (geteuid() == 0)
		skip(); /* root writes anything */
	write_path(path, "old", 3);
	assert_int_equal(chmod(path, 0400), 0);
	assert_fails(open_output(path, &o, &err), TRANSHIP_EIO, &err, "is not writable");
	assert_content(path, "old");
}

static void test_output__two_runs_at_once(void **state)
{
	const char *path = path_in(*state, "disk");
	struct output *first, *second;
	struct tranship_error err;

	assert_ok(open_output(path, &first, &err), &err);
	put(output_main(first), "first");
	assert_fails(open_output(path, &second, &err), TRANSHIP_EBUSY, &err, "another run");
	assert_ok(output_finish(first, &err), &err);
	output_close(first);
	assert_content(path, "first");
}

static void test_output__what_a_killed_run_left_is_removed(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "disk" PARTIAL), "a longer text", 13);
	assert_ok(open_output(path, &o, &err), &err);
	put(output_main(o), "new");
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	assert_content(path, "new");
	assert_int_equal(count_entries(*state), 1);
}

/* Somebody who may write to the folder must not get us to write elsewhere. */
static void test_output__a_partial_that_is_a_link_is_not_followed(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "victim"), "precious", 8);
	assert_int_equal(symlink("victim", path_in(*state, "disk" PARTIAL)), 0);
	if (open_output(path, &o, &err) == 0) {
		put(output_main(o), "new");
		assert_ok(output_finish(o, &err), &err);
		output_close(o);
		assert_content(path, "new");
	}
	assert_content(path_in(*state, "victim"), "precious");
}

static void test_output__a_partial_that_is_a_pipe_does_not_block(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_error err;
	struct output *o;

	assert_int_equal(mkfifo(path_in(*state, "disk" PARTIAL), 0600), 0);
	assert_ok(open_output(path, &o, &err), &err);
	put(output_main(o), "new");
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	assert_content(path, "new");
}

static void add_extra(struct output *o, const char *name, const char *text)
{
	struct tranship_file *file;
	struct tranship_error err;

	assert_ok(output_extra(o, name, &file, &err), &err);
	put(file, text);
	assert_ok(output_extra_done(o, &err), &err);
}

static void test_output__extra_files_come_with_the_main_one(void **state)
{
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "b"), "old", 3);
	assert_ok(open_output(path_in(*state, "main"), &o, &err), &err);
	add_extra(o, "a", "1");
	add_extra(o, "b", "2");
	put(output_main(o), "text");
	assert_false(exists(*state, "a"));
	assert_content(path_in(*state, "b"), "old");
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	assert_content(path_in(*state, "a"), "1");
	assert_content(path_in(*state, "b"), "2");
	assert_content(path_in(*state, "main"), "text");
	assert_int_equal(count_entries(*state), 3);
}

static void test_output__extra_files_go_with_an_abort(void **state)
{
	struct tranship_file *file;
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "b"), "old", 3);
	assert_ok(open_output(path_in(*state, "main"), &o, &err), &err);
	add_extra(o, "a", "1");
	add_extra(o, "b", "2");
	assert_ok(output_extra(o, "c", &file, &err), &err); /* not done yet */
	output_close(o);
	assert_content(path_in(*state, "b"), "old");
	assert_int_equal(count_entries(*state), 1);
}

/* Another run that wants the same name must not take a finished file for a leftover. */
static void test_output__extra_files_are_ours_until_the_end(void **state)
{
	const char *folder = *state;
	struct tranship_file *file;
	struct tranship_error err;
	struct output *o, *other;

	assert_ok(open_output(path_in(folder, "disk"), &o, &err), &err);
	add_extra(o, "a", "1");
	assert_ok(open_output(path_in(folder, "second"), &other, &err), &err);
	assert_fails(output_extra(other, "a", &file, &err), TRANSHIP_EBUSY, &err, "another run");
	output_close(other);
	assert_ok(output_finish(o, &err), &err);
	output_close(o);
	assert_content(path_in(folder, "a"), "1");
}

static void test_output__extra_files_without_a_main_one_do_not_stay(void **state)
{
	struct output_params params = { .path = path_in(*state, "main"), .no_clobber = true };
	struct tranship_error err;
	struct output *o;

	assert_ok(output_open(&params, &o, &err), &err);
	add_extra(o, "a", "1");
	add_extra(o, "b", "2");
	write_path(params.path, "somebody's", 10);
	assert_int_equal(output_finish(o, &err), TRANSHIP_EIO);
	output_close(o);
	assert_content(params.path, "somebody's");
	assert_int_equal(count_entries(*state), 1);
}

static void test_output_extra__what_is_refused(void **state)
{
	struct output_params params = { .path = path_in(*state, "main"), .no_clobber = true };
	struct tranship_file *file;
	struct tranship_error err;
	struct output *o;

	assert_int_equal(mkdir(path_in(*state, "folder"), 0700), 0);
	write_path(path_in(*state, "there"), "old", 3);
	assert_ok(output_open(&params, &o, &err), &err);
	assert_fails(output_extra(o, "folder", &file, &err), TRANSHIP_EINVAL, &err, "no regular");
	assert_null(file);
	assert_fails(output_extra(o, "there", &file, &err), TRANSHIP_EIO, &err, "not replaced");
	output_close(o);
	assert_content(path_in(*state, "there"), "old");
	assert_int_equal(count_entries(*state), 2);
}

/* A raw disk that is opened from PATH. */
static struct tranship_disk *disk_of(const char *path)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &options, &disk, &err), &err);
	return disk;
}

static void test_create__onto_its_own_source(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_create_options create = { .format = "raw", .size = 3 };
	struct tranship_writer *writer;
	struct tranship_error err;

	write_path(path, "old", 3);
	assert_int_equal(link(path, path_in(*state, "hard")), 0);
	assert_int_equal(symlink("disk", path_in(*state, "soft")), 0);
	create.source = disk_of(path);
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_EINVAL, &err,
		     "belongs to the source");
	assert_null(writer);
	assert_fails(tranship_create(path_in(*state, "hard"), &create, &writer, &err),
		     TRANSHIP_EINVAL, &err, "'hard' belongs to the source");
	assert_fails(tranship_create(path_in(*state, "soft"), &create, &writer, &err),
		     TRANSHIP_EINVAL, &err, "belongs to the source");
	create.flags = TRANSHIP_CREATE_IN_PLACE;
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_EINVAL, &err,
		     "belongs to the source");
	tranship_disk_close((struct tranship_disk *)(uintptr_t)create.source);
	assert_content(path, "old");
	assert_int_equal(count_entries(*state), 3);
}

/* The extents of a VMDK are files of the source like its descriptor. */
static void test_create__onto_an_extent_of_its_source(void **state)
{
	static const char text[] = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
				   "createType=\"monolithicFlat\"\nRW 1 FLAT \"flat\" 0\n";
	struct tranship_policy policy = { .kind = TRANSHIP_POLICY_BESIDE };
	struct tranship_open_options open = { .policy = &policy };
	struct tranship_create_options create = { .format = "raw", .size = 512 };
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;
	char sector[512] = "content";

	write_path(path_in(*state, "flat"), sector, sizeof(sector));
	write_path(path_in(*state, "disk.vmdk"), text, strlen(text));
	assert_ok(tranship_open(path_in(*state, "disk.vmdk"), &open, &disk, &err), &err);
	create.source = disk;
	assert_fails(tranship_create(path_in(*state, "flat"), &create, &writer, &err),
		     TRANSHIP_EINVAL, &err, "'flat' belongs to the source");
	assert_fails(tranship_create(path_in(*state, "disk.vmdk"), &create, &writer, &err),
		     TRANSHIP_EINVAL, &err, "belongs to the source");
	create.format = "vmdk"; /* disk-flat.vmdk is free, flat-flat.vmdk is, too */
	create.options = "subformat=monolithicFlat";
	assert_ok(tranship_create(path_in(*state, "other.vmdk"), &create, &writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	assert_int_equal(count_entries(*state), 2);
}

static void test_create__in_place(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_create_options create = { .format = "raw",
						  .size = 4,
						  .flags = TRANSHIP_CREATE_IN_PLACE };
	struct tranship_writer *writer;
	struct tranship_error err;
	struct stat before, after;

	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_EIO, &err, "No such");
	assert_int_equal(count_entries(*state), 0);
	write_path(path, "0123456789", 10);
	assert_int_equal(stat(path, &before), 0);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_ok(tranship_writer_put(writer, 0, "ab", 2, &err), &err);
	assert_ok(tranship_writer_zero(writer, 2, 2, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_bytes(path,
		     "ab\0\0"
		     "456789",
		     10);
	create.size = 11;
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_ELIMIT, &err,
		     "has 10 bytes, the disk needs 11");
	create.format = "vpc"; /* what stands there is none */
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_ECORRUPT, &err,
		     "too few for a footer");
	create.format = "azure";
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "in place");
}

static void test_create__in_place_is_locked(void **state)
{
	const char *path = path_in(*state, "disk");
	struct tranship_create_options create = { .format = "raw",
						  .size = 4,
						  .flags = TRANSHIP_CREATE_IN_PLACE };
	struct tranship_writer *writer, *other;
	struct tranship_disk *disk;
	struct tranship_error err;

	write_path(path, "0123456789", 10);
	disk = disk_of(path);
	assert_fails(tranship_create(path, &create, &writer, &err), TRANSHIP_EBUSY, &err,
		     "another program");
	tranship_disk_close(disk);
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	assert_fails(tranship_create(path, &create, &other, &err), TRANSHIP_EBUSY, &err,
		     "another program");
	assert_fails(tranship_open(path, NULL, &disk, &err), TRANSHIP_EBUSY, &err, "for writing");
	tranship_writer_close(writer);
	assert_content(path, "0123456789");
}

static void test_create__a_full_disk(void **state)
{
	struct tranship_create_options create = { .format = "raw", .size = 1 << 20 };
	unsigned char *bytes = calloc(1, 1 << 20);
	struct tranship_writer *writer;
	struct tranship_error err;

	(void)state;
	assert_non_null(bytes);
	assert_ok(tranship_create("/dev/full", &create, &writer, &err), &err);
	assert_fails(tranship_writer_put(writer, 0, bytes, 1 << 20, &err), TRANSHIP_EIO, &err,
		     "No space left");
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_fails(tranship_writer_finish(writer, &err), TRANSHIP_EINVAL, &err, "failed");
	tranship_writer_close(writer);
	free(bytes);
}

static void test_output_count__adds_up_all_files(void **state)
{
	struct tranship_file *file;
	struct tranship_error err;
	struct output *o;

	(void)state;
	assert_ok(output_count(&o, &err), &err);
	put(output_main(o), "12345");
	assert_ok(output_extra(o, "a", &file, &err), &err);
	assert_ok(file_resize(file, 1000, &err), &err);
	assert_ok(output_extra_done(o, &err), &err);
	add_extra(o, "b", "123");
	assert_ok(output_finish(o, &err), &err);
	assert_int_equal(output_total(o), 1008);
	output_close(o);
}

/* Journals and notes are of the file that has the name now, or had it. */
static void test_output__does_not_replace_an_unfinished_file(void **state)
{
	static const char *const beside[] = { "disk.tranship-note", "disk.tranship-pages" };
	struct tranship_error err;
	struct output *o;
	size_t i;
	int existing;

	for (i = 0; i < 2; i++) {
		for (existing = 0; existing < 2; existing++) {
			if (existing)
				write_path(path_in(*state, "disk"), "old", 3);
			write_path(path_in(*state, beside[i]), "", 0);
			assert_fails(open_output(path_in(*state, "disk"), &o, &err), TRANSHIP_EBUSY,
				     &err, beside[i]);
			assert_int_equal(err.sys_errno, 0);
			assert_int_equal(count_entries(*state), 1 + existing);
			unlink(path_in(*state, beside[i]));
			/* Begun while the new file was written. */
			assert_ok(open_output(path_in(*state, "disk"), &o, &err), &err);
			put(output_main(o), "new");
			write_path(path_in(*state, beside[i]), "", 0);
			assert_fails(output_finish(o, &err), TRANSHIP_EBUSY, &err, beside[i]);
			output_close(o);
			assert_int_equal(count_entries(*state), 1 + existing);
			unlink(path_in(*state, beside[i]));
			if (existing)
				assert_content(path_in(*state, "disk"), "old");
			unlink(path_in(*state, "disk"));
		}
	}
}

static void test_output__extras_do_not_replace_unfinished_files(void **state)
{
	struct tranship_file *extra;
	struct tranship_error err;
	struct output *o;

	write_path(path_in(*state, "one.tranship-note"), "", 0);
	assert_ok(open_output(path_in(*state, "disk"), &o, &err), &err);
	assert_fails(output_extra(o, "one", &extra, &err), TRANSHIP_EBUSY, &err, "'one'");
	assert_ok(output_extra(o, "two", &extra, &err), &err);
	put(extra, "2");
	assert_ok(output_extra_done(o, &err), &err);
	write_path(path_in(*state, "two.tranship-pages"), "", 0);
	put(output_main(o), "new");
	assert_fails(output_finish(o, &err), TRANSHIP_EBUSY, &err, "'two'");
	output_close(o);
	assert_int_equal(count_entries(*state), 2);
}

static void test_output__does_not_write_into_an_unfinished_file(void **state)
{
	static const char *const beside[] = { "disk.tranship-note", "disk.tranship-pages" };
	struct output_params params = { .path = path_in(*state, "disk"), .in_place = true };
	struct tranship_error err;
	struct output *o;
	size_t i;

	write_path(params.path, "old", 3);
	for (i = 0; i < 2; i++) {
		write_path(path_in(*state, beside[i]), "", 0);
		assert_fails(output_open(&params, &o, &err), TRANSHIP_EBUSY, &err, "interrupted");
		unlink(path_in(*state, beside[i]));
		assert_ok(output_open(&params, &o, &err), &err);
		output_close(o);
	}
	assert_content(params.path, "old");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_output__has_its_name_only_when_it_is_finished),
		IN_FOLDER(test_output__closed_early_leaves_what_was_there),
		IN_FOLDER(test_output__replaces_and_keeps_the_mode),
		IN_FOLDER(test_output__a_link_stays_a_link),
		IN_FOLDER(test_output__what_is_refused),
		IN_FOLDER(test_output__no_clobber),
		IN_FOLDER(test_output__a_read_only_file_is_not_replaced),
		IN_FOLDER(test_output__two_runs_at_once),
		IN_FOLDER(test_output__what_a_killed_run_left_is_removed),
		IN_FOLDER(test_output__a_partial_that_is_a_link_is_not_followed),
		IN_FOLDER(test_output__a_partial_that_is_a_pipe_does_not_block),
		IN_FOLDER(test_output__extra_files_come_with_the_main_one),
		IN_FOLDER(test_output__extra_files_are_ours_until_the_end),
		IN_FOLDER(test_output__extra_files_go_with_an_abort),
		IN_FOLDER(test_output__extra_files_without_a_main_one_do_not_stay),
		IN_FOLDER(test_output_extra__what_is_refused),
		IN_FOLDER(test_create__onto_its_own_source),
		IN_FOLDER(test_create__onto_an_extent_of_its_source),
		IN_FOLDER(test_create__in_place),
		IN_FOLDER(test_create__in_place_is_locked),
		cmocka_unit_test(test_create__a_full_disk),
		cmocka_unit_test(test_output_count__adds_up_all_files),
		IN_FOLDER(test_output__does_not_replace_an_unfinished_file),
		IN_FOLDER(test_output__extras_do_not_replace_unfinished_files),
		IN_FOLDER(test_output__does_not_write_into_an_unfinished_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
