// SPDX-License-Identifier: Apache-2.0
/* A boot configuration of a UEFI and GPT disk becomes one of a BIOS and MBR disk. */
#include "mbr-gpt/bcd.h"

#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/bcd_inside.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define MEMTEST "\\Boot\\memtest.exe"

struct conversion {
	struct regf *hive;
	const struct bcd_disk *disk;
	struct bcd_teller note;
	struct bcd_report report;
	struct buffer data; /* of the element that is looked at */
	const char *object;
	bool is_bootmgr, is_memdiag, is_firmware;
	uint32_t type; /* of the element */
};

/* Whether an element says what is not, or does harm, under a BIOS. */
static bool is_doomed(const struct conversion *c)
{
	return c->type == BCD_TYPE_ISOLATED_CONTEXT ||
	       (c->is_bootmgr && (c->type == BCD_TYPE_PATH || c->type == BCD_TYPE_ATTEMPT_RESUME));
}

static const struct bcd_partition *find_partition(const struct bcd_disk *disk,
						  const unsigned char *id)
{
	uint32_t i;

	for (i = 0; i < disk->count; i++)
		if (memcmp(disk->partitions[i].id.bytes, id, 16) == 0)
			return &disk->partitions[i];
	return NULL;
}

/* One that maps is rewritten; what is between the fields stays. */
static bool map_device(struct conversion *c, unsigned char *at)
{
	const struct bcd_partition *p = find_partition(c->disk, at + DEVICE_OFF_PARTITION);

	if (!p || p->off == 0)
		return false;
	put_le64(at + DEVICE_OFF_PARTITION, p->off);
	put_le64(at + DEVICE_OFF_PARTITION + 8, 0);
	put_le32(at + DEVICE_OFF_STYLE, STYLE_MBR);
	memset(at + DEVICE_OFF_DISK, 0, 16);
	put_le32(at + DEVICE_OFF_DISK, c->disk->signature);
	c->report.devices++;
	return true;
}

/* The disk's GUID is still there: in a device that maps to nothing, or in one of another kind. */
static void tell_unmapped(struct conversion *c, size_t disk_at)
{
	char id[GUID_TEXT_SIZE];
	struct guid guid;

	c->report.unmapped++;
	if (disk_at < DEVICE_OFF_DISK ||
	    !bcd_is_partition(&c->data, disk_at - DEVICE_OFF_DISK, STYLE_GPT)) {
		bcd_tell(&c->note,
			 "bcd: the element %08" PRIx32
			 " of %s names the disk in a way that is not known; it is left",
			 c->type, c->object);
		return;
	}
	memcpy(guid.bytes, c->data.bytes + disk_at - DEVICE_OFF_DISK + DEVICE_OFF_PARTITION, 16);
	guid_text_le(&guid, id);
	bcd_tell(&c->note,
		 "bcd: the element %08" PRIx32
		 " of %s stands on the partition %s, which the new disk does not have; it is left",
		 c->type, c->object, id);
}

static int convert_devices(struct conversion *c, const struct regf_value *value,
			   struct tranship_error *err)
{
	const struct guid *disk = &c->disk->id;
	uint32_t before = c->report.devices;
	size_t at = 0;

	if (guid_is_zero(disk))
		return 0;
	while (at + DEVICE_LEN <= c->data.len) {
		unsigned char *device = c->data.bytes + at;

		if (bcd_is_partition(&c->data, at, STYLE_GPT) &&
		    memcmp(device + DEVICE_OFF_DISK, disk->bytes, 16) == 0 && map_device(c, device))
			at += DEVICE_LEN;
		else
			at++;
	}
	for (at = 0; at + 16 <= c->data.len; at++)
		if (memcmp(c->data.bytes + at, disk->bytes, 16) == 0)
			tell_unmapped(c, at);
	if (c->report.devices == before)
		return 0;
	return regf_set_data(c->hive, value, c->data.bytes, c->data.len, err);
}

/* ".efi" at the end of the string becomes ".exe", in the same case. */
static int rename_loader(struct conversion *c, const struct regf_value *value,
			 struct tranship_error *err)
{
	size_t end = 0;
	unsigned char *last;

	while (2 * end + 2 <= c->data.len && get_le16(c->data.bytes + 2 * end) != 0)
		end++;
	last = c->data.bytes + 2 * end;
	put_le16(last - 4, get_le16(last - 4) == 'f' ? 'x' : 'X');
	put_le16(last - 2, get_le16(last - 2) == 'i' ? 'e' : 'E');
	c->report.paths++;
	return regf_set_data(c->hive, value, c->data.bytes, c->data.len, err);
}

static int set_memtest(struct conversion *c, const struct regf_value *value,
		       struct tranship_error *err)
{
	unsigned char raw[2 * sizeof(MEMTEST)];
	size_t i;

	if (c->data.len < sizeof(raw)) {
		bcd_tell(&c->note, "bcd: there is no room for %s in %s; its path is left", MEMTEST,
			 c->object);
		return 0;
	}
	for (i = 0; i < sizeof(MEMTEST); i++)
		put_le16(raw + 2 * i, (unsigned char)MEMTEST[i]);
	c->report.paths++;
	return regf_set_data(c->hive, value, raw, sizeof(raw), err);
}

static int convert_path(struct conversion *c, const struct regf_value *value,
			struct tranship_error *err)
{
	char path[1000];

	bcd_text(&c->data, path, sizeof(path));
	if (!bcd_ends_in(path, ".efi") || c->is_firmware)
		return 0;
	if (c->is_memdiag)
		return set_memtest(c, value, err);
	/* Where the text was cut the end is another. */
	if (strlen(path) < sizeof(path) - 4 &&
	    (bcd_ends_in(path, "\\winload.efi") || bcd_ends_in(path, "\\winresume.efi")))
		return rename_loader(c, value, err);
	bcd_tell(&c->note, "bcd: %s starts %s, which a BIOS cannot; it is left", c->object, path);
	return 0;
}

static int convert_element(struct conversion *c, const struct regf_key *element,
			   struct tranship_error *err)
{
	bool device = BCD_FORMAT(c->type) == BCD_FORMAT_DEVICE, found;
	struct regf_value value;
	int rc;

	if (!device && c->type != BCD_TYPE_PATH)
		return 0;
	rc = bcd_element_value(c->hive, element, &found, &value, &c->data, err);
	if (rc || !found)
		return rc;
	return device ? convert_devices(c, &value, err) : convert_path(c, &value, err);
}

/* Element `index` of an object. *gone: it was deleted, and the next one has its index now. */
static int visit_element(struct conversion *c, const struct regf_key *elements, uint32_t index,
			 bool *gone, struct tranship_error *err)
{
	struct regf_key element;
	int rc = regf_subkey(c->hive, elements, index, &element, err);

	*gone = false;
	if (rc || !bcd_element_type(&element, &c->type))
		return rc;
	if (!is_doomed(c))
		return convert_element(c, &element, err);
	if (element.subkeys > 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "bcd: the element %08" PRIx32 " of an object has subkeys",
				 c->type);
	rc = regf_delete_subkey(c->hive, elements, index, err);
	*gone = rc == 0;
	c->report.deleted += *gone;
	return rc;
}

static int visit_elements(struct conversion *c, const struct regf_key *object,
			  struct tranship_error *err)
{
	struct regf_key elements;
	uint32_t i = 0;
	bool found, gone;
	int rc = bcd_elements(c->hive, object, &found, &elements, err);

	while (rc == 0 && found && i < elements.subkeys) {
		rc = visit_element(c, &elements, i, &gone, err);
		if (rc == 0 && gone)
			rc = bcd_elements(c->hive, object, &found, &elements, err);
		else
			i++;
	}
	return rc;
}

/* Whether an object is an application of the firmware: bits 20 to 23 of its type are 1. */
static int read_kind(struct conversion *c, const struct regf_key *object,
		     struct tranship_error *err)
{
	struct regf_key description;
	struct regf_value value;
	bool found;
	int rc = regf_find(c->hive, object, "Description", &found, &description, err);

	c->is_firmware = false;
	if (rc == 0 && found)
		rc = regf_find_value(c->hive, &description, "Type", &found, &value, err);
	c->data.len = 0;
	if (rc == 0 && found)
		rc = regf_data(c->hive, &value, BCD_DATA_MAX, &c->data, err);
	if (rc == 0 && c->data.len == 4)
		c->is_firmware = (get_le32(c->data.bytes) >> 20 & 0xF) == 1;
	return rc;
}

int bcd_to_bios(struct regf *hive, const struct bcd_disk *disk,
		void (*note)(void *ctx, const char *sentence), void *ctx, struct bcd_report *out,
		struct tranship_error *err)
{
	struct conversion c = { .hive = hive, .disk = disk, .note = { note, ctx } };
	struct regf_key objects, object;
	uint32_t i;
	int rc = regf_check(hive, err);

	if (rc == 0)
		rc = bcd_objects(hive, &objects, err);
	for (i = 0; rc == 0 && i < objects.subkeys; i++) {
		rc = regf_subkey(hive, &objects, i, &object, err);
		c.object = object.name;
		c.is_bootmgr = rc == 0 && strcasecmp(object.name, BCD_BOOTMGR) == 0;
		c.is_memdiag = rc == 0 && strcasecmp(object.name, BCD_MEMDIAG) == 0;
		if (rc == 0)
			rc = read_kind(&c, &object, err);
		if (rc == 0)
			rc = visit_elements(&c, &object, err);
	}
	buffer_free(&c.data);
	if (rc == 0)
		*out = c.report;
	return rc;
}
