// SPDX-License-Identifier: Apache-2.0
#include "vhdx/vhdx_locator_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	LOCATOR_OFF_TYPE = 0,
	LOCATOR_OFF_KEY_VALUE_COUNT = 18,
	LOCATOR_HEAD = 20,

	PAIR_OFF_KEY_OFFSET = 0,
	PAIR_OFF_VALUE_OFFSET = 4,
	PAIR_OFF_KEY_LENGTH = 8,
	PAIR_OFF_VALUE_LENGTH = 10,
	PAIR_SIZE = 12,
};

static const struct guid vhdx_type =
	GUID_LE(0xB04AEFB7, 0xD19E, 0x4A81, 0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13);

enum key { KEY_LINKAGE = VHDX_LOCATOR_PATHS, KEY_LINKAGE2, KEY_COUNT };

static const char *const keys[KEY_COUNT] = {
	[VHDX_LOCATOR_RELATIVE] = "relative_path",
	[VHDX_LOCATOR_VOLUME] = "volume_path",
	[VHDX_LOCATOR_ABSOLUTE] = "absolute_win32_path",
	[KEY_LINKAGE] = "parent_linkage",
	[KEY_LINKAGE2] = "parent_linkage2",
};

/* The value of a key; NULL: it is not there. */
struct value {
	const unsigned char *utf16le;
	size_t units;
};

static bool key_is(const char *key, const unsigned char *utf16le, size_t units)
{
	size_t i;

	if (strlen(key) != units)
		return false;
	for (i = 0; i < units; i++)
		if (get_le16(utf16le + 2 * i) != (unsigned char)key[i])
			return false;
	return true;
}

/* Unknown keys are passed over. */
static int take_pair(const unsigned char *raw, size_t len, unsigned number,
		     struct value values[KEY_COUNT], struct tranship_error *err)
{
	const unsigned char *pair = raw + LOCATOR_HEAD + (size_t)number * PAIR_SIZE;
	uint32_t key = get_le32(pair + PAIR_OFF_KEY_OFFSET);
	uint32_t value = get_le32(pair + PAIR_OFF_VALUE_OFFSET);
	uint16_t key_len = get_le16(pair + PAIR_OFF_KEY_LENGTH);
	uint16_t value_len = get_le16(pair + PAIR_OFF_VALUE_LENGTH);
	size_t i;

	if (!range_ok(key, key_len, len) || !range_ok(value, value_len, len) || key_len % 2 ||
	    value_len % 2)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: entry %u of the parent locator, a key of %u bytes at "
				 "%" PRIu32 " and a value of %u bytes at %" PRIu32
				 ", is not UTF-16 inside it (%zu bytes)",
				 number, (unsigned)key_len, key, (unsigned)value_len, value, len);
	for (i = 0; i < KEY_COUNT; i++) {
		if (!key_is(keys[i], raw + key, key_len / 2))
			continue;
		if (values[i].utf16le)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vhdx: the parent locator lists %s twice", keys[i]);
		values[i] = (struct value){ raw + value, value_len / 2 };
	}
	return 0;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* "{83ED0EC3-24C8-49A6-A959-5E4BD1288791}", with or without braces, to guid_text_le's spelling. */
static bool take_guid(const struct value *value, char out[GUID_TEXT_SIZE])
{
	char text[GUID_TEXT_SIZE + 2];
	const char *from = text;
	size_t i, len;

	if (value->units > GUID_TEXT_SIZE + 1)
		return false;
	text_from_utf16le(text, sizeof(text), value->utf16le, value->units);
	len = strlen(text);
	if (len == GUID_TEXT_SIZE + 1 && text[0] == '{' && text[len - 1] == '}') {
		text[len - 1] = '\0';
		from++;
	}
	if (strlen(from) != GUID_TEXT_SIZE - 1)
		return false;
	for (i = 0; i < GUID_TEXT_SIZE; i++)
		out[i] = (char)(from[i] >= 'A' && from[i] <= 'F' ? from[i] - 'A' + 'a' : from[i]);
	for (i = 0; i < GUID_TEXT_SIZE - 1; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? out[i] != '-' : !is_hex(out[i]))
			return false;
	return true;
}

static int take_linkage(const struct value *value, const char *key, char out[GUID_TEXT_SIZE],
			struct tranship_error *err)
{
	char shown[200], text[100];

	if (take_guid(value, out))
		return 0;
	text_from_utf16le(text, sizeof(text), value->utf16le, value->units);
	text_escape(shown, sizeof(shown), text, strlen(text));
	return error_set(err, TRANSHIP_ECORRUPT, "vhdx: %s of the parent locator, '%s', is no GUID",
			 key, shown);
}

static int check_type(const unsigned char *raw, size_t len, struct tranship_error *err)
{
	struct guid type;
	char text[GUID_TEXT_SIZE];

	if (len < LOCATOR_HEAD)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the parent locator has %zu bytes, its header takes %d", len,
				 LOCATOR_HEAD);
	memcpy(type.bytes, raw + LOCATOR_OFF_TYPE, sizeof(type.bytes));
	if (guid_equal(&type, &vhdx_type))
		return 0;
	guid_text_le(&type, text);
	return error_set(err, TRANSHIP_EUNSUPPORTED, "vhdx: parent locator of the unknown type %s",
			 text);
}

int vhdx_locator_decode(const unsigned char *raw, size_t len, struct vhdx_locator *out,
			struct tranship_error *err)
{
	struct value values[KEY_COUNT] = { { 0 } };
	struct vhdx_locator l = { 0 };
	unsigned count, i;
	int rc = check_type(raw, len, err);

	if (rc)
		return rc;
	count = get_le16(raw + LOCATOR_OFF_KEY_VALUE_COUNT);
	if (count > (len - LOCATOR_HEAD) / PAIR_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the parent locator has %u entries, more than fit in its "
				 "%zu bytes",
				 count, len);
	for (i = 0; i < count && rc == 0; i++)
		rc = take_pair(raw, len, i, values, err);
	if (rc == 0 && !values[KEY_LINKAGE].utf16le)
		rc = error_set(err, TRANSHIP_ECORRUPT, "vhdx: the parent locator lacks %s",
			       keys[KEY_LINKAGE]);
	if (rc == 0)
		rc = take_linkage(&values[KEY_LINKAGE], keys[KEY_LINKAGE], l.linkage, err);
	if (rc == 0 && values[KEY_LINKAGE2].utf16le)
		rc = take_linkage(&values[KEY_LINKAGE2], keys[KEY_LINKAGE2], l.linkage2, err);
	if (rc)
		return rc;
	if (strspn(l.linkage2, "0-") == strlen(l.linkage2)) /* Hyper-V writes zeros for none */
		l.linkage2[0] = '\0';
	for (i = 0; i < VHDX_LOCATOR_PATHS; i++) {
		l.paths[i].utf16le = values[i].utf16le;
		l.paths[i].units = values[i].units;
	}
	*out = l;
	return 0;
}

struct pair {
	const char *key;
	unsigned char guid[2 * (GUID_TEXT_SIZE + 1)]; /* of a linkage */
	struct value value;
};

static void put_linkage(struct pair *pair, enum key key, const char *guid)
{
	char text[GUID_TEXT_SIZE + 2];

	snprintf(text, sizeof(text), "{%s}", guid);
	text_to_utf16le(pair->guid, GUID_TEXT_SIZE + 1, text);
	pair->key = keys[key];
	pair->value = (struct value){ pair->guid, GUID_TEXT_SIZE + 1 };
}

static size_t list_pairs(const struct vhdx_locator *l, struct pair pairs[KEY_COUNT])
{
	size_t count = 0;
	int i;

	put_linkage(&pairs[count++], KEY_LINKAGE, l->linkage);
	if (l->linkage2[0])
		put_linkage(&pairs[count++], KEY_LINKAGE2, l->linkage2);
	for (i = 0; i < VHDX_LOCATOR_PATHS; i++) {
		if (!l->paths[i].utf16le)
			continue;
		pairs[count].key = keys[i];
		pairs[count++].value = (struct value){ l->paths[i].utf16le, l->paths[i].units };
	}
	return count;
}

static int append_key(struct buffer *out, const char *key, struct tranship_error *err)
{
	size_t len = 2 * strlen(key);
	int rc = buffer_reserve(out, len, err);

	if (rc == 0) {
		text_to_utf16le(out->bytes + out->len, len / 2, key);
		out->len += len;
	}
	return rc;
}

int vhdx_locator_encode(const struct vhdx_locator *locator, struct buffer *out,
			struct tranship_error *err)
{
	unsigned char head[LOCATOR_HEAD + KEY_COUNT * PAIR_SIZE] = { 0 };
	struct pair pairs[KEY_COUNT];
	size_t count = list_pairs(locator, pairs), start = out->len, i;
	size_t head_len = LOCATOR_HEAD + count * PAIR_SIZE;
	int rc = buffer_append(out, head, head_len, err);

	memcpy(head + LOCATOR_OFF_TYPE, vhdx_type.bytes, sizeof(vhdx_type.bytes));
	put_le16(head + LOCATOR_OFF_KEY_VALUE_COUNT, (uint16_t)count);
	for (i = 0; i < count && rc == 0; i++) {
		unsigned char *pair = head + LOCATOR_HEAD + i * PAIR_SIZE;
		const struct value *value = &pairs[i].value;

		put_le32(pair + PAIR_OFF_KEY_OFFSET, (uint32_t)(out->len - start));
		put_le16(pair + PAIR_OFF_KEY_LENGTH, (uint16_t)(2 * strlen(pairs[i].key)));
		rc = append_key(out, pairs[i].key, err);
		put_le32(pair + PAIR_OFF_VALUE_OFFSET, (uint32_t)(out->len - start));
		put_le16(pair + PAIR_OFF_VALUE_LENGTH, (uint16_t)(2 * value->units));
		if (rc == 0)
			rc = buffer_append(out, value->utf16le, 2 * value->units, err);
	}
	if (rc == 0)
		memcpy(out->bytes + start, head, head_len);
	return rc;
}
