// SPDX-License-Identifier: Apache-2.0
/*
 * What stands in the EFI system partition. Each system has a folder in \EFI: Windows' is
 * Microsoft\Boot, that of a Linux has the distribution's name (or "systemd", or "Linux" for kernels
 * that are their own loaders). \EFI\BOOT\BOOTX64.EFI is what firmware starts that knows of no other
 * (UEFI specification 2.10, section 3.5.1).
 */
#include "mbr-gpt/layout_inside.h"

#include "base/error.h"
#include "mbr-gpt/fat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* More systems than anybody keeps on one disk; others are not looked at. */
#define FOLDERS_MAX 64U
#define EFI_PREFIX "EFI/"

struct folder {
	char name[FAT_NAME_TEXT];
};

struct search {
	struct fat *fat;
	struct layout_esp *esp;
	struct folder *folders;
	size_t count;
};

static int take_folder(void *ctx, const struct fat_entry *entry)
{
	struct search *s = ctx;

	if ((entry->attributes & FAT_ATTR_DIRECTORY) && s->count < FOLDERS_MAX)
		memcpy(s->folders[s->count++].name, entry->name, sizeof(entry->name));
	return 0;
}

static bool is_fallback_folder(const char *name)
{
	return strcasecmp(name, "BOOT") == 0;
}

/* By name, so that the order of a directory does not matter; \EFI\BOOT, which belongs to nobody,
 * comes last. */
static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct folder *)a)->name, *y = ((const struct folder *)b)->name;
	int last = is_fallback_folder(x) - is_fallback_folder(y), folded = strcasecmp(x, y);

	return last ? last : folded ? folded : strcmp(x, y);
}

static bool begins(const char *name, const char *with)
{
	return strncasecmp(name, with, strlen(with)) == 0;
}

static bool is_efi(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcasecmp(name + len - 4, ".efi") == 0;
}

/* What is asked of the files of one folder. */
struct looking {
	bool loader, config, grub, kernels;
};

static int look_at_file(void *ctx, const struct fat_entry *entry)
{
	struct looking *found = ctx;

	if (entry->attributes & FAT_ATTR_DIRECTORY)
		return 0;
	if (strcasecmp(entry->name, "grub.cfg") == 0)
		found->config = true;
	if (!is_efi(entry->name))
		return 0;
	if (strcasecmp(entry->name, "grubx64.efi") == 0)
		found->grub = true;
	found->kernels = true;
	if (begins(entry->name, "grub") || begins(entry->name, "shim") ||
	    begins(entry->name, "systemd-boot"))
		found->loader = true;
	return 0;
}

/* A folder of \EFI. */
static int look_at_folder(struct search *s, const char *name, struct tranship_error *err)
{
	struct layout_esp *esp = s->esp;
	struct looking found = { 0 };
	struct fat_entry folder;
	char path[sizeof(esp->stub) + FAT_NAME_TEXT];
	bool there;
	int rc;

	snprintf(path, sizeof(path), EFI_PREFIX "%s", name);
	rc = fat_find(s->fat, path, &there, &folder, err);
	if (rc || !there)
		return rc;
	rc = fat_list(s->fat, &folder, look_at_file, &found, err);
	if (rc)
		return rc;
	if (found.loader || found.config || (found.kernels && strcasecmp(name, "Linux") == 0))
		esp->linux = true;
	snprintf(path, sizeof(path), EFI_PREFIX "%s/grub.cfg", name);
	if (found.config && !esp->stub[0] && strlen(path) < sizeof(esp->stub))
		memcpy(esp->stub, path, strlen(path) + 1);
	snprintf(path, sizeof(path), EFI_PREFIX "%s/grubx64.efi", name);
	if (found.grub && !esp->grub[0] && strlen(path) < sizeof(esp->grub))
		memcpy(esp->grub, path, strlen(path) + 1);
	return 0;
}

static int is_file(struct fat *fat, const char *path, bool *out, struct tranship_error *err)
{
	struct fat_entry entry;
	int rc = fat_find(fat, path, out, &entry, err);

	*out = rc == 0 && *out && !(entry.attributes & FAT_ATTR_DIRECTORY);
	return rc;
}

static int look_for_windows(struct search *s, struct tranship_error *err)
{
	bool loader, store = false;
	int rc = is_file(s->fat, "EFI/Microsoft/Boot/bootmgfw.efi", &loader, err);

	if (rc == 0 && loader)
		rc = is_file(s->fat, "EFI/Microsoft/Boot/BCD", &store, err);
	s->esp->windows = store;
	return rc;
}

static int look_at_all(struct search *s, struct tranship_error *err)
{
	struct fat_entry efi;
	bool there;
	size_t i;
	int rc = fat_find(s->fat, "EFI", &there, &efi, err);

	if (rc || !there)
		return rc;
	rc = is_file(s->fat, "EFI/BOOT/BOOTX64.EFI", &s->esp->fallback, err);
	if (rc == 0)
		rc = look_for_windows(s, err);
	if (rc == 0)
		rc = fat_list(s->fat, &efi, take_folder, s, err);
	if (rc)
		return rc;
	qsort(s->folders, s->count, sizeof(*s->folders), by_name);
	for (i = 0; i < s->count && rc == 0; i++)
		if (strcasecmp(s->folders[i].name, "Microsoft") != 0)
			rc = look_at_folder(s, s->folders[i].name, err);
	return rc;
}

/* The errors of this are words on the file system. */
static int read_files(struct tranship_layout *layout, const struct layout_partition *p,
		      struct tranship_error *fault)
{
	struct volume volume = layout_volume(p, layout->disk, NULL);
	struct search search = { .esp = &layout->esp };
	struct fat fat;
	int rc = fat_open(&volume, &fat, fault);

	if (rc)
		return rc;
	layout->esp.present = true;
	layout->esp.partition = (uint32_t)(p - layout->at);
	search.fat = &fat;
	search.folders = calloc(FOLDERS_MAX, sizeof(*search.folders));
	rc = search.folders ? look_at_all(&search, fault)
			    : error_nomem(fault, FOLDERS_MAX * sizeof(*search.folders));
	if (rc == 0 && fat.dirty)
		rc = layout_note(layout, fault,
				 "partition %" PRIu32
				 ": the EFI system partition was not unmounted, or has errors",
				 p->public.number);
	free(search.folders);
	fat_close(&fat);
	return rc;
}

static bool is_esp(const struct tranship_layout *layout, const struct layout_partition *p)
{
	return layout->table == TRANSHIP_TABLE_MBR ? strcmp(p->type_text, "ef") == 0
						   : guid_equal(&p->type, &gpt_type_esp);
}

/* One EFI system partition. */
static int look_at_esp(struct tranship_layout *layout, const struct layout_partition *p,
		       struct tranship_error *err)
{
	struct layout_esp before = layout->esp;
	struct tranship_error fault;
	int rc;

	if (strncmp(p->fs.type, "fat", 3) != 0)
		return layout_note(layout, err,
				   "partition %" PRIu32
				   ": the EFI system partition has no FAT file system",
				   p->public.number);
	layout->esp = (struct layout_esp){ 0 };
	rc = read_files(layout, p, &fault);
	if (before.present && !layout->esp.windows && !layout->esp.linux)
		layout->esp = before;
	return rc ? layout_note_fault(layout, p, rc, &fault, err) : 0;
}

/* Where there are several, the first one that starts something. */
int layout_read_esp(struct tranship_layout *layout, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < layout->count && rc == 0; i++) {
		if (layout->esp.windows || layout->esp.linux)
			break;
		if (is_esp(layout, &layout->at[i]))
			rc = look_at_esp(layout, &layout->at[i], err);
	}
	return rc;
}
