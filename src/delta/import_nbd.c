// SPDX-License-Identifier: Apache-2.0
/*
 * `nbdinfo --map=qemu:dirty-bitmap:NAME --json` (libnbd, info/map.c; qemu, docs/interop/nbd.rst):
 * bit 0 of `type` says that an extent is dirty. The extents tile the disk. Maps of other contexts
 * look the same and mean something else; where the words beside the number say so, or the number is
 * none of a bitmap, the list is refused.
 */
#include "base/error.h"
#include "base/text.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

/* "clean" and "dirty" are the words of a bitmap; for a context that it does not know nbdinfo has
 * none. */
static int check_words(const struct json_objects *j, const json_t *object, uint64_t type,
		       struct tranship_error *err)
{
	const json_t *value = json_object_get(object, "description");
	const char *words = json_string_value(value);
	char shown[60];

	if (type > 1)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: element %" PRIu64 " is of type %" PRIu64
				 ", so this is no map of a dirty bitmap",
				 j->count, type);
	if (!value || (words && strcmp(words, type ? "dirty" : "clean") == 0))
		return 0;
	text_escape(shown, sizeof(shown), words ? words : "", words ? strlen(words) : 0);
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "nbd: element %" PRIu64 " is '%s', so this is no map of a dirty bitmap",
			 j->count, shown);
}

static int read_extent(struct import *in, const struct json_objects *j, const json_t *object,
		       void *ctx, struct tranship_error *err)
{
	static const char *const known[] = { "offset", "length", "type", "description", NULL };
	uint64_t *at = ctx, off, len, type;
	int rc;

	if (json_has(object, "percent"))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: these are totals, which say nothing of offsets");
	rc = json_known(j, object, known, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "offset", &off, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "length", &len, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "type", &type, err);
	if (rc == 0)
		rc = check_words(j, object, type, err);
	if (rc)
		return rc;
	if (off != *at || len == 0 || len > CHANGES_SIZE_MAX - off)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "nbd: element %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
				 ", does not go on where the one before ended (%" PRIu64 ")",
				 j->count, len, off, *at);
	*at += len;
	return type ? import_range(in, j->count, off, len, false, err) : 0;
}

static int read_nbd(struct import *in, struct tranship_error *err)
{
	static const struct json_rules rules = { .one_array = true, .object = read_extent };
	uint64_t at = 0, count;
	int rc = json_read(in, &rules, &at, &count, err);

	if (rc == 0 && count == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "nbd: the map has no extents");
	return rc ? rc : import_size(in, at, err);
}

const struct import_kind import_nbd = { .name = "nbd", .read = read_nbd };
