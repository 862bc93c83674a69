// SPDX-License-Identifier: Apache-2.0
/*
 * The replies of Get Page Ranges and of its diff against an older snapshot (learn.microsoft.com,
 * rest/api/storageservices/get-page-ranges): a PageList has PageRange (written) and ClearRange
 * (cleared: zeros) between each other, both with an inclusive End. A NextMarker that is not empty
 * says that another page follows. A blob that holds a fixed VHD ends in its footer, which is not of
 * the disk.
 */
#include "base/checked.h"
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE 512U
#define FOOTER 512U

struct azure {
	struct import *in;
	unsigned list_depth; /* of the PageList that is open; 0: none */
	bool in_range, has_start, has_end;
	uint64_t start, end;
	uint64_t ranges, lists;
	uint64_t document_lists;
	bool more; /* the last list has a marker */
	bool in_error;
	char code[100], message[200];
};

static bool is_range(const char *name)
{
	return is(name, "PageRange") || is(name, "ClearRange");
}

/* Whether an element that is no list may stand here. Lists may stand in any root. */
static bool is_known(const struct azure *a, const struct xml_place *place)
{
	if (a->list_depth == 0)
		return place->depth == 1;
	if (place->depth == a->list_depth + 1)
		return is_range(place->name) || is(place->name, "NextMarker");
	return place->depth == a->list_depth + 2 && a->in_range &&
	       (is(place->name, "Start") || is(place->name, "End"));
}

static int on_start(void *ctx, const struct xml_place *place, const struct xml_attributes *attr,
		    struct tranship_error *err)
{
	struct azure *a = ctx;

	(void)attr;
	if (a->in_error)
		return 0;
	if (is(place->name, "Error") && a->list_depth == 0) {
		a->in_error = true;
	} else if (is(place->name, "PageList")) {
		if (a->list_depth)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "azure: a PageList stands in another one");
		a->list_depth = place->depth;
		a->more = false;
		a->lists++;
		a->document_lists++;
	} else if (!is_known(a, place)) {
		return xml_unknown("azure", place, err);
	} else if (a->list_depth && place->depth == a->list_depth + 1) {
		a->in_range = is_range(place->name);
		a->has_start = a->has_end = false;
	}
	return 0;
}

static int end_range(struct azure *a, bool zero, struct tranship_error *err)
{
	uint64_t size = a->in->size, end;

	a->in_range = false;
	a->ranges++;
	if (!a->has_start || !a->has_end)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "azure: range %" PRIu64 " lacks its Start or its End", a->ranges);
	if (a->end < a->start || a->start % PAGE != 0 || (a->end + 1) % PAGE != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "azure: range %" PRIu64 ", %" PRIu64 " to %" PRIu64
				 " inclusive, is not of whole pages of 512 bytes",
				 a->ranges, a->start, a->end);
	end = a->end + 1;
	if (end > size && end - size <= FOOTER) {
		if (a->start >= size)
			return 0;
		end = size;
	}
	/* Past that it is refused, as it stands there. */
	return import_range(a->in, a->ranges, a->start, end - a->start, zero, err);
}

static int take_bound(uint64_t *value, bool *has, const char *name, const char *text,
		      struct tranship_error *err)
{
	if (*has)
		return error_set(err, TRANSHIP_ECORRUPT, "azure: a range has '%s' twice", name);
	*has = true;
	return xml_number("azure", name, text, value, err);
}

static int end_error(const struct azure *a, struct tranship_error *err)
{
	char text[sizeof(a->code) + sizeof(a->message) + 4];

	snprintf(text, sizeof(text), "%s: %s", a->code, a->message);
	return import_fault("azure", text, err);
}

static int on_end(void *ctx, const struct xml_place *place, const char *text,
		  struct tranship_error *err)
{
	struct azure *a = ctx;

	if (a->in_error) {
		if (is(place->name, "Code"))
			snprintf(a->code, sizeof(a->code), "%.*s", (int)sizeof(a->code) - 1, text);
		else if (is(place->name, "Message"))
			snprintf(a->message, sizeof(a->message), "%.*s",
				 (int)sizeof(a->message) - 1, text);
		else if (is(place->name, "Error"))
			return end_error(a, err);
		return 0;
	}
	if (a->list_depth == 0)
		return 0;
	if (place->depth == a->list_depth) {
		a->list_depth = 0;
	} else if (place->depth == a->list_depth + 1) {
		if (a->in_range)
			return end_range(a, is(place->name, "ClearRange"), err);
		a->more = a->more || strspn(text, " \t\r\n") < strlen(text);
	} else if (place->depth == a->list_depth + 2 && a->in_range) {
		if (is(place->name, "Start"))
			return take_bound(&a->start, &a->has_start, place->name, text, err);
		if (is(place->name, "End"))
			return take_bound(&a->end, &a->has_end, place->name, text, err);
	}
	return 0;
}

static int on_closed(void *ctx, struct tranship_error *err)
{
	struct azure *a = ctx;

	if (a->document_lists == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "azure: a document has no PageList");
	a->document_lists = 0;
	return 0;
}

static int read_azure(struct import *in, struct tranship_error *err)
{
	static const struct xml_rules rules = { on_start, on_end, on_closed };
	struct azure a = { .in = in };
	int rc = xml_read(&in->text, &rules, &a, err);

	if (rc == 0 && a.more)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "azure: list %" PRIu64 " has a NextMarker, but no list follows",
			       a.lists);
	return rc;
}

const struct import_kind import_azure = { .name = "azure", .needs_size = true, .read = read_azure };
