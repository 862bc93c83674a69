// SPDX-License-Identifier: Apache-2.0
/*
 * Plans: what is there, who plans for it, and what nobody can do. Everything is read through the
 * disk's own contract, and nothing is kept of it but the layout and the replaced sectors.
 */
#include "base/error.h"
#include "base/text.h"
#include "core/disk.h"
#include "mbr-gpt/boot_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_MAX 600

int sentences_add(struct sentences *list, const char *text, struct tranship_error *err)
{
	char **at = realloc(list->at, (list->count + 1) * sizeof(*at));

	if (!at)
		return error_nomem(err, (list->count + 1) * sizeof(*at));
	list->at = at;
	at[list->count] = strdup(text);
	if (!at[list->count])
		return error_nomem(err, strlen(text) + 1);
	list->count++;
	return 0;
}

void sentences_free(struct sentences *list)
{
	uint32_t i;

	for (i = 0; i < list->count; i++)
		free(list->at[i]);
	free(list->at);
	*list = (struct sentences){ 0 };
}

static int add_format(struct sentences *list, struct tranship_error *err, const char *fmt,
		      va_list args)
{
	char text[SENTENCE_MAX], shown[SENTENCE_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	text_show(shown, sizeof(shown), text, strlen(text));
	return sentences_add(list, shown, err);
}

int plan_refuse(struct planning *p, struct tranship_error *err, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = add_format(&p->plan->refusals, err, fmt, args);
	va_end(args);
	return rc;
}

int plan_note(struct planning *p, struct tranship_error *err, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = add_format(&p->plan->notes, err, fmt, args);
	va_end(args);
	if (rc == 0)
		warn_send(p->options->warn, p->options->warn_ctx, "%s",
			  p->plan->notes.at[p->plan->notes.count - 1]);
	return rc;
}

bool plan_refused(const struct planning *p)
{
	return p->plan->refusals.count > 0;
}

int plan_refuse_error(struct planning *p, const char *what, int rc, struct tranship_error *err)
{
	struct tranship_error why;

	if (rc != TRANSHIP_ECORRUPT && rc != TRANSHIP_EUNSUPPORTED && rc != TRANSHIP_ELIMIT)
		return rc;
	why = *err;
	return plan_refuse(p, err, "%s%s%s", what, *what ? ": " : "", why.message);
}

int plan_put(struct planning *p, uint64_t off, const void *bytes, size_t len, const char *reason,
	     struct tranship_error *err)
{
	return patches_put(&p->plan->patches, p->disk, off, bytes, len, reason, err);
}

struct volume plan_volume(const struct planning *p, const struct layout_partition *partition)
{
	return layout_volume(partition, p->disk, &p->plan->patches);
}

/* Whatever is to be made of it: a table that can be trusted, on a disk that a BIOS can read. */
static int refuse_tables(struct planning *p, struct tranship_error *err)
{
	const struct tranship_layout *l = p->layout;
	int rc = 0;

	if (l->gpt.foreign_sector_size)
		return plan_refuse(p, err,
				   "gpt: the partition table was made for sectors of %u bytes, the "
				   "disk has %u",
				   l->gpt.foreign_sector_size, p->plan->sector_size);
	if (l->table == TRANSHIP_TABLE_NONE)
		return plan_refuse(p, err, "the disk has no partition table that can be read%s%s",
				   l->note_count ? ": " : "", l->note_count ? l->notes[0] : "");
	if (l->table == TRANSHIP_TABLE_MBR)
		return plan_refuse(p, err, "the disk has an MBR: it is no UEFI/GPT disk%s",
				   l->boots & TRANSHIP_BOOTS_BIOS
					   ? ""
					   : ", and nothing on it starts under BIOS");
	if (p->plan->sector_size != 512)
		rc = plan_refuse(p, err,
				 "the disk has sectors of %u bytes: no BIOS starts from those",
				 p->plan->sector_size);
	if (rc == 0 && l->gpt.differ)
		rc = plan_refuse(
			p, err,
			"gpt: both copies are whole and say different things; 'sgdisk' can "
			"write the right one over the other");
	if (rc == 0 && l->table == TRANSHIP_TABLE_HYBRID &&
	    !(p->options->flags & TRANSHIP_BOOT_HYBRID))
		rc = plan_refuse(p, err,
				 "the disk has a hybrid MBR: which of the two tables counts is not "
				 "known; with --hybrid it is the GPT");
	return rc;
}

static int refuse_partitions(struct planning *p, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < p->layout->count && rc == 0; i++) {
		const struct layout_partition *part = &p->layout->at[i];

		if (guid_equal(&part->type, &gpt_type_ldm_metadata) ||
		    guid_equal(&part->type, &gpt_type_ldm_data))
			rc = plan_refuse(p, err,
					 "partition %u is of a dynamic disk (LDM): its database "
					 "would have to change, too",
					 part->public.number);
		else if (strcmp(part->fs.type, "bitlocker") == 0)
			rc = plan_refuse(p, err,
					 "partition %u is encrypted by BitLocker: suspend and "
					 "decrypt it first",
					 part->public.number);
	}
	return rc;
}

/* Which system starts. */
static int choose_os(struct planning *p, struct tranship_error *err)
{
	const struct layout_esp *esp = &p->layout->esp;
	enum tranship_boot_os os = p->options->os;

	if (!esp->present)
		return plan_refuse(
			p, err,
			"the disk has no EFI system partition with FAT32: what starts it "
			"cannot be seen");
	if (os == TRANSHIP_OS_ANY && esp->windows && esp->linux)
		return plan_refuse(
			p, err,
			"the EFI system partition has Windows and Linux: say which one is "
			"to start (--os)");
	if (os == TRANSHIP_OS_ANY && !esp->windows && !esp->linux)
		return plan_refuse(
			p, err,
			"the EFI system partition has neither Windows' boot manager nor a "
			"Linux's boot loader");
	if (os == TRANSHIP_OS_ANY)
		os = esp->windows ? TRANSHIP_OS_WINDOWS : TRANSHIP_OS_LINUX;
	if (os == TRANSHIP_OS_WINDOWS && !esp->windows)
		return plan_refuse(
			p, err,
			"the EFI system partition has no EFI/Microsoft/Boot/bootmgfw.efi "
			"and BCD");
	p->plan->os = os;
	return 0;
}

static int choose_target(struct planning *p, struct tranship_error *err)
{
	enum tranship_boot_target to = p->options->to;
	uint64_t sectors = p->plan->size / p->plan->sector_size;
	bool windows = p->plan->os == TRANSHIP_OS_WINDOWS;

	if (to == TRANSHIP_BOOT_DEFAULT)
		to = windows ? TRANSHIP_BOOT_BIOS_MBR : TRANSHIP_BOOT_BIOS_GPT;
	if (windows && to == TRANSHIP_BOOT_BIOS_GPT)
		return plan_refuse(
			p, err, "Windows does not start from a GPT under BIOS: bios-mbr is for it");
	if (to == TRANSHIP_BOOT_BIOS_MBR && sectors > PLAN_DISK_SECTORS_MAX)
		return plan_refuse(p, err,
				   "the disk is larger than 2 TiB: an MBR does not reach its end%s",
				   windows ? "" : "; bios-gpt does");
	p->plan->target = to;
	return 0;
}

/* Whether there is nothing to do: a disk that starts under BIOS, with the table that is wanted. */
static bool starts_already(const struct planning *p)
{
	const struct tranship_layout *l = p->layout;
	enum tranship_table wanted =
		p->options->to == TRANSHIP_BOOT_BIOS_GPT ? TRANSHIP_TABLE_GPT : TRANSHIP_TABLE_MBR;

	if (!(l->boots & TRANSHIP_BOOTS_BIOS) || l->gpt.differ)
		return false;
	return p->options->to == TRANSHIP_BOOT_DEFAULT ? l->table != TRANSHIP_TABLE_HYBRID
						       : l->table == wanted;
}

int plan_mend_gpt(struct planning *p, struct tranship_error *err)
{
	const struct gpt *gpt = &p->layout->gpt;
	int rc;

	if (gpt->primary.good && gpt->backup.good && !gpt->backup_misplaced)
		return 0;
	rc = gpt_put(gpt, p->disk, gpt->used->array, &p->plan->patches, err);
	return plan_refuse_error(p, "", rc, err);
}

/* GRUB does not look at the backup copy of a GPT. */
static int plan_nothing(struct planning *p, struct tranship_error *err)
{
	bool damaged = p->layout->table == TRANSHIP_TABLE_GPT && !p->layout->gpt.primary.good;

	p->plan->target = p->layout->table == TRANSHIP_TABLE_GPT ? TRANSHIP_BOOT_BIOS_GPT
								 : TRANSHIP_BOOT_BIOS_MBR;
	p->plan->os = p->layout->boots & TRANSHIP_BOOTS_WINDOWS ? TRANSHIP_OS_WINDOWS
		      : p->layout->boots & TRANSHIP_BOOTS_LINUX ? TRANSHIP_OS_LINUX
								: TRANSHIP_OS_ANY;
	if (damaged)
		return plan_mend_gpt(p, err);
	return plan_note(p, err, "the disk starts under BIOS as it is: nothing is replaced");
}

static int note_layout(struct planning *p, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < p->layout->note_count && rc == 0; i++)
		rc = plan_note(p, err, "%s", p->layout->notes[i]);
	return rc;
}

static int plan_disk(struct planning *p, struct tranship_error *err)
{
	int rc = note_layout(p, err);

	if (rc == 0 && starts_already(p))
		return plan_nothing(p, err);
	if (rc == 0)
		rc = refuse_tables(p, err);
	if (rc || p->layout->table == TRANSHIP_TABLE_NONE || p->layout->table == TRANSHIP_TABLE_MBR)
		return rc;
	rc = refuse_partitions(p, err);
	if (rc == 0)
		rc = choose_os(p, err);
	if (rc == 0 && p->plan->os != TRANSHIP_OS_ANY)
		rc = choose_target(p, err);
	if (rc || plan_refused(p))
		return rc;
	return p->plan->os == TRANSHIP_OS_WINDOWS ? plan_windows(p, err) : plan_linux(p, err);
}

static const struct tranship_boot_options default_options;

int tranship_boot_plan_make(struct tranship_disk *disk, const struct tranship_boot_options *options,
			    struct tranship_boot_plan **out, struct tranship_error *err)
{
	struct tranship_boot_plan *plan;
	struct tranship_error own;
	struct planning p;
	int rc;

	*out = NULL;
	if (!err)
		err = &own; /* parts look at what others say */
	if (tranship_disk_is_forward(disk))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "boot: a disk that comes from a pipe cannot be looked through");
	rc = disk_require_complete(disk, err);
	if (rc)
		return rc;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return error_nomem(err, sizeof(*plan));
	plan->size = tranship_disk_size(disk);
	plan->sector_size = tranship_disk_sector_size(disk);
	patches_init(&plan->patches, disk);
	p = (struct planning){ disk, options ? options : &default_options, NULL, plan };
	rc = files_id(disk, plan->files, err);
	if (rc == 0)
		rc = tranship_layout_read(disk, &plan->layout, err);
	p.layout = plan->layout;
	if (rc == 0)
		rc = plan_disk(&p, err);
	if (rc == 0 && plan_refused(&p))
		patches_free(&plan->patches);
	if (rc == 0)
		rc = plan_finish(plan, disk, err);
	if (rc) {
		tranship_boot_plan_free(plan);
		return rc;
	}
	*out = plan;
	return 0;
}

void tranship_boot_plan_free(struct tranship_boot_plan *plan)
{
	uint32_t i;

	if (!plan)
		return;
	patches_free(&plan->patches);
	for (i = 0; plan->reasons && i < plan->extent_count; i++)
		free(plan->reasons[i]);
	free(plan->reasons);
	free(plan->extents);
	sentences_free(&plan->refusals);
	sentences_free(&plan->notes);
	tranship_layout_free(plan->layout);
	free(plan);
}
