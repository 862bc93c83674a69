// SPDX-License-Identifier: Apache-2.0
/*
 * The DiskChangeInfo that vSphere's QueryChangedDiskAreas returns (developer.broadcom.com, Virtual
 * Infrastructure JSON API), as SOAP, or as JSON of that API, govmomi and pyVmomi. Each is about the
 * window [startOffset, startOffset + length) alone, so the call has to be repeated to the end of
 * the disk; the windows must tile it. No order of areas is promised. Storage without VMFS may say
 * that all of the disk changed.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A number that must be there once. */
struct number {
	uint64_t value;
	bool set;
};

struct vmware {
	struct import *in;
	struct windows windows;
	uint64_t ranges; /* of all pages */
	/* The areas of this page, and what the lowest and the highest of them begins at. */
	uint64_t areas, lowest, highest;
	/* XML: at which depth the page is open, and what is passed over (0: none). */
	unsigned page_depth, passed_depth;
	bool in_area;
	struct number off, len, area_off, area_len;
	uint64_t pages; /* of this document */
	bool fault;
	char fault_text[300];
};

static int add_area(struct import *in, struct vmware *v, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	/* The window may come behind it. */
	if (v->areas == 0 || off < v->lowest)
		v->lowest = off;
	if (v->areas == 0 || off > v->highest)
		v->highest = off;
	v->areas++;
	return import_range(in, ++v->ranges, off, len, false, err);
}

/* The areas of a window begin in it. */
static int check_area(uint64_t page, uint64_t at, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	if (at >= off && at - off < len)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmware: page %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64
			 ", has an area at %" PRIu64,
			 page, len, off, at);
}

/* Ends a page. */
static int add_window(struct import *in, struct vmware *v, uint64_t off, uint64_t len,
		      struct tranship_error *err)
{
	int rc = windows_add(&v->windows, in, off, len, err);

	if (rc == 0 && v->areas > 0)
		rc = check_area(v->windows.pages, v->lowest, off, len, err);
	if (rc == 0 && v->areas > 0)
		rc = check_area(v->windows.pages, v->highest, off, len, err);
	v->areas = 0;
	return rc;
}

/* The text of what a failed call returned as JSON, or NULL. */
static const char *json_fault(const json_t *object)
{
	static const char *const keys[] = { "localizedMessage", "faultstring", "fault",
					    "faultMessage",     "faultCause",  "error_type",
					    "messages" };
	const char *text = NULL;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *value = json_object_get(object, keys[i]);

		if (value && !text)
			text = json_string_value(value) ? json_string_value(value) : keys[i];
	}
	/* Better than the name of a key is the name of the fault. */
	if (text && json_string_value(json_object_get(object, "_typeName")) &&
	    !json_has(object, "localizedMessage"))
		text = json_string_value(json_object_get(object, "_typeName"));
	return text;
}

/* What DynamicData, which everything of that API is, may have besides says nothing of changes. */
#define DYNAMIC_DATA "_typeName", "_vimtype", "dynamicType", "dynamicProperty"

static int read_area(struct import *in, const struct json_objects *j, const json_t *area, void *ctx,
		     struct tranship_error *err)
{
	static const char *const known[] = { "start", "length", DYNAMIC_DATA, NULL };
	uint64_t off, len;
	int rc = json_known(j, area, known, err);

	if (rc == 0)
		rc = json_get_u64(j, area, "start", &off, err);
	if (rc == 0)
		rc = json_get_u64(j, area, "length", &len, err);
	return rc ? rc : add_area(in, ctx, off, len, err);
}

static int read_object(struct import *in, const struct json_objects *j, const json_t *object,
		       void *ctx, struct tranship_error *err)
{
	static const char *const known[] = { "startOffset", "length", "changedArea", DYNAMIC_DATA,
					     NULL };
	uint64_t off, len;
	int rc;

	if (!json_has(object, "startOffset") && json_fault(object))
		return import_fault(in->unit, json_fault(object), err);
	rc = json_known(j, object, known, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "startOffset", &off, err);
	if (rc == 0)
		rc = json_get_u64(j, object, "length", &len, err);
	if (rc == 0)
		rc = json_check_list(j, object, "changedArea", err);
	return rc ? rc : add_window(in, ctx, off, len, err);
}

static bool is_page(const char *name)
{
	return is(name, "returnval") || is(name, "DiskChangeInfo");
}

/* What says nothing of changes, whatever stands in it. */
static bool is_passed(const struct vmware *v, const char *name)
{
	return v->page_depth ? is(name, "dynamicProperty") : is(name, "Header");
}

/* Whether an element that is neither a page nor passed over may stand here. Pages may stand in any
 * root, too. */
static bool is_known(const struct vmware *v, const struct xml_place *place)
{
	const char *name = place->name;

	if (v->page_depth == 0)
		return place->depth == 1 || is(name, "Envelope") || is(name, "Body") ||
		       is(name, "QueryChangedDiskAreasResponse");
	if (place->depth == v->page_depth + 1)
		return is(name, "startOffset") || is(name, "length") || is(name, "changedArea") ||
		       is(name, "dynamicType");
	return place->depth == v->page_depth + 2 && v->in_area &&
	       (is(name, "start") || is(name, "length") || is(name, "dynamicType"));
}

static int on_start(void *ctx, const struct xml_place *place, const struct xml_attributes *attr,
		    struct tranship_error *err)
{
	struct vmware *v = ctx;

	(void)attr;
	if (v->fault || v->passed_depth)
		return 0;
	if (is(place->name, "Fault")) {
		v->fault = true;
	} else if (is_page(place->name)) {
		if (v->page_depth)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vmware: a page stands in another one");
		v->page_depth = place->depth;
		v->off = v->len = (struct number){ 0 };
	} else if (is_passed(v, place->name)) {
		v->passed_depth = place->depth;
	} else if (!is_known(v, place)) {
		return xml_unknown("vmware", place, err);
	} else if (v->page_depth && is(place->name, "changedArea")) {
		v->in_area = true;
		v->area_off = v->area_len = (struct number){ 0 };
	}
	return 0;
}

/* Takes an element that is a number and must be there once. */
static int take_number(struct number *n, const char *name, const char *text,
		       struct tranship_error *err)
{
	if (n->set)
		return error_set(err, TRANSHIP_ECORRUPT, "vmware: '%s' stands there twice", name);
	n->set = true;
	return xml_number("vmware", name, text, &n->value, err);
}

static int end_area(struct vmware *v, struct tranship_error *err)
{
	v->in_area = false;
	if (!v->area_off.set || !v->area_len.set)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmware: page %" PRIu64 ": area %" PRIu64
				 " lacks its start or its length",
				 v->windows.pages + 1, v->areas + 1);
	return add_area(v->in, v, v->area_off.value, v->area_len.value, err);
}

static int end_page(struct vmware *v, struct tranship_error *err)
{
	v->page_depth = 0;
	v->pages++;
	if (!v->off.set || !v->len.set)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmware: page %" PRIu64 " lacks its startOffset or its length",
				 v->windows.pages + 1);
	return add_window(v->in, v, v->off.value, v->len.value, err);
}

/* Of an element in a page. */
static int end_member(struct vmware *v, const struct xml_place *place, const char *text,
		      struct tranship_error *err)
{
	if (place->depth == v->page_depth + 1) {
		if (is(place->name, "startOffset"))
			return take_number(&v->off, place->name, text, err);
		if (is(place->name, "length"))
			return take_number(&v->len, place->name, text, err);
		if (is(place->name, "changedArea"))
			return end_area(v, err);
	}
	if (place->depth == v->page_depth + 2) {
		if (is(place->name, "start"))
			return take_number(&v->area_off, place->name, text, err);
		if (is(place->name, "length"))
			return take_number(&v->area_len, place->name, text, err);
	}
	return 0;
}

static int on_end(void *ctx, const struct xml_place *place, const char *text,
		  struct tranship_error *err)
{
	struct vmware *v = ctx;

	/* SOAP 1.1 says it in faultstring, SOAP 1.2 in Text. */
	if (v->fault && (is(place->name, "faultstring") || is(place->name, "Text")))
		snprintf(v->fault_text, sizeof(v->fault_text), "%s", text);
	if (v->fault && is(place->name, "Fault"))
		return import_fault("vmware", v->fault_text, err);
	if (v->passed_depth) {
		if (place->depth == v->passed_depth)
			v->passed_depth = 0;
		return 0;
	}
	if (v->page_depth == 0)
		return 0;
	return place->depth == v->page_depth ? end_page(v, err) : end_member(v, place, text, err);
}

static int on_closed(void *ctx, struct tranship_error *err)
{
	struct vmware *v = ctx;

	if (v->pages == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmware: a document is no reply of QueryChangedDiskAreas");
	v->pages = 0;
	return 0;
}

static int read_vmware(struct import *in, struct tranship_error *err)
{
	static const struct xml_rules xml = { on_start, on_end, on_closed };
	static const struct json_rules json = { .lists = { "changedArea" },
						.item = read_area,
						.object = read_object };
	struct vmware v = { .in = in };
	int c, rc = text_peek(&in->text, &c, err);

	/* JSON begins with a bracket; XML with '<', or a mark of its encoding. */
	if (rc == 0 && (c == '{' || c == '['))
		rc = json_read(in, &json, &v, NULL, err);
	else if (rc == 0)
		rc = xml_read(&in->text, &xml, &v, err);
	if (rc == 0)
		rc = windows_finish(&v.windows, in, err);
	ranges_heap_free(&v.windows.heap);
	return rc;
}

const struct import_kind import_vmware = { .name = "vmware",
					   .needs_size = true,
					   .read = read_vmware };
