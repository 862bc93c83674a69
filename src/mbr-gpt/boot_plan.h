/* SPDX-License-Identifier: Apache-2.0 */
/* A plan from the inside, and the parts that make one. */
#ifndef MBR_GPT_BOOT_PLAN_H
#define MBR_GPT_BOOT_PLAN_H

#include "core/files_id.h"
#include "mbr-gpt/layout.h"

#define BOOT_DIGEST_TEXT 65U
/* A larger extent is cut, so that what one of two plans changed shows where it is. */
#define BOOT_EXTENT_MAX (64U << 10)

/* Sentences, each escaped. */
struct sentences {
	char **at;
	uint32_t count;
};

struct tranship_boot_plan {
	enum tranship_boot_target target;
	enum tranship_boot_os os;
	uint64_t size; /* of the disk */
	uint32_t sector_size;
	char files[FILES_ID_TEXT]; /* of the disk when it was planned for; "": not known */
	struct patches patches;    /* empty in a plan that was loaded, or refused */
	bool loaded;               /* only extents are known */
	struct tranship_boot_extent *extents;
	uint32_t extent_count;
	char **reasons; /* that a loaded plan owns, one an extent */
	struct sentences refusals, notes;
	char digest[BOOT_DIGEST_TEXT];
	struct tranship_layout *layout; /* NULL: loaded */
};

/* What the parts of a planner work on. */
struct planning {
	struct tranship_disk *disk;
	const struct tranship_boot_options *options;
	const struct tranship_layout *layout;
	struct tranship_boot_plan *plan;
};

/* Adds a sentence about the disk to those that refuse the plan, or to the notes; 0 or
 * TRANSHIP_ENOMEM. */
int plan_refuse(struct planning *p, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int plan_note(struct planning *p, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool plan_refused(const struct planning *p);

/*
 * Where rc and its error tell of what is on the disk (ECORRUPT, EUNSUPPORTED, ELIMIT): refuses with
 * it, `what` in front, and returns 0. Others go through.
 */
int plan_refuse_error(struct planning *p, const char *what, int rc, struct tranship_error *err);

int sentences_add(struct sentences *list, const char *text, struct tranship_error *err);
void sentences_free(struct sentences *list);

/* Replaces bytes of the disk. */
int plan_put(struct planning *p, uint64_t off, const void *bytes, size_t len, const char *reason,
	     struct tranship_error *err);

/* The partition's sectors through what is replaced so far. */
struct volume plan_volume(const struct planning *p, const struct layout_partition *partition);

/* Writes both copies of the GPT anew where one of them is damaged or stands elsewhere: GRUB reads
 * the primary one only. */
int plan_mend_gpt(struct planning *p, struct tranship_error *err);

/* The layout's partitions that the MBR leaves out, and where they begin and end in sectors. */
bool plan_drops(const struct planning *p, const struct layout_partition *partition);

/*
 * plan_table.c: makes the GPT an MBR: entries, extended partition (Linux), disk signature; the
 * GPT is erased. The code of the first sector is the caller's, as are `reserved` sectors behind it.
 */
#define PLAN_DISK_SECTORS_MAX (UINT64_C(1) << 32)
int plan_table(struct planning *p, uint64_t reserved, struct tranship_error *err);
/* The signature of the MBR that a GPT disk gets. */
uint32_t plan_signature(const struct tranship_layout *layout);

/* plan_extended.c: which of the partitions become logical ones, where there are more than four. */
struct plan_entries {
	const struct layout_partition **at; /* those that are kept, ascending */
	uint32_t count;
	unsigned char *types; /* of an MBR, one each */
};
/* Entries [first, end) become logical ones; their links stand from `hole` on, in sectors that no
 * partition has. */
struct plan_extended {
	uint32_t first, end; /* equal: none does */
	uint64_t hole;       /* LBA of the first link */
};
/* `reserved` sectors behind the first one are taken. False: there is no room. */
bool plan_extended_find(const struct plan_entries *entries, uint64_t reserved,
			struct plan_extended *out);
int plan_extended_put(struct planning *p, const struct plan_entries *entries,
		      const struct plan_extended *extended, struct tranship_error *err);

/* plan_linux.c, plan_windows.c: the rest of a plan, its target known. */
int plan_linux(struct planning *p, struct tranship_error *err);
int plan_windows(struct planning *p, struct tranship_error *err);
/* plan_windows_files.c: what goes into the ESP, and what is looked at on the NTFS volumes. */
int plan_windows_files(struct planning *p, uint32_t signature, struct tranship_error *err);

/* plan_finish.c: sectors that are as they were go, extents and digest are made. */
int plan_finish(struct tranship_boot_plan *plan, struct tranship_disk *disk,
		struct tranship_error *err);

/* Whether a disk whose files are these (files_id) is the one that was planned for. */
bool boot_plan_fits(const struct tranship_boot_plan *plan, const char *files);

const char *boot_target_name(enum tranship_boot_target target); /* "bios-mbr", "bios-gpt", "" */
const char *boot_os_name(enum tranship_boot_os os);             /* "windows", "linux", "" */

#endif
