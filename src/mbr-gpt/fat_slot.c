// SPDX-License-Identifier: Apache-2.0
/* The slots of a FAT directory: short entries, and the parts of a long name that stand before one.
 */
#include "mbr-gpt/fat_ondisk.h"

#include "base/bytes.h"
#include "base/text.h"

#include <string.h>

enum {
	SLOT_ATTRIBUTES = 11,
	SLOT_CASE = 12, /* Windows NT: which part of the short name is shown in lower case */
	CASE_BASE = 0x08,
	CASE_EXTENSION = 0x10,
	SLOT_CREATED_DATE = 16,
	SLOT_ACCESSED_DATE = 18,
	SLOT_CLUSTER_HIGH = 20,
	SLOT_WRITTEN_DATE = 24,
	SLOT_CLUSTER_LOW = 26,
	SLOT_SIZE = 28,
	LONG_CHECKSUM = 13,
	LONG_LAST = 0x40, /* of the order, which is 1 to 20: the last part, which stands first */
	ATTR_LONG = 0x0F,
	ATTR_MASK = 0x3F,
	SLOT_KANJI = 0x05, /* stands for E5 as a name's first byte */
	BASE_LEN = 8,
};

#define FIXED_DATE 0x0021U /* 1980-01-01, the first there is: what is put in does not tell when */

/* Code page 437, which the specification leaves open and most systems take. */
static const uint16_t upper_half[128] = {
	0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA, 0x00EB, 0x00E8,
	0x00EF, 0x00EE, 0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2,
	0x00FB, 0x00F9, 0x00FF, 0x00D6, 0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1,
	0x00ED, 0x00F3, 0x00FA, 0x00F1, 0x00D1, 0x00AA, 0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD,
	0x00BC, 0x00A1, 0x00AB, 0x00BB, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562,
	0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510, 0x2514, 0x2534,
	0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, 0x255A, 0x2554, 0x2569, 0x2566, 0x2560,
	0x2550, 0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B,
	0x256A, 0x2518, 0x250C, 0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x03B1, 0x00DF, 0x0393,
	0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4, 0x03A6, 0x0398, 0x03A9, 0x03B4, 0x221E, 0x03C6,
	0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00F7, 0x2248, 0x00B0,
	0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0,
};

bool fat_slot_is_long(const unsigned char raw[FAT_SLOT])
{
	return (raw[SLOT_ATTRIBUTES] & ATTR_MASK) == ATTR_LONG;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Without the padding. */
static size_t part_length(const unsigned char *part, size_t len)
{
	while (len > 0 && part[len - 1] == ' ')
		len--;
	return len;
}

/* A short name in UTF-8, and in the 12 characters that everything can show. */
static void decode_names(const unsigned char *raw, struct fat_entry *out)
{
	size_t base = part_length(raw, BASE_LEN);
	size_t extension = part_length(raw + BASE_LEN, FAT_SLOT_SHORT - BASE_LEN);
	unsigned char units[2 * 12];
	size_t i, n = 0;

	for (i = 0; i < base + (extension ? 1 + extension : 0); i++) {
		size_t at = i < base ? i : BASE_LEN + i - base - 1;
		unsigned char c = i == base ? '.' : raw[at];
		bool small = raw[SLOT_CASE] & (i < base ? CASE_BASE : CASE_EXTENSION);

		if (i == 0 && base > 0 && c == SLOT_KANJI)
			c = FAT_SLOT_FREE;
		out->short_name[n] = c < ' ' || c >= 0x7F ? '_' : (char)c;
		if (c < ' ')
			c = '_';
		put_le16(units + 2 * n++, c >= 0x80 ? upper_half[c - 0x80]
						    : (unsigned char)(small ? lower((char)c) : c));
	}
	out->short_name[n] = '\0';
	text_from_utf16le(out->name, sizeof(out->name), units, n);
}

void fat_slot_decode(const unsigned char raw[FAT_SLOT], struct fat_entry *out)
{
	uint32_t high = get_le16(raw + SLOT_CLUSTER_HIGH);

	memset(out, 0, sizeof(*out));
	decode_names(raw, out);
	out->attributes = raw[SLOT_ATTRIBUTES] & ATTR_MASK;
	out->cluster = (high << 16 | get_le16(raw + SLOT_CLUSTER_LOW)) & FAT_MASK;
	out->size = get_le32(raw + SLOT_SIZE);
}

void fat_slot_encode(const unsigned char name[FAT_SLOT_SHORT], unsigned attributes,
		     uint32_t cluster, uint32_t size, unsigned char raw[FAT_SLOT])
{
	memset(raw, 0, FAT_SLOT);
	memcpy(raw, name, FAT_SLOT_SHORT);
	raw[SLOT_ATTRIBUTES] = (unsigned char)attributes;
	put_le16(raw + SLOT_CREATED_DATE, FIXED_DATE);
	put_le16(raw + SLOT_ACCESSED_DATE, FIXED_DATE);
	put_le16(raw + SLOT_WRITTEN_DATE, FIXED_DATE);
	put_le16(raw + SLOT_CLUSTER_HIGH, (uint16_t)(cluster >> 16));
	put_le16(raw + SLOT_CLUSTER_LOW, (uint16_t)cluster);
	put_le32(raw + SLOT_SIZE, size);
}

/* Its 13 UTF-16 units, which stand in three places. */
static void long_units(const unsigned char *raw, unsigned char *out)
{
	memcpy(out, raw + 1, 10);
	memcpy(out + 10, raw + 14, 12);
	memcpy(out + 22, raw + 28, 4);
}

void fat_long_add(struct fat_long *name, const unsigned char raw[FAT_SLOT])
{
	unsigned order = raw[0];

	if (order & LONG_LAST) {
		order &= ~(unsigned)LONG_LAST;
		name->count = name->next = order;
		name->checksum = raw[LONG_CHECKSUM];
	}
	if (order == 0 || order > FAT_LONG_SLOTS || order != name->next ||
	    raw[LONG_CHECKSUM] != name->checksum) {
		name->count = name->next = 0;
		return;
	}
	name->next--;
	long_units(raw, name->units + (size_t)name->next * FAT_LONG_UNITS * 2);
}

bool fat_long_finish(const struct fat_long *name, const unsigned char raw[FAT_SLOT],
		     char text[FAT_NAME_TEXT])
{
	size_t units = (size_t)name->count * FAT_LONG_UNITS, i;

	if (name->count == 0 || name->next != 0 || name->checksum != fat_short_checksum(raw))
		return false;
	for (i = 0; i < units && get_le16(name->units + 2 * i) != 0; i++)
		;
	if (i == 0 || i > FAT_LONG_UNITS_MAX)
		return false;
	text_from_utf16le(text, FAT_NAME_TEXT, name->units, i);
	return true;
}

unsigned char fat_short_checksum(const unsigned char name[FAT_SLOT_SHORT])
{
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < FAT_SLOT_SHORT; i++)
		sum = ((sum & 1 ? 0x80 : 0) + (sum >> 1) + name[i]) & 0xFF;
	return (unsigned char)sum;
}

static bool short_may_have(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("$%'-_@~`!(){}^#&", c));
}

bool fat_short_encode(const char *text, size_t len, unsigned char name[FAT_SLOT_SHORT])
{
	const char *dot = memchr(text, '.', len);
	size_t base = dot ? (size_t)(dot - text) : len, i;

	if (base == 0 || base > BASE_LEN ||
	    (dot && (len - base == 1 || len - base > 1 + FAT_SLOT_SHORT - BASE_LEN)))
		return false;
	memset(name, ' ', FAT_SLOT_SHORT);
	for (i = 0; i < len; i++) {
		char c = upper(text[i]);

		if (i == base)
			continue;
		if (!short_may_have(c))
			return false;
		name[i < base ? i : BASE_LEN + i - base - 1] = (unsigned char)c;
	}
	return true;
}

bool fat_name_is(const struct fat_entry *entry, const unsigned char raw[FAT_SLOT], const char *text,
		 size_t len)
{
	unsigned char name[FAT_SLOT_SHORT];
	size_t i;

	for (i = 0; i < len && entry->name[i] && upper(entry->name[i]) == upper(text[i]); i++)
		;
	if (i == len && len > 0 && entry->name[i] == '\0')
		return true;
	if (!fat_short_encode(text, len, name))
		return false;
	for (i = 0; i < FAT_SLOT_SHORT; i++)
		if ((unsigned char)upper((char)raw[i]) != name[i])
			return false;
	return true;
}
