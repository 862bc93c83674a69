// SPDX-License-Identifier: Apache-2.0
/*
 * Linux: GRUB's core.img goes where nobody is, boot.img's code into the first sector. What it
 * starts is said by the stub that the EFI system partition has for GRUB's EFI form; the file system
 * with the rest is never looked at.
 */
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "mbr-gpt/boot_plan.h"
#include "mbr-gpt/fat.h"
#include "mbr-gpt/grub_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REASON_BOOT "GRUB's boot code (boot.img)"
#define REASON_CORE "GRUB's core image (core.img)"
#define REASON_PROTECTIVE "protective MBR in place of the hybrid one"

#define STUB_MAX ((size_t)64 << 10)
#define CONFIG_MAX ((size_t)1 << 20)
#define GRUB_EFI_MAX ((size_t)16 << 20)
/* What a new BIOS boot partition has at least, if there is so much: 1 MiB, as installers make it.
 */
#define BIOS_BOOT_SECTORS 2048U

static const struct tranship_partition *esp_of(const struct planning *p)
{
	return &p->layout->at[p->layout->esp.partition].public;
}

/* A file of the ESP; *text is NULL where there is none. */
static int read_esp(struct planning *p, const char *path, size_t max, char **text, size_t *len,
		    struct tranship_error *err)
{
	struct volume volume = plan_volume(p, &p->layout->at[p->layout->esp.partition]);
	struct fat_entry file;
	unsigned char *bytes = NULL;
	struct fat fat;
	bool found;
	int rc = fat_open(&volume, &fat, err);

	*text = NULL;
	if (rc)
		return rc;
	rc = fat_find(&fat, path, &found, &file, err);
	if (rc == 0 && found && !(file.attributes & FAT_ATTR_DIRECTORY))
		rc = fat_read_all(&fat, &file, max, &bytes, err);
	fat_close(&fat);
	*text = (char *)bytes;
	*len = bytes ? file.size : 0;
	return rc;
}

static bool has_text(const char *text, size_t len, const char *piece)
{
	return text && memmem(text, len, piece, strlen(piece)) != NULL;
}

/* root=PARTUUID= names a partition by its GPT id, which an MBR does not have. */
static int look_for_partuuid(struct planning *p, const struct grub_stub *stub, const char *text,
			     size_t len, struct tranship_error *err)
{
	char path[sizeof(stub->prefix) + sizeof("/grub.cfg")], *config = NULL;
	bool on_esp = strcasecmp(stub->fs_id, esp_of(p)->fs_id) == 0;
	size_t config_len = 0;
	int rc = 0;

	if (p->plan->target != TRANSHIP_BOOT_BIOS_MBR)
		return 0;
	if (on_esp) {
		strcpy(path, stub->prefix);
		strcat(path, "/grub.cfg");
		rc = read_esp(p, path, CONFIG_MAX, &config, &config_len, err);
	}
	if (rc == 0 && (has_text(text, len, "root=PARTUUID=") ||
			has_text(config, config_len, "root=PARTUUID=")))
		rc = plan_refuse(
			p, err,
			"GRUB's configuration has root=PARTUUID=, which names nothing on a "
			"disk with an MBR: bios-gpt keeps it");
	else if (rc == 0 && !config)
		rc = plan_note(p, err,
			       "GRUB's configuration is on a file system that is not read: where "
			       "it says root=PARTUUID= the system does not start from an MBR");
	free(config);
	return rc;
}

static int note_missing_fs(struct planning *p, const struct grub_stub *stub,
			   struct tranship_error *err)
{
	uint32_t i;

	for (i = 0; i < p->layout->count; i++)
		if (strcasecmp(p->layout->at[i].fs.id, stub->fs_id) == 0)
			return 0;
	return plan_note(p, err,
			 "no partition has the file system %s that GRUB looks for: it should be "
			 "on a logical volume, a RAID, or another disk",
			 stub->fs_id);
}

/* A grub.cfg that is no stub but has the menu is what core.img goes on with. */
static int take_complete(struct planning *p, const char *path, struct grub_stub *stub,
			 struct tranship_error *err)
{
	const char *end = strrchr(path, '/');
	size_t len = end ? (size_t)(end - path) : 0;

	if (len + 2 > sizeof(stub->prefix) || strlen(esp_of(p)->fs_id) >= sizeof(stub->fs_id))
		return error_set(err, TRANSHIP_EUNSUPPORTED, "grub: its path is too long");
	stub->prefix[0] = '/';
	memcpy(stub->prefix + 1, path, len);
	stub->prefix[len + 1] = '\0';
	strcpy(stub->fs_id, esp_of(p)->fs_id);
	if (!grub_path_ok(stub->prefix) || !grub_id_ok(stub->fs_id))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "grub: its path is nothing that GRUB can be told of");
	return 0;
}

/* What core.img has to look for; not needed where the caller brings one. It stands in a grub.cfg,
 * or else within GRUB's EFI form itself. */
static int read_stub(struct planning *p, struct grub_stub *stub, struct tranship_error *err)
{
	bool config = p->layout->esp.stub[0] != '\0';
	const char *path = config ? p->layout->esp.stub : p->layout->esp.grub;
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!*path)
		return plan_refuse(
			p, err,
			"the EFI system partition has no grub.cfg that says where GRUB's "
			"configuration is; a core.img that knows can be given "
			"(--grub-boot, --grub-core)");
	rc = read_esp(p, path, config ? STUB_MAX : GRUB_EFI_MAX, &text, &len, err);
	if (rc == 0 && !text)
		rc = error_set(err, TRANSHIP_ECORRUPT, "'%s' is not there", path);
	if (rc == 0)
		rc = config ? grub_stub_parse(text, len, stub, err)
			    : grub_stub_find((unsigned char *)text, len, stub, err);
	if (rc == 0 && stub->complete)
		rc = take_complete(p, path, stub, err);
	if (rc == 0)
		rc = look_for_partuuid(p, stub, text, len, err);
	if (rc == 0)
		rc = note_missing_fs(p, stub, err);
	free(text);
	return plan_refuse_error(p, path, rc, err);
}

static int get_images(struct planning *p, struct grub_images *images, struct tranship_error *err)
{
	struct grub_stub stub = { 0 };
	struct grub_config config = { stub.fs_id, stub.prefix, false };
	int rc = 0;

	if (!p->options->grub_core)
		rc = read_stub(p, &stub, err);
	if (rc || plan_refused(p))
		return rc;
	config.btrfs_relative_path = stub.btrfs_relative_path;
	rc = grub_images_get(p->options, &config, images, err);
	/* What this disk's system wants and these modules do not have. */
	return rc == TRANSHIP_EUNSUPPORTED ? plan_refuse_error(p, "", rc, err) : rc;
}

static int put_images(struct planning *p, struct grub_images *images, uint64_t sector,
		      struct tranship_error *err)
{
	int rc;

	grub_images_place(images, sector);
	rc = plan_put(p, sector * MBR_SIZE, images->core, images->core_len, REASON_CORE, err);
	if (rc == 0)
		rc = plan_put(p, 0, images->boot, MBR_CODE_SIZE, REASON_BOOT, err);
	return rc;
}

/* Behind the first sector, where the GPT was. */
static int plan_to_mbr(struct planning *p, struct grub_images *images, struct tranship_error *err)
{
	uint64_t core = images->core_len / MBR_SIZE, first = p->plan->size / MBR_SIZE;
	uint32_t i;
	int rc;

	for (i = 0; i < p->layout->count; i++)
		if (!plan_drops(p, &p->layout->at[i]))
			first = min_u64(first, p->layout->at[i].public.off / MBR_SIZE);
	if (first < 1 + core)
		return plan_refuse(p, err,
				   "GRUB's core image has %" PRIu64 " sectors, and only %" PRIu64
				   " are free before the first partition",
				   core, first - 1);
	rc = plan_table(p, core, err);
	if (rc == 0 && !plan_refused(p))
		rc = put_images(p, images, 1, err);
	return rc;
}

/* A gap of the usable area. */
struct gap {
	uint64_t first, last; /* sectors, inclusive */
};

static int by_first(const void *a, const void *b)
{
	const struct gpt_entry *const *x = a, *const *y = b;

	return (*x)->first < (*y)->first ? -1 : (*x)->first > (*y)->first;
}

/* The first gap of [area.first, area.last] with room for so many sectors. */
static bool gap_in(const struct gap *area, const struct gpt_entry **at, uint32_t count,
		   uint64_t sectors, struct gap *out)
{
	uint64_t next = area->first;
	uint32_t i;

	for (i = 0; i <= count; i++) {
		uint64_t end = area->last + 1;

		if (i < count)
			end = min_u64(end, at[i]->first);
		if (end > next && end - next >= sectors) {
			*out = (struct gap){ next, end - 1 };
			return true;
		}
		if (i < count)
			next = max_u64(next, at[i]->last + 1);
	}
	return false;
}

/*
 * The first gap with room for so many sectors; *found false: there is none. The usable area comes
 * first, then all that a table leaves that is written anew: fdisk says that an area begins at 1
 * MiB, and one of a disk that has grown ends where the disk ended.
 */
static int find_gap(const struct gpt *gpt, uint64_t sectors, bool *found, struct gap *out,
		    struct tranship_error *err)
{
	const struct gpt_header *head = &gpt->used->header;
	const struct gpt_entry **at = calloc((size_t)gpt->count + 1, sizeof(*at));
	struct gap all, usable;
	uint32_t i, count = 0;

	*found = false;
	if (!at)
		return error_nomem(err, gpt->count * sizeof(*at));
	for (i = 0; i < gpt->count; i++)
		if (!guid_is_zero(&gpt->entries[i].type))
			at[count++] = &gpt->entries[i];
	qsort(at, count, sizeof(*at), by_first);
	if (gpt_put_area(gpt, &all.first, &all.last)) {
		usable = (struct gap){ max_u64(all.first, head->first_usable),
				       min_u64(all.last, head->last_usable) };
		*found = gap_in(&usable, at, count, sectors, out) ||
			 gap_in(&all, at, count, sectors, out);
	}
	free(at);
	return 0;
}

/* Behind those that are taken, so that tools list it last; else the first free one. */
static bool free_entry(const struct gpt *gpt, uint32_t *out)
{
	uint32_t i, behind = 0;

	for (i = 0; i < gpt->count; i++)
		if (!guid_is_zero(&gpt->entries[i].type))
			behind = i + 1;
	for (i = 0; behind == gpt->count && i < gpt->count; i++)
		if (guid_is_zero(&gpt->entries[i].type))
			behind = i;
	*out = behind;
	return behind < gpt->count;
}

/* The id of a partition that a plan makes: a digest of the disk's (RFC 9562, version 8). */
static int bios_boot_id(const struct gpt *gpt, struct guid *out, struct tranship_error *err)
{
	static const char what[] = "tranship BIOS boot partition";
	unsigned char digest[32];
	struct sha256 *sha;
	int rc = sha256_new(&sha, err);

	if (rc == 0)
		rc = sha256_update(sha, gpt->used->header.disk.bytes, 16, err);
	if (rc == 0)
		rc = sha256_update(sha, what, sizeof(what), err);
	if (rc == 0)
		rc = sha256_final(sha, digest, err);
	sha256_free(sha);
	if (rc)
		return rc;
	memcpy(out->bytes, digest, sizeof(out->bytes));
	out->bytes[7] = (unsigned char)((out->bytes[7] & 0x0F) | 0x80); /* little-endian field 3 */
	out->bytes[8] = (unsigned char)((out->bytes[8] & 0x3F) | 0x80);
	return 0;
}

static int add_bios_boot(struct planning *p, uint64_t sectors, uint64_t *first,
			 struct tranship_error *err)
{
	const struct gpt *gpt = &p->layout->gpt;
	const struct gpt_header *head = &gpt->used->header;
	struct gpt_entry entry = { .type = gpt_type_bios_boot, .name = "BIOS boot" };
	size_t size = (size_t)head->count * head->entry_size;
	unsigned char *array;
	bool found = false;
	uint32_t index;
	struct gap gap = { 0 };
	int rc = find_gap(gpt, sectors, &found, &gap, err);

	if (rc)
		return rc;
	if (!found || !free_entry(gpt, &index))
		return plan_refuse(p, err,
				   "the GPT has no %s for a BIOS boot partition of %" PRIu64
				   " sectors",
				   found ? "free entry" : "gap with room", sectors);
	entry.first = *first = gap.first;
	entry.last = min_u64(gap.last, gap.first + max_u64(sectors, BIOS_BOOT_SECTORS) - 1);
	rc = bios_boot_id(gpt, &entry.id, err);
	if (rc)
		return rc;
	array = malloc(size);
	if (!array)
		return error_nomem(err, size);
	memcpy(array, gpt->used->array, size);
	gpt_entry_encode(&entry, array + (size_t)index * head->entry_size, head->entry_size);
	rc = gpt_put(gpt, p->disk, array, &p->plan->patches, err);
	free(array);
	return plan_refuse_error(p, "", rc, err);
}

/* A hybrid MBR's own entries go: what stands before them stays the caller's. */
static int put_protective(struct planning *p, struct tranship_error *err)
{
	uint64_t sectors = p->plan->size / MBR_SIZE - 1;
	struct mbr_entry entry = { .type = MBR_TYPE_PROTECTIVE, .first = 1 };
	unsigned char raw[MBR_SIZE - MBR_OFF_TABLE] = { 0 };

	if (p->layout->mbr.kind == MBR_PROTECTIVE)
		return 0;
	entry.sectors = (uint32_t)min_u64(sectors, UINT32_MAX);
	mbr_entry_encode(&entry, raw);
	raw[sizeof(raw) - 2] = 0x55;
	raw[sizeof(raw) - 1] = 0xAA;
	return plan_put(p, MBR_OFF_TABLE, raw, sizeof(raw), REASON_PROTECTIVE, err);
}

/* An existing BIOS boot partition is there for a core image, whatever is in it. */
static bool find_bios_boot(const struct planning *p, uint64_t sectors, uint64_t *first)
{
	uint32_t i;

	for (i = 0; i < p->layout->count; i++) {
		const struct layout_partition *part = &p->layout->at[i];

		if (guid_equal(&part->type, &gpt_type_bios_boot) &&
		    part->public.len / MBR_SIZE >= sectors) {
			*first = part->public.off / MBR_SIZE;
			return true;
		}
	}
	return false;
}

static int plan_to_gpt(struct planning *p, struct grub_images *images, struct tranship_error *err)
{
	uint64_t core = images->core_len / MBR_SIZE, first = 0;
	int rc;

	rc = find_bios_boot(p, core, &first) ? plan_mend_gpt(p, err)
					     : add_bios_boot(p, core, &first, err);
	if (rc == 0 && !plan_refused(p))
		rc = put_protective(p, err);
	if (rc == 0 && !plan_refused(p))
		rc = put_images(p, images, first, err);
	return rc;
}

int plan_linux(struct planning *p, struct tranship_error *err)
{
	struct grub_images images = { .core = NULL };
	int rc = get_images(p, &images, err);

	if (rc == 0 && !plan_refused(p))
		rc = p->plan->target == TRANSHIP_BOOT_BIOS_MBR ? plan_to_mbr(p, &images, err)
							       : plan_to_gpt(p, &images, err);
	grub_images_free(&images);
	return rc;
}
