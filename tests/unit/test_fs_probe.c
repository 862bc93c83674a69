// SPDX-License-Identifier: Apache-2.0
/* What stands in a partition: sound file systems by their ids and labels; damaged, cut and hostile
 * ones without a bad access, and without being taken for what they were. */
#include "faulty.h"
#include "image_fs.h"
#include "support.h"

#include "base/bytes.h"
#include "mbr-gpt/layout.h"
#include "mbr-gpt/volume.h"

#include <stdlib.h>
#include <string.h>

/* Probes bytes as a disk. `faults` may be NULL. */
static int probe(const unsigned char *raw, size_t size, struct faults *faults,
		 struct fs_found *found, struct tranship_error *err)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_file *file = file_of(raw, size);
	struct tranship_disk *disk;
	struct volume volume;
	int rc;

	if (faults)
		file = faulty_over(file, faults);
	assert_ok(tranship_open_file(file, &options, &disk, err), err);
	volume = volume_whole(disk, NULL);
	rc = fs_probe(&volume, found, err);
	tranship_disk_close(disk);
	return rc;
}

static const char *type_of(const unsigned char *raw, size_t size)
{
	struct tranship_error err;
	struct fs_found found;

	assert_ok(probe(raw, size, NULL, &found, &err), &err);
	return found.type;
}

static void test_fs_probe__names_each(void **state)
{
	struct tranship_error err;
	struct fs_found found;
	size_t i;

	(void)state;
	for (i = 0; i < image_fs_count; i++) {
		const struct image_fs *fs = &image_fs_list[i];
		unsigned char *raw = image_fs_make(fs, IMAGE_FS_SIZE);

		assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
		assert_string_equal(found.type, fs->type);
		assert_string_equal(found.id, fs->id);
		assert_string_equal(found.label, fs->label);
		free(raw);
	}
}

static void test_fs_probe__nothing(void **state)
{
	struct rng rng = { 5 };
	unsigned char *raw = calloc(1, IMAGE_FS_SIZE);

	(void)state;
	assert_non_null(raw);
	assert_string_equal(type_of(raw, IMAGE_FS_SIZE), "");
	assert_string_equal(type_of(raw, 0), "");
	assert_string_equal(type_of(raw, 1), "");
	rng_fill(&rng, raw, IMAGE_FS_SIZE);
	assert_string_equal(type_of(raw, IMAGE_FS_SIZE), "");
	free(raw);
}

/* One field that no longer fits: what was there is not there any more. */
static const struct {
	const char *name;
	size_t at;
	unsigned char with;
	bool summed; /* the checksum is right */
} stale[] = {
	{ "raid-0.90", IMAGE_FS_SIZE - 65536 + 20, 1 }, /* not the sum */
	{ "raid-0.90-be", IMAGE_FS_SIZE - 65536 + 152, 1 },
	{ "raid-1.0", IMAGE_FS_SIZE - 8192 + 144, 1, true }, /* says that it is elsewhere */
	{ "raid-1.1", 17, 1 },
	{ "raid-1.2", 4096 + 216, 1 },
	{ "raid-1.2", 4096 + 223, 0xFF }, /* devices without end */
	{ "lvm2", 512 + 100, 1 },
	{ "lvm2", 512 + 8, 2, true },
	{ "lvm2", 512 + 25, 'X', true },
	{ "lvm2", 512 + 21, 2, true }, /* what it labels is outside of its sector */
	{ "luks1", 7, 3 },
	{ "luks2", 256 + 7, 1 },
	{ "fat12", 510, 0 },
	{ "fat12", 11, 1 },
	{ "fat12", 13, 3 },
	{ "fat16", 16, 0 },
	{ "fat16", 21, 0x11 },
	{ "fat32", 14, 0 },
	{ "fat32", 39, 1 }, /* its table is longer than it */
	{ "swap", 1024, 2 },
	{ "swap", 1028, 0 },
	{ "xfs", 108, 'T' },
	{ "xfs", 102, 0x80 },
	{ "ext4", 1024 + 120, 'R' },
	{ "ext2", 1024 + 24, 7 },
	{ "ntfs", 11, 1 },
	{ "ntfs", 13, 3 },
	{ "ntfs", 14, 1 },
	{ "ntfs", 48, 5 },
	{ "ntfs", 53, 0x80 },
	{ "ntfs", 64, 0x80 },
	{ "exfat", 100, 1 },
	{ "exfat", 108, 8, true },
	{ "exfat", 109, 17, true },
	{ "refs", 16, 'X' },
	{ "btrfs", 65536 + 299, 'P' },
	{ "btrfs", 65536 + 48, 1, true },
	{ "squashfs", 22, 18 },
	{ "iso9660", 32768, 2 },
};

static void test_fs_probe__stale(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(stale); i++) {
		unsigned char *raw = image_fs_make(image_fs_find(stale[i].name), IMAGE_FS_SIZE);
		const char *type;

		raw[stale[i].at] = stale[i].with;
		if (stale[i].summed)
			image_fs_find(stale[i].name)->sum(raw, IMAGE_FS_SIZE);
		type = type_of(raw, IMAGE_FS_SIZE);
		if (*type)
			fail_msg("%s with %#x at %zu is still %s", stale[i].name, stale[i].with,
				 stale[i].at, type);
		free(raw);
	}
}

/* Any byte of the parts that are looked at, any length: whatever is found, nothing breaks. */
static void test_fs_probe__damaged(void **state)
{
	static const unsigned char values[] = { 0, 0x80, 0xFF };
	struct tranship_error err;
	struct fs_found found;
	size_t i, at, v;

	(void)state;
	for (i = 0; i < image_fs_count; i++) {
		unsigned char *raw = image_fs_make(&image_fs_list[i], IMAGE_FS_SIZE);

		for (at = 0; at < IMAGE_FS_SIZE; at++) {
			unsigned char was = raw[at];

			if (was == 0 && (at > 512 || at % 4 != 0))
				continue;
			for (v = 0; v < COUNT_OF(values); v++) {
				raw[at] = values[v];
				assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
				assert_true(strlen(found.id) < sizeof(found.id));
				assert_true(strlen(found.label) < sizeof(found.label));
			}
			raw[at] = was;
			at += at % 512 == 255 ? 200 : 0;
		}
		for (at = 0; at < IMAGE_FS_SIZE; at += at < 9000 ? 97 : 5113)
			assert_ok(probe(raw, at, NULL, &found, &err), &err);
		free(raw);
	}
}

/* Chains that never end, and labels that reach beyond where they are. */
static void test_fs_probe__hostile_chains(void **state)
{
	struct tranship_error err;
	struct fs_found found;
	unsigned char *raw = image_fs_make(image_fs_find("fat32"), IMAGE_FS_SIZE);
	size_t i;

	(void)state;
	put_le32(raw + 8 * 512 + 3 * 4, 3); /* cluster 3 is its own successor */
	assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
	assert_string_equal(found.type, "fat32");
	assert_string_equal(found.label, "");
	put_le32(raw + 44, 0xFFFFFFFF);
	assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
	assert_string_equal(found.label, "");
	free(raw);

	raw = image_fs_make(image_fs_find("ntfs"), IMAGE_FS_SIZE);
	for (i = 0; i < 2; i++) { /* a length that steps nowhere, or far out */
		put_le32(raw + 4 * 4096 + 3 * 1024 + 56 + 4, i ? 0xFFFFFFF0 : 0);
		assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
		assert_string_equal(found.type, "ntfs");
		assert_string_equal(found.label, "");
	}
	free(raw);
}

static void test_fs_probe__blanks_end_a_label(void **state)
{
	unsigned char *raw = image_fs_make(image_fs_find("ext2"), IMAGE_FS_SIZE);
	struct tranship_error err;
	struct fs_found found;

	(void)state;
	memcpy(raw + 1024 + 120, " a b \t\n\0x      ", 16);
	assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
	assert_string_equal(found.label, " a b");
	memset(raw + 1024 + 104, 0, 16);
	assert_ok(probe(raw, IMAGE_FS_SIZE, NULL, &found, &err), &err);
	assert_string_equal(found.id, "");
	free(raw);
}

/* Whichever read fails, the probe says so, and finds nothing. */
static void test_fs_probe__reads_that_fail(void **state)
{
	struct tranship_error err;
	struct fs_found found;
	size_t i;

	(void)state;
	for (i = 0; i < image_fs_count; i++) {
		unsigned char *raw = image_fs_make(&image_fs_list[i], IMAGE_FS_SIZE);
		unsigned nth;
		bool failed = true;

		for (nth = 1; failed; nth++) {
			struct faults faults = { .fail_read = nth };
			int rc = probe(raw, IMAGE_FS_SIZE, &faults, &found, &err);

			assert_true(nth < 100);
			failed = faults.failed;
			if (!failed) {
				assert_ok(rc, &err);
				continue;
			}
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
			assert_string_equal(found.type, "");
			assert_string_equal(found.id, "");
		}
		free(raw);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fs_probe__names_each),
		cmocka_unit_test(test_fs_probe__nothing),
		cmocka_unit_test(test_fs_probe__stale),
		cmocka_unit_test(test_fs_probe__damaged),
		cmocka_unit_test(test_fs_probe__hostile_chains),
		cmocka_unit_test(test_fs_probe__blanks_end_a_label),
		cmocka_unit_test(test_fs_probe__reads_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
