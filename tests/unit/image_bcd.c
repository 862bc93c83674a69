// SPDX-License-Identifier: Apache-2.0
/* Objects and elements as bcdboot makes them; both styles of devices are those of published dumps.
 */
#include "image_bcd.h"

#include "base/bytes.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image_bcd image_bcd_defaults(void)
{
	struct image_bcd bcd = { .signature = 0xA1B2C3D5, .winre = true };
	struct image_bcd_partition *all[] = { &bcd.esp, &bcd.windows, &bcd.recovery };
	size_t i;

	memset(bcd.disk.bytes, 0xD1, sizeof(bcd.disk.bytes));
	for (i = 0; i < 3; i++) {
		memset(all[i]->id.bytes, (int)(0xE1 + i), sizeof(all[i]->id.bytes));
		all[i]->id.bytes[0] = 0x10;
	}
	bcd.esp.off = UINT64_C(1) << 20;
	bcd.windows.off = UINT64_C(117) << 20;
	bcd.recovery.off = UINT64_C(200) << 30;
	return bcd;
}

/* Type 6, and what tells of the partition, which is 0x48 bytes long with its head. */
static void put_partition(const struct image_bcd *bcd, const struct image_bcd_partition *partition,
			  unsigned char raw[0x48])
{
	memset(raw, 0, 0x48);
	put_le32(raw, 6);
	put_le32(raw + 8, 0x48);
	if (bcd->bios) {
		put_le64(raw + 0x10, partition->off);
		put_le32(raw + 0x24, 1);
		put_le32(raw + 0x28, bcd->signature);
	} else {
		memcpy(raw + 0x10, partition->id.bytes, 16);
		memcpy(raw + 0x28, bcd->disk.bytes, 16);
	}
}

void image_bcd_device(const struct image_bcd *bcd, const struct image_bcd_partition *partition,
		      unsigned char raw[BCD_DEVICE_SIZE])
{
	memset(raw, 0, BCD_DEVICE_SIZE);
	put_partition(bcd, partition, raw + 0x10);
}

struct hive_key *image_bcd_element(struct hive_image *hive, const char *object, const char *element)
{
	char path[200];

	snprintf(path, sizeof(path), "Objects\\%s\\Elements\\%s", object, element);
	return hive_image_key(hive, path);
}

/* What an object is made of. */
struct scene {
	const struct image_bcd *bcd;
	struct hive_image *hive;
	const char *object;
};

static void begin(struct scene *s, const char *object, uint32_t type)
{
	char path[200];

	s->object = object;
	snprintf(path, sizeof(path), "Objects\\%s\\Elements", object);
	hive_image_key(s->hive, path);
	snprintf(path, sizeof(path), "Objects\\%s\\Description", object);
	hive_image_dword(hive_image_key(s->hive, path), "Type", type);
}

static void text(struct scene *s, const char *element, const char *content)
{
	uint32_t type = element[1] == '4' ? HIVE_MULTI_SZ : HIVE_SZ;

	hive_image_text(image_bcd_element(s->hive, s->object, element), "Element", type, content);
}

static void bytes(struct scene *s, const char *element, const void *raw, size_t len)
{
	hive_image_value(image_bcd_element(s->hive, s->object, element), "Element", HIVE_BINARY,
			 raw, len);
}

static void device(struct scene *s, const char *element, const struct image_bcd_partition *at)
{
	unsigned char raw[BCD_DEVICE_SIZE];

	image_bcd_device(s->bcd, at, raw);
	bytes(s, element, raw, sizeof(raw));
}

static void number(struct scene *s, const char *element, uint64_t n)
{
	unsigned char raw[8];

	put_le64(raw, n);
	bytes(s, element, raw, element[1] == '6' ? 1 : 8);
}

/* A file of a partition as a device: a ram disk (3) or a virtual disk (6). */
static void file_device(struct scene *s, const char *element, uint32_t kind,
			const struct image_bcd_partition *at, const char *path)
{
	unsigned char raw[400] = { 0 };
	size_t name = 2 * (strlen(path) + 1), len = 0x8C + name;

	memset(raw, 0x5A, 16); /* the object with the ram disk's options */
	put_le32(raw + 0x14, 1);
	put_le32(raw + 0x18, (uint32_t)(len - 0x10));
	put_le32(raw + 0x20, kind);
	put_le32(raw + 0x38, 1);
	put_le32(raw + 0x3C, (uint32_t)(len - 0x38));
	put_le32(raw + 0x40, 5);
	put_partition(s->bcd, at, raw + 0x44);
	text_to_utf16le(raw + 0x8C, strlen(path) + 1, path);
	bytes(s, element, raw, len);
}

/* The boot device (5), or the one that has a file (8). */
static void other_device(struct scene *s, const char *element, uint32_t type)
{
	unsigned char raw[BCD_DEVICE_SIZE] = { 0 };

	put_le32(raw + 0x10, type);
	put_le32(raw + 0x18, 0x48);
	if (type == 8)
		put_le32(raw + 0x24, 0x12000002);
	bytes(s, element, raw, sizeof(raw));
}

static void boot_manager(struct scene *s)
{
	bool bios = s->bcd->bios;

	begin(s, BCD_BOOTMGR, 0x10100002);
	device(s, "11000001", &s->bcd->esp);
	if (!bios)
		text(s, "12000002", "\\EFI\\Microsoft\\Boot\\bootmgfw.efi");
	text(s, "12000004", "Windows Boot Manager");
	text(s, "12000005", "en-US");
	text(s, "14000006", "{7ea2e1ac-2e61-4728-aaa3-896d9d0a9f0e}");
	text(s, "23000003", BCD_LOADER);
	text(s, "23000006", BCD_RESUME);
	text(s, "24000001", s->bcd->vhd ? BCD_LOADER "|" BCD_VHD : BCD_LOADER);
	text(s, "24000010", BCD_MEMDIAG);
	number(s, "25000004", 30);
	if (bios)
		return;
	number(s, "26000005", 1);
	begin(s, BCD_FWBOOTMGR, 0x10100001);
	text(s, "24000001", BCD_BOOTMGR "|" BCD_USB);
	number(s, "25000004", 0);
	begin(s, BCD_USB, 0x101FFFFF);
	other_device(s, "11000001", 8);
	text(s, "12000002", "\\EFI\\BOOT\\BOOTX64.EFI");
	text(s, "12000004", "UEFI: USB");
}

static void loader(struct scene *s, const char *object, const char *title)
{
	begin(s, object, 0x10200003);
	text(s, "12000002",
	     s->bcd->bios ? "\\Windows\\system32\\winload.exe"
			  : "\\Windows\\system32\\winload.efi");
	text(s, "12000004", title);
	text(s, "12000005", "en-US");
	text(s, "14000006", "{6efb52bf-1766-41db-a6b3-0ee5eff72bd7}");
	text(s, "22000002", "\\Windows");
	if (!s->bcd->bios)
		number(s, "16000060", 1);
	number(s, "250000c2", 1);
}

static void windows_loader(struct scene *s)
{
	loader(s, BCD_LOADER, "Windows Server 2019");
	device(s, "11000001", &s->bcd->windows);
	device(s, "21000001", &s->bcd->windows);
	text(s, "23000003", BCD_RESUME);
	number(s, "25000020", 1);
	if (s->bcd->winre) {
		text(s, "14000008", BCD_WINRE);
		number(s, "16000009", 1);
	}
}

static void resume(struct scene *s)
{
	begin(s, BCD_RESUME, 0x10200004);
	device(s, "11000001", &s->bcd->windows);
	text(s, "12000002",
	     s->bcd->bios ? "\\Windows\\system32\\winresume.exe"
			  : "\\Windows\\system32\\winresume.efi");
	text(s, "12000004", "Windows Resume Application");
	device(s, "21000001", &s->bcd->windows);
	text(s, "22000002", "\\hiberfil.sys");
	if (!s->bcd->bios)
		number(s, "16000060", 1);
}

static void recovery(struct scene *s)
{
	static const char wim[] = "\\Recovery\\WindowsRE\\Winre.wim";

	loader(s, BCD_WINRE, "Windows Recovery Environment");
	file_device(s, "11000001", 3, &s->bcd->recovery, wim);
	file_device(s, "21000001", 3, &s->bcd->recovery, wim);
	number(s, "26000010", 1);
	number(s, "26000022", 1);
	begin(s, BCD_WINRE_OPTIONS, 0x30000000);
	device(s, "31000003", &s->bcd->recovery);
	text(s, "32000004", "\\Recovery\\WindowsRE\\boot.sdi");
}

static void memory_diagnostics(struct scene *s)
{
	begin(s, BCD_MEMDIAG, 0x10200005);
	device(s, "11000001", &s->bcd->esp);
	text(s, "12000002",
	     s->bcd->bios ? "\\Boot\\memtest.exe" : "\\EFI\\Microsoft\\Boot\\memtest.efi");
	text(s, "12000004", "Windows Memory Diagnostic");
	number(s, "1600000b", 1);
}

void image_bcd_tree(const struct image_bcd *bcd, struct hive_image *hive)
{
	struct scene s = { bcd, hive, NULL };
	struct hive_key *description;

	hive_image_init(hive);
	hive->minor = 3; /* as bcdedit makes them */
	description = hive_image_key(hive, "Description");
	hive_image_text(description, "KeyName", HIVE_SZ, "BCD00000000");
	hive_image_dword(description, "System", 1);
	hive_image_dword(description, "TreatAsSystem", 1);
	boot_manager(&s);
	windows_loader(&s);
	resume(&s);
	if (bcd->winre)
		recovery(&s);
	if (bcd->vhd) {
		loader(&s, BCD_VHD, "From a file");
		file_device(&s, "11000001", 6, &bcd->windows, "\\disks\\odd.vhdx");
		file_device(&s, "21000001", 6, &bcd->windows, "\\disks\\odd.vhdx");
	}
	memory_diagnostics(&s);
	begin(&s, "{6efb52bf-1766-41db-a6b3-0ee5eff72bd7}", 0x20200003);
	text(&s, "14000006", "{7ea2e1ac-2e61-4728-aaa3-896d9d0a9f0e}");
}

void image_bcd(const struct image_bcd *bcd, struct buffer *out)
{
	struct hive_image hive;

	image_bcd_tree(bcd, &hive);
	hive_image_build(&hive, out);
	hive_image_free(&hive);
}

static void mounted(const struct image_bcd *bcd, struct hive_key *key, const char *name,
		    const struct image_bcd_partition *partition)
{
	unsigned char raw[24];

	if (bcd->bios) {
		put_le32(raw, bcd->signature);
		put_le64(raw + 4, partition->off);
	} else {
		memcpy(raw, "DMIO:ID:", 8);
		memcpy(raw + 8, partition->id.bytes, 16);
	}
	hive_image_value(key, name, HIVE_BINARY, raw, bcd->bios ? 12 : 24);
}

void image_system_tree(const struct image_bcd *bcd, struct hive_image *hive)
{
	static const char stick[] = "_??_USBSTOR#Disk&Ven_Generic&Prod_Flash#7&1f2e3d4c&0";
	struct image_bcd_partition unknown;
	struct hive_key *key;

	hive_image_init(hive);
	strcpy(hive->root.name, "ROOT");
	memset(&unknown, 0x77, sizeof(unknown));
	hive_image_key(hive, "ControlSet001\\Control\\Session Manager");
	hive_image_key(hive, "ControlSet001\\Services\\storahci");
	hive_image_key(hive, "DriverDatabase");
	key = hive_image_key(hive, "MountedDevices");
	mounted(bcd, key, "\\DosDevices\\C:", &bcd->windows);
	mounted(bcd, key, "\\??\\Volume{0f3b7a4e-0000-0000-0000-100000000000}", &bcd->windows);
	mounted(bcd, key, "\\??\\Volume{0f3b7a4e-0000-0000-0000-200000000000}", &bcd->esp);
	hive_image_text(key, "\\DosDevices\\E:", HIVE_BINARY, stick);
	mounted(bcd, key, "\\DosDevices\\F:", &unknown);
	key = hive_image_key(hive, "Select");
	hive_image_dword(key, "Current", 1);
	hive_image_dword(key, "Default", 1);
	hive_image_dword(key, "Failed", 0);
	hive_image_dword(key, "LastKnownGood", 1);
	hive_image_dword(hive_image_key(hive, "Setup"), "SystemSetupInProgress", 0);
}

void image_system(const struct image_bcd *bcd, struct buffer *out)
{
	struct hive_image hive;

	image_system_tree(bcd, &hive);
	hive_image_build(&hive, out);
	hive_image_free(&hive);
}
