// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a registry hive, whose header's checksum is made right. It is walked, judged as boot
 * configuration data, converted to a BIOS's, searched for mounted devices, and emptied key by key.
 * What was checked can be walked to its end, also after each edit, and a second conversion changes
 * nothing.
 */
#include "harness.h"

#include "base/bytes.h"
#include "image_bcd.h"
#include "mbr-gpt/bcd.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 600, DELETIONS = 12 };

/* A copy of the input as a hive. */
struct copy {
	struct regf_memory memory;
	struct regf_store store;
	struct regf hive;
};

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
	fuzz_require(rc != TRANSHIP_EINVAL, "no content is the caller's fault");
}

/* 0, or the code that opening gave. */
static int copy_open(struct copy *c, const uint8_t *data, size_t size)
{
	struct tranship_error err = { 0 };
	int rc;

	c->memory = (struct regf_memory){ malloc(size ? size : 1), size };
	if (!c->memory.bytes)
		return TRANSHIP_ENOMEM;
	memcpy(c->memory.bytes, data, size);
	if (size >= 512)
		hive_image_sum(c->memory.bytes);
	c->store = regf_store_memory(&c->memory);
	rc = regf_open(&c->store, &c->hive, &err);
	if (rc)
		expect_error(rc, &err);
	return rc;
}

static void copy_close(struct copy *c)
{
	free(c->memory.bytes);
}

/* Values and data of a key. */
static int walk_values(struct regf *hive, const struct regf_key *key, unsigned *budget,
		       struct tranship_error *err)
{
	struct buffer data = { 0 };
	struct regf_value value;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < key->values && rc == 0 && *budget > 0; i++, --*budget) {
		rc = regf_value(hive, key, i, &value, err);
		data.len = 0;
		if (rc == 0)
			rc = regf_data(hive, &value, hive->store.size, &data, err);
		if (rc == 0)
			fuzz_require(data.len == value.len, "data is as long as it says");
	}
	buffer_free(&data);
	return rc;
}

static int walk(struct regf *hive, const struct regf_key *key, unsigned depth, unsigned *budget,
		struct tranship_error *err)
{
	struct regf_key subkey;
	uint32_t i;
	int rc = walk_values(hive, key, budget, err);

	for (i = 0; i < key->subkeys && rc == 0 && *budget > 0 && depth < DEPTH; i++) {
		--*budget;
		rc = regf_subkey(hive, key, i, &subkey, err);
		if (rc == 0)
			rc = walk(hive, &subkey, depth + 1, budget, err);
	}
	return rc;
}

/* Opens it anew. What passes the check is walked to its end. */
static bool is_sound(struct copy *c)
{
	struct tranship_error err = { 0 };
	unsigned budget = 3000;
	struct regf_key root;
	int check, rc;

	fuzz_require(regf_open(&c->store, &c->hive, &err) == 0, "a hive opens again");
	check = regf_check(&c->hive, &err);
	if (check)
		expect_error(check, &err);
	fuzz_require(regf_root(&c->hive, &root, &err) == 0, "an open hive has a root");
	rc = walk(&c->hive, &root, 0, &budget, &err);
	if (rc)
		expect_error(rc, &err);
	fuzz_require(rc == 0 || check != 0, "what was checked can be walked");
	return check == 0;
}

static void take_sentence(void *ctx, const char *sentence)
{
	(void)ctx;
	for (; *sentence; sentence++)
		fuzz_require((unsigned char)*sentence >= 0x20 && *sentence != 0x7F,
			     "a sentence has no control characters");
}

static void judge(struct copy *c, const struct image_bcd *bcd)
{
	uint64_t offsets[] = { bcd->esp.off, bcd->windows.off }, partition;
	struct tranship_error err = { 0 };
	char path[40];
	int rc = bcd_judge(&c->hive, bcd->signature, offsets, 2, take_sentence, take_sentence, NULL,
			   path, sizeof(path), &partition, &err);

	if (rc)
		expect_error(rc, &err);
	fuzz_require(memchr(path, 0, sizeof(path)) != NULL, "a path ends");
	fuzz_require(partition == 0 || partition == offsets[0] || partition == offsets[1],
		     "a partition is one of those");
}

static void convert(struct copy *c, const struct bcd_disk *disk, bool sound)
{
	struct tranship_error err = { 0 };
	struct bcd_report report;
	unsigned char *once;
	int rc = bcd_to_bios(&c->hive, disk, take_sentence, NULL, &report, &err);

	fuzz_require(rc || sound, "what is converted was checked");
	if (rc)
		expect_error(rc, &err);
	fuzz_require(is_sound(c) == sound, "converting, also in part, keeps a hive sound");
	once = rc ? NULL : malloc(c->memory.size);
	if (!once)
		return;
	memcpy(once, c->memory.bytes, c->memory.size);
	rc = bcd_to_bios(&c->hive, disk, take_sentence, NULL, &report, &err);
	fuzz_require(rc == 0 && report.devices + report.paths + report.deleted == 0,
		     "a second conversion finds nothing to do");
	fuzz_require(memcmp(once, c->memory.bytes, c->memory.size) == 0, "and changes nothing");
	free(once);
}

static void mounted(struct copy *c, const struct bcd_disk *disk, bool sound)
{
	struct tranship_error err = { 0 };
	uint32_t changed;
	int rc = bcd_mounted_devices(&c->hive, disk, &changed, &err);

	if (rc)
		expect_error(rc, &err);
	if (!sound)
		return;
	fuzz_require(rc == 0 && is_sound(c), "mounted devices keep a hive sound");
	fuzz_require(bcd_mounted_devices(&c->hive, disk, &changed, &err) == 0 && changed == 0,
		     "and are changed once");
}

/* A key without subkeys, the nth of those that are met first, by its parent. */
static bool find_leaf(struct copy *c, struct regf_key *parent, uint32_t *index, unsigned turn)
{
	struct regf_key key, next;
	unsigned depth;

	if (regf_root(&c->hive, &key, NULL) || key.subkeys == 0)
		return false;
	for (depth = 0; depth < DEPTH; depth++) {
		*parent = key;
		*index = turn * 7 % key.subkeys;
		fuzz_require(regf_subkey(&c->hive, &key, *index, &next, NULL) == 0,
			     "a checked key is there");
		if (next.subkeys == 0)
			return true;
		key = next;
	}
	return false;
}

static void empty(struct copy *c)
{
	struct tranship_error err = { 0 };
	struct regf_key parent;
	uint32_t index;
	unsigned i;

	for (i = 0; i < DELETIONS && find_leaf(c, &parent, &index, i); i++) {
		fuzz_require(regf_delete_subkey(&c->hive, &parent, index, &err) == 0,
			     "a checked key can be deleted");
		fuzz_require(is_sound(c), "deleting keeps a hive sound");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_bcd bcd = image_bcd_defaults();
	struct bcd_partition partitions[] = { { bcd.esp.id, bcd.esp.off },
					      { bcd.windows.id, bcd.windows.off },
					      { bcd.recovery.id, 0 } };
	struct bcd_disk disk = { bcd.disk, bcd.signature, partitions, 3 };
	struct copy c;
	unsigned part;

	for (part = 0; part < 3; part++) {
		bool sound;

		if (copy_open(&c, data, size)) {
			copy_close(&c);
			return 0;
		}
		sound = is_sound(&c);
		if (part == 0) {
			judge(&c, &bcd);
			convert(&c, &disk, sound);
		} else if (part == 1) {
			mounted(&c, &disk, sound);
		} else if (sound) {
			empty(&c);
		}
		copy_close(&c);
	}
	return 0;
}
