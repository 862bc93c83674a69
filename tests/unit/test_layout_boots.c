// SPDX-License-Identifier: Apache-2.0
/* What starts a disk: the EFI system partition's folders, boot code that leads somewhere or not;
 * reads and allocations that fail. */
#include "support.h"

#include "base/bytes.h"
#include "base/error.h"
#include "core/disk.h"
#include "heap.h"
#include "image_fs.h"
#include "image_gpt.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/grub.h"
#include "mbr-gpt/layout.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

#define ESP_FIRST 2048U
#define ESP_SECTORS 71126U
#define SECTORS 80000U
#define FAT_SECTORS 547U
#define UEFI TRANSHIP_BOOTS_UEFI
#define BIOS TRANSHIP_BOOTS_BIOS
#define LINUX TRANSHIP_BOOTS_LINUX
#define WINDOWS TRANSHIP_BOOTS_WINDOWS

/* An empty FAT32 of 70000 clusters. */
static void put_fat32(struct tranship_disk *disk, uint64_t sector)
{
	unsigned char raw[512] = "\xeb\x58\x90mkfs.fat";
	uint64_t off = sector * 512;

	put_le16(raw + 11, 512);
	raw[13] = 1;
	put_le16(raw + 14, 32);
	raw[16] = 2;
	raw[21] = 0xF8;
	put_le32(raw + 32, ESP_SECTORS);
	put_le32(raw + 36, FAT_SECTORS);
	put_le32(raw + 44, 2);
	raw[66] = 0x29;
	memcpy(raw + 82, "FAT32   ", 8);
	put_le16(raw + 510, 0xAA55);
	sparse_disk_write(disk, off, raw, sizeof(raw));
	memset(raw, 0, 12);
	put_le32(raw, 0x0FFFFFF8);
	put_le32(raw + 4, 0x0FFFFFFF);
	put_le32(raw + 8, 0x0FFFFFFF);
	sparse_disk_write(disk, off + 32 * 512, raw, 12);
	sparse_disk_write(disk, off + (32 + FAT_SECTORS) * 512, raw, 12);
}

static void put_file(struct tranship_disk *disk, const char *path)
{
	struct tranship_error err;
	struct patches patches;
	struct volume volume;
	struct fat fat;

	patches_init(&patches, disk);
	volume = (struct volume){ disk, &patches, ESP_FIRST * 512ULL, ESP_SECTORS * 512ULL };
	assert_ok(fat_open(&volume, &fat, &err), &err);
	assert_ok(fat_put(&fat, &patches, path, 0, "x", 1, "test", &err), &err);
	sparse_disk_patch(disk, &patches);
	fat_close(&fat);
	patches_free(&patches);
}

static struct tranship_disk *with_esp(void)
{
	static const struct image_gpt_entry entries[] = {
		{ &gpt_type_linux, 34, 2000, 0, "root" },
		{ &gpt_type_esp, ESP_FIRST, ESP_FIRST + ESP_SECTORS - 1, 0, "ESP" },
	};
	static const struct image_gpt table = { .entries = entries, .used = 2 };
	struct tranship_disk *disk = sparse_disk(SECTORS * 512ULL, 512);

	assert_non_null(disk);
	image_gpt_write(disk, &table);
	put_fat32(disk, ESP_FIRST);
	return disk;
}

static struct tranship_layout *layout_of(struct tranship_disk *disk)
{
	struct tranship_layout *layout;
	struct tranship_error err;

	assert_ok(tranship_layout_read(disk, &layout, &err), &err);
	return layout;
}

/* What starts it, and the stub; piece NULL: there is no note. */
static void expect(struct tranship_disk *disk, unsigned boots, const char *stub, const char *piece)
{
	struct tranship_layout *layout = layout_of(disk);
	const char *note = tranship_layout_note(layout, 0);

	assert_int_equal(tranship_layout_boots(layout), boots);
	assert_string_equal(layout->esp.stub, stub);
	if (piece && (!note || !strstr(note, piece)))
		fail_msg("the note is '%s', wanted '%s'", note ? note : "(none)", piece);
	if (!piece && note)
		fail_msg("there is a note: %s", note);
	tranship_layout_free(layout);
}

static void test_layout_esp__files(void **state)
{
	static const struct {
		const char *path;
		unsigned boots;
	} cases[] = {
		{ "EFI/BOOT/BOOTX64.EFI", UEFI },
		{ "EFI/BOOT/BOOTAA64.EFI", 0 },
		{ "EFI/BOOT/GRUBX64.EFI", UEFI | LINUX },
		{ "EFI/FEDORA/SHIM.EFI", UEFI | LINUX },
		{ "EFI/FEDORA/GRUB.TXT", 0 },
		{ "EFI/UBUNTU/SHIMX64.EFI", UEFI | LINUX },
		{ "EFI/LINUX/ARCH.EFI", UEFI | LINUX },
		{ "EFI/OTHER/ARCH.EFI", 0 },
		{ "EFI/MICROS~1/GRUBX64.EFI", UEFI | LINUX }, /* a folder of this very name */
		{ "EFI/GRUBX64.EFI", 0 },
		{ "GRUBX64.EFI", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_disk *disk = with_esp();

		expect(disk, 0, "", NULL);
		put_file(disk, cases[i].path);
		expect(disk, cases[i].boots, "", NULL);
		tranship_disk_close(disk);
	}
}

/* The stub is the first by name, whatever the order of the directory; EFI/BOOT comes last. */
static void test_layout_esp__stub(void **state)
{
	struct tranship_disk *disk = with_esp();
	struct tranship_layout *layout;

	(void)state;
	put_file(disk, "EFI/BOOT/GRUB.CFG");
	layout = layout_of(disk);
	assert_true(layout->esp.present && layout->esp.linux && !layout->esp.fallback);
	assert_int_equal(layout->esp.partition, 1);
	assert_string_equal(layout->esp.stub, "EFI/BOOT/grub.cfg");
	tranship_layout_free(layout);
	put_file(disk, "EFI/UBUNTU/GRUB.CFG");
	expect(disk, UEFI | LINUX, "EFI/UBUNTU/grub.cfg", NULL);
	put_file(disk, "EFI/DEBIAN/GRUB.CFG");
	put_file(disk, "EFI/ARCH/NOTHING.CFG");
	expect(disk, UEFI | LINUX, "EFI/DEBIAN/grub.cfg", NULL);
	tranship_disk_close(disk);
}

static void test_layout_esp__notes(void **state)
{
	struct tranship_disk *disk = with_esp();
	uint64_t at = ESP_FIRST * 512ULL, fat = at + 32 * 512;

	(void)state;
	put_file(disk, "EFI/BOOT/BOOTX64.EFI");
	image_poke32(disk, fat + 4, 0x07FFFFFF); /* the bit of a clean volume is off */
	expect(disk, UEFI, "", "partition 2: the EFI system partition was not unmounted");
	image_poke32(disk, fat + 4, 0x0FFFFFFF);
	image_poke32(disk, fat + 8, 2); /* the root is a loop; what was found before that stays */
	expect(disk, UEFI, "", NULL);
	image_poke32(disk, fat + 8, 1);
	expect(disk, 0, "", "partition 2: fat: ");
	image_poke32(disk, fat + 8, 0x0FFFFFFF);
	image_poke32(disk, at + 32, ESP_SECTORS + 1); /* longer than the partition */
	expect(disk, 0, "", "partition 2: fat: ");
	tranship_disk_close(disk);

	disk = with_esp(); /* FAT16 is named, and not read */
	{
		unsigned char *raw = image_fs_make(image_fs_find("fat16"), IMAGE_FS_SIZE);

		sparse_disk_write(disk, at, raw, IMAGE_FS_SIZE);
		free(raw);
	}
	expect(disk, 0, "", "partition 2: fat: ");
	tranship_disk_close(disk);
}

/* What grub_is_boot and grub_is_core know them by, and no more. */
static void put_grub(struct tranship_disk *disk, uint64_t core, uint64_t at)
{
	unsigned char raw[512] = { 0xEB, 0x63, 0x90 };

	put_le16(raw + 0x5A, 0x8000);
	put_le64(raw + GRUB_OFF_CORE_LBA, core);
	memcpy(raw + 0x180, "GRUB \0Geom\0Hard Disk\0Read\0 Error", 33);
	sparse_disk_write(disk, 0, raw, 440);
	memset(raw, 0, sizeof(raw));
	memcpy(raw + 0x180, "loading\0.\0Geom\0Read\0 Error", 27);
	put_le64(raw + 500, at + 1);
	put_le16(raw + 508, 60);
	put_le16(raw + 510, 0x820);
	if (at)
		sparse_disk_write(disk, at * 512, raw, 512);
}

static void test_layout_boots__grub(void **state)
{
	struct tranship_disk *disk = with_esp();

	(void)state;
	put_grub(disk, 1000, 1000);
	expect(disk, BIOS | LINUX, "", NULL);
	put_grub(disk, 1001, 0);
	expect(disk, LINUX, "", "goes on in sector 1001, where no core.img begins");
	put_grub(disk, UINT64_MAX, 0);
	expect(disk, LINUX, "", "where no core.img begins");
	put_grub(disk, SECTORS, 0);
	expect(disk, LINUX, "", "where no core.img begins");
	tranship_disk_close(disk);
}

static void test_layout_boots__active_partition(void **state)
{
	struct tranship_disk *disk = sparse_disk(SECTORS * 512ULL, 512);
	uint64_t boot = ESP_FIRST * 512ULL;

	(void)state;
	assert_non_null(disk);
	image_mbr_entry(disk, 0, 1, 0x80, 0x0C, ESP_FIRST, ESP_SECTORS);
	put_fat32(disk, ESP_FIRST);
	put_file(disk, "BOOTMGR");
	expect(disk, 0, "", NULL); /* no code in the first sector */
	sparse_disk_write(disk, 0, "code", 4);
	expect(disk, BIOS | WINDOWS, "", NULL);
	sparse_disk_write(disk, boot + 100, "This is not a bootable disk.", 28);
	expect(disk, 0, "", NULL);
	sparse_disk_write(disk, boot + 100, "That", 4);
	expect(disk, BIOS | WINDOWS, "", NULL);
	sparse_disk_write(disk, boot + 510, "\0", 1);
	expect(disk, 0, "", NULL);
	sparse_disk_write(disk, boot + 510, "\x55", 1);
	image_mbr_entry(disk, 0, 1, 0, 0x0C, ESP_FIRST, ESP_SECTORS); /* not active */
	expect(disk, 0, "", NULL);
	/* Another one is: NTFS whose boot sector looks for BOOTMGR, or not. */
	{
		unsigned char *raw = image_fs_make(image_fs_find("ntfs"), IMAGE_FS_SIZE);

		sparse_disk_write(disk, 74000ULL * 512, raw, IMAGE_FS_SIZE);
		free(raw);
	}
	image_mbr_entry(disk, 0, 3, 0x80, 0x07, 74000, 5000);
	expect(disk, BIOS, "", NULL);
	sparse_disk_write(disk, 74000ULL * 512 + 400, "BOOTMGR is missing", 18);
	expect(disk, BIOS | WINDOWS, "", NULL);
	tranship_disk_close(disk);
}

/* A disk over another one; reads fail from the nth on, or only that one. */
struct failing {
	struct tranship_disk disk;
	struct tranship_disk *inner;
	unsigned reads, fail;
	bool for_good;
};

static int failing_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		       struct tranship_error *err)
{
	return tranship_disk_map(((struct failing *)disk)->inner, off, out, err);
}

static int failing_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
			size_t len, struct tranship_error *err)
{
	struct failing *f = (struct failing *)disk;

	(void)scratch;
	f->reads++;
	if (f->fail && (f->for_good ? f->reads >= f->fail : f->reads == f->fail))
		return error_set(err, TRANSHIP_EIO, "planted");
	return tranship_disk_read(f->inner, NULL, off, buf, len, err);
}

static void failing_close(struct tranship_disk *disk)
{
	(void)disk;
}

static const struct disk_ops failing_ops = {
	.map = failing_map,
	.read = failing_read,
	.close = failing_close,
};

static struct tranship_disk *full_disk(void)
{
	struct tranship_disk *disk = with_esp();

	put_file(disk, "EFI/DEBIAN/GRUB.CFG");
	put_file(disk, "EFI/BOOT/BOOTX64.EFI");
	put_grub(disk, 1000, 1000);
	return disk;
}

/* Whichever read fails: the layout is refused (a table), or says so in a note. */
static void test_layout__reads_that_fail(void **state)
{
	struct failing f = { .inner = full_disk() };
	unsigned all, nth, refused = 0;
	int for_good;

	(void)state;
	disk_init(&f.disk, &failing_ops, "failing");
	f.disk.size = SECTORS * 512ULL;
	tranship_layout_free(layout_of(&f.disk));
	all = f.reads;
	assert_true(all > 10 && all < 200);
	for (for_good = 0; for_good < 2; for_good++)
		for (nth = 1; nth <= all; nth++) {
			struct tranship_layout *layout;
			struct tranship_error err;
			int rc;

			f.reads = 0;
			f.fail = nth;
			f.for_good = for_good;
			rc = tranship_layout_read(&f.disk, &layout, &err);
			if (rc) {
				assert_fails(rc, TRANSHIP_EIO, &err, "planted");
				assert_null(layout);
				refused++;
				continue;
			}
			assert_non_null(tranship_layout_note(layout, 0));
			tranship_layout_free(layout);
		}
	assert_true(refused > 0 && refused < all);
	disk_fini(&f.disk);
	tranship_disk_close(f.inner);
}

static void test_layout__allocations_that_fail(void **state)
{
	struct tranship_disk *disk = full_disk();
	struct heap_seen seen = { .failed = HEAP_WATCHED };
	unsigned long nth;

	(void)state;
	tranship_layout_free(layout_of(disk));
	for (nth = 1; seen.failed; nth++) {
		struct tranship_layout *layout;
		struct tranship_error err;
		int rc;

		heap_watch(nth, false);
		rc = tranship_layout_read(disk, &layout, &err);
		if (rc == 0)
			tranship_layout_free(layout);
		seen = heap_unwatch();
		assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
		assert_int_equal(seen.held, 0);
	}
	tranship_disk_close(disk);
}

static void test_layout__refused(void **state)
{
	struct tranship_disk *disk = with_esp();
	struct tranship_layout *layout;
	struct tranship_error err;

	(void)state;
	disk->forward = true;
	assert_fails(tranship_layout_read(disk, &layout, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "pipe");
	assert_null(layout);
	tranship_layout_free(NULL);
	tranship_disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_esp__files),
		cmocka_unit_test(test_layout_esp__stub),
		cmocka_unit_test(test_layout_esp__notes),
		cmocka_unit_test(test_layout_boots__grub),
		cmocka_unit_test(test_layout_boots__active_partition),
		cmocka_unit_test(test_layout__reads_that_fail),
		cmocka_unit_test(test_layout__allocations_that_fail),
		cmocka_unit_test(test_layout__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
