// SPDX-License-Identifier: Apache-2.0
/* Boot configuration data: what a UEFI disk has becomes what a BIOS disk would have. */
#include "bcd_scene.h"
#include "heap.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

/* The data of an element; false: there is no such element. */
static bool data_of(struct bcd_scene *s, const char *object, const char *element,
		    struct buffer *out)
{
	struct tranship_error err = { 0 };
	struct regf_value value;
	struct regf_key key;
	char path[200];
	bool found;

	snprintf(path, sizeof(path), "Objects\\%s\\Elements\\%s", object, element);
	assert_ok(regf_root(&s->hive, &key, &err), &err);
	assert_ok(regf_find(&s->hive, &key, path, &found, &key, &err), &err);
	if (!found)
		return false;
	assert_ok(regf_find_value(&s->hive, &key, "Element", &found, &value, &err), &err);
	assert_true(found);
	out->len = 0;
	assert_ok(regf_data(&s->hive, &value, 10000, out, &err), &err);
	return true;
}

static void same_data(const struct hive_value *want, struct bcd_scene *s, const char *object,
		      const char *element)
{
	struct buffer data = { 0 };

	assert_true(data_of(s, object, element, &data));
	if (data.len != want->len || memcmp(data.bytes, want->data, data.len) != 0)
		fail_msg("the element %s of %s differs", element, object);
	buffer_free(&data);
}

/* All elements of the objects of `wanted` are in the hive, and no others in those objects. */
static void same_objects(struct bcd_scene *wanted, struct bcd_scene *s)
{
	const struct hive_key *objects = hive_image_key(&wanted->image, "Objects");
	struct tranship_error err = { 0 };
	size_t i, k;

	for (i = 0; i < objects->subkey_count; i++) {
		const char *object = objects->subkeys[i]->name;
		char path[700];
		const struct hive_key *elements;
		struct regf_key key;
		bool found;

		snprintf(path, sizeof(path), "Objects\\%s\\Elements", object);
		elements = hive_image_key(&wanted->image, path);
		assert_ok(regf_root(&s->hive, &key, &err), &err);
		assert_ok(regf_find(&s->hive, &key, path, &found, &key, &err), &err);
		assert_true(found);
		assert_int_equal(key.subkeys, elements->subkey_count);
		for (k = 0; k < elements->subkey_count; k++)
			same_data(&elements->subkeys[k]->values[0], s, object,
				  elements->subkeys[k]->name);
	}
}

static void test_to_bios__is_what_a_bios_disk_has(void **state)
{
	struct bcd_scene uefi, bios;

	(void)state;
	bcd_scene_begin(&uefi, false);
	bcd_scene_open(&uefi);
	bcd_scene_begin(&bios, true);
	bcd_scene_open(&bios);
	bcd_scene_convert(&uefi);
	same_objects(&bios, &uefi);
	assert_int_equal(uefi.report.devices, 11);
	assert_int_equal(uefi.report.unmapped, 0);
	assert_int_equal(uefi.report.paths, 5);
	assert_int_equal(uefi.report.deleted, 6);
	assert_int_equal(uefi.told.notes, 0);
	bcd_scene_close(&uefi);
	bcd_scene_close(&bios);
}

/* The firmware's objects are as they were. */
static void test_to_bios__leaves_the_firmware(void **state)
{
	static const char *const left[][2] = {
		{ BCD_FWBOOTMGR, "24000001" }, { BCD_FWBOOTMGR, "25000004" },
		{ BCD_USB, "11000001" },       { BCD_USB, "12000002" },
		{ BCD_LOADER, "22000002" },    { BCD_LOADER, "25000020" },
		{ BCD_BOOTMGR, "24000010" },
	};
	char path[200];
	struct bcd_scene s;
	size_t i;

	(void)state;
	bcd_scene_begin(&s, false);
	bcd_scene_open(&s);
	bcd_scene_convert(&s);
	for (i = 0; i < COUNT_OF(left); i++) {
		snprintf(path, sizeof(path), "Objects\\%s\\Elements\\%s", left[i][0], left[i][1]);
		same_data(&hive_image_key(&s.image, path)->values[0], &s, left[i][0], left[i][1]);
	}
	bcd_scene_close(&s);
}

static void test_to_bios__twice_is_once(void **state)
{
	struct buffer once = { 0 };
	struct bcd_scene s;

	(void)state;
	bcd_scene_begin(&s, false);
	s.partitions[2].off = 0;
	bcd_scene_open(&s);
	bcd_scene_convert(&s);
	assert_int_equal(s.report.unmapped, 3);
	assert_int_equal(buffer_append(&once, s.file.bytes, s.file.len, NULL), 0);
	bcd_scene_convert(&s);
	assert_int_equal(s.report.devices, 0);
	assert_int_equal(s.report.unmapped, 3);
	assert_int_equal(s.report.paths, 0);
	assert_int_equal(s.report.deleted, 0);
	assert_same_bytes(once.bytes, s.file.bytes, once.len);
	buffer_free(&once);
	bcd_scene_close(&s);
}

/* A partition that was dropped, and one that is none of the disk's: left, and told of. */
static void test_to_bios__what_maps_to_nothing(void **state)
{
	struct bcd_scene s;

	(void)state;
	bcd_scene_begin(&s, false);
	s.partitions[2].off = 0;
	s.disk.partitions = s.partitions + 1;
	s.disk.count = 2;
	bcd_scene_open(&s);
	bcd_scene_convert(&s);
	assert_int_equal(s.report.devices, 6);
	assert_int_equal(s.report.unmapped, 5);
	assert_int_equal(s.told.notes, 5);
	assert_non_null(strstr(s.told.note,
			       "the element 31000003 of " BCD_WINRE_OPTIONS
			       " stands on the partition e3e3e310-e3e3-e3e3-e3e3-e3e3e3e3e3e3"));
	assert_non_null(strstr(s.told.note, "the element 11000001 of " BCD_BOOTMGR));
	same_data(&image_bcd_element(&s.image, BCD_BOOTMGR, "11000001")->values[0], &s, BCD_BOOTMGR,
		  "11000001");
	same_data(&image_bcd_element(&s.image, BCD_WINRE, "21000001")->values[0], &s, BCD_WINRE,
		  "21000001");
	bcd_scene_close(&s);
}

static void put_element(struct bcd_scene *s, const char *element, const void *raw, size_t len)
{
	hive_image_value(image_bcd_element(&s->image, BCD_USB, element), "Element", HIVE_BINARY,
			 raw, len);
}

/* Devices of other disks, of other kinds, and what only looks like one. */
static void test_to_bios__what_is_not_of_this_disk(void **state)
{
	unsigned char raw[BCD_DEVICE_SIZE], other[BCD_DEVICE_SIZE + 3];
	static const char *const same[] = { "21000001", "21000002", "21000003", "21000004",
					    "25000005", "2100000x", "210000" };
	struct bcd_scene s;
	size_t i;

	(void)state;
	bcd_scene_begin(&s, false);
	image_bcd_device(&s.bcd, &s.bcd.windows, raw);
	memcpy(other, raw, sizeof(raw));
	other[0x38] ^= 1; /* another disk */
	put_element(&s, "21000001", other, sizeof(raw));
	memcpy(other, raw, sizeof(raw));
	other[0x34] = 1; /* MBR style */
	put_element(&s, "21000002", other, sizeof(raw));
	memcpy(other, raw, sizeof(raw));
	other[0x18] = 0x50; /* another length */
	put_element(&s, "21000003", other, sizeof(raw));
	put_element(&s, "21000004", raw, sizeof(raw) - 1);
	put_element(&s, "25000005", raw, sizeof(raw)); /* no device */
	put_element(&s, "2100000x", raw, sizeof(raw)); /* no element */
	put_element(&s, "210000", raw, sizeof(raw));
	memset(other, 0x5A, 3); /* at an odd place, behind a path */
	memcpy(other + 3, raw, sizeof(raw));
	put_element(&s, "21000006", other, sizeof(other));
	bcd_scene_open(&s);
	bcd_scene_convert(&s);
	assert_int_equal(s.report.devices, 12);
	assert_int_equal(s.report.unmapped, 3);
	assert_int_equal(s.told.notes, 3);
	assert_non_null(strstr(s.told.note, "the element 21000002 of " BCD_USB " names the disk"));
	for (i = 0; i < COUNT_OF(same); i++)
		same_data(&image_bcd_element(&s.image, BCD_USB, same[i])->values[0], &s, BCD_USB,
			  same[i]);
	bcd_scene_close(&s);
}

/* What becomes of a path. */
static const struct path_case {
	const char *object, *from, *to;
	const char *note; /* NULL: none */
} paths[] = {
	{ BCD_LOADER, "\\WINDOWS\\SYSTEM32\\WINLOAD.EFI", "\\WINDOWS\\SYSTEM32\\WINLOAD.EXE",
	  NULL },
	{ BCD_LOADER, "\\Windows\\system32\\boot\\WinLoad.eFi",
	  "\\Windows\\system32\\boot\\WinLoad.eXe", NULL },
	{ BCD_RESUME, "\\x\\winresume.efi", "\\x\\winresume.exe", NULL },
	{ BCD_LOADER, "\\winload.exe", "\\winload.exe", NULL },
	{ BCD_LOADER, "\\winload.efi.bak", "\\winload.efi.bak", NULL },
	{ BCD_LOADER, "\\mywinload.efi", "\\mywinload.efi",
	  "starts \\mywinload.efi, which a BIOS" },
	{ BCD_LOADER, "\\EFI\\debian\\grubx64.efi", "\\EFI\\debian\\grubx64.efi", "cannot" },
	{ BCD_USB, "\\winload.efi", "\\winload.efi", NULL },
	{ BCD_MEMDIAG, "\\EFI\\Boot\\memtest.efi", "\\Boot\\memtest.exe", NULL },
	{ BCD_MEMDIAG, "\\boot\\memtest.efi", "\\Boot\\memtest.exe", NULL },
	{ BCD_MEMDIAG, "\\memtest.efi", "\\memtest.efi", "no room for \\Boot\\memtest.exe" },
	{ BCD_MEMDIAG, "\\Boot\\other.exe", "\\Boot\\other.exe", NULL },
};

static void test_to_bios__paths(void **state)
{
	struct hive_value want;
	struct bcd_scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(paths); i++) {
		const struct path_case *p = &paths[i];
		struct hive_key *key;

		bcd_scene_begin(&s, false);
		key = image_bcd_element(&s.image, p->object, "12000002");
		hive_image_text(key, "Element", HIVE_SZ, p->from);
		bcd_scene_open(&s);
		bcd_scene_convert(&s);
		want = *hive_image_text(key, "Element", HIVE_SZ, p->to);
		same_data(&want, &s, p->object, "12000002");
		assert_int_equal(s.told.notes, p->note != NULL);
		if (p->note && !strstr(s.told.note, p->note))
			fail_msg("'%s' lacks '%s'", s.told.note, p->note);
		bcd_scene_close(&s);
	}
}

/* Without an end, of an odd length, or empty: no harm. */
static void test_to_bios__strings_without_end(void **state)
{
	static const char *const texts[] = { "\\winload.efi", "", "i", ".efi", "efi" };
	struct buffer data = { 0 };
	struct bcd_scene s;
	size_t i, odd;

	(void)state;
	for (i = 0; i < COUNT_OF(texts); i++) {
		for (odd = 0; odd < 2; odd++) {
			unsigned char raw[40] = { 0 };
			size_t len = strlen(texts[i]), k;

			for (k = 0; k < len; k++)
				raw[2 * k] = (unsigned char)texts[i][k];
			bcd_scene_begin(&s, false);
			hive_image_value(image_bcd_element(&s.image, BCD_LOADER, "12000002"),
					 "Element", HIVE_SZ, raw, 2 * len + odd);
			bcd_scene_open(&s);
			bcd_scene_convert(&s);
			assert_true(data_of(&s, BCD_LOADER, "12000002", &data));
			assert_int_equal(data.len, 2 * len + odd);
			if (i == 0)
				assert_memory_equal(data.bytes + 18, "e\0x\0e", 5);
			bcd_scene_close(&s);
		}
	}
	buffer_free(&data);
}

static void test_to_bios__no_store(void **state)
{
	struct tranship_error err = { 0 };
	struct bcd_scene s;

	(void)state;
	bcd_scene_begin(&s, false);
	hive_image_remove(&s.image, "Objects");
	bcd_scene_open(&s);
	assert_fails(bcd_to_bios(&s.hive, &s.disk, NULL, NULL, &s.report, &err), TRANSHIP_ECORRUPT,
		     &err, "no boot configuration");
	bcd_scene_close(&s);
	bcd_scene_begin(&s, false);
	hive_image_key(&s.image, "Objects\\{odd}\\Elements");
	hive_image_key(&s.image, "Objects\\{odder}");
	hive_image_key(&s.image, "Objects\\{oddest}\\Elements\\11000001");
	hive_image_key(&s.image, "Objects\\" BCD_BOOTMGR "\\Elements\\26000005\\below");
	bcd_scene_open(&s);
	assert_fails(bcd_to_bios(&s.hive, &s.disk, NULL, NULL, &s.report, &err), TRANSHIP_ECORRUPT,
		     &err, "the element 26000005 of an object has");
	bcd_scene_close(&s);
}

/* A disk without an id matches no device: zeros are in many. */
static void test_to_bios__disk_without_id(void **state)
{
	struct bcd_scene s;

	(void)state;
	bcd_scene_begin(&s, false);
	memset(&s.disk.id, 0, sizeof(s.disk.id));
	bcd_scene_open(&s);
	bcd_scene_convert(&s);
	assert_int_equal(s.report.devices, 0);
	assert_int_equal(s.report.unmapped, 0);
	bcd_scene_close(&s);
}

/* A store of too many objects; one full of devices that map to nothing, which are not all told. */
static void test_to_bios__too_much(void **state)
{
	unsigned char raw[BCD_DEVICE_SIZE * 300];
	struct tranship_error err = { 0 };
	struct bcd_scene s;
	char path[60];
	unsigned i;

	(void)state;
	bcd_scene_begin(&s, false);
	s.disk.count = 0;
	for (i = 0; i < 300; i++)
		image_bcd_device(&s.bcd, &s.bcd.windows, raw + (size_t)i * BCD_DEVICE_SIZE);
	put_element(&s, "21000001", raw, sizeof(raw));
	bcd_scene_open(&s);
	memset(&s.told, 0, sizeof(s.told));
	assert_ok(bcd_to_bios(&s.hive, &s.disk, bcd_count_note, &s.told, &s.report, &err), &err);
	assert_int_equal(s.report.unmapped, 311);
	assert_int_equal(s.told.notes, 201);
	for (i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), "Objects\\%u", i * 977 % 4096);
		hive_image_key(&s.image, path);
	}
	bcd_scene_open(&s);
	assert_fails(bcd_to_bios(&s.hive, &s.disk, NULL, NULL, &s.report, &err), TRANSHIP_ELIMIT,
		     &err, "objects; 4096 are taken");
	bcd_scene_close(&s);
}

/* Each allocation fails once, and with all behind it. */
static void test_to_bios__no_memory(void **state)
{
	struct tranship_error err = { 0 };
	struct heap_seen seen = { .failed = true };
	struct bcd_scene s;
	unsigned long n;

	(void)state;
	if (!HEAP_WATCHED)
		return;
	for (n = 1; seen.failed; n++) {
		int rc;

		bcd_scene_begin(&s, false);
		bcd_scene_open(&s);
		heap_watch(n, n % 2);
		rc = bcd_to_bios(&s.hive, &s.disk, NULL, NULL, &s.report, &err);
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		assert_int_equal(rc, seen.failed ? TRANSHIP_ENOMEM : 0);
		assert_ok(regf_check(&s.hive, &err), &err);
		bcd_scene_close(&s);
	}
	assert_in_range(n, 10, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_bios__is_what_a_bios_disk_has),
		cmocka_unit_test(test_to_bios__leaves_the_firmware),
		cmocka_unit_test(test_to_bios__twice_is_once),
		cmocka_unit_test(test_to_bios__what_maps_to_nothing),
		cmocka_unit_test(test_to_bios__what_is_not_of_this_disk),
		cmocka_unit_test(test_to_bios__paths),
		cmocka_unit_test(test_to_bios__strings_without_end),
		cmocka_unit_test(test_to_bios__no_store),
		cmocka_unit_test(test_to_bios__disk_without_id),
		cmocka_unit_test(test_to_bios__too_much),
		cmocka_unit_test(test_to_bios__no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
