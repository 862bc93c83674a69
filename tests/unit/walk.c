// SPDX-License-Identifier: Apache-2.0
#include "walk.h"

#include "base/checked.h"
#include "base/zero.h"

#include <string.h>

/* What a check tells one by one (core/check.c). */
#define FINDINGS_TOLD 1000U

#define SAMPLE 4096U /* read at both ends of an extent that is too long to be read whole */
#define WHOLE (256U << 10)

const struct walk_limits walk_all = { 1U << 20, 64U << 20, 1U << 20 };

static const char *text_ok(const char *text, size_t cap)
{
	size_t len = strnlen(text, cap), i;

	if (len == 0 || len == cap)
		return "a message is some text that ends";
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
			return "a message has no control characters";
	return NULL;
}

const char *walk_error(int rc, const struct tranship_error *err)
{
	if (rc >= 0 || strcmp(tranship_code_name(rc), "unknown") == 0)
		return "a failure has one of the library's codes";
	if (err->code != rc)
		return "the error has the code that was returned";
	return text_ok(err->message, sizeof(err->message));
}

/* What a walk carries along. */
struct walk {
	struct tranship_disk *disk;
	struct tranship_file *twin;
	uint64_t bytes_left;
	int rc;
	struct tranship_error *err;
};

/* [off, off + len) of an extent, at most WHOLE bytes: read at once, in two parts, in the file. */
static const char *read_stretch(struct walk *w, const struct tranship_extent *extent, uint64_t off,
				size_t len)
{
	/* Not on the stack, where a sanitizer would mark all of it each time. */
	static unsigned char whole[WHOLE], parts[WHOLE];
	bool data = extent->kind == TRANSHIP_DATA;
	size_t first = len / 3;

	w->rc = tranship_disk_read(w->disk, NULL, off, whole, len, w->err);
	if (extent->kind == TRANSHIP_LOST) {
		bool said = w->rc == TRANSHIP_ECORRUPT;

		w->rc = 0;
		return said ? NULL : "what is lost cannot be read";
	}
	if (w->rc)
		return data ? walk_error(w->rc, w->err) : "what is no data can be read";
	if (!data)
		return bytes_are_zero(whole, len) ? NULL : "what is no data reads as zeros";
	if (tranship_disk_read(w->disk, NULL, off + first, parts + first, len - first, NULL) ||
	    tranship_disk_read(w->disk, NULL, off, parts, first, NULL))
		return "what can be read at once can be read in parts";
	if (memcmp(whole, parts, len) != 0)
		return "a read in parts equals a whole read";
	if (!w->twin || extent->compressed || extent->file_index > 0 ||
	    extent->file_off == TRANSHIP_NO_OFFSET)
		return NULL;
	if (tranship_file_read(w->twin, extent->file_off + (off - extent->off), parts, len, NULL))
		return "data that was read stands in the file";
	return memcmp(whole, parts, len) == 0 ? NULL : "data is what stands in the file";
}

/* All of a short extent, both ends of a long one. */
static const char *read_extent(struct walk *w, const struct tranship_extent *extent)
{
	size_t len = (size_t)min_u64(extent->len, WHOLE);
	const char *broken;

	if (extent->len > WHOLE)
		len = SAMPLE;
	broken = read_stretch(w, extent, extent->off, len);
	if (!broken && w->rc == 0 && extent->len > WHOLE)
		broken = read_stretch(w, extent, extent->off + extent->len - len, len);
	w->bytes_left -= min_u64(w->bytes_left, 4 * (uint64_t)len);
	return broken;
}

static const char *map_one(struct walk *w, uint64_t at, struct tranship_extent *extent)
{
	w->rc = tranship_disk_map(w->disk, at, extent, w->err);
	if (w->rc)
		return walk_error(w->rc, w->err);
	if (extent->off != at || !range_ok(at, extent->len, tranship_disk_size(w->disk)))
		return "an extent begins where it was asked for and lies in the disk";
	return extent->len > 0 ? NULL : "an extent is not empty";
}

static const char *walk_extent(struct walk *w, uint64_t at, struct tranship_extent *extent)
{
	struct tranship_extent middle;
	const char *broken = map_one(w, at, extent);

	if (broken || w->rc)
		return broken;
	broken = map_one(w, at + extent->len / 2, &middle);
	if (!broken && (w->rc || middle.kind != extent->kind))
		broken = "the middle of an extent is of its kind";
	return broken ? broken : read_extent(w, extent);
}

const char *walk_disk(struct tranship_disk *disk, struct tranship_file *twin,
		      const struct walk_limits *limits, int *rc, struct tranship_error *err)
{
	struct walk w = { .disk = disk, .twin = twin, .bytes_left = limits->bytes, .err = err };
	uint64_t at = 0, n;
	const char *broken = NULL;

	for (n = 0; at < tranship_disk_size(disk) && n < limits->extents; n++) {
		struct tranship_extent extent;

		broken = walk_extent(&w, at, &extent);
		if (broken || w.rc || w.bytes_left == 0)
			break;
		at += extent.len;
	}
	*rc = w.rc;
	return broken;
}

/* What came out of the callbacks. */
struct seen {
	const char *broken;
	uint64_t errors, leaks;
};

static void see_finding(void *ctx, enum tranship_finding_kind kind, const char *message)
{
	struct seen *seen = ctx;

	seen->errors += kind == TRANSHIP_FINDING_ERROR;
	seen->leaks += kind == TRANSHIP_FINDING_LEAK;
	if (!seen->broken)
		seen->broken = text_ok(message, sizeof(((struct tranship_error *)0)->message));
}

static int see_property(void *ctx, const struct tranship_property *p)
{
	struct seen *seen = ctx;

	if (!p->name || (p->type == TRANSHIP_PROPERTY_TEXT && !p->text))
		seen->broken = "a property has a name and a value";
	if (p->type == TRANSHIP_PROPERTY_BOOL && p->number > 1)
		seen->broken = "a bool is 0 or 1";
	return 0;
}

const char *walk_check(struct tranship_disk *disk, const struct walk_limits *limits)
{
	uint32_t cluster = tranship_disk_cluster_size(disk);
	struct tranship_check_result result;
	struct tranship_error err = { 0 };
	struct seen seen = { 0 };
	int rc;

	tranship_disk_properties(disk, see_property, &seen);
	if (seen.broken || tranship_disk_size(disk) / (cluster ? cluster : 512) > limits->units)
		return seen.broken;
	rc = tranship_check(disk, see_finding, &seen, &result, &err);
	if (rc)
		return walk_error(rc, &err);
	/* From the thousandth on they are counted only. */
	if ((seen.errors != result.errors && result.errors + result.leaks < FINDINGS_TOLD) ||
	    seen.errors > result.errors || seen.leaks > result.leaks)
		return "a check reports what it counts";
	if (result.allocated > result.total)
		return "no more is allocated than there is";
	return seen.broken;
}
