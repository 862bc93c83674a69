// SPDX-License-Identifier: Apache-2.0
/* What lies around file systems: members of Linux's RAID, physical volumes of LVM, LUKS. */
#include "mbr-gpt/fs_probe.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* Linux, include/uapi/linux/raid/md_p.h. */
#define MD_MAGIC 0xa92b4efcU
enum {
	MD0_SIZE = 4096,
	MD0_RESERVED = 65536, /* the superblock stands at the start of the last whole 64 KiB */
	MD0_OFF_MAJOR = 4,
	MD0_OFF_MINOR = 8,
	MD0_OFF_UUID0 = 20,
	MD0_OFF_UUID1 = 52,
	MD0_OFF_CSUM = 152,
	MD1_SIZE = 256, /* without dev_roles, two bytes a device */
	MD1_OFF_MAJOR = 4,
	MD1_OFF_SET_UUID = 16,
	MD1_OFF_SET_NAME = 32,
	MD1_NAME_SIZE = 32,
	MD1_OFF_SUPER_OFFSET = 144, /* sectors */
	MD1_OFF_CSUM = 216,
	MD1_OFF_MAX_DEV = 220,
	MD1_DEV_MAX = (PROBE_PAGE - MD1_SIZE) / 2,
};

/* The sum of all words but the one at `skip`, its carries added. */
static uint32_t md_sum(const unsigned char *raw, size_t len, size_t skip,
		       uint32_t (*get)(const unsigned char *))
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i + 4 <= len; i += 4)
		sum += i == skip ? 0 : get(raw + i);
	if (len - i == 2)
		sum += get_le16(raw + i);
	return (uint32_t)((sum & 0xFFFFFFFF) + (sum >> 32));
}

/* Version 0.90 is in the byte order of the machine that made it. */
static bool raid_0(struct probe *p)
{
	uint64_t at = round_down(p->volume->len, MD0_RESERVED);
	uint32_t (*get)(const unsigned char *) = get_le32;
	const unsigned char *raw;
	uint32_t id[4];
	size_t i;

	raw = at >= MD0_RESERVED ? probe_bytes(p, at - MD0_RESERVED, MD0_SIZE) : NULL;
	if (raw && get(raw) != MD_MAGIC)
		get = get_be32;
	if (!raw || get(raw) != MD_MAGIC || get(raw + MD0_OFF_MAJOR) != 0 ||
	    get(raw + MD0_OFF_MINOR) > 90 ||
	    get(raw + MD0_OFF_CSUM) != md_sum(raw, MD0_SIZE, MD0_OFF_CSUM, get))
		return false;
	id[0] = get(raw + MD0_OFF_UUID0);
	for (i = 1; i < 4; i++)
		id[i] = get(raw + MD0_OFF_UUID1 + 4 * (i - 1));
	if (get(raw + MD0_OFF_MINOR) < 90)
		id[1] = id[2] = id[3] = 0;
	snprintf(p->out->id, sizeof(p->out->id), "%08x-%04x-%04x-%04x-%04x%08x", (unsigned)id[0],
		 (unsigned)(id[1] >> 16), (unsigned)(id[1] & 0xFFFF), (unsigned)(id[2] >> 16),
		 (unsigned)(id[2] & 0xFFFF), (unsigned)id[3]);
	return true;
}

/* Versions 1.0 (near the end), 1.1 (at the start), 1.2 (4 KiB from the start). */
static bool raid_1(struct probe *p, uint64_t sector)
{
	const unsigned char *raw = probe_bytes(p, sector * 512, MD1_SIZE);
	uint32_t devices = raw ? get_le32(raw + MD1_OFF_MAX_DEV) : 0;
	size_t len = MD1_SIZE;

	if (!raw || get_le32(raw) != MD_MAGIC || get_le32(raw + MD1_OFF_MAJOR) != 1 ||
	    get_le64(raw + MD1_OFF_SUPER_OFFSET) != sector || devices > MD1_DEV_MAX)
		return false;
	len += 2 * devices;
	raw = probe_bytes(p, sector * 512, len);
	if (!raw || get_le32(raw + MD1_OFF_CSUM) != md_sum(raw, len, MD1_OFF_CSUM, get_le32))
		return false;
	probe_uuid(p, raw + MD1_OFF_SET_UUID);
	probe_label(p, raw + MD1_OFF_SET_NAME, MD1_NAME_SIZE);
	return true;
}

bool probe_raid(struct probe *p)
{
	uint64_t sectors = p->volume->len / 512;

	return raid_0(p) || (sectors >= 16 && raid_1(p, round_down(sectors - 16, 8))) ||
	       raid_1(p, 0) || raid_1(p, 8);
}

/* LVM2, lib/format_text/layout.h and lib/label/label.h. */
enum {
	LVM_LABEL_SECTORS = 4, /* it stands in one of the first four of 512 bytes */
	LVM_OFF_SECTOR = 8,
	LVM_OFF_CRC = 16, /* of what follows, to the end of the sector */
	LVM_OFF_CONTENT = 20,
	LVM_OFF_TYPE = 24,
	LVM_ID_SIZE = 32,
};
#define LVM_CRC_START 0xf597a6cfU

/* LVM's identifiers are 32 letters and digits, in groups of 6-4-4-4-4-4-6. */
static void lvm_id(const unsigned char *raw, char *out)
{
	static const unsigned char dash_before[] = { 6, 10, 14, 18, 22, 26 };
	size_t i, next = 0;

	for (i = 0; i < LVM_ID_SIZE; i++) {
		if (next < sizeof(dash_before) && i == dash_before[next]) {
			*out++ = '-';
			next++;
		}
		*out++ = raw[i] > 0x20 && raw[i] < 0x7F ? (char)raw[i] : '?';
	}
	*out = '\0';
}

bool probe_lvm2(struct probe *p)
{
	uint32_t i;

	for (i = 0; i < LVM_LABEL_SECTORS; i++) {
		const unsigned char *raw = probe_bytes(p, (uint64_t)i * 512, 512);
		uint32_t content;

		if (!raw || memcmp(raw, "LABELONE", 8) != 0 ||
		    get_le64(raw + LVM_OFF_SECTOR) != i ||
		    memcmp(raw + LVM_OFF_TYPE, "LVM2 001", 8) != 0)
			continue;
		/* crc32 of zlib inverts at both ends, LVM's does not. */
		if ((uint32_t)~crc32(~LVM_CRC_START & 0xFFFFFFFF, raw + LVM_OFF_CONTENT,
				     512 - LVM_OFF_CONTENT) != get_le32(raw + LVM_OFF_CRC))
			continue;
		content = get_le32(raw + LVM_OFF_CONTENT);
		if (!range_ok(content, LVM_ID_SIZE, 512))
			continue;
		lvm_id(raw + content, p->out->id);
		return true;
	}
	return false;
}

/* LUKS1 On-Disk Format Specification 1.2.3, and LUKS2's, section 2.1. */
enum {
	LUKS_SIZE = 592,
	LUKS_OFF_VERSION = 6,
	LUKS2_OFF_SIZE = 8,
	LUKS2_OFF_LABEL = 24,
	LUKS2_LABEL_SIZE = 48,
	LUKS_OFF_UUID = 168,
	LUKS2_OFF_OFFSET = 256,
};

bool probe_luks(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, LUKS_SIZE);
	unsigned version;

	if (!raw || memcmp(raw, "LUKS\xba\xbe", 6) != 0)
		return false;
	version = get_be16(raw + LUKS_OFF_VERSION);
	if (version != 1 && (version != 2 || get_be64(raw + LUKS2_OFF_OFFSET) != 0 ||
			     get_be64(raw + LUKS2_OFF_SIZE) < PROBE_PAGE))
		return false;
	if (version == 2)
		probe_label(p, raw + LUKS2_OFF_LABEL, LUKS2_LABEL_SIZE);
	text_from_bytes(p->out->id, sizeof(p->out->id), raw + LUKS_OFF_UUID, FS_ID_TEXT);
	return true;
}
