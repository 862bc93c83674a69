/* SPDX-License-Identifier: Apache-2.0 */
/* What a format's check reports to, and the map of a file's units that finds overlaps and leaks. */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include "base/bitmap.h"
#include "tranship/image.h"

struct check {
	tranship_finding_fn *finding;
	void *ctx;
	struct tranship_check_result result;
	unsigned reported; /* findings */
	uint64_t next;     /* where the unit behind the last one would follow; 0: none yet */
};

/* Counts an allocated unit, in the order of the disk: len bytes at off of the file. */
void check_unit(struct check *check, uint64_t off, uint64_t len, bool compressed);

void check_error(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* units: how many allocation units are leaked. */
void check_leak(struct check *check, uint64_t units, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Which units of a file are in use. */
struct usage {
	struct bitmap map;
	uint64_t unit;  /* bytes, a power of two */
	uint64_t phase; /* units begin at phase + n * unit; what lies before is not tracked */
	uint64_t size;  /* of the file */
};

int usage_init(struct usage *usage, uint64_t file_size, uint64_t unit, uint64_t phase,
	       struct tranship_error *err);
void usage_free(struct usage *usage);

/*
 * Marks [off, off + len) as used. Returns false, marking what lies inside, if some of it was used
 * before or lies past the end of the file.
 */
bool usage_mark(struct usage *usage, uint64_t off, uint64_t len);

/*
 * Reports each stretch of [from, end of file) that nothing uses as leaked clusters; less than a
 * cluster is padding. `name`: the format, for the message.
 */
void usage_report_leaks(const struct usage *usage, uint64_t from, uint64_t cluster,
			const char *name, struct check *check);

#endif
