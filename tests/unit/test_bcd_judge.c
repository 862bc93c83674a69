// SPDX-License-Identifier: Apache-2.0
/* Boot configuration data as a BIOS reads it; the SYSTEM hive's MountedDevices. */
#include "bcd_scene.h"
#include "support.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

/* What is wrong with a store that a BIOS reads, one thing each. */
static const struct wrong {
	const char *object, *element, *text; /* set to that; text NULL: taken out */
	size_t byte;                         /* of a device: xored with 1, unless 0 */
	const char *fault, *note;            /* NULL: none */
} wrongs[] = {
	{ BCD_LOADER, "11000001", NULL, 0, "has no device (11000001)", NULL },
	{ BCD_LOADER, "21000001", NULL, 0, "has no device (21000001)", NULL },
	{ BCD_LOADER, "11000001", NULL, 0x34, "is a partition of a GPT disk", NULL },
	{ BCD_LOADER, "11000001", NULL, 0x38, "with the signature 0xa1b2c3d4", NULL },
	{ BCD_LOADER, "21000001", NULL, 0x22, "is a partition at byte 122748928, where none",
	  NULL },
	{ BCD_LOADER, "11000001", NULL, 0x10, NULL, "of type 7, is not judged" },
	{ BCD_LOADER, "11000001", "x", 0, "has no device (11000001)", NULL },
	{ BCD_LOADER, "12000002", NULL, 0, "has no path", NULL },
	{ BCD_LOADER, "12000002", "\\Windows\\system32\\winload.efi", 0, "which a BIOS cannot",
	  NULL },
	{ BCD_BOOTMGR, "11000001", NULL, 0x34, "is a partition of a GPT disk", NULL },
	{ BCD_BOOTMGR, "11000001", NULL, 0, "has no device (11000001)", NULL },
	{ BCD_BOOTMGR, "23000003", "{3b8a5e6f-0e3c-11ee-8f2b-806e6f6e6964}", 0, "does not exist",
	  NULL },
	{ BCD_BOOTMGR, "23000003", "x\\y", 0, "does not exist", NULL },
	{ BCD_BOOTMGR, "23000003", NULL, 0, NULL, NULL }, /* the first displayed one is the same */
	{ BCD_RESUME, "11000001", NULL, 0x34, NULL, "is, or is in, a partition of a GPT disk" },
	{ BCD_WINRE, "11000001", NULL, 0x68, NULL, "is, or is in, a partition of a GPT disk" },
};

static int judge(struct bcd_scene *s, char path[100], uint64_t *partition,
		 struct tranship_error *err)
{
	uint64_t offsets[3] = { s->bcd.esp.off, s->bcd.windows.off, s->bcd.recovery.off };

	return bcd_judge(&s->hive, s->bcd.signature, offsets, 3, bcd_take_fault, bcd_take_note,
			 &s->told, path, 100, partition, err);
}

static void spoil(struct bcd_scene *s, const struct wrong *w)
{
	struct hive_key *key = image_bcd_element(&s->image, w->object, w->element);
	char path[200];

	if (w->byte) {
		key->values[0].data[w->byte] ^= 1;
	} else if (w->text) {
		hive_image_text(key, "Element", HIVE_SZ, w->text);
	} else {
		snprintf(path, sizeof(path), "Objects\\%s\\Elements\\%s", w->object, w->element);
		assert_true(hive_image_remove(&s->image, path));
	}
}

static void test_judge__one_thing_wrong(void **state)
{
	struct tranship_error err = { 0 };
	uint64_t partition;
	char path[100];
	struct bcd_scene s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(wrongs); i++) {
		const struct wrong *w = &wrongs[i];

		bcd_scene_begin(&s, true);
		spoil(&s, w);
		bcd_scene_open(&s);
		assert_ok(judge(&s, path, &partition, &err), &err);
		if (s.told.faults != (w->fault != NULL) || s.told.notes != (w->note != NULL) ||
		    !strstr(s.told.fault, w->fault ? w->fault : "") ||
		    !strstr(s.told.note, w->note ? w->note : ""))
			fail_msg("%zu: '%s' and '%s'", i, s.told.fault, s.told.note);
		bcd_scene_close(&s);
	}
}

static void test_judge__good_and_gone(void **state)
{
	struct tranship_error err = { 0 };
	uint64_t partition;
	char path[100];
	struct bcd_scene s;

	(void)state;
	bcd_scene_begin(&s, false);
	bcd_scene_open(&s);
	assert_ok(judge(&s, path, &partition, &err), &err);
	assert_int_equal(s.told.faults, 4);
	assert_int_equal(partition, 0);
	bcd_scene_convert(&s);
	assert_ok(judge(&s, path, &partition, &err), &err);
	assert_int_equal(s.told.faults + s.told.notes, 0);
	assert_string_equal(path, "\\Windows\\system32\\winload.exe");
	assert_int_equal(partition, s.bcd.windows.off);
	put_le32(s.file.bytes + 4, 8);
	hive_image_sum(s.file.bytes);
	assert_ok(regf_open(&s.store, &s.hive, &err), &err);
	assert_ok(judge(&s, path, &partition, &err), &err);
	assert_non_null(strstr(s.told.note, "sequence numbers differ"));
	hive_image_remove(&s.image, "Objects\\" BCD_BOOTMGR);
	bcd_scene_open(&s);
	assert_ok(judge(&s, path, &partition, &err), &err);
	assert_non_null(strstr(s.told.fault, "there is no boot manager"));
	assert_string_equal(path, "");
	hive_image_key(&s.image, "Objects\\" BCD_BOOTMGR "\\Elements");
	bcd_scene_open(&s);
	assert_ok(judge(&s, path, &partition, &err), &err);
	assert_non_null(strstr(s.told.fault, "has no default entry"));
	hive_image_remove(&s.image, "Objects");
	bcd_scene_open(&s);
	assert_fails(judge(&s, path, &partition, &err), TRANSHIP_ECORRUPT, &err,
		     "no key 'Objects'");
	bcd_scene_close(&s);
}

static void test_mounted_devices(void **state)
{
	struct tranship_error err = { 0 };
	struct buffer want = { 0 }, data = { 0 };
	struct regf_key key;
	struct regf_value value;
	struct hive_image bios;
	struct bcd_scene s;
	bool found;
	uint32_t changed, i;

	(void)state;
	bcd_scene_begin(&s, false);
	hive_image_free(&s.image);
	image_system_tree(&s.bcd, &s.image);
	bcd_scene_open(&s);
	s.bcd.bios = true;
	image_system_tree(&s.bcd, &bios);
	assert_ok(bcd_mounted_devices(&s.hive, &s.disk, &changed, &err), &err);
	assert_int_equal(changed, 3);
	assert_ok(regf_check(&s.hive, &err), &err);
	assert_ok(regf_root(&s.hive, &key, &err), &err);
	assert_ok(regf_find(&s.hive, &key, "MountedDevices", &found, &key, &err), &err);
	assert_true(found);
	assert_int_equal(key.values, 5);
	for (i = 0; i < key.values; i++) {
		/* F: is on no disk that is known, and stays. */
		const struct hive_value *v =
			&hive_image_key(i == 4 ? &s.image : &bios, "MountedDevices")->values[i];

		data.len = 0;
		assert_ok(regf_value(&s.hive, &key, i, &value, &err), &err);
		assert_string_equal(value.name, v->name);
		assert_ok(regf_data(&s.hive, &value, 1000, &data, &err), &err);
		assert_int_equal(data.len, v->len);
		assert_memory_equal(data.bytes, v->data, v->len);
	}
	assert_ok(bcd_mounted_devices(&s.hive, &s.disk, &changed, &err), &err);
	assert_int_equal(changed, 0);
	hive_image_free(&bios);
	buffer_free(&want);
	buffer_free(&data);
	bcd_scene_close(&s);
}

/* A dropped partition keeps its value; a hive without the key is none of ours. */
static void test_mounted_devices__nothing_to_do(void **state)
{
	struct tranship_error err = { 0 };
	struct bcd_scene s;
	uint32_t changed;

	(void)state;
	bcd_scene_begin(&s, false);
	bcd_scene_open(&s);
	assert_ok(bcd_mounted_devices(&s.hive, &s.disk, &changed, &err), &err);
	assert_int_equal(changed, 0);
	hive_image_free(&s.image);
	image_system_tree(&s.bcd, &s.image);
	bcd_scene_open(&s);
	s.partitions[1].off = 0;
	assert_ok(bcd_mounted_devices(&s.hive, &s.disk, &changed, &err), &err);
	assert_int_equal(changed, 1);
	bcd_scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge__one_thing_wrong),
		cmocka_unit_test(test_judge__good_and_gone),
		cmocka_unit_test(test_mounted_devices),
		cmocka_unit_test(test_mounted_devices__nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
