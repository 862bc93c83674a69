// SPDX-License-Identifier: Apache-2.0
#include "image_windows.h"

#include "base/bytes.h"
#include "image_fat.h"
#include "image_gpt.h"
#include "image_ntfs.h"
#include "mbr-gpt/boot_code.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

/* Clusters of the FAT32. */
enum { BOOT_FOLDER = 3, BCD_CLUSTER = 4, BOOTMGR_CLUSTER = 200, FAT_END = 0x0FFFFFFF };

/* Records of the NTFS. */
enum {
	ROOT = 5,
	WINDOWS = 12,
	BOOT,
	PCAT,
	SYSTEM32,
	BOOTMGR,
	CONFIG,
	WINLOAD,
	SYSTEM,
	KERNEL,
	ROOT_BOOT,
	BCD
};

static void fill(unsigned char *bytes, size_t len, uint32_t seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1664525U + 1013904223U;
		bytes[i] = (unsigned char)(seed >> 24);
	}
}

static unsigned char *bootmgr(uint32_t seed)
{
	unsigned char *bytes = malloc(WINDOWS_BOOTMGR_LEN);

	if (!bytes)
		abort();
	fill(bytes, WINDOWS_BOOTMGR_LEN, seed);
	return bytes;
}

static bool has(const struct image_windows *w, const char *name)
{
	return !w->without || strcmp(w->without, name) != 0;
}

/* What its folder says. */
static uint32_t bootmgr_size(const struct image_windows *w)
{
	if (w->empty_bootmgr)
		return 0;
	return w->bootmgr_size ? w->bootmgr_size : WINDOWS_BOOTMGR_LEN;
}

/* Content from a cluster on, in every second one: a chain with gaps. */
static void put_chain(struct image_fat *fat, uint32_t cluster, const unsigned char *bytes,
		      size_t len)
{
	for (;;) {
		size_t piece = len < 512 ? len : 512;

		memcpy(image_fat_cluster(fat, cluster), bytes, piece);
		bytes += piece;
		len -= piece;
		image_fat_link(fat, cluster, len > 0 ? cluster + 2 : FAT_END);
		if (len == 0)
			return;
		cluster += 2;
	}
}

static void put_code(struct image_fat *fat)
{
	unsigned copy;

	for (copy = 0; copy < 2; copy++) {
		unsigned char *boot = fat->bytes + (size_t)copy * 6 * 512;

		memcpy(boot + BOOT_CODE_FAT32_OFF, boot_code_fat32, boot_code_fat32_len);
		put_le32(boot + 0x1C, WINDOWS_ESP);
		boot[0x40] = 0x80;
	}
}

static void make_bcd(const struct image_windows *w, struct buffer *out)
{
	struct image_bcd bcd = image_bcd_defaults();
	struct hive_image hive;

	bcd.bios = true;
	bcd.signature = WINDOWS_SIGNATURE;
	bcd.esp.off = WINDOWS_ESP * UINT64_C(512);
	bcd.windows.off = WINDOWS_NTFS * UINT64_C(512);
	if (w->native)
		bcd.esp = bcd.windows;
	image_bcd_tree(&bcd, &hive);
	if (w->edit_bcd)
		w->edit_bcd(&hive, &bcd);
	hive_image_build(&hive, out);
	hive_image_free(&hive);
	if (w->edit_bcd_bytes)
		w->edit_bcd_bytes(out);
}

static void put_esp(struct tranship_disk *disk, const struct image_windows *w)
{
	struct image_fat fat = image_fat_defaults();
	unsigned char *code = bootmgr(1);
	struct buffer bcd = { 0 };

	fat.clusters = WINDOWS_ESP_SECTORS - 60;
	if (image_fat_new(&fat))
		abort();
	put_code(&fat);
	make_bcd(w, &bcd);
	if (w->long_bootmgr)
		image_fat_long(image_fat_slot(&fat, 2, 2), "BOOTMGR", "BOOTMG~1   ", 0x27,
			       BOOTMGR_CLUSTER, bootmgr_size(w));
	if (w->folder_for_files)
		image_fat_entry(image_fat_slot(&fat, 2, 0), "BOOTMGR    ", 0x10, BOOT_FOLDER, 0);
	else if (has(w, "BOOTMGR")) {
		put_chain(&fat, BOOTMGR_CLUSTER, code, WINDOWS_BOOTMGR_LEN);
		image_fat_entry(image_fat_slot(&fat, 2, 0), "BOOTMGR    ", 0x27, BOOTMGR_CLUSTER,
				bootmgr_size(w));
		if (w->long_bootmgr)
			memcpy(image_fat_slot(&fat, 2, 0), "OTHER      ", 11);
	} else {
		image_fat_entry(image_fat_slot(&fat, 2, 0), "OTHER      ", 0x20, 0, 0);
	}
	image_fat_entry(image_fat_slot(&fat, 2, 1), "BOOT       ", 0x10, BOOT_FOLDER, 0);
	image_fat_link(&fat, BOOT_FOLDER, FAT_END);
	if (has(w, "BCD")) {
		put_chain(&fat, BCD_CLUSTER, bcd.bytes, bcd.len);
		image_fat_entry(image_fat_slot(&fat, BOOT_FOLDER, 0), "BCD        ", 0x20,
				BCD_CLUSTER, (uint32_t)bcd.len);
	}
	sparse_disk_write(disk, WINDOWS_ESP * UINT64_C(512), fat.bytes, fat.size);
	free(fat.bytes);
	buffer_free(&bcd);
	free(code);
}

static uint64_t reference(unsigned number)
{
	return (uint64_t)number << 48 | number;
}

/* A folder with these names, ascending; the last one is NULL. */
struct child {
	const char *name;
	unsigned record;
	bool folder;
};

/* An entry of an index of names. Returns its length. */
static size_t put_entry(unsigned char *raw, const struct child *child, unsigned folder)
{
	size_t units = child->name ? strlen(child->name) : 0, i;
	size_t key = child->name ? 66 + 2 * units : 0, len = (16 + key + 7) / 8 * 8;

	put_le16(raw + 8, (uint16_t)len);
	put_le16(raw + 10, (uint16_t)key);
	put_le32(raw + 12, child->name ? 0 : 2);
	if (!child->name)
		return len;
	put_le64(raw, reference(child->record));
	put_le64(raw + 16, reference(folder));
	put_le32(raw + 16 + 56, child->folder ? 0x10000000 : 0x20);
	raw[16 + 64] = (unsigned char)units;
	raw[16 + 65] = 1; /* a Win32 name */
	for (i = 0; i < units; i++)
		put_le16(raw + 16 + 66 + 2 * i, (unsigned char)child->name[i]);
	return len;
}

static void put_folder(struct image_ntfs *ntfs, unsigned number, const struct child *children)
{
	unsigned char raw[700] = { 0 };
	size_t at = 32;

	put_le32(raw, 0x30);
	put_le32(raw + 4, 1);
	put_le32(raw + 8, ntfs->block_size);
	raw[12] = (unsigned char)(ntfs->block_size / 512);
	for (;; children++) {
		at += put_entry(raw + at, children, number);
		if (!children->name)
			break;
	}
	put_le32(raw + 16, 16);
	put_le32(raw + 20, (uint32_t)at - 16);
	put_le32(raw + 24, (uint32_t)at - 16);
	image_ntfs_begin(ntfs, number, number, 3, 0);
	image_ntfs_resident(ntfs, number, 0x90, "$I30", raw, at);
}

static void put_file(struct image_ntfs *ntfs, unsigned number, const void *bytes, size_t len)
{
	uint64_t count = (len + ntfs->cluster_size - 1) / ntfs->cluster_size;
	uint64_t lcn = image_ntfs_take(ntfs, count);
	struct image_runs runs = { .size = len, .initialised = len, .at = { { lcn, count } } };

	memcpy(image_ntfs_cluster(ntfs, lcn), bytes, len);
	image_ntfs_begin(ntfs, number, number, 1, 0);
	image_ntfs_runs(ntfs, number, 0x80, "", &runs);
}

/* Enough of a program to say for which machine it is. */
static void put_loader(struct image_ntfs *ntfs, const struct image_windows *w)
{
	unsigned char raw[300] = "MZ";

	put_le32(raw + 0x3C, 0xF8);
	memcpy(raw + 0xF8, "PE\0\0", 4);
	put_le16(raw + 0xFC, (uint16_t)(w->machine ? w->machine : 0x8664));
	image_ntfs_begin(ntfs, WINLOAD, WINLOAD, 1, 0);
	if (w->loader)
		image_ntfs_resident(ntfs, WINLOAD, 0x80, "", w->loader, strlen(w->loader));
	else
		image_ntfs_resident(ntfs, WINLOAD, 0x80, "", raw, sizeof(raw));
}

static void put_system(struct image_ntfs *ntfs, const struct image_windows *w)
{
	struct image_bcd bcd = image_bcd_defaults();
	struct buffer hive = { 0 };

	bcd.bios = !w->mounted_by_gpt;
	bcd.signature = WINDOWS_SIGNATURE;
	image_system(&bcd, &hive);
	put_file(ntfs, SYSTEM, hive.bytes, hive.len);
	buffer_free(&hive);
}

/* The names of a folder, but for what is left out. */
static void put_children(struct image_ntfs *ntfs, const struct image_windows *w, unsigned number,
			 const struct child *children)
{
	struct child kept[4] = { { 0 } };
	unsigned count = 0;

	for (; children->name; children++)
		if (has(w, children->name))
			kept[count++] = *children;
	put_folder(ntfs, number, kept);
}

/* What starts from the NTFS itself: BOOTMGR and BCD in its root, and a boot sector with code. */
static void put_native(struct image_ntfs *ntfs, const struct image_windows *w)
{
	static const struct child root[] = { { "Boot", ROOT_BOOT, true },
					     { "bootmgr", BOOTMGR, false },
					     { "Windows", WINDOWS, true },
					     { 0 } };
	static const struct child boot[] = { { "BCD", BCD, false }, { 0 } };
	struct buffer bcd = { 0 };

	make_bcd(w, &bcd);
	put_children(ntfs, w, ROOT, root);
	put_children(ntfs, w, ROOT_BOOT, boot);
	put_file(ntfs, BCD, bcd.bytes, bcd.len);
	buffer_free(&bcd);
	put_le32(ntfs->bytes + 0x1C, WINDOWS_NTFS);
	ntfs->bytes[0x24] = 0x80;
	memcpy(ntfs->bytes + 0x54, "\xFA\x33\xC0\x8E\xD0", 5);
}

static void put_ntfs(struct tranship_disk *disk, const struct image_windows *w)
{
	static const struct child root[] = { { "Windows", WINDOWS, true }, { 0 } };
	static const struct child windows[] = { { "Boot", BOOT, true },
						{ "System32", SYSTEM32, true },
						{ 0 } };
	static const struct child boot[] = { { "PCAT", PCAT, true }, { 0 } };
	static const struct child pcat[] = { { "bootmgr", BOOTMGR, false }, { 0 } };
	static const struct child system32[] = { { "config", CONFIG, true },
						 { "ntoskrnl.exe", KERNEL, false },
						 { "winload.exe", WINLOAD, false },
						 { 0 } };
	static const struct child config[] = { { "SYSTEM", SYSTEM, false }, { 0 } };
	struct image_ntfs ntfs = { .cluster_size = 8192 };
	unsigned char *code = bootmgr(w->other_bootmgr ? 2 : 1);

	image_ntfs_frame(&ntfs);
	put_children(&ntfs, w, ROOT, root);
	put_children(&ntfs, w, WINDOWS, windows);
	put_children(&ntfs, w, BOOT, boot);
	put_children(&ntfs, w, PCAT, pcat);
	put_children(&ntfs, w, SYSTEM32, system32);
	put_children(&ntfs, w, CONFIG, config);
	put_file(&ntfs, BOOTMGR, code, WINDOWS_BOOTMGR_LEN);
	put_loader(&ntfs, w);
	put_system(&ntfs, w);
	put_file(&ntfs, KERNEL, "MZ", 2);
	if (w->native)
		put_native(&ntfs, w);
	image_ntfs_seal(ntfs.bytes, (size_t)ntfs.size, ntfs.record_size, ntfs.block_size);
	if (ntfs.size > WINDOWS_NTFS_SECTORS * UINT64_C(512))
		abort();
	sparse_disk_write(disk, WINDOWS_NTFS * UINT64_C(512), ntfs.bytes, (size_t)ntfs.size);
	image_ntfs_free(&ntfs);
	free(code);
}

struct tranship_disk *image_windows(const struct image_windows *windows)
{
	struct tranship_disk *disk = sparse_disk(WINDOWS_SECTORS * UINT64_C(512), 512);

	if (!disk)
		abort();
	sparse_disk_write(disk, 0, boot_code_mbr, boot_code_mbr_len);
	image_poke32(disk, 440, WINDOWS_SIGNATURE);
	image_mbr_entry(disk, 0, 0, windows->native ? 0 : 0x80, 0x0C, WINDOWS_ESP,
			WINDOWS_ESP_SECTORS);
	image_mbr_entry(disk, 0, 1, windows->native ? 0x80 : 0, 0x07, WINDOWS_NTFS,
			WINDOWS_NTFS_SECTORS);
	put_esp(disk, windows);
	put_ntfs(disk, windows);
	return disk;
}
