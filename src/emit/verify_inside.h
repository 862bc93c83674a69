/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying a store: what is damaged, and which ranges of which points that affects. */
#ifndef EMIT_VERIFY_INSIDE_H
#define EMIT_VERIFY_INSIDE_H

#include "copy/meter.h"
#include "emit/block_index.h"
#include "emit/manifest.h"
#include "emit/slot_uses.h"

/* What is kept of the damage: more slots than these are only counted. */
#define DAMAGED_SLOTS_MAX 1000U
#define DAMAGED_POINTS_SHOWN 4U
#define DAMAGED_RANGES_SHOWN 4U
/* Findings that are told; one more says how many were not. */
#define FINDINGS_MAX 1000U

struct damaged_range {
	uint64_t off, end; /* bytes of the disk */
};

/* Ranges come in ascending order; those that touch become one. */
struct damaged_point {
	char id[POINT_ID_TEXT];
	struct damaged_range shown[DAMAGED_RANGES_SHOWN];
	uint64_t ranges; /* in all */
	uint64_t end;    /* of the last one */
};

struct damaged_slot {
	struct slot_id id;
	char why[200];
	bool all;               /* of its records; else: */
	unsigned char *records; /* a bit each; NULL: none */
	struct damaged_point points[DAMAGED_POINTS_SHOWN];
	size_t point_count; /* in all */
	char last_point[POINT_ID_TEXT];
};

struct verify {
	struct tranship_store *store;
	const struct tranship_store_verify_options *options;
	struct tranship_store_verify_result *result;
	struct tranship_copy_options copy; /* progress, for the meter */
	struct meter meter;
	struct slot_set *named;
	struct slot_set *bad; /* the damaged ones */
	struct damaged_slot *damaged[DAMAGED_SLOTS_MAX];
	size_t damaged_count;
	uint64_t damaged_more; /* slots that found no room */
	uint64_t untold;       /* findings behind the last one that was told */
};

/* Counts an error and tells it. */
void verify_finding(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether an error is something to tell, and not the end of the work. */
bool verify_is_finding(int code, const struct tranship_error *err);

/* A slot of which records cannot be read, as `why` says. NULL: there is no room for more. */
int damage_add(struct verify *v, const struct slot_id *id, const char *why,
	       struct damaged_slot **out, struct tranship_error *err);
/* NULL: it is sound as far as is known. */
struct damaged_slot *damage_find(const struct verify *v, const struct slot_id *id);
int damage_record(struct damaged_slot *d, uint32_t record, struct tranship_error *err);
bool damage_has(const struct damaged_slot *d, uint32_t record);
void damage_range(struct damaged_slot *d, const char *point, uint64_t off, uint64_t end);
/* Tells all, a finding a slot. */
void damage_tell(struct verify *v);
void damage_free(struct verify *v);

/* Reads slots whole, on threads; what is wrong with them is added to the damage. */
int verify_data(struct verify *v, struct tranship_error *err);
/* The table of one point. */
int verify_table(struct verify *v, const struct manifest *m, struct tranship_error *err);

#endif
