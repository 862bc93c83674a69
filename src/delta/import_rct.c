// SPDX-License-Identifier: Apache-2.0
/*
 * Hyper-V's resilient change tracking: the out-parameters of
 * Msvm_ImageManagementService.GetVirtualDiskChanges (learn.microsoft.com, hyperv_v2) beside the
 * ByteOffset and ByteLength that were asked for, an object a call. A call answers for as much as it
 * says in ProcessedByteLength, so it has to be repeated from there to the end of the disk. The
 * order of ranges is not promised.
 *
 * Offsets and lengths stand in two arrays: those of the first one are kept until the second one
 * says what belongs to them.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <stdlib.h>

/* How many ranges a page may have: 8 MiB of offsets. */
#define PAGE_RANGES_MAX ((uint64_t)1 << 20)
#define KEPT_MIN ((size_t)256)

enum list { OFFSETS, LENGTHS };

static const struct json_rules rules;

struct rct {
	struct windows windows;
	uint64_t ranges; /* of all pages */
	/* Of the page that is being read: */
	enum list first; /* which one was kept */
	uint64_t *kept;
	size_t capacity;
	uint64_t counts[2];
	uint64_t lowest, highest; /* where ranges begin */
};

static int keep(struct rct *r, const struct json_objects *j, uint64_t value,
		struct tranship_error *err)
{
	uint64_t count = r->counts[r->first];

	if (count == PAGE_RANGES_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "rct: page %" PRIu64 " has more than %" PRIu64 " ranges", j->count,
				 PAGE_RANGES_MAX);
	if (count == r->capacity) {
		size_t more = r->capacity ? r->capacity * 2 : KEPT_MIN;
		uint64_t *kept = realloc(r->kept, more * sizeof(*kept));

		if (!kept)
			return error_nomem(err, more * sizeof(*kept));
		r->kept = kept;
		r->capacity = more;
	}
	r->kept[count] = value;
	return 0;
}

static int add_range(struct import *in, struct rct *r, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	if (r->counts[!r->first] == 0 || off < r->lowest)
		r->lowest = off;
	if (r->counts[!r->first] == 0 || off > r->highest)
		r->highest = off;
	return import_range(in, ++r->ranges, off, len, false, err);
}

static int read_number(struct import *in, const struct json_objects *j, const json_t *number,
		       void *ctx, struct tranship_error *err)
{
	struct rct *r = ctx;
	enum list list = j->list == OFFSETS ? OFFSETS : LENGTHS;
	char place[JSON_PLACE_MAX];
	uint64_t value, other;
	int rc = 0;

	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return error_set(err, TRANSHIP_ECORRUPT, "rct: %s is no number of bytes",
				 json_place(j, place));
	value = (uint64_t)json_integer_value(number);
	if (r->counts[!list] == 0) {
		r->first = list;
		rc = keep(r, j, value, err);
	} else if (r->counts[list] < r->counts[!list]) {
		other = r->kept[r->counts[list]];
		rc = list == OFFSETS ? add_range(in, r, value, other, err)
				     : add_range(in, r, other, value, err);
	}
	r->counts[list]++;
	return rc;
}

static int check_arrays(const struct json_objects *j, const json_t *page, const struct rct *r,
			struct tranship_error *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < 2; i++) {
		/* Null where there are no changes; missing is something else. */
		if (!json_object_get(page, rules.lists[i]))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "rct: page %" PRIu64
					 " lacks ChangedByteOffsets or ChangedByteLengths",
					 j->count);
		rc = json_check_list(j, page, rules.lists[i], err);
	}
	if (rc == 0 && r->counts[OFFSETS] != r->counts[LENGTHS])
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "rct: page %" PRIu64 " has %" PRIu64 " offsets and %" PRIu64
			       " lengths",
			       j->count, r->counts[OFFSETS], r->counts[LENGTHS]);
	return rc;
}

static int get_window(const struct json_objects *j, const json_t *page, uint64_t *off,
		      uint64_t *processed, struct tranship_error *err)
{
	uint64_t result = 0, asked;
	int rc = json_has(page, "ReturnValue") ? json_get_u64(j, page, "ReturnValue", &result, err)
					       : 0;

	if (rc == 0 && result != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "rct: page %" PRIu64 ": GetVirtualDiskChanges returned %" PRIu64
				 "%s",
				 j->count, result,
				 result == 4096 ? ", so its job has to be waited for" : "");
	if (rc == 0)
		rc = json_get_u64(j, page, "ByteOffset", off, err);
	if (rc == 0)
		rc = json_get_u64(j, page, "ByteLength", &asked, err);
	if (rc == 0)
		rc = json_get_u64(j, page, "ProcessedByteLength", processed, err);
	if (rc == 0 && *processed > asked)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "rct: page %" PRIu64 " is about %" PRIu64 " bytes, %" PRIu64
			       " were asked for",
			       j->count, *processed, asked);
	return rc;
}

static int check_begin(const struct json_objects *j, uint64_t at, uint64_t off, uint64_t len,
		       struct tranship_error *err)
{
	if (at >= off && at - off < len)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "rct: page %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
			 ", has a range at %" PRIu64,
			 j->count, len, off, at);
}

static int read_page(struct import *in, const struct json_objects *j, const json_t *page, void *ctx,
		     struct tranship_error *err)
{
	static const char *const known[] = { "ByteOffset",
					     "ByteLength",
					     "ProcessedByteLength",
					     "ChangedByteOffsets",
					     "ChangedByteLengths",
					     "ReturnValue",
					     "Job",
					     NULL };
	struct rct *r = ctx;
	uint64_t off, len;
	int rc = json_known(j, page, known, err);

	if (rc == 0)
		rc = get_window(j, page, &off, &len, err);
	if (rc == 0)
		rc = check_arrays(j, page, r, err);
	if (rc == 0)
		rc = windows_add(&r->windows, in, off, len, err);
	if (rc == 0 && r->counts[OFFSETS] > 0)
		rc = check_begin(j, r->lowest, off, len, err);
	if (rc == 0 && r->counts[OFFSETS] > 0)
		rc = check_begin(j, r->highest, off, len, err);
	r->counts[OFFSETS] = r->counts[LENGTHS] = 0;
	return rc;
}

static const struct json_rules rules = {
	.lists = { [OFFSETS] = "ChangedByteOffsets", [LENGTHS] = "ChangedByteLengths" },
	.item = read_number,
	.object = read_page,
};

static int read_rct(struct import *in, struct tranship_error *err)
{
	struct rct r = { 0 };
	int rc = json_read(in, &rules, &r, NULL, err);

	if (rc == 0)
		rc = windows_finish(&r.windows, in, err);
	ranges_heap_free(&r.windows.heap);
	free(r.kept);
	return rc;
}

const struct import_kind import_rct = { .name = "rct", .needs_size = true, .read = read_rct };
