// SPDX-License-Identifier: Apache-2.0
/* What the converter and the judge of boot configuration data share, and MountedDevices. */
#include "mbr-gpt/bcd.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/bcd_inside.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool bcd_is_partition(const struct buffer *data, size_t off, uint32_t style)
{
	const unsigned char *at;

	if (!range_ok(off, DEVICE_LEN, data->len))
		return false;
	at = data->bytes + off;
	return get_le32(at + DEVICE_OFF_TYPE) == DEVICE_PARTITION &&
	       get_le32(at + DEVICE_OFF_LEN) == DEVICE_LEN &&
	       get_le32(at + DEVICE_OFF_STYLE) == style;
}

static int check_count(const struct regf_key *key, const char *what, struct tranship_error *err)
{
	if (key->subkeys <= BCD_COUNT_MAX)
		return 0;
	return error_set(err, TRANSHIP_ELIMIT, "bcd: %" PRIu32 " %s; %u are taken", key->subkeys,
			 what, BCD_COUNT_MAX);
}

int bcd_objects(struct regf *hive, struct regf_key *out, struct tranship_error *err)
{
	struct regf_key root;
	bool found;
	int rc = regf_root(hive, &root, err);

	if (rc == 0)
		rc = regf_find(hive, &root, "Objects", &found, out, err);
	if (rc)
		return rc;
	if (!found)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "bcd: the hive has no key 'Objects': it is no boot configuration");
	return check_count(out, "objects", err);
}

int bcd_elements(struct regf *hive, const struct regf_key *object, bool *found,
		 struct regf_key *out, struct tranship_error *err)
{
	int rc = check_count(object, "keys of an object", err);

	if (rc == 0)
		rc = regf_find(hive, object, "Elements", found, out, err);
	return rc || !*found ? rc : check_count(out, "elements of an object", err);
}

bool bcd_element_type(const struct regf_key *element, uint32_t *type)
{
	const char *name = element->name;
	size_t i;

	*type = 0;
	for (i = 0; i < 8; i++) {
		int c = tolower((unsigned char)name[i]);

		if (!isxdigit(c))
			return false;
		*type = *type << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return name[8] == '\0';
}

int bcd_element_value(struct regf *hive, const struct regf_key *element, bool *found,
		      struct regf_value *value, struct buffer *data, struct tranship_error *err)
{
	int rc = regf_find_value(hive, element, "Element", found, value, err);

	data->len = 0;
	if (rc || !*found)
		return rc;
	return regf_data(hive, value, BCD_DATA_MAX, data, err);
}

void bcd_tell(struct bcd_teller *teller, const char *fmt, ...)
{
	char sentence[2000], shown[2 * sizeof(sentence)];
	va_list ap;

	if (!teller->fn || teller->told > BCD_SENTENCES_MAX)
		return;
	if (teller->told++ == BCD_SENTENCES_MAX) {
		teller->fn(teller->ctx, "bcd: and more, which is not told");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	text_show(shown, sizeof(shown), sentence, strlen(sentence));
	teller->fn(teller->ctx, shown);
}

void bcd_text(const struct buffer *data, char *out, size_t cap)
{
	text_from_utf16le(out, cap, data->bytes, data->len / 2);
}

bool bcd_ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* The id of a partition of a GPT disk as MountedDevices has it. */
#define MOUNTED_GPT "DMIO:ID:"
enum { MOUNTED_GPT_SIZE = 24, MOUNTED_GPT_ID = 8, MOUNTED_MBR_SIZE = 12 };

static const struct bcd_partition *find_partition(const struct bcd_disk *disk,
						  const unsigned char *id)
{
	uint32_t i;

	for (i = 0; i < disk->count; i++)
		if (memcmp(disk->partitions[i].id.bytes, id, 16) == 0 &&
		    disk->partitions[i].off != 0)
			return &disk->partitions[i];
	return NULL;
}

static int change_mounted(struct regf *system, const struct bcd_disk *disk,
			  const struct regf_value *value, uint32_t *changed,
			  struct tranship_error *err)
{
	const struct bcd_partition *partition;
	unsigned char mbr[MOUNTED_MBR_SIZE];
	struct buffer data = { 0 };
	int rc = regf_data(system, value, MOUNTED_GPT_SIZE, &data, err);

	if (rc == 0 && memcmp(data.bytes, MOUNTED_GPT, MOUNTED_GPT_ID) == 0) {
		partition = find_partition(disk, data.bytes + MOUNTED_GPT_ID);
		if (partition) {
			put_le32(mbr, disk->signature);
			put_le64(mbr + 4, partition->off);
			rc = regf_set_data(system, value, mbr, sizeof(mbr), err);
			*changed += rc == 0;
		}
	}
	buffer_free(&data);
	return rc;
}

int bcd_mounted_devices(struct regf *system, const struct bcd_disk *disk, uint32_t *changed,
			struct tranship_error *err)
{
	struct regf_key root, mounted;
	struct regf_value value;
	bool found;
	uint32_t i;
	int rc = regf_root(system, &root, err);

	*changed = 0;
	if (rc == 0)
		rc = regf_find(system, &root, "MountedDevices", &found, &mounted, err);
	for (i = 0; rc == 0 && found && i < mounted.values; i++) {
		rc = regf_value(system, &mounted, i, &value, err);
		if (rc == 0 && value.len == MOUNTED_GPT_SIZE)
			rc = change_mounted(system, disk, &value, changed, err);
	}
	return rc;
}
