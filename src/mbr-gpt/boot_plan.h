/* SPDX-License-Identifier: Apache-2.0 */
/* A plan from the inside, and the parts that make one. */
#ifndef MBR_GPT_BOOT_PLAN_H
#define MBR_GPT_BOOT_PLAN_H

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
	struct patches patches; /* empty in a plan that was loaded, or refused */
	bool loaded;            /* only extents are known */
	struct tranship_boot_extent *extents;
	uint32_t extent_count;
	char **reasons; /* that a loaded plan owns, one an extent */
	struct sentences refusals, notes;
	char digest[BOOT_DIGEST_TEXT];
};

/* What the parts of a planner work on. */
struct planning {
	struct tranship_disk *disk;
	const struct tranship_boot_options *options;
	struct tranship_layout *layout;
	struct tranship_boot_plan *plan;
};

/* Adds a sentence; 0 or TRANSHIP_ENOMEM. */
int plan_refuse(struct planning *p, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int plan_note(struct planning *p, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Refuses with the message of an error that tells of the disk's content (ECORRUPT, EUNSUPPORTED,
 * ELIMIT), and returns 0; other errors go through. */
int plan_refuse_error(struct planning *p, int rc, struct tranship_error *err);
bool plan_refused(const struct planning *p);

/* The new sectors, for patches_put and fat_put. */
int plan_put(struct planning *p, uint64_t off, const void *bytes, size_t len, const char *reason,
	     struct tranship_error *err);

/* plan_mbr.c: the table of a disk that becomes bios-mbr. */
int plan_mbr(struct planning *p, uint32_t signature, struct tranship_error *err);
/* plan_linux.c, plan_windows.c */
int plan_linux(struct planning *p, struct tranship_error *err);
int plan_windows(struct planning *p, struct tranship_error *err);

#endif
