// SPDX-License-Identifier: Apache-2.0
/* Boot configuration data as the boot manager of a BIOS disk reads it: no planner's word counts. */
#include "mbr-gpt/bcd.h"

#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/bcd_inside.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { ID_TEXT = 100, PATH_TEXT = 1000 };

struct judge {
	struct regf *hive;
	uint32_t signature;
	const uint64_t *offsets;
	uint32_t count;
	struct bcd_teller fault, note;
	struct regf_key objects;
	struct buffer data;
};

/* The data of an object's element, in j->data. */
static int get_element(struct judge *j, const char *object, uint32_t type, bool *found,
		       struct tranship_error *err)
{
	struct regf_key key, elements, element;
	struct regf_value value;
	uint32_t i, this_type = 0;
	int rc = regf_find(j->hive, &j->objects, object, found, &key, err);

	if (rc == 0 && *found)
		rc = bcd_elements(j->hive, &key, found, &elements, err);
	if (rc || !*found)
		return rc;
	*found = false;
	for (i = 0; i < elements.subkeys && rc == 0 && !*found; i++) {
		rc = regf_subkey(j->hive, &elements, i, &element, err);
		*found = rc == 0 && bcd_element_type(&element, &this_type) && this_type == type;
	}
	if (rc || !*found)
		return rc;
	return bcd_element_value(j->hive, &element, found, &value, &j->data, err);
}

/* The offset of the partition that an element of a device has, or 0. */
static int judge_device(struct judge *j, const char *object, uint32_t type, bool needed,
			uint64_t *off, struct tranship_error *err)
{
	const unsigned char *at;
	uint32_t signature, i;
	bool found;
	int rc = get_element(j, object, type, &found, err);

	*off = 0;
	if (rc || (!found && !needed))
		return rc;
	/* Only a partition has DEVICE_LEN: "locate" is shorter where its path is. */
	if (!found || j->data.len < DEVICE_HEAD + DEVICE_OFF_PARTITION ||
	    (get_le32(j->data.bytes + DEVICE_HEAD + DEVICE_OFF_TYPE) == DEVICE_PARTITION &&
	     j->data.len < DEVICE_HEAD + DEVICE_LEN)) {
		bcd_tell(&j->fault, "bcd: %s has no device (%08" PRIx32 ")", object, type);
		return 0;
	}
	at = j->data.bytes + DEVICE_HEAD;
	if (bcd_is_partition(&j->data, DEVICE_HEAD, STYLE_GPT)) {
		bcd_tell(&j->fault,
			 "bcd: the device %08" PRIx32 " of %s is a partition of a GPT disk", type,
			 object);
		return 0;
	}
	if (!bcd_is_partition(&j->data, DEVICE_HEAD, STYLE_MBR)) {
		bcd_tell(&j->note,
			 "bcd: the device %08" PRIx32 " of %s, of type %" PRIu32
			 ", is not judged: it is no partition",
			 type, object, get_le32(at + DEVICE_OFF_TYPE));
		return 0;
	}
	signature = get_le32(at + DEVICE_OFF_DISK);
	*off = get_le64(at + DEVICE_OFF_PARTITION);
	if (signature != j->signature)
		bcd_tell(&j->fault,
			 "bcd: the device %08" PRIx32
			 " of %s is on a disk with the signature 0x%08" PRIx32
			 ", this one has 0x%08" PRIx32,
			 type, object, signature, j->signature);
	for (i = 0; i < j->count; i++)
		if (j->offsets[i] == *off)
			return 0;
	bcd_tell(&j->fault,
		 "bcd: the device %08" PRIx32 " of %s is a partition at byte %" PRIu64
		 ", where none starts",
		 type, object, *off);
	*off = 0;
	return 0;
}

/* A GUID in braces, the first of a list; "": there is none. */
static int get_id(struct judge *j, uint32_t type, char id[ID_TEXT], struct tranship_error *err)
{
	bool found;
	int rc = get_element(j, BCD_BOOTMGR, type, &found, err);

	id[0] = '\0';
	if (rc == 0 && found)
		bcd_text(&j->data, id, ID_TEXT);
	return rc;
}

/* Without a default entry the first that is displayed is taken. */
static int find_default(struct judge *j, char id[ID_TEXT], struct tranship_error *err)
{
	struct regf_key key;
	bool found = true;
	int rc = get_id(j, BCD_TYPE_DEFAULT, id, err);

	if (rc == 0 && id[0] == '\0')
		rc = get_id(j, BCD_TYPE_DISPLAY_ORDER, id, err);
	if (rc)
		return rc;
	if (id[0] == '\0') {
		bcd_tell(&j->fault, "bcd: the boot manager has no default entry");
		return 0;
	}
	if (!strchr(id, '\\'))
		rc = regf_find(j->hive, &j->objects, id, &found, &key, err);
	else
		found = false;
	if (rc == 0 && !found) {
		bcd_tell(&j->fault, "bcd: the default entry %s does not exist", id);
		id[0] = '\0';
	}
	return rc;
}

/* Where the loader looks for the system: "\\Windows". */
static int judge_root(struct judge *j, const char *object, struct tranship_error *err)
{
	bool found;
	int rc = get_element(j, object, BCD_TYPE_SYSTEM_ROOT, &found, err);

	if (rc == 0 && (!found || j->data.len < 4 || get_le16(j->data.bytes) != '\\'))
		bcd_tell(&j->fault, "bcd: the default entry %s has no folder of its system (%08x)",
			 object, BCD_TYPE_SYSTEM_ROOT);
	return rc;
}

static int judge_path(struct judge *j, const char *object, char *path, size_t cap,
		      struct tranship_error *err)
{
	bool found;
	int rc = get_element(j, object, BCD_TYPE_PATH, &found, err);

	if (rc)
		return rc;
	if (found)
		bcd_text(&j->data, path, cap);
	if (path[0] == '\0')
		bcd_tell(&j->fault, "bcd: the default entry %s has no path", object);
	else if (!bcd_ends_in(path, ".exe"))
		bcd_tell(&j->fault, "bcd: the default entry %s starts %s, which a BIOS cannot",
			 object, path);
	return 0;
}

/* An entry that is not the default one: a partition of a GPT disk in it will not start. */
static int note_devices(struct judge *j, const struct regf_key *object,
			const struct regf_key *element, struct tranship_error *err)
{
	struct regf_value value;
	uint32_t type;
	size_t at;
	bool found;
	int rc;

	if (!bcd_element_type(element, &type) || BCD_FORMAT(type) != BCD_FORMAT_DEVICE)
		return 0;
	rc = bcd_element_value(j->hive, element, &found, &value, &j->data, err);
	for (at = 0; rc == 0 && at < j->data.len; at++)
		if (bcd_is_partition(&j->data, at, STYLE_GPT))
			bcd_tell(&j->note,
				 "bcd: the device %08" PRIx32
				 " of %s is, or is in, a partition of a GPT disk",
				 type, object->name);
	return rc;
}

static int judge_others(struct judge *j, const char *default_id, struct tranship_error *err)
{
	struct regf_key object, elements, element;
	uint32_t i, k;
	bool found;
	int rc = 0;

	for (i = 0; i < j->objects.subkeys && rc == 0; i++) {
		rc = regf_subkey(j->hive, &j->objects, i, &object, err);
		if (rc || strcasecmp(object.name, default_id) == 0 ||
		    strcasecmp(object.name, BCD_BOOTMGR) == 0)
			continue;
		rc = bcd_elements(j->hive, &object, &found, &elements, err);
		for (k = 0; rc == 0 && found && k < elements.subkeys; k++) {
			rc = regf_subkey(j->hive, &elements, k, &element, err);
			if (rc == 0)
				rc = note_devices(j, &object, &element, err);
		}
	}
	return rc;
}

static int judge_all(struct judge *j, char *path, size_t cap, uint64_t *partition,
		     struct tranship_error *err)
{
	struct regf_key bootmgr;
	uint64_t off;
	char id[ID_TEXT];
	bool found;
	int rc = bcd_objects(j->hive, &j->objects, err);

	if (rc == 0)
		rc = regf_find(j->hive, &j->objects, BCD_BOOTMGR, &found, &bootmgr, err);
	if (rc)
		return rc;
	if (!found) {
		bcd_tell(&j->fault, "bcd: there is no boot manager");
		return 0;
	}
	rc = judge_device(j, BCD_BOOTMGR, BCD_TYPE_DEVICE, true, &off, err);
	if (rc == 0)
		rc = find_default(j, id, err);
	if (rc || id[0] == '\0')
		return rc;
	rc = judge_device(j, id, BCD_TYPE_DEVICE, true, partition, err);
	if (rc == 0)
		rc = judge_device(j, id, BCD_TYPE_OS_DEVICE, true, &off, err);
	if (rc == 0 && *partition != 0 && off != 0 && *partition != off)
		bcd_tell(
			&j->fault,
			"bcd: the default entry %s has its loader on the partition at byte %" PRIu64
			", its system on that at byte %" PRIu64,
			id, *partition, off);
	if (rc == 0)
		rc = judge_path(j, id, path, cap, err);
	if (rc == 0)
		rc = judge_root(j, id, err);
	return rc ? rc : judge_others(j, id, err);
}

int bcd_judge(struct regf *hive, uint32_t signature, const uint64_t *offsets, uint32_t count,
	      void (*fault)(void *ctx, const char *sentence),
	      void (*note)(void *ctx, const char *sentence), void *ctx, char *path, size_t cap,
	      uint64_t *partition, struct tranship_error *err)
{
	struct judge j = { .hive = hive,
			   .signature = signature,
			   .offsets = offsets,
			   .count = count,
			   .fault = { fault, ctx },
			   .note = { note, ctx } };
	int rc = regf_check(hive, err);

	path[0] = '\0';
	*partition = 0;
	if (rc == 0 && hive->dirty)
		bcd_tell(&j.note, "bcd: its sequence numbers differ: logs may have more");
	if (rc == 0)
		rc = judge_all(&j, path, cap, partition, err);
	buffer_free(&j.data);
	return rc;
}
