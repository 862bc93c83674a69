// SPDX-License-Identifier: Apache-2.0
/* File systems of Linux, swap, and those of discs and live systems. */
#include "mbr-gpt/fs_probe.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Linux, Documentation/filesystems/ext4, "Super Block". */
enum {
	EXT_OFF = 1024,
	EXT_SIZE = 1024,
	EXT_OFF_BLOCKS = 4,
	EXT_OFF_LOG_BLOCK = 24,
	EXT_OFF_MAGIC = 56,
	EXT_OFF_COMPAT = 92,
	EXT_OFF_INCOMPAT = 96,
	EXT_OFF_RO_COMPAT = 100,
	EXT_OFF_UUID = 104,
	EXT_OFF_LABEL = 120,
	EXT_LABEL_SIZE = 16,
	EXT_OFF_CSUM = 1020,
	EXT_MAGIC = 0xEF53,
	COMPAT_JOURNAL = 0x4,
	INCOMPAT_JOURNAL_DEV = 0x8,
	RO_COMPAT_METADATA_CSUM = 0x400,
	INCOMPAT_EXT3 = 0x2 | 0x4 | 0x10, /* FILETYPE, RECOVER, META_BG */
	RO_COMPAT_EXT3 = 0x1 | 0x2 | 0x4, /* SPARSE_SUPER, LARGE_FILE, BTREE_DIR */
};

/* CRC-32C that begins with all ones and is not inverted at its end, as ext4 and XFS store it. */
static uint32_t crc32c_plain(const unsigned char *raw, size_t len)
{
	return ~crc32c(0, raw, len);
}

bool probe_ext(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, EXT_OFF, EXT_SIZE);
	uint32_t incompat, ro;

	if (!raw || get_le16(raw + EXT_OFF_MAGIC) != EXT_MAGIC ||
	    get_le32(raw + EXT_OFF_LOG_BLOCK) > 6 || get_le32(raw + EXT_OFF_BLOCKS) == 0)
		return false;
	incompat = get_le32(raw + EXT_OFF_INCOMPAT);
	ro = get_le32(raw + EXT_OFF_RO_COMPAT);
	if ((ro & RO_COMPAT_METADATA_CSUM) &&
	    crc32c_plain(raw, EXT_OFF_CSUM) != get_le32(raw + EXT_OFF_CSUM))
		return false;
	if (incompat & INCOMPAT_JOURNAL_DEV)
		p->out->type = "jbd";
	else if ((incompat & ~(uint32_t)INCOMPAT_EXT3) || (ro & ~(uint32_t)RO_COMPAT_EXT3))
		p->out->type = "ext4";
	else
		p->out->type = get_le32(raw + EXT_OFF_COMPAT) & COMPAT_JOURNAL ? "ext3" : "ext2";
	probe_uuid(p, raw + EXT_OFF_UUID);
	probe_label(p, raw + EXT_OFF_LABEL, EXT_LABEL_SIZE);
	return true;
}

/* XFS Algorithms & Data Structures, "Superblocks". */
enum {
	XFS_OFF_BLOCK_SIZE = 4,
	XFS_OFF_BLOCKS = 8,
	XFS_OFF_UUID = 32,
	XFS_OFF_VERSION = 100,
	XFS_OFF_SECTOR_SIZE = 102,
	XFS_OFF_LABEL = 108,
	XFS_LABEL_SIZE = 12,
	XFS_OFF_CRC = 224,
	XFS_SECTOR_MAX = 32768,
};

/* Version 5 has a checksum of its sector, in which it counts as zero itself. */
static bool xfs_sum_ok(struct probe *p, uint32_t sector_size)
{
	static const unsigned char none[4];
	const unsigned char *raw = probe_bytes(p, 0, 512);
	uint32_t want = get_le32(raw + XFS_OFF_CRC), crc = crc32c(0, raw, XFS_OFF_CRC);
	uint32_t at, len;

	crc = crc32c(crc, none, sizeof(none));
	for (at = XFS_OFF_CRC + 4; at < sector_size; at += len) {
		len = (uint32_t)min_u64(sector_size - at, PROBE_PAGE);
		raw = probe_bytes(p, at, len);
		if (!raw)
			return false;
		crc = crc32c(crc, raw, len);
	}
	return crc == want;
}

bool probe_xfs(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, 512);
	uint32_t block_size, sector_size;

	if (!raw || memcmp(raw, "XFSB", 4) != 0)
		return false;
	block_size = get_be32(raw + XFS_OFF_BLOCK_SIZE);
	sector_size = get_be16(raw + XFS_OFF_SECTOR_SIZE);
	if (!is_pow2(block_size) || block_size < 512 || block_size > 65536 ||
	    !is_pow2(sector_size) || sector_size < 512 || sector_size > XFS_SECTOR_MAX ||
	    get_be64(raw + XFS_OFF_BLOCKS) == 0 ||
	    ((get_be16(raw + XFS_OFF_VERSION) & 15) == 5 && !xfs_sum_ok(p, sector_size)))
		return false;
	probe_uuid(p, raw + XFS_OFF_UUID);
	probe_label(p, raw + XFS_OFF_LABEL, XFS_LABEL_SIZE);
	return true;
}

/* Btrfs documentation, "On-disk Format", "Superblock". */
enum {
	BTRFS_OFF = 65536,
	BTRFS_SIZE = 4096,
	BTRFS_CSUM_SIZE = 32,
	BTRFS_OFF_FSID = 32,
	BTRFS_OFF_BYTENR = 48,
	BTRFS_OFF_MAGIC = 64,
	BTRFS_OFF_CSUM_TYPE = 196,
	BTRFS_CSUM_CRC32C = 0,
	BTRFS_OFF_LABEL = 299,
	BTRFS_LABEL_SIZE = 256,
};

bool probe_btrfs(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, BTRFS_OFF, BTRFS_SIZE);

	if (!raw || memcmp(raw + BTRFS_OFF_MAGIC, "_BHRfS_M", 8) != 0 ||
	    get_le64(raw + BTRFS_OFF_BYTENR) != BTRFS_OFF)
		return false;
	if (get_le16(raw + BTRFS_OFF_CSUM_TYPE) == BTRFS_CSUM_CRC32C &&
	    crc32c(0, raw + BTRFS_CSUM_SIZE, BTRFS_SIZE - BTRFS_CSUM_SIZE) != get_le32(raw))
		return false;
	probe_uuid(p, raw + BTRFS_OFF_FSID);
	probe_label(p, raw + BTRFS_OFF_LABEL, BTRFS_LABEL_SIZE);
	return true;
}

/* Linux, include/linux/swap.h, union swap_header: the magic ends the first page, whatever size
 * pages have. */
enum {
	SWAP_OFF_VERSION = 1024,
	SWAP_OFF_LAST_PAGE = 1028,
	SWAP_OFF_UUID = 1036,
	SWAP_OFF_LABEL = 1052,
	SWAP_LABEL_SIZE = 16,
	SWAP_HEADER_END = 1068,
	SWAP_MAGIC_SIZE = 10,
	SWAP_PAGE_MIN = 4096,
	SWAP_PAGE_MAX = 65536,
};

/* What stands for the magic of an area that may be in use: mkswap's, or a hibernated system's. */
static const char *swap_type(const unsigned char *magic)
{
	static const char *const hibernated[] = { "S1SUSPEND", "S2SUSPEND", "ULSUSPEND",
						  "LINHIB0001" };
	size_t i;

	if (memcmp(magic, "SWAPSPACE2", SWAP_MAGIC_SIZE) == 0)
		return "swap";
	for (i = 0; i < sizeof(hibernated) / sizeof(hibernated[0]); i++)
		if (memcmp(magic, hibernated[i], strlen(hibernated[i])) == 0)
			return "swsuspend";
	return NULL;
}

bool probe_swap(struct probe *p)
{
	const unsigned char *raw;
	const char *type = NULL;
	uint32_t page;

	for (page = SWAP_PAGE_MIN; page <= SWAP_PAGE_MAX && !type; page *= 2) {
		raw = probe_bytes(p, page - SWAP_MAGIC_SIZE, SWAP_MAGIC_SIZE);
		type = raw ? swap_type(raw) : NULL;
	}
	raw = type ? probe_bytes(p, 0, SWAP_HEADER_END) : NULL;
	/* In the byte order of the machine; only 0 and 1 have to be told from others. */
	if (!raw ||
	    (get_le32(raw + SWAP_OFF_VERSION) != 1 && get_be32(raw + SWAP_OFF_VERSION) != 1) ||
	    get_le32(raw + SWAP_OFF_LAST_PAGE) == 0)
		return false;
	p->out->type = type;
	probe_uuid(p, raw + SWAP_OFF_UUID);
	probe_label(p, raw + SWAP_OFF_LABEL, SWAP_LABEL_SIZE);
	return true;
}

/* Squashfs 4.0, "The superblock" (Linux, Documentation/filesystems/squashfs.rst, fs.h). */
enum {
	SQUASHFS_SIZE = 96,
	SQUASHFS_OFF_BLOCK_SIZE = 12,
	SQUASHFS_OFF_BLOCK_LOG = 22,
	SQUASHFS_OFF_MAJOR = 28,
};

bool probe_squashfs(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, SQUASHFS_SIZE);
	unsigned block_log;

	if (!raw || memcmp(raw, "hsqs", 4) != 0)
		return false;
	block_log = get_le16(raw + SQUASHFS_OFF_BLOCK_LOG);
	return get_le16(raw + SQUASHFS_OFF_MAJOR) == 4 && block_log >= 12 && block_log <= 20 &&
	       get_le32(raw + SQUASHFS_OFF_BLOCK_SIZE) == 1U << block_log;
}

/* ECMA-119, sections 8.4 and 8.5. */
enum {
	ISO_OFF = 32768,
	ISO_SIZE = 2048,
	ISO_PRIMARY = 1,
	ISO_OFF_LABEL = 40,
	ISO_LABEL_SIZE = 32,
	ISO_OFF_CREATED = 813,
	ISO_OFF_MODIFIED = 830,
	ISO_DATE_DIGITS = 16,
};

/* The date of a change or, where there is none, of the making is its id. */
static void iso_id(const unsigned char *raw, char *out)
{
	static const char none[ISO_DATE_DIGITS + 1] = "0000000000000000";
	const unsigned char *date = raw + ISO_OFF_MODIFIED;
	size_t i;

	if (memcmp(date, none, ISO_DATE_DIGITS) == 0 || date[0] == 0)
		date = raw + ISO_OFF_CREATED;
	for (i = 0; i < ISO_DATE_DIGITS; i++)
		if (date[i] < '0' || date[i] > '9')
			return;
	if (memcmp(date, none, ISO_DATE_DIGITS) != 0)
		snprintf(out, FS_ID_TEXT, "%.4s-%.2s-%.2s-%.2s-%.2s-%.2s-%.2s", date, date + 4,
			 date + 6, date + 8, date + 10, date + 12, date + 14);
}

bool probe_iso9660(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, ISO_OFF, ISO_SIZE);

	if (!raw || raw[0] != ISO_PRIMARY || memcmp(raw + 1, "CD001\1", 6) != 0)
		return false;
	iso_id(raw, p->out->id);
	probe_label(p, raw + ISO_OFF_LABEL, ISO_LABEL_SIZE);
	return true;
}
