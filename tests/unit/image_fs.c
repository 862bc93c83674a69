// SPDX-License-Identifier: Apache-2.0
#include "image_fs.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ID "00112233-4455-6677-8899-aabbccddeeff"

static void put_id(unsigned char *at)
{
	size_t i;

	for (i = 0; i < 16; i++)
		at[i] = (unsigned char)(i * 0x11);
}

static void text(unsigned char *at, const char *value)
{
	memcpy(at, value, strlen(value));
}

static uint32_t sum_words(const unsigned char *raw, size_t len,
			  uint32_t (*get)(const unsigned char *))
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len; i += 4)
		sum += get(raw + i);
	return (uint32_t)(sum + (sum >> 32));
}

static void raid_0(unsigned char *raw, size_t size, void (*put)(unsigned char *, uint32_t),
		   uint32_t (*get)(const unsigned char *))
{
	unsigned char *sb = raw + size - 65536;

	put(sb, 0xa92b4efc);
	put(sb + 8, 90);
	put(sb + 20, 0x00112233);
	put(sb + 52, 0x44556677);
	put(sb + 56, 0x8899aabb);
	put(sb + 60, 0xccddeeff);
	put(sb + 4092, 0xFFFFFFF0); /* so that the sum has a carry */
	put(sb + 152, sum_words(sb, 4096, get));
}

static void raid_0_le(unsigned char *raw, size_t size)
{
	raid_0(raw, size, put_le32, get_le32);
}

static void raid_0_be(unsigned char *raw, size_t size)
{
	raid_0(raw, size, put_be32, get_be32);
}

static void raid_1(unsigned char *raw, uint64_t sector)
{
	unsigned char *sb = raw + sector * 512;

	put_le32(sb, 0xa92b4efc);
	put_le32(sb + 4, 1);
	put_id(sb + 16);
	text(sb + 32, "host:0");
	put_le64(sb + 144, sector);
	put_le32(sb + 220, 2);
	put_le32(sb + 256, 0x00010000);
}

static void sum_raid_1(unsigned char *sb)
{
	uint32_t devices = get_le32(sb + 220);

	put_le32(sb + 216, 0);
	if (devices <= 1920 && devices % 2 == 0)
		put_le32(sb + 216, sum_words(sb, 256 + 2 * devices, get_le32));
}

static void raid_10(unsigned char *raw, size_t size)
{
	raid_1(raw, size / 512 - 16);
}

static void raid_10_sum(unsigned char *raw, size_t size)
{
	sum_raid_1(raw + size - 8192);
}

static void raid_11(unsigned char *raw, size_t size)
{
	(void)size;
	raid_1(raw, 0);
}

static void raid_11_sum(unsigned char *raw, size_t size)
{
	(void)size;
	sum_raid_1(raw);
}

static void raid_12(unsigned char *raw, size_t size)
{
	(void)size;
	raid_1(raw, 8);
}

static void raid_12_sum(unsigned char *raw, size_t size)
{
	(void)size;
	sum_raid_1(raw + 4096);
}

static void lvm2(unsigned char *raw, size_t size)
{
	unsigned char *label = raw + 512;

	(void)size;
	text(label, "LABELONE");
	put_le64(label + 8, 1);
	put_le32(label + 20, 32);
	text(label + 24, "LVM2 001");
	text(label + 32, "abcdef0123ghij4567klmn89opqrSTUV");
	put_le64(label + 64, IMAGE_FS_SIZE);
}

static void lvm2_sum(unsigned char *raw, size_t size)
{
	(void)size;
	put_le32(raw + 512 + 16,
		 (uint32_t)~crc32((uint32_t)~0xf597a6cfU, raw + 512 + 20, 512 - 20));
}

static void luks1(unsigned char *raw, size_t size)
{
	(void)size;
	text(raw, "LUKS\xba\xbe");
	put_be16(raw + 6, 1);
	text(raw + 168, ID);
}

static void luks2(unsigned char *raw, size_t size)
{
	(void)size;
	text(raw, "LUKS\xba\xbe");
	put_be16(raw + 6, 2);
	put_be64(raw + 8, 16384);
	text(raw + 24, "secret");
	text(raw + 168, ID);
}

static void bitlocker(unsigned char *raw, size_t size)
{
	(void)size;
	text(raw, "\xeb\x58\x90-FVE-FS-");
	put_le16(raw + 11, 512);
	put_le16(raw + 510, 0xAA55);
}

static void refs(unsigned char *raw, size_t size)
{
	(void)size;
	memcpy(raw + 3, "ReFS", 4);
	text(raw + 16, "FSRS");
	put_le16(raw + 20, 512);
}

/* 8 sectors reserved, one FAT of 8 sectors, clusters of one sector. */
static void fat_boot(unsigned char *raw)
{
	text(raw, "\xeb\x58\x90mkfs.fat");
	put_le16(raw + 11, 512);
	raw[13] = 1;
	put_le16(raw + 14, 8);
	raw[16] = 1;
	raw[21] = 0xF8;
	put_le16(raw + 510, 0xAA55);
}

static void label_entry(unsigned char *at)
{
	text(at, "OLD        ");
	at[0] = 0xE5;
	at[11] = 8;
	text(at + 32, "A.B");
	at[43] = 0x0F; /* of a long name */
	text(at + 64, "MY LABEL   ");
	at[75] = 8;
}

static void fat12(unsigned char *raw, size_t size)
{
	(void)size;
	fat_boot(raw);
	put_le16(raw + 17, 16);
	put_le16(raw + 19, 512);
	put_le16(raw + 22, 8);
	raw[38] = 0x29;
	put_le32(raw + 39, 0x1234ABCD);
	label_entry(raw + 16 * 512);
}

static void fat16(unsigned char *raw, size_t size)
{
	fat12(raw, size);
	put_le16(raw + 19, 5000);
}

/* Its root are the clusters 3 and 2; the label is in the second one. */
static void fat32(unsigned char *raw, size_t size)
{
	size_t i;

	(void)size;
	fat_boot(raw);
	put_le32(raw + 32, 70000);
	put_le32(raw + 36, 8);
	put_le32(raw + 44, 3);
	put_le32(raw + 67, 0x1234ABCD);
	put_le32(raw + 8 * 512 + 3 * 4, 2);
	put_le32(raw + 8 * 512 + 2 * 4, 0x0FFFFFFF);
	for (i = 0; i < 16; i++)
		raw[17 * 512 + 32 * i] = 0xE5;
	label_entry(raw + 16 * 512);
}

static void swap(unsigned char *raw, size_t size)
{
	(void)size;
	put_le32(raw + 1024, 1);
	put_le32(raw + 1028, 63);
	put_id(raw + 1036);
	text(raw + 1052, "swaparea");
	text(raw + 4086, "SWAPSPACE2");
}

static void hibernated(unsigned char *raw, size_t size)
{
	swap(raw, size);
	text(raw + 4086, "S1SUSPEND");
	raw[4095] = 0;
}

static void xfs(unsigned char *raw, size_t size)
{
	(void)size;
	text(raw, "XFSB");
	put_be32(raw + 4, 4096);
	put_be64(raw + 8, 64);
	put_id(raw + 32);
	put_be16(raw + 100, 0xB4A5);
	put_be16(raw + 102, 512);
	text(raw + 108, "twelve bytes");
}

static void xfs_sum(unsigned char *raw, size_t size)
{
	(void)size;
	put_le32(raw + 224, 0);
	put_le32(raw + 224, crc32c(0, raw, 512));
}

static void ext(unsigned char *raw, uint32_t compat, uint32_t incompat, uint32_t ro)
{
	unsigned char *sb = raw + 1024;

	put_le32(sb + 4, 64);
	put_le16(sb + 56, 0xEF53);
	put_le32(sb + 92, compat);
	put_le32(sb + 96, incompat);
	put_le32(sb + 100, ro);
	put_id(sb + 104);
	text(sb + 120, "root \xc3\xa9\xff");
}

static void ext2(unsigned char *raw, size_t size)
{
	(void)size;
	ext(raw, 0x38, 2, 3);
}

static void ext3(unsigned char *raw, size_t size)
{
	(void)size;
	ext(raw, 0x3C, 2, 3);
}

static void ext4(unsigned char *raw, size_t size)
{
	(void)size;
	ext(raw, 0x3C, 0x2C2, 0x46B);
}

static void ext4_sum(unsigned char *raw, size_t size)
{
	(void)size;
	put_le32(raw + 1024 + 1020, ~crc32c(0, raw + 1024, 1020));
}

static void journal(unsigned char *raw, size_t size)
{
	(void)size;
	ext(raw, 0, 8, 0);
}

static void ntfs(unsigned char *raw, size_t size)
{
	static const unsigned char name[] = { 'V', 0, 'o', 0, 'l', 0 };
	unsigned char *mft = raw + 4 * 4096, *record = mft + 3 * 1024, *at = record + 56;

	(void)size;
	text(raw, "\xeb\x52\x90NTFS    ");
	put_le16(raw + 11, 512);
	raw[13] = 8;
	raw[21] = 0xF8;
	put_le64(raw + 40, IMAGE_FS_SIZE / 512 - 1);
	put_le64(raw + 48, 4);
	raw[64] = 0xF6;
	put_le64(raw + 72, 0x0123456789ABCDEF);
	put_le16(raw + 510, 0xAA55);
	text(mft, "FILE");
	text(record, "FILE");
	put_le16(record + 4, 48);
	put_le16(record + 6, 3);
	put_le16(record + 20, 56);
	put_le16(record + 48, 7);
	put_le16(record + 50, 'o'); /* what stood at the end of the first 512 bytes */
	put_le32(at, 0x10);
	put_le32(at + 4, 424);
	at += 424;
	put_le32(at, 0x60);
	put_le32(at + 4, 40);
	put_le32(at + 16, sizeof(name));
	put_le16(at + 20, 28);
	memcpy(at + 28, name, sizeof(name));
	put_le32(at + 40, 0xFFFFFFFF);
	put_le16(record + 510, 7);
	put_le16(record + 1022, 7);
}

static void exfat(unsigned char *raw, size_t size)
{
	uint32_t i;

	(void)size;
	text(raw, "\xeb\x76\x90"
		  "EXFAT   ");
	put_le32(raw + 80, 24);
	put_le32(raw + 84, 8);
	put_le32(raw + 88, 32);
	put_le32(raw + 92, 400);
	put_le32(raw + 96, 5);
	put_le32(raw + 100, 0x1234ABCD);
	raw[108] = 9;
	put_le16(raw + 510, 0xAA55);
	put_le32(raw + 24 * 512 + 5 * 4, 9);
	for (i = 0; i < 16; i++)
		raw[(32 + 3) * 512 + 32 * i] = 0x05; /* a deleted entry */
	i = (32 + 7) * 512;
	raw[i] = 0x83;
	raw[i + 1] = 2;
	put_le16(raw + i + 2, 'E');
	put_le16(raw + i + 4, 0x20AC);
}

static void exfat_sum(unsigned char *raw, size_t size)
{
	uint32_t sum = 0, i;

	(void)size;
	for (i = 0; i < 11 * 512; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum << 31 | sum >> 1) + raw[i];
	for (i = 0; i < 128; i++)
		put_le32(raw + 11 * 512 + 4 * i, sum);
}

static void btrfs(unsigned char *raw, size_t size)
{
	unsigned char *sb = raw + 65536;

	(void)size;
	put_id(sb + 32);
	put_le64(sb + 48, 65536);
	text(sb + 64, "_BHRfS_M");
	text(sb + 299, "pool");
}

static void btrfs_sum(unsigned char *raw, size_t size)
{
	(void)size;
	put_le32(raw + 65536, crc32c(0, raw + 65536 + 32, 4096 - 32));
}

static void squashfs(unsigned char *raw, size_t size)
{
	(void)size;
	text(raw, "hsqs");
	put_le32(raw + 12, 131072);
	put_le16(raw + 22, 17);
	put_le16(raw + 28, 4);
}

static void iso9660(unsigned char *raw, size_t size)
{
	unsigned char *vd = raw + 32768;

	(void)size;
	text(vd, "\1CD001\1");
	text(vd + 40, "A DISC                          ");
	text(vd + 813, "2020010203040506");
	text(vd + 830, "2021020304050607");
}

#define SERIAL "1234-ABCD"

const struct image_fs image_fs_list[] = {
	{ "raid-0.90", "raid", ID, "", raid_0_le },
	{ "raid-0.90-be", "raid", ID, "", raid_0_be },
	{ "raid-1.0", "raid", ID, "host:0", raid_10, raid_10_sum },
	{ "raid-1.1", "raid", ID, "host:0", raid_11, raid_11_sum },
	{ "raid-1.2", "raid", ID, "host:0", raid_12, raid_12_sum },
	{ "lvm2", "lvm2", "abcdef-0123-ghij-4567-klmn-89op-qrSTUV", "", lvm2, lvm2_sum },
	{ "luks1", "luks", ID, "", luks1 },
	{ "luks2", "luks", ID, "secret", luks2 },
	{ "bitlocker", "bitlocker", "", "", bitlocker },
	{ "fat12", "fat12", SERIAL, "MY LABEL", fat12 },
	{ "fat16", "fat16", SERIAL, "MY LABEL", fat16 },
	{ "fat32", "fat32", SERIAL, "MY LABEL", fat32 },
	{ "swap", "swap", ID, "swaparea", swap },
	{ "swsuspend", "swsuspend", ID, "swaparea", hibernated },
	{ "xfs", "xfs", ID, "twelve bytes", xfs, xfs_sum },
	{ "ext2", "ext2", ID, "root \xc3\xa9\xef\xbf\xbd", ext2 },
	{ "ext3", "ext3", ID, "root \xc3\xa9\xef\xbf\xbd", ext3 },
	{ "ext4", "ext4", ID, "root \xc3\xa9\xef\xbf\xbd", ext4, ext4_sum },
	{ "jbd", "jbd", ID, "root \xc3\xa9\xef\xbf\xbd", journal },
	{ "ntfs", "ntfs", "0123456789ABCDEF", "Vol", ntfs },
	{ "refs", "refs", "", "", refs },
	{ "exfat", "exfat", SERIAL, "E\xe2\x82\xac", exfat, exfat_sum },
	{ "btrfs", "btrfs", ID, "pool", btrfs, btrfs_sum },
	{ "squashfs", "squashfs", "", "", squashfs },
	{ "iso9660", "iso9660", "2021-02-03-04-05-06-07", "A DISC", iso9660 },
};
const size_t image_fs_count = sizeof(image_fs_list) / sizeof(image_fs_list[0]);

const struct image_fs *image_fs_find(const char *name)
{
	size_t i;

	for (i = 0; i < image_fs_count; i++)
		if (strcmp(image_fs_list[i].name, name) == 0)
			return &image_fs_list[i];
	return NULL;
}

unsigned char *image_fs_make(const struct image_fs *fs, size_t size)
{
	unsigned char *raw = calloc(1, size);

	if (raw)
		fs->fill(raw, size);
	if (raw && fs->sum)
		fs->sum(raw, size);
	return raw;
}
