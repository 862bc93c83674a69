// SPDX-License-Identifier: Apache-2.0
#include "core/check.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <inttypes.h>
#include <stdio.h>

/* Less than this between two units is for alignment, or a table: they still follow each other. */
#define PADDING 4096U
/* What is told one by one: a table of garbage has millions. */
#define FINDINGS_MAX 1000U

static void report(struct check *check, enum tranship_finding_kind kind, const char *fmt,
		   va_list ap)
{
	char message[sizeof(((struct tranship_error *)0)->message)];

	if (!check->finding || check->reported++ > FINDINGS_MAX)
		return;
	if (check->reported > FINDINGS_MAX) {
		check->finding(check->ctx, kind, "there are more findings, which are only counted");
		return;
	}
	vsnprintf(message, sizeof(message), fmt, ap);
	check->finding(check->ctx, kind, message);
}

void check_unit(struct check *check, uint64_t off, uint64_t len, bool compressed)
{
	check->result.allocated++;
	check->result.compressed += compressed;
	check->result.fragmented +=
		check->next > 0 && (off < check->next || off - check->next >= PADDING);
	check->next = off + len;
}

void check_error(struct check *check, const char *fmt, ...)
{
	va_list ap;

	check->result.errors++;
	va_start(ap, fmt);
	report(check, TRANSHIP_FINDING_ERROR, fmt, ap);
	va_end(ap);
}

void check_leak(struct check *check, uint64_t units, const char *fmt, ...)
{
	va_list ap;

	check->result.leaks += units;
	va_start(ap, fmt);
	report(check, TRANSHIP_FINDING_LEAK, fmt, ap);
	va_end(ap);
}

int usage_init(struct usage *usage, uint64_t file_size, uint64_t unit, uint64_t phase,
	       struct tranship_error *err)
{
	*usage = (struct usage){ .unit = unit, .phase = phase, .size = file_size };
	return bitmap_init(&usage->map, file_size > phase ? div_up(file_size - phase, unit) : 0,
			   err);
}

void usage_free(struct usage *usage)
{
	bitmap_free(&usage->map);
}

bool usage_mark(struct usage *usage, uint64_t off, uint64_t len)
{
	uint64_t start = max_u64(off, usage->phase) - usage->phase;
	uint64_t end = off + len > usage->phase ? off + len - usage->phase : 0;
	uint64_t first = start / usage->unit, last = div_up(end, usage->unit);
	bool inside = last <= usage->map.bits;

	last = min_u64(last, usage->map.bits);
	if (first >= last)
		return inside || len == 0;
	return bitmap_set(&usage->map, first, last - first) == 0 && inside;
}

void usage_report_leaks(const struct usage *usage, uint64_t from, uint64_t cluster,
			const char *name, struct check *check)
{
	uint64_t bit = from > usage->phase ? div_up(from - usage->phase, usage->unit) : 0;

	while ((bit = bitmap_next(&usage->map, bit, false)) < usage->map.bits) {
		uint64_t end = bitmap_next(&usage->map, bit, true);
		uint64_t off = usage->phase + bit * usage->unit;
		uint64_t len = min_u64((end - bit) * usage->unit, usage->size - off);

		if (len >= cluster)
			check_leak(check, len / cluster,
				   "%s: %" PRIu64 " bytes at %" PRIu64 " are used by nothing", name,
				   len, off);
		bit = end;
	}
}

int tranship_check(struct tranship_disk *disk, tranship_finding_fn *finding, void *ctx,
		   struct tranship_check_result *out, struct tranship_error *err)
{
	struct check check = { .finding = finding, .ctx = ctx };
	int rc;

	*out = (struct tranship_check_result){ 0 };
	if (!disk->ops->check)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "%s: there is no structure to check",
				 disk->format);
	rc = disk->ops->check(disk, &check, err);
	*out = check.result;
	return rc;
}
