// SPDX-License-Identifier: Apache-2.0
/*
 * `rbd diff --format json` (Ceph, src/tools/rbd/action/Diff.cc): one array, whose end is the end
 * mark. `exists` is a string there; a program that rewrites the list may make it a boolean. Ranges
 * were not always in order (ceph pull request 45601), so any order is taken.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

static int get_exists(const struct json_objects *j, const json_t *extent, bool *exists,
		      struct tranship_error *err)
{
	const json_t *value = json_object_get(extent, "exists");
	const char *text = json_string_value(value);

	if (!text)
		return json_get_bool(j, extent, "exists", exists, err);
	*exists = strcmp(text, "true") == 0;
	if (!*exists && strcmp(text, "false") != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "rbd: element %" PRIu64 ": 'exists' is not true or false",
				 j->count);
	return 0;
}

static int read_extent(struct import *in, const struct json_objects *j, const json_t *extent,
		       void *ctx, struct tranship_error *err)
{
	static const char *const known[] = { "offset", "length", "exists", NULL };
	uint64_t off, len;
	bool exists;
	int rc = json_known(j, extent, known, err);

	(void)ctx;
	if (rc == 0)
		rc = json_get_u64(j, extent, "offset", &off, err);
	if (rc == 0)
		rc = json_get_u64(j, extent, "length", &len, err);
	if (rc == 0)
		rc = get_exists(j, extent, &exists, err);
	return rc ? rc : import_range(in, j->count, off, len, !exists, err);
}

static int read_rbd(struct import *in, struct tranship_error *err)
{
	static const struct json_rules rules = { .one_array = true, .object = read_extent };

	return json_read(in, &rules, NULL, NULL, err);
}

const struct import_kind import_rbd = { .name = "rbd", .needs_size = true, .read = read_rbd };
