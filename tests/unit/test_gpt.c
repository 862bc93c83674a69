// SPDX-License-Identifier: Apache-2.0
/* The backup GPT that no longer stands at the end: when a copy says so, and when it does not. */
#include "support.h"

#include "base/bytes.h"
#include "mbr-gpt/gpt.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIZE (1U << 20)

/* A protective GPT header in the second sector; its backup stands in the last one of `size`. */
static unsigned char *disk_with_gpt(uint64_t size)
{
	unsigned char *disk = calloc(1, SIZE), *h = disk + 512;

	assert_non_null(disk);
	memcpy(h, "EFI PART\0\0\1\0", 12);
	put_le32(h + 12, 92);
	put_le64(h + 24, 1);
	put_le64(h + 32, size / 512 - 1);
	put_le32(h + 16, (uint32_t)crc32(0, h, 92));
	return disk;
}

static void sum(unsigned char *disk)
{
	put_le32(disk + 512 + 16, 0);
	put_le32(disk + 512 + 16, (uint32_t)crc32(0, disk + 512, 92));
}

/* Asks about the disk; a sentence comes if and only if the answer is yes. */
static bool misplaced(const unsigned char *disk, uint64_t size, uint64_t new_size)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_disk *opened;
	struct tranship_error err;
	char message[300] = "";
	bool answer;

	assert_ok(tranship_open_file(file_of(disk, (size_t)size), &options, &opened, &err), &err);
	answer = gpt_backup_misplaced(opened, new_size, message, sizeof(message));
	assert_int_equal(answer, message[0] != '\0');
	tranship_disk_close(opened);
	return answer;
}

static void test_gpt_backup_misplaced__by_the_new_size(void **state)
{
	unsigned char *disk = disk_with_gpt(SIZE);

	(void)state;
	assert_false(misplaced(disk, SIZE, SIZE));
	assert_false(misplaced(disk, SIZE, SIZE + 511));
	assert_true(misplaced(disk, SIZE, SIZE + 512));
	assert_true(misplaced(disk, SIZE, SIZE - 512));
	free(disk);
}

static void test_gpt_backup_misplaced__only_by_a_valid_header(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 0, 0x20494645 + 1 }, { 12, 91 }, { 12, 513 }, { 12, UINT32_MAX }, { 24, 2 }
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		unsigned char *disk = disk_with_gpt(SIZE);

		put_le32(disk + 512 + cases[i].at, cases[i].value);
		assert_false(misplaced(disk, SIZE, 2 * SIZE)); /* its checksum is wrong */
		sum(disk);
		assert_false(misplaced(disk, SIZE, 2 * SIZE));
		free(disk);
	}
}

static void test_gpt_backup_misplaced__disks_too_small_for_one(void **state)
{
	unsigned char *disk = disk_with_gpt(SIZE);

	(void)state;
	assert_false(misplaced(disk, 0, SIZE));
	assert_false(misplaced(disk, 512, SIZE));
	assert_false(misplaced(disk, 1023, SIZE));
	assert_true(misplaced(disk, 1024, SIZE * 2));
	assert_false(misplaced(disk, SIZE, 0));
	assert_false(misplaced(disk, SIZE, 1023));
	free(disk);
}

/* Copies the disk and returns how often it was warned. */
static unsigned warnings_of_copy(const unsigned char *disk, const char *format, size_t size)
{
	struct tranship_open_options open = { .format = "raw" };
	struct tranship_create_options create = { .format = format, .size = size };
	struct warnings warnings = { 0 };
	struct tranship_copy_options copy = { .warn = warnings_take, .warn_ctx = &warnings };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_disk *source;
	struct tranship_error err;

	assert_ok(tranship_open_file(file_of(disk, size), &open, &source, &err), &err);
	assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
	assert_ok(tranship_copy(source, writer, &copy, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(source);
	tranship_file_close(out);
	return warnings.count;
}

static void test_copy__warns_where_rounding_moves_the_end(void **state)
{
	unsigned char *disk = disk_with_gpt(SIZE - 512);

	(void)state;
	assert_int_equal(warnings_of_copy(disk, "azure", SIZE - 512), 1);
	assert_int_equal(warnings_of_copy(disk, "vpc", SIZE - 512), 0);
	assert_int_equal(warnings_of_copy(disk, "null", SIZE - 512), 0);
	memset(disk, 0, 1024);
	assert_int_equal(warnings_of_copy(disk, "azure", SIZE - 512), 0);
	free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_backup_misplaced__by_the_new_size),
		cmocka_unit_test(test_gpt_backup_misplaced__only_by_a_valid_header),
		cmocka_unit_test(test_gpt_backup_misplaced__disks_too_small_for_one),
		cmocka_unit_test(test_copy__warns_where_rounding_moves_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
