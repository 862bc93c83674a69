// SPDX-License-Identifier: Apache-2.0
/* The nodes of a directory's index: a header, and entries whose keys are FILE_NAME attributes. */
#include "mbr-gpt/ntfs_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>

enum {
	/* From the header on. */
	HEADER_OFF_ENTRIES = 0,
	HEADER_OFF_LENGTH = 4,

	ENTRY_OFF_REFERENCE = 0,
	ENTRY_OFF_LENGTH = 8,
	ENTRY_OFF_KEY_LENGTH = 10,
	ENTRY_OFF_FLAGS = 12,
	ENTRY_HEAD = 16,
	ENTRY_FLAG_NODE = 1,
	ENTRY_FLAG_LAST = 2,

	NAME_OFF_ATTRIBUTES = 0x38,
	NAME_OFF_LENGTH = 0x40,
	NAME_OFF_NAMESPACE = 0x41,
	NAME_HEAD = 0x42,
};

#define FILE_ATTRIBUTE_INDEX_PRESENT 0x10000000U

int ntfs_entries_decode(const unsigned char *header, size_t len, uint64_t directory,
			struct ntfs_entries *out, struct tranship_error *err)
{
	uint32_t first, end;

	if (len < NTFS_INDEX_HEADER)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: directory %" PRIu64 ": a node of %zu bytes", directory,
				 len);
	first = get_le32(header + HEADER_OFF_ENTRIES);
	end = get_le32(header + HEADER_OFF_LENGTH);
	if (first < NTFS_INDEX_HEADER || first > end || end > len)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: directory %" PRIu64
				 ": a node's entries from %u to %u of %zu bytes",
				 directory, first, end, len);
	*out = (struct ntfs_entries){ header, first, end, directory };
	return 0;
}

/* The key of an entry that is not the last; `len` bytes are there. Returns what is wrong, or NULL.
 */
static const char *decode_name(const unsigned char *key, uint32_t len, struct ntfs_entry *e)
{
	if (len < NAME_HEAD)
		return "its key is no file name";
	e->name_units = key[NAME_OFF_LENGTH];
	e->name = key + NAME_HEAD;
	e->name_space = key[NAME_OFF_NAMESPACE];
	e->directory = get_le32(key + NAME_OFF_ATTRIBUTES) & FILE_ATTRIBUTE_INDEX_PRESENT;
	if (e->name_units == 0 || 2 * (uint32_t)e->name_units > len - NAME_HEAD)
		return "its name passes its key";
	return NULL;
}

static const char *decode_entry(const unsigned char *raw, uint32_t left, uint32_t *size,
				struct ntfs_entry *e)
{
	uint32_t tail, key;
	unsigned flags;

	if (left < ENTRY_HEAD)
		return "there is no last entry";
	*size = get_le16(raw + ENTRY_OFF_LENGTH);
	flags = get_le16(raw + ENTRY_OFF_FLAGS);
	tail = flags & ENTRY_FLAG_NODE ? 8 : 0;
	if (*size < ENTRY_HEAD + tail || *size > left || *size % 8 != 0)
		return "its length is wrong";
	e->last = flags & ENTRY_FLAG_LAST;
	e->has_child = flags & ENTRY_FLAG_NODE;
	if (e->has_child)
		e->child_vcn = get_le64(raw + *size - 8);
	if (e->last)
		return NULL;
	e->reference = get_le64(raw + ENTRY_OFF_REFERENCE);
	key = get_le16(raw + ENTRY_OFF_KEY_LENGTH);
	if (key > *size - ENTRY_HEAD - tail)
		return "its key passes its end";
	return decode_name(raw + ENTRY_HEAD, key, e);
}

int ntfs_entry_next(struct ntfs_entries *entries, struct ntfs_entry *out,
		    struct tranship_error *err)
{
	struct ntfs_entry e = { 0 };
	uint32_t size = 0;
	const char *fault =
		decode_entry(entries->bytes + entries->at, entries->end - entries->at, &size, &e);

	if (fault)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: directory %" PRIu64 ": the entry at %u of a node: %s",
				 entries->directory, entries->at, fault);
	entries->at += size;
	*out = e;
	return 0;
}
