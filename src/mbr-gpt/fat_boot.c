// SPDX-License-Identifier: Apache-2.0
/*
 * The boot sector of a FAT volume. The specification tells FAT12, FAT16 and FAT32 apart by the
 * count of clusters alone. Windows, Linux, EDK II and GRUB all take a volume without a 16-bit size
 * of its table for FAT32, however few clusters it has, and small system partitions exist that are
 * so made: here it is the same. One that has that field is FAT12 or FAT16 by its count.
 */
#include "mbr-gpt/fat_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/* "FAT Type Determination" */
enum { FAT12_CLUSTERS = 4085, FAT16_CLUSTERS = 65525 };

#define NO_SECTOR 0xFFFFU /* beside 0, what some formatters write for no FSInfo, no backup */

static int check_start(const unsigned char *raw, struct tranship_error *err)
{
	unsigned media = raw[FAT_BOOT_MEDIA];

	if (get_le16(raw + FAT_BOOT_SIGNATURE) != 0xAA55)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the boot sector has no signature 55 AA at byte 510");
	if (raw[0] != 0xEB && raw[0] != 0xE9)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the boot sector begins with 0x%02X, which is no jump",
				 raw[0]);
	if (media != 0xF0 && media < 0xF8)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the media byte is 0x%02X, neither F0 nor F8 to FF", media);
	return 0;
}

static int decode_sizes(const unsigned char *raw, struct fat *fat, struct tranship_error *err)
{
	uint32_t sectors = raw[FAT_BOOT_CLUSTER_SECTORS];

	fat->sector_size = get_le16(raw + FAT_BOOT_SECTOR_SIZE);
	if (!is_pow2(fat->sector_size) || fat->sector_size < 512 || fat->sector_size > 4096)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the sector size is %" PRIu32
				 ", no power of two from 512 to 4096",
				 fat->sector_size);
	if (!is_pow2(sectors))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: a cluster has %" PRIu32
				 " sectors, no power of two from 1 to 128",
				 sectors);
	fat->cluster_size = sectors * fat->sector_size;
	fat->reserved_sectors = get_le16(raw + FAT_BOOT_RESERVED);
	fat->fat_count = raw[FAT_BOOT_FATS];
	if (fat->reserved_sectors == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "fat: there are no reserved sectors");
	if (fat->fat_count == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "fat: there are no copies of the table");
	return 0;
}

/* The volume's sectors, by one of the two fields. */
static int decode_total(const unsigned char *raw, const struct fat *fat, uint64_t volume_len,
			uint64_t *out, struct tranship_error *err)
{
	uint32_t small = get_le16(raw + FAT_BOOT_TOTAL_16),
		 total = get_le32(raw + FAT_BOOT_TOTAL_32);

	if (small != 0 && total != 0 && small != total)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the volume has %" PRIu32 " sectors by one field and %" PRIu32
				 " by the other",
				 small, total);
	*out = small ? small : total;
	if (*out == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "fat: the volume has 0 sectors");
	if (*out > volume_len / fat->sector_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the volume says that it has %" PRIu64 " sectors of %" PRIu32
				 " bytes, but it has %" PRIu64 " bytes",
				 *out, fat->sector_size, volume_len);
	return 0;
}

/* The clusters behind tables and a root folder of so many sectors. */
static int count_clusters(struct fat *fat, uint64_t total, uint64_t root_sectors,
			  struct tranship_error *err)
{
	uint64_t before = fat->reserved_sectors + (uint64_t)fat->fat_count * fat->fat_sectors;
	uint64_t count;

	before += root_sectors;
	if (before >= total)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the data begins at sector %" PRIu64 " of %" PRIu64, before,
				 total);
	count = (total - before) / (fat->cluster_size / fat->sector_size);
	if (count == 0 || count > FAT_BAD - FAT_FIRST)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the volume has %" PRIu64 " clusters, not 1 to %u", count,
				 FAT_BAD - FAT_FIRST);
	fat->data_off = before * fat->sector_size;
	fat->clusters = (uint32_t)count;
	return 0;
}

/* A volume with a table of 12 or 16 bits: always an error, the right one. */
static int refuse_small(const unsigned char *raw, struct fat *fat, uint64_t total,
			struct tranship_error *err)
{
	uint64_t root = (uint64_t)get_le16(raw + FAT_BOOT_ROOT_ENTRIES) * FAT_SLOT;
	int rc;

	fat->fat_sectors = get_le16(raw + FAT_BOOT_FAT_SECTORS_16);
	rc = count_clusters(fat, total, div_up(root, fat->sector_size), err);
	if (rc)
		return rc;
	if (fat->clusters >= FAT16_CLUSTERS)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the volume has %" PRIu32
				 " clusters, and the size of its table is that of FAT16",
				 fat->clusters);
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "fat: the volume is %s (%" PRIu32 " clusters): only FAT32 is read",
			 fat->clusters < FAT12_CLUSTERS ? "FAT12" : "FAT16", fat->clusters);
}

static int decode_table(const unsigned char *raw, struct fat *fat, uint64_t total,
			struct tranship_error *err)
{
	unsigned flags = get_le16(raw + FAT_BOOT_FLAGS), version = get_le16(raw + FAT_BOOT_VERSION);
	int rc;

	fat->fat_sectors = get_le32(raw + FAT_BOOT_FAT_SECTORS_32);
	if (fat->fat_sectors == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "fat: the table has 0 sectors");
	if (get_le16(raw + FAT_BOOT_ROOT_ENTRIES) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: FAT32 has no fixed root folder, this one has %u entries",
				 get_le16(raw + FAT_BOOT_ROOT_ENTRIES));
	if (version != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "fat: the version is %u.%u, only 0.0 is known", version >> 8,
				 version & 0xFF);
	rc = count_clusters(fat, total, 0, err);
	if (rc)
		return rc;
	if ((uint64_t)fat->fat_sectors * fat->sector_size / 4 < (uint64_t)fat->clusters + FAT_FIRST)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: a table of %" PRIu32 " sectors is too short for %" PRIu32
				 " clusters",
				 fat->fat_sectors, fat->clusters);
	fat->mirrored = !(flags & 0x80);
	fat->active_fat = fat->mirrored ? 0 : flags & 0x0F;
	if (fat->active_fat >= fat->fat_count)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: table %" PRIu32 " is the active one, of %" PRIu32,
				 fat->active_fat, fat->fat_count);
	return 0;
}

/* A sector of the reserved ones; 0: none. */
static int decode_reserved(const unsigned char *raw, size_t field, const char *what,
			   const struct fat *fat, uint32_t *out, struct tranship_error *err)
{
	uint32_t sector = get_le16(raw + field);

	*out = sector == NO_SECTOR ? 0 : sector;
	if (*out >= fat->reserved_sectors)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the %s is sector %" PRIu32 ", of %" PRIu32
				 " that are reserved",
				 what, sector, fat->reserved_sectors);
	return 0;
}

static int decode_places(const unsigned char *raw, struct fat *fat, struct tranship_error *err)
{
	int rc = decode_reserved(raw, FAT_BOOT_INFO, "FSInfo", fat, &fat->info_sector, err);

	if (rc == 0)
		rc = decode_reserved(raw, FAT_BOOT_BACKUP, "backup of the boot sector", fat,
				     &fat->backup_sector, err);
	if (rc)
		return rc;
	if (fat->info_sector != 0 && fat->info_sector == fat->backup_sector)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: sector %" PRIu32
				 " is FSInfo and the backup of the boot sector",
				 fat->info_sector);
	fat->root_cluster = get_le32(raw + FAT_BOOT_ROOT) & FAT_MASK;
	if (fat->root_cluster < FAT_FIRST || fat->root_cluster - FAT_FIRST >= fat->clusters)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fat: the root folder is at cluster %" PRIu32
				 ", out of 2 to %" PRIu32,
				 fat->root_cluster, fat->clusters + 1);
	return 0;
}

static void decode_label(const unsigned char *raw, struct fat *fat)
{
	size_t i, len = FAT_SLOT_SHORT;

	if (raw[FAT_BOOT_EXTENDED] == 0x28 || raw[FAT_BOOT_EXTENDED] == 0x29)
		fat->serial = get_le32(raw + FAT_BOOT_SERIAL);
	if (raw[FAT_BOOT_EXTENDED] != 0x29 || memcmp(raw + FAT_BOOT_LABEL, "NO NAME    ", len) == 0)
		return;
	while (len > 0 && (raw[FAT_BOOT_LABEL + len - 1] == ' ' || !raw[FAT_BOOT_LABEL + len - 1]))
		len--;
	for (i = 0; i < len; i++) {
		unsigned char c = raw[FAT_BOOT_LABEL + i];

		fat->label[i] = c < ' ' || c >= 0x7F ? '_' : (char)c;
	}
}

int fat_boot_decode(const unsigned char raw[FAT_BOOT_SIZE], uint64_t volume_len, struct fat *out,
		    struct tranship_error *err)
{
	struct fat fat = { .hidden_sectors = get_le32(raw + FAT_BOOT_HIDDEN) };
	uint64_t total = 0;
	int rc = check_start(raw, err);

	if (rc == 0)
		rc = decode_sizes(raw, &fat, err);
	if (rc == 0)
		rc = decode_total(raw, &fat, volume_len, &total, err);
	if (rc == 0 && get_le16(raw + FAT_BOOT_FAT_SECTORS_16) != 0)
		rc = refuse_small(raw, &fat, total, err);
	if (rc == 0)
		rc = decode_table(raw, &fat, total, err);
	if (rc == 0)
		rc = decode_places(raw, &fat, err);
	if (rc)
		return rc;
	decode_label(raw, &fat);
	fat.dirty = (raw[FAT_BOOT_STATE] & 3) != 0;
	*out = fat;
	return 0;
}

bool fat_info_is(const unsigned char raw[FAT_INFO_SIZE])
{
	return get_le32(raw) == 0x41615252 && get_le32(raw + 484) == 0x61417272 &&
	       get_le32(raw + 508) == 0xAA550000;
}
