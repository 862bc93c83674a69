// SPDX-License-Identifier: Apache-2.0
/*
 * `qemu-img map --output=json` (qemu, docs/tools/qemu-img.rst, qapi MapEntry): what an overlay
 * holds is its changes. The extents tile the disk, so the array's end must stand where the disk
 * ends. `present` is missing in old versions: what nothing of the chain has then looks like zeros,
 * which it reads as, so it is taken for those.
 *
 * With x-dirty-bitmap, which qemu calls unstable, the same command says in `data` what is clean.
 * There nothing is zeros, so an extent that is neither data nor zeros gives it away.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>

struct extent {
	uint64_t start, length, depth;
	bool present, zero, data;
};

static int get_extent(const struct json_objects *j, const json_t *object, struct extent *e,
		      struct tranship_error *err)
{
	static const char *const known[] = { "start", "length", "depth", "present",
					     "zero",  "data",   NULL };
	int rc = json_known(j, object, known, err);

	if (rc == 0)
		rc = json_get_u64(j, object, "start", &e->start, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "length", &e->length, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "depth", &e->depth, err);
	if (rc == 0)
		rc = json_get_bool(j, object, "zero", &e->zero, err);
	if (rc == 0)
		rc = json_get_bool(j, object, "data", &e->data, err);
	e->present = true;
	if (rc == 0 && json_has(object, "present"))
		rc = json_get_bool(j, object, "present", &e->present, err);
	return rc;
}

static int read_extent(struct import *in, const struct json_objects *j, const json_t *object,
		       void *ctx, struct tranship_error *err)
{
	uint64_t *at = ctx;
	struct extent e;
	int rc = get_extent(j, object, &e, err);

	if (rc)
		return rc;
	if (e.start != *at)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "qemu: element %" PRIu64 " begins at %" PRIu64
				 ", the one before ended at %" PRIu64,
				 j->count, e.start, *at);
	if (!e.zero && !e.data)
		return error_set(
			err, TRANSHIP_EUNSUPPORTED,
			"qemu: element %" PRIu64
			" is neither data nor zeros: this is no map of what an image holds",
			j->count);
	if (e.length == 0 || e.length > CHANGES_SIZE_MAX - e.start)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "qemu: element %" PRIu64 " has a length of %" PRIu64, j->count,
				 e.length);
	*at += e.length;
	if (e.depth > 0 || !e.present)
		return 0;
	return import_range(in, j->count, e.start, e.length, !e.data, err);
}

static int read_qemu(struct import *in, struct tranship_error *err)
{
	static const struct json_rules rules = { .one_array = true, .object = read_extent };
	uint64_t at = 0, count;
	int rc = json_read(in, &rules, &at, &count, err);

	if (rc == 0 && count == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "qemu: the map has no extents");
	return rc ? rc : import_size(in, at, err);
}

const struct import_kind import_qemu = { .name = "qemu", .read = read_qemu };
