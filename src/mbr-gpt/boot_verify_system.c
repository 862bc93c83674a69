// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/boot_verify_system.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

int verify_system_open(const struct verify *v, const struct verify_partition *p,
		       struct verify_system *out, struct tranship_error *err)
{
	struct volume volume = verify_volume(v, p);
	unsigned char sector[MBR_SIZE];
	int rc;

	*out = (struct verify_system){ .partition = p };
	rc = volume_read(&volume, 0, sector, sizeof(sector), err);
	if (rc)
		return rc;
	if (memcmp(sector + 3, "NTFS    ", 8) == 0)
		return ntfs_open(&volume, &out->ntfs, err);
	if (memcmp(sector + 3, "-FVE-FS-", 8) == 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "boot: partition %" PRIu32 " is encrypted by BitLocker",
				 p->number);
	if (memcmp(sector + 82, "FAT32", 5) != 0 && memcmp(sector + 54, "FAT", 3) != 0)
		return 0;
	rc = fat_open(&volume, &out->fat, err);
	out->is_fat = rc == 0;
	return rc;
}

void verify_system_close(struct verify_system *s)
{
	if (s->is_fat)
		fat_close(&s->fat);
	ntfs_close(s->ntfs);
	*s = (struct verify_system){ 0 };
}

static int read_fat(struct fat *fat, const char *path, size_t max, struct verify_file *out,
		    struct tranship_error *err)
{
	struct fat_entry entry;
	int rc = fat_find(fat, path, &out->found, &entry, err);

	if (rc || !out->found || entry.attributes & FAT_ATTR_DIRECTORY) {
		out->found = false;
		return rc;
	}
	out->len = entry.size;
	memcpy(out->short_name, entry.short_name, sizeof(out->short_name));
	return fat_read_all(fat, &entry, max, &out->bytes, err);
}

static int read_ntfs(struct ntfs *ntfs, const char *path, size_t max, struct verify_file *out,
		     struct tranship_error *err)
{
	struct ntfs_file *file = NULL;
	int rc = ntfs_find(ntfs, path, &file, err);

	out->found = rc == 0 && file && !ntfs_file_is_directory(file);
	if (out->found) {
		out->len = (size_t)ntfs_file_size(file);
		rc = ntfs_file_read_all(file, max, &out->bytes, err);
	}
	ntfs_file_close(file);
	return rc;
}

int verify_system_read(struct verify_system *s, const char *path, size_t max,
		       struct verify_file *out, struct tranship_error *err)
{
	*out = (struct verify_file){ 0 };
	if (s->is_fat)
		return read_fat(&s->fat, path, max, out, err);
	return s->ntfs ? read_ntfs(s->ntfs, path, max, out, err) : 0;
}

int verify_system_has(struct verify_system *s, const char *path, bool *has,
		      struct tranship_error *err)
{
	struct ntfs_file *file = NULL;
	struct fat_entry entry;
	int rc = 0;

	*has = false;
	if (s->is_fat)
		return fat_find(&s->fat, path, has, &entry, err);
	if (s->ntfs)
		rc = ntfs_find(s->ntfs, path, &file, err);
	*has = file != NULL;
	ntfs_file_close(file);
	return rc;
}
