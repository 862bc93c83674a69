// SPDX-License-Identifier: Apache-2.0
#include "make_hives.h"

#include "image_bcd.h"

#include <stdio.h>
#include <string.h>

static void save_hive(void (*save)(const char *, const char *, const void *, size_t),
		      const char *name, struct hive_image *hive)
{
	struct buffer out = { 0 };

	hive_image_build(hive, &out);
	save("regf", name, out.bytes, out.len);
	buffer_free(&out);
	hive_image_free(hive);
}

/* The boot manager, one entry that has a device in a device, the objects of the firmware. */
static void make_bcd(void (*save)(const char *, const char *, const void *, size_t),
		     const char *name, bool bios)
{
	static const char *const gone[] = { BCD_RESUME, BCD_MEMDIAG, BCD_WINRE_OPTIONS,
					    "{6efb52bf-1766-41db-a6b3-0ee5eff72bd7}" };
	struct image_bcd bcd = image_bcd_defaults();
	struct hive_image hive;
	char path[100];
	size_t i;

	bcd.bios = bios;
	image_bcd_tree(&bcd, &hive);
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]) && !bios; i++) {
		snprintf(path, sizeof(path), "Objects\\%s", gone[i]);
		hive_image_remove(&hive, path);
	}
	save_hive(save, name, &hive);
}

static void make_odd(void (*save)(const char *, const char *, const void *, size_t),
		     const char *name, enum hive_list list, size_t leaf_max)
{
	static const unsigned char big[16345] = { 'b', 'i', 'g' };
	struct hive_image hive;
	struct hive_key *key;
	char path[100];
	unsigned i;

	hive_image_init(&hive);
	hive.list = list;
	hive.leaf_max = leaf_max;
	hive.wide = list == HIVE_LF;
	for (i = 0; i < 9; i++) {
		snprintf(path, sizeof(path), "Keys\\%u", i);
		key = hive_image_key(&hive, path);
		key->security = i % HIVE_SECURITIES;
		key->class_name = i % 2 ? "class" : NULL;
		hive_image_value(key, i % 3 ? "value" : "", HIVE_BINARY, "0123456789", i);
	}
	if (list == HIVE_LI)
		hive_image_value(hive_image_key(&hive, "Big"), "big", HIVE_BINARY, big,
				 sizeof(big));
	save_hive(save, name, &hive);
}

void make_hives(void (*save)(const char *, const char *, const void *, size_t))
{
	struct image_bcd bcd = image_bcd_defaults();
	struct hive_image hive;

	make_bcd(save, "bcd-uefi", false);
	make_bcd(save, "bcd-bios", true);
	image_system_tree(&bcd, &hive);
	save_hive(save, "system", &hive);
	make_odd(save, "li-big", HIVE_LI, 0);
	make_odd(save, "lf-wide", HIVE_LF, 0);
	make_odd(save, "lh-ri", HIVE_LH, 2);
}
