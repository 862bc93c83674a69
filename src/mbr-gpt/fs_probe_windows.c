// SPDX-License-Identifier: Apache-2.0
/* File systems of Windows and of firmware: FAT, NTFS, exFAT, ReFS; BitLocker around them. */
#include "mbr-gpt/fs_probe.h"

#include "base/bytes.h"
#include "base/checked.h"

#include <stdio.h>
#include <string.h>

/* A boot sector: Microsoft's FAT specification 1.03, "Boot Sector and BPB". */
enum {
	BOOT_OFF_OEM = 3,
	BPB_OFF_SECTOR_SIZE = 11,
	BPB_OFF_CLUSTER_SECTORS = 13,
	BPB_OFF_RESERVED = 14,
	BPB_OFF_FATS = 16,
	BPB_OFF_ROOT_ENTRIES = 17,
	BPB_OFF_SECTORS_16 = 19,
	BPB_OFF_MEDIA = 21,
	BPB_OFF_FAT_SECTORS_16 = 22,
	BPB_OFF_SECTORS_32 = 32,
	BPB_OFF_EXTENDED_16 = 38, /* FAT12 and FAT16: 0x28 or 0x29 where there is a serial */
	BPB_OFF_SERIAL_16 = 39,
	BPB_OFF_FAT_SECTORS_32 = 36,
	BPB_OFF_ROOT_CLUSTER = 44,
	BPB_OFF_SERIAL_32 = 67,
	BOOT_OFF_SIGNATURE = 510,
	FAT12_CLUSTERS = 4085, /* fewer than so many: FAT12 */
	FAT16_CLUSTERS = 65525,
	DIR_ENTRY = 32,
	DIR_OFF_ATTRIBUTES = 11,
	DIR_OFF_CLUSTER_HIGH = 20,
	DIR_OFF_CLUSTER_LOW = 26,
	DIR_NAME_SIZE = 11,
	ATTR_VOLUME = 0x08,
	ATTR_DIRECTORY = 0x10,
	ATTR_LONG_NAME = 0x0F,
};
/* A label stands near the start of the root directory; this much of it is looked at. */
#define ROOT_MAX (64U << 10)
#define ROOT_CLUSTERS_MAX 64U

/* BitLocker writes its name where a boot sector has the OEM's; on removable disks ("To Go") the
 * boot sector is a FAT's, with a GUID that says more (libbde's documentation, "Volume header"). */
bool probe_bitlocker(struct probe *p)
{
	static const unsigned char to_go[16] = { 0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A,
						 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01 };
	const unsigned char *raw = probe_bytes(p, 0, 512);

	return raw && (memcmp(raw + BOOT_OFF_OEM, "-FVE-FS-", 8) == 0 ||
		       (memcmp(raw + BOOT_OFF_OEM, "MSWIN4.1", 8) == 0 &&
			memcmp(raw + 424, to_go, sizeof(to_go)) == 0));
}

/* The boot sector in bytes and sectors. */
struct fat_boot {
	uint32_t sector_size, cluster_sectors, reserved, root_sectors, root_entries;
	uint64_t fat_sectors; /* of all copies */
	uint64_t clusters;
	bool wide; /* FAT32 */
};

/* The checks are of the specification; the OEM's name and the type as text mean nothing there. */
static bool fat_boot_decode(const unsigned char *raw, struct fat_boot *out)
{
	struct fat_boot b;
	uint64_t sectors, meta;

	b.sector_size = get_le16(raw + BPB_OFF_SECTOR_SIZE);
	b.cluster_sectors = raw[BPB_OFF_CLUSTER_SECTORS];
	b.reserved = get_le16(raw + BPB_OFF_RESERVED);
	b.root_entries = get_le16(raw + BPB_OFF_ROOT_ENTRIES);
	b.wide = get_le16(raw + BPB_OFF_FAT_SECTORS_16) == 0;
	if (get_le16(raw + BOOT_OFF_SIGNATURE) != 0xAA55 || !is_pow2(b.sector_size) ||
	    b.sector_size < 512 || b.sector_size > 4096 || !is_pow2(b.cluster_sectors) ||
	    b.reserved == 0 || raw[BPB_OFF_FATS] == 0 ||
	    (raw[BPB_OFF_MEDIA] < 0xF8 && raw[BPB_OFF_MEDIA] != 0xF0))
		return false;
	sectors = get_le16(raw + BPB_OFF_SECTORS_16);
	if (sectors == 0)
		sectors = get_le32(raw + BPB_OFF_SECTORS_32);
	b.fat_sectors = b.wide ? get_le32(raw + BPB_OFF_FAT_SECTORS_32)
			       : get_le16(raw + BPB_OFF_FAT_SECTORS_16);
	b.fat_sectors *= raw[BPB_OFF_FATS];
	b.root_sectors = (uint32_t)div_up((uint64_t)b.root_entries * DIR_ENTRY, b.sector_size);
	meta = b.reserved + b.fat_sectors + b.root_sectors;
	if (b.fat_sectors == 0 || sectors <= meta)
		return false;
	b.clusters = (sectors - meta) / b.cluster_sectors;
	if (!b.wide && b.clusters >= FAT16_CLUSTERS)
		return false;
	*out = b;
	return true;
}

enum dir_end { DIR_GOES_ON, DIR_ENDS };

/* Takes the label from an entry of 32 bytes, if that is one. */
typedef bool take_label_fn(struct probe *p, const unsigned char *entry);

/* Looks for the volume's label in so many bytes of a root directory. */
static enum dir_end find_label(struct probe *p, uint64_t off, uint64_t len, take_label_fn *take)
{
	uint64_t at;
	uint32_t i;

	for (at = 0; at < len; at += PROBE_PAGE) {
		uint32_t n = (uint32_t)min_u64(PROBE_PAGE, len - at);
		const unsigned char *raw = probe_bytes(p, off + at, n);

		if (!raw)
			return DIR_ENDS;
		for (i = 0; i + DIR_ENTRY <= n; i += DIR_ENTRY)
			if (raw[i] == 0 || take(p, raw + i))
				return DIR_ENDS;
	}
	return DIR_GOES_ON;
}

static bool take_fat_label(struct probe *p, const unsigned char *e)
{
	unsigned char name[DIR_NAME_SIZE], attributes = e[DIR_OFF_ATTRIBUTES];

	if (e[0] == 0xE5 || (attributes & 0x3F) == ATTR_LONG_NAME ||
	    (attributes & (ATTR_VOLUME | ATTR_DIRECTORY)) != ATTR_VOLUME ||
	    get_le16(e + DIR_OFF_CLUSTER_HIGH) || get_le16(e + DIR_OFF_CLUSTER_LOW))
		return false;
	memcpy(name, e, sizeof(name));
	if (name[0] == 0x05)
		name[0] = 0xE5;
	probe_label(p, name, sizeof(name));
	return true;
}

/* The root of FAT32 is a chain of clusters. */
static void fat32_label(struct probe *p, const struct fat_boot *b, uint32_t cluster)
{
	uint64_t cluster_size = (uint64_t)b->cluster_sectors * b->sector_size;
	uint64_t data = (b->reserved + b->fat_sectors) * b->sector_size, seen = 0;
	uint32_t i;

	for (i = 0; i < ROOT_CLUSTERS_MAX && seen < ROOT_MAX; i++) {
		const unsigned char *next;

		if (cluster < 2 || cluster - 2 >= b->clusters)
			return;
		if (find_label(p, data + (cluster - 2) * cluster_size,
			       min_u64(cluster_size, ROOT_MAX), take_fat_label) == DIR_ENDS)
			return;
		seen += cluster_size;
		next = probe_bytes(
			p, (uint64_t)b->reserved * b->sector_size + (uint64_t)cluster * 4, 4);
		cluster = next ? get_le32(next) & 0x0FFFFFFF : 0;
	}
}

bool probe_fat(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, 512);
	struct fat_boot b;

	/* OS/2 puts such a sector before other file systems, too. */
	if (!raw || memcmp(raw + 54, "JFS     ", 8) == 0 || memcmp(raw + 54, "HPFS    ", 8) == 0 ||
	    !fat_boot_decode(raw, &b))
		return false;
	p->out->type = b.wide ? "fat32" : b.clusters < FAT12_CLUSTERS ? "fat12" : "fat16";
	if (b.wide || (raw[BPB_OFF_EXTENDED_16] & 0xFE) == 0x28)
		probe_serial(p, get_le32(raw + (b.wide ? BPB_OFF_SERIAL_32 : BPB_OFF_SERIAL_16)));
	if (b.wide)
		fat32_label(p, &b, get_le32(raw + BPB_OFF_ROOT_CLUSTER));
	else
		find_label(p, (b.reserved + b.fat_sectors) * b.sector_size,
			   min_u64((uint64_t)b.root_entries * DIR_ENTRY, ROOT_MAX), take_fat_label);
	return true;
}

/* The Linux-NTFS project's documentation: $Boot, FILE records, $VOLUME_NAME. */
enum {
	NTFS_OFF_SECTORS = 40,
	NTFS_OFF_MFT = 48,    /* clusters */
	NTFS_OFF_RECORD = 64, /* clusters of a record; negative: its size is 2 to that */
	NTFS_OFF_SERIAL = 72,
	NTFS_RECORD_VOLUME = 3,
	NTFS_STRIDE = 512, /* the last two bytes of each are kept in the update sequence */
	REC_OFF_SEQUENCE = 4,
	REC_OFF_SEQUENCE_COUNT = 6,
	REC_OFF_ATTRIBUTES = 20,
	ATTR_OFF_LENGTH = 4,
	ATTR_OFF_NON_RESIDENT = 8,
	ATTR_OFF_VALUE_LENGTH = 16,
	ATTR_OFF_VALUE = 20,
	ATTR_HEADER = 24,
	ATTR_VOLUME_NAME = 0x60,
	ATTR_END = -1,
};

/* Puts back what the update sequence holds. */
static bool ntfs_mend(unsigned char *raw, uint32_t size)
{
	uint32_t at = get_le16(raw + REC_OFF_SEQUENCE),
		 count = get_le16(raw + REC_OFF_SEQUENCE_COUNT);
	uint32_t i;

	if (count != size / NTFS_STRIDE + 1 || !range_ok(at, (uint64_t)count * 2, size))
		return false;
	for (i = 1; i < count; i++) {
		unsigned char *end = raw + i * NTFS_STRIDE - 2;

		if (get_le16(end) != get_le16(raw + at))
			return false;
		memcpy(end, raw + at + 2 * i, 2);
	}
	return true;
}

static void ntfs_label(struct probe *p, uint64_t off, uint32_t size)
{
	const unsigned char *found = probe_bytes(p, off, size);
	unsigned char raw[PROBE_PAGE];
	uint32_t at, len;

	if (!found || memcmp(found, "FILE", 4) != 0)
		return;
	memcpy(raw, found, size);
	if (!ntfs_mend(raw, size))
		return;
	for (at = get_le16(raw + REC_OFF_ATTRIBUTES); range_ok(at, ATTR_HEADER, size); at += len) {
		uint32_t type = get_le32(raw + at), value = get_le16(raw + at + ATTR_OFF_VALUE);
		uint32_t value_len = get_le32(raw + at + ATTR_OFF_VALUE_LENGTH);

		len = get_le32(raw + at + ATTR_OFF_LENGTH);
		if (type == (uint32_t)ATTR_END || len < ATTR_HEADER || !range_ok(at, len, size))
			return;
		if (type != ATTR_VOLUME_NAME)
			continue;
		if (raw[at + ATTR_OFF_NON_RESIDENT] == 0 && range_ok(value, value_len, len))
			probe_label_utf16(p, raw + at + value, value_len / 2);
		return;
	}
}

/* 2^-v for v < 0, else v times `unit`; 0: no such size. */
static uint64_t ntfs_size(unsigned char raw, uint64_t unit)
{
	int v = raw < 0x80 ? raw : raw - 0x100;

	return v > 0 ? (uint64_t)v * unit : v > -32 ? 1ULL << -v : 0;
}

bool probe_ntfs(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, 512), *file;
	uint64_t sector_size, cluster, record, mft, sectors;

	/* What FAT has in its BPB is zero here. */
	if (!raw || memcmp(raw + BOOT_OFF_OEM, "NTFS    ", 8) != 0 ||
	    get_le16(raw + BPB_OFF_RESERVED) || raw[BPB_OFF_FATS] ||
	    get_le16(raw + BPB_OFF_ROOT_ENTRIES) || get_le16(raw + BPB_OFF_FAT_SECTORS_16))
		return false;
	sector_size = get_le16(raw + BPB_OFF_SECTOR_SIZE);
	/* Clusters over 64 KiB are 2^-v sectors. */
	cluster = raw[BPB_OFF_CLUSTER_SECTORS] <= 128
			  ? raw[BPB_OFF_CLUSTER_SECTORS] * sector_size
			  : ntfs_size(raw[BPB_OFF_CLUSTER_SECTORS], 1) * sector_size;
	if (!is_pow2(sector_size) || sector_size < 256 || sector_size > 4096 || !is_pow2(cluster) ||
	    cluster > 2U << 20)
		return false;
	record = ntfs_size(raw[NTFS_OFF_RECORD], cluster);
	sectors = get_le64(raw + NTFS_OFF_SECTORS);
	mft = get_le64(raw + NTFS_OFF_MFT);
	if (!is_pow2(record) || record < NTFS_STRIDE || record > PROBE_PAGE ||
	    mft >= sectors / (cluster / sector_size) || mft > p->volume->len / cluster)
		return false;
	snprintf(p->out->id, sizeof(p->out->id), "%08X%08X",
		 (unsigned)get_le32(raw + NTFS_OFF_SERIAL + 4),
		 (unsigned)get_le32(raw + NTFS_OFF_SERIAL));
	file = probe_bytes(p, mft * cluster, 4);
	if (!file || memcmp(file, "FILE", 4) != 0)
		return false;
	ntfs_label(p, mft * cluster + NTFS_RECORD_VOLUME * record, (uint32_t)record);
	return true;
}

/* Microsoft's exFAT specification, sections 3.1, 3.4 and 7.3. */
enum {
	EXFAT_OFF_FAT = 80, /* sectors */
	EXFAT_OFF_HEAP = 88,
	EXFAT_OFF_CLUSTERS = 92,
	EXFAT_OFF_ROOT = 96,
	EXFAT_OFF_SERIAL = 100,
	EXFAT_OFF_FLAGS = 106,
	EXFAT_OFF_SECTOR_SHIFT = 108,
	EXFAT_OFF_CLUSTER_SHIFT = 109,
	EXFAT_OFF_PERCENT = 112,
	EXFAT_SUMMED_SECTORS = 11, /* their sum fills the one that follows */
	EXFAT_ENTRY_LABEL = 0x83,
	EXFAT_LABEL_UNITS = 11,
};

static bool exfat_sum_ok(struct probe *p, uint32_t sector_size)
{
	const unsigned char *raw;
	uint32_t sum = 0, i, sector;

	for (sector = 0; sector < EXFAT_SUMMED_SECTORS; sector++) {
		raw = probe_bytes(p, (uint64_t)sector * sector_size, sector_size);
		for (i = 0; raw && i < sector_size; i++)
			if (sector > 0 || (i != EXFAT_OFF_FLAGS && i != EXFAT_OFF_FLAGS + 1 &&
					   i != EXFAT_OFF_PERCENT))
				sum = (sum << 31 | sum >> 1) + raw[i];
	}
	raw = probe_bytes(p, (uint64_t)EXFAT_SUMMED_SECTORS * sector_size, 4);
	return raw && get_le32(raw) == sum;
}

static bool take_exfat_label(struct probe *p, const unsigned char *e)
{
	if (e[0] != EXFAT_ENTRY_LABEL)
		return false;
	if (e[1] <= EXFAT_LABEL_UNITS)
		probe_label_utf16(p, e + 2, e[1]);
	return true;
}

bool probe_exfat(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, 512), *next;
	uint64_t cluster_size, heap, fat, seen = 0;
	uint32_t sector_shift, cluster_shift, cluster, clusters, i;

	if (!raw || memcmp(raw + BOOT_OFF_OEM, "EXFAT   ", 8) != 0)
		return false;
	sector_shift = raw[EXFAT_OFF_SECTOR_SHIFT];
	cluster_shift = raw[EXFAT_OFF_CLUSTER_SHIFT];
	if (sector_shift < 9 || sector_shift > 12 || cluster_shift > 25 - sector_shift)
		return false;
	cluster_size = 1ULL << (sector_shift + cluster_shift);
	heap = (uint64_t)get_le32(raw + EXFAT_OFF_HEAP) << sector_shift;
	fat = (uint64_t)get_le32(raw + EXFAT_OFF_FAT) << sector_shift;
	clusters = get_le32(raw + EXFAT_OFF_CLUSTERS);
	cluster = get_le32(raw + EXFAT_OFF_ROOT);
	probe_serial(p, get_le32(raw + EXFAT_OFF_SERIAL));
	if (!exfat_sum_ok(p, 1U << sector_shift))
		return false;
	for (i = 0; i < ROOT_CLUSTERS_MAX && seen < ROOT_MAX; i++) {
		if (cluster < 2 || cluster - 2 >= clusters ||
		    find_label(p, heap + (cluster - 2) * cluster_size,
			       min_u64(cluster_size, ROOT_MAX), take_exfat_label) == DIR_ENDS)
			break;
		seen += cluster_size;
		next = probe_bytes(p, fat + (uint64_t)cluster * 4, 4);
		cluster = next ? get_le32(next) : 0;
	}
	return true;
}

/* The volume header as libfsrefs documents it: the name, then "FSRS" and the length of the
 * structure. */
bool probe_refs(struct probe *p)
{
	const unsigned char *raw = probe_bytes(p, 0, 512);

	return raw && memcmp(raw, "\0\0\0ReFS\0\0\0\0\0", 12) == 0 &&
	       memcmp(raw + 16, "FSRS", 4) == 0 && get_le16(raw + 20) <= 512;
}
