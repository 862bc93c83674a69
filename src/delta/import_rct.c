// SPDX-License-Identifier: Apache-2.0
/*
 * Hyper-V's resilient change tracking: the out-parameters of
 * Msvm_ImageManagementService.GetVirtualDiskChanges (learn.microsoft.com, hyperv_v2) beside the
 * ByteOffset and ByteLength that were asked for, an object a call. A call answers for as much as it
 * says in ProcessedByteLength, so it has to be repeated from there to the end of the disk. The
 * order of ranges is not promised.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>

struct page {
	uint64_t off, asked, processed;
	const json_t *offsets, *lengths;
};

static int get_arrays(const struct json_objects *j, const json_t *object, struct page *p,
		      struct tranship_error *err)
{
	json_t *offsets, *lengths;
	int rc = json_get_array(j, object, "ChangedByteOffsets", &offsets, err);

	if (rc == 0)
		rc = json_get_array(j, object, "ChangedByteLengths", &lengths, err);
	if (rc)
		return rc;
	/* Null where there are no changes; missing is something else. */
	if (!json_object_get(object, "ChangedByteOffsets") ||
	    !json_object_get(object, "ChangedByteLengths"))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "rct: page %" PRIu64
				 " lacks ChangedByteOffsets or ChangedByteLengths",
				 j->count);
	if (json_array_size(offsets) != json_array_size(lengths))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "rct: page %" PRIu64 " has %zu offsets and %zu lengths", j->count,
				 json_array_size(offsets), json_array_size(lengths));
	p->offsets = offsets;
	p->lengths = lengths;
	return 0;
}

static int get_page(const struct json_objects *j, const json_t *object, struct page *p,
		    struct tranship_error *err)
{
	uint64_t result = 0;
	int rc = json_has(object, "ReturnValue")
			 ? json_get_u64(j, object, "ReturnValue", &result, err)
			 : 0;

	if (rc == 0 && result != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "rct: page %" PRIu64 ": GetVirtualDiskChanges returned %" PRIu64
				 "%s",
				 j->count, result,
				 result == 4096 ? ", so its job has to be waited for" : "");
	if (rc == 0)
		rc = json_get_u64(j, object, "ByteOffset", &p->off, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "ByteLength", &p->asked, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "ProcessedByteLength", &p->processed, err);
	if (rc == 0 && p->processed > p->asked)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "rct: page %" PRIu64 " is about %" PRIu64 " bytes, %" PRIu64
			       " were asked for",
			       j->count, p->processed, p->asked);
	return rc ? rc : get_arrays(j, object, p, err);
}

static int get_range(const struct json_objects *j, const struct page *p, size_t i, uint64_t *off,
		     uint64_t *len, struct tranship_error *err)
{
	const json_t *o = json_array_get(p->offsets, i), *l = json_array_get(p->lengths, i);

	if (!json_is_integer(o) || !json_is_integer(l) || json_integer_value(o) < 0 ||
	    json_integer_value(l) < 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "rct: page %" PRIu64 ": range %zu is not of two numbers", j->count,
				 i);
	*off = (uint64_t)json_integer_value(o);
	*len = (uint64_t)json_integer_value(l);
	if (*off < p->off || *off - p->off >= p->processed)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "rct: page %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
				 ", has a range at %" PRIu64,
				 j->count, p->processed, p->off, *off);
	return 0;
}

static int read_page(struct import *in, const struct json_objects *j, const json_t *object,
		     void *ctx, struct tranship_error *err)
{
	struct page p;
	uint64_t off = 0, len = 0;
	size_t i;
	int rc = get_page(j, object, &p, err);

	if (rc == 0)
		rc = windows_add(ctx, in, p.off, p.processed, err);
	for (i = 0; rc == 0 && i < json_array_size(p.offsets); i++) {
		rc = get_range(j, &p, i, &off, &len, err);
		if (rc == 0)
			rc = import_range(in, i, off, len, false, err);
	}
	return rc;
}

static int read_rct(struct import *in, struct tranship_error *err)
{
	struct windows w = { 0 };
	int rc = json_read(in, false, read_page, &w, NULL, err);

	if (rc == 0)
		rc = windows_finish(&w, in, err);
	ranges_heap_free(&w.heap);
	return rc;
}

const struct import_kind import_rct = { .name = "rct", .needs_size = true, .read = read_rct };
