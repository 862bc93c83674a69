// SPDX-License-Identifier: Apache-2.0
/* What BOOTMGR does with the BCD: the default entry's loader on the partition that it names. And
 * what Windows finds in its registry of this disk's partitions. */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/bcd.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/boot_verify_system.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TYPE_NTFS = 0x07,
	LOADER_PATH = 600,
	SYSTEM_PATH = LOADER_PATH + 30,
	/* PE: the offset of its header stands at 0x3C, the machine behind its signature. */
	PE_OFF_HEADER = 0x3C,
	PE_HEAD = 6,
	MACHINE_X86_64 = 0x8664,
	MACHINE_X86 = 0x14C,
	MACHINE_ARM64 = 0xAA64,
	MOUNTED_VALUES_MAX = 4096,
	MOUNTED_GPT_LEN = 24, /* "DMIO:ID:" and a partition's GUID */
};

static void take_fault(void *ctx, const char *sentence)
{
	verify_fault(ctx, "%s", sentence);
}

static void take_note(void *ctx, const char *sentence)
{
	verify_remark(ctx, "%s", sentence);
}

static int check_pe(struct verify *v, struct ntfs_file *file, const char *path,
		    struct tranship_error *err)
{
	unsigned char dos[PE_OFF_HEADER + 4] = { 0 }, pe[PE_HEAD] = { 0 };
	uint64_t size = ntfs_file_size(file), at;
	unsigned machine;
	int rc = 0;

	if (size >= sizeof(dos))
		rc = ntfs_file_read(file, 0, dos, sizeof(dos), err);
	at = get_le32(dos + PE_OFF_HEADER);
	if (rc == 0 && dos[0] == 'M' && dos[1] == 'Z' && at + sizeof(pe) <= size)
		rc = ntfs_file_read(file, at, pe, sizeof(pe), err);
	if (rc)
		return rc;
	machine = get_le16(pe + 4);
	if (memcmp(pe, "PE\0\0", 4) != 0)
		verify_fault(v, "boot: the loader %s is no program of Windows", path);
	else if (machine != MACHINE_X86_64 && machine != MACHINE_X86)
		verify_fault(v, "boot: the loader %s is for machine 0x%04x%s, no PC", path, machine,
			     machine == MACHINE_ARM64 ? " (ARM64)" : "");
	return 0;
}

static int check_loader(struct verify *v, struct ntfs *ntfs, uint32_t number, const char *path,
			struct tranship_error *err)
{
	struct ntfs_file *file = NULL;
	int rc = ntfs_find(ntfs, path, &file, err);

	if (rc == 0 && (!file || ntfs_file_is_directory(file)))
		verify_fault(v, "boot: partition %" PRIu32 " has no loader %s", number, path);
	else if (rc == 0)
		rc = check_pe(v, file, path, err);
	ntfs_file_close(file);
	if (rc == TRANSHIP_EUNSUPPORTED) {
		verify_remark(v, "boot: the loader %s is not looked at: %s", path, err->message);
		return 0;
	}
	return verify_error(v, "boot: the loader", rc, err);
}

static int read_hive(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	return ntfs_file_read(ctx, off, buf, len, err);
}

/* Counts drive letters and volumes that are told by a GPT partition's id: that no MBR disk has. */
static int count_gpt_values(struct regf *hive, unsigned *count, struct tranship_error *err)
{
	struct regf_key root, key;
	uint32_t i;
	bool found = false;
	int rc = regf_root(hive, &root, err);

	if (rc == 0)
		rc = regf_find(hive, &root, "MountedDevices", &found, &key, err);
	for (i = 0; rc == 0 && found && i < key.values && i < MOUNTED_VALUES_MAX; i++) {
		struct regf_value value;
		struct buffer data = { 0 };

		rc = regf_value(hive, &key, i, &value, err);
		if (rc == 0 && value.len == MOUNTED_GPT_LEN)
			rc = regf_data(hive, &value, MOUNTED_GPT_LEN, &data, err);
		*count += rc == 0 && data.len == MOUNTED_GPT_LEN &&
			  memcmp(data.bytes, "DMIO:ID:", 8) == 0;
		buffer_free(&data);
	}
	return rc;
}

/* A file of the Windows: "System32/config/SYSTEM". The path of the loader begins with its folder.
 */
static void system_path(const char *loader, const char *file, char out[SYSTEM_PATH])
{
	const char *folder = loader + strspn(loader, "/\\");

	snprintf(out, SYSTEM_PATH, "%.*s/System32/%s", (int)strcspn(folder, "/\\"), folder, file);
}

/* Opens a file without which no Windows starts. *out NULL: there is none, which was told. */
static int open_system_file(struct verify *v, struct ntfs *ntfs, const char *path,
			    struct ntfs_file **out, struct tranship_error *err)
{
	int rc = ntfs_find(ntfs, path, out, err);

	if (rc || (*out && !ntfs_file_is_directory(*out)))
		return rc;
	ntfs_file_close(*out);
	*out = NULL;
	verify_fault(v, "boot: there is no %s", path);
	return 0;
}

static int check_kernel(struct verify *v, struct ntfs *ntfs, const char *loader,
			struct tranship_error *err)
{
	struct ntfs_file *file = NULL;
	char path[SYSTEM_PATH];
	int rc;

	system_path(loader, "ntoskrnl.exe", path);
	rc = open_system_file(v, ntfs, path, &file, err);
	ntfs_file_close(file);
	/* Windows unpacks by itself what is packed by WOF. */
	return rc == TRANSHIP_EUNSUPPORTED ? 0 : verify_error(v, "boot: the kernel", rc, err);
}

static int look_at_hive(struct verify *v, struct ntfs_file *file, const char *path, unsigned *count,
			struct tranship_error *err)
{
	struct regf_store store = { .size = ntfs_file_size(file), .ctx = file, .read = read_hive };
	struct regf hive;
	int rc = regf_open(&store, &hive, err);

	if (rc == TRANSHIP_ECORRUPT) {
		verify_fault(v, "boot: %s: %s", path, err->message);
		return 0;
	}
	return rc ? rc : count_gpt_values(&hive, count, err);
}

static int check_mounted(struct verify *v, struct ntfs *ntfs, const char *loader,
			 struct tranship_error *err)
{
	struct ntfs_file *file = NULL;
	char path[SYSTEM_PATH];
	unsigned count = 0;
	int rc;

	system_path(loader, "config/SYSTEM", path);
	rc = open_system_file(v, ntfs, path, &file, err);
	if (rc == 0 && file)
		rc = look_at_hive(v, file, path, &count, err);
	ntfs_file_close(file);
	if (count > 0)
		verify_remark(v,
			      "boot: MountedDevices has %u values that name a partition by its "
			      "id in a GPT: of another disk, or of this one before it was an "
			      "MBR disk",
			      count);
	if (rc == 0 || rc == TRANSHIP_EIO || rc == TRANSHIP_ENOMEM)
		return rc;
	verify_remark(v, "boot: MountedDevices could not be looked at: %s", err->message);
	return 0;
}

static int check_windows_volume(struct verify *v, uint64_t off, const char *path,
				struct tranship_error *err)
{
	const struct verify_partition *p = NULL;
	struct verify_system s = { 0 };
	uint32_t i;
	int rc;

	for (i = 0; i < v->count; i++)
		if (v->at[i].first * v->sector_size == off)
			p = &v->at[i];
	if (!p)
		return 0;
	/* BOOTMGR reads it whatever its type; the system that it starts does not find its own. */
	if (p->type != TYPE_NTFS)
		verify_fault(v,
			     "boot: partition %" PRIu32
			     ", which the BCD names, is of type 0x%02x, as which Windows does not "
			     "know it",
			     p->number, p->type);
	rc = verify_system_open(v, p, &s, err);
	if (rc)
		rc = verify_error(v, "boot: the partition of the loader", rc, err);
	else if (!s.ntfs)
		verify_fault(v, "boot: partition %" PRIu32 ", which the BCD names, is no NTFS",
			     p->number);
	else if ((rc = check_loader(v, s.ntfs, p->number, path, err)) == 0 &&
		 (rc = check_kernel(v, s.ntfs, path, err)) == 0)
		rc = check_mounted(v, s.ntfs, path, err);
	verify_system_close(&s);
	return rc;
}

int verify_bcd(struct verify *v, unsigned char *bytes, size_t len, bool has_log,
	       struct tranship_error *err)
{
	struct regf_memory memory = { .bytes = bytes, .size = len };
	struct regf_store store = regf_store_memory(&memory);
	char path[LOADER_PATH] = "";
	uint64_t partition = 0, *offsets;
	struct regf hive;
	uint32_t i;
	int rc = regf_open(&store, &hive, err);

	if (rc)
		return verify_error(v, "boot: \\Boot\\BCD", rc, err);
	if (hive.dirty && !has_log)
		verify_fault(v, "boot: \\Boot\\BCD was not closed, and there is no log beside it");
	offsets = calloc(v->count ? v->count : 1, sizeof(*offsets));
	if (!offsets)
		return error_nomem(err, v->count * sizeof(*offsets));
	for (i = 0; i < v->count; i++)
		offsets[i] = v->at[i].first * v->sector_size;
	rc = bcd_judge(&hive, v->mbr.signature, offsets, v->count, take_fault, take_note, v, path,
		       sizeof(path), &partition, err);
	free(offsets);
	if (rc)
		return verify_error(v, "boot: \\Boot\\BCD", rc, err);
	if (path[0] && partition)
		rc = check_windows_volume(v, partition, path, err);
	return rc;
}
