// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Notes and members behind these are dropped: the parsers bound what an image can name, but not how
 * many members a tar has. */
#define NOTES_MAX 64
#define MEMBERS_MAX 256

const char *tranship_role_name(enum tranship_role role)
{
	return role == TRANSHIP_ROLE_PARENT    ? "parent"
	       : role == TRANSHIP_ROLE_DEVICE  ? "device"
	       : role == TRANSHIP_ROLE_CHANGES ? "change-tracking"
					       : "extent";
}

const char *tranship_place_name(enum tranship_place place)
{
	return place == TRANSHIP_PLACE_ABOVE      ? "above"
	       : place == TRANSHIP_PLACE_ABSOLUTE ? "absolute"
	       : place == TRANSHIP_PLACE_PROTOCOL ? "protocol"
						  : "beneath";
}

void tranship_probe_free(struct tranship_probe_result *result)
{
	size_t i;

	if (!result)
		return;
	for (i = 0; i < result->reference_count; i++)
		free(result->references[i].path);
	for (i = 0; i < result->note_count; i++)
		free(result->notes[i]);
	for (i = 0; i < result->member_count; i++)
		free(result->members[i].name);
	free(result->references);
	free(result->notes);
	free(result->members);
	free(result->reason);
	free(result);
}

/* Makes room for one more element of a list. */
static int grow(void **list, size_t count, size_t element, struct tranship_error *err)
{
	void *more = realloc(*list, (count + 1) * element);

	if (!more)
		return error_nomem(err, (count + 1) * element);
	*list = more;
	return 0;
}

static int copy_text(const char *text, char **out, struct tranship_error *err)
{
	*out = strdup(text);
	return *out ? 0 : error_nomem(err, strlen(text) + 1);
}

void report_kind(struct tranship_probe_result *report, const char *kind)
{
	if (report && *kind)
		text_escape(report->kind, sizeof(report->kind), kind, strlen(kind));
}

void report_size(struct tranship_probe_result *report, uint64_t size)
{
	if (!report)
		return;
	report->virtual_size = size;
	report->size_known = true;
}

void report_encrypted(struct tranship_probe_result *report)
{
	if (report)
		report->encrypted = true;
}

void report_unclean(struct tranship_probe_result *report)
{
	if (report)
		report->unclean = true;
}

void report_parent(struct tranship_probe_result *report, const char *id)
{
	if (!report)
		return;
	report->needs_parent = true;
	if (id)
		snprintf(report->parent_id, sizeof(report->parent_id), "%s", id);
}

static bool is_slash(char c)
{
	return c == '/' || c == '\\';
}

/* Whether ".." leads above where the path began. */
static bool leads_above(const char *path)
{
	long depth = 0;

	while (*path) {
		size_t len = strcspn(path, "/\\");

		if (len == 2 && memcmp(path, "..", 2) == 0)
			depth--;
		else if (len > 0 && !(len == 1 && *path == '.'))
			depth++;
		if (depth < 0)
			return true;
		path += len;
		path += *path != '\0';
	}
	return false;
}

static enum tranship_place place_of(const char *path)
{
	size_t scheme = strcspn(path, ":/\\");

	if (is_slash(path[0]) || (path[0] == '[' && strchr(path, ']')))
		return TRANSHIP_PLACE_ABSOLUTE;
	if (path[scheme] == ':')
		return scheme == 1 ? TRANSHIP_PLACE_ABSOLUTE : TRANSHIP_PLACE_PROTOCOL;
	return leads_above(path) ? TRANSHIP_PLACE_ABOVE : TRANSHIP_PLACE_BENEATH;
}

int report_reference(struct tranship_probe_result *report, enum tranship_role role,
		     const char *path, struct tranship_error *err)
{
	struct tranship_reference *added;
	size_t i;
	int rc;

	if (!report || *path == '\0')
		return 0;
	for (i = 0; i < report->reference_count; i++)
		if (report->references[i].role == role &&
		    strcmp(report->references[i].path, path) == 0)
			return 0;
	rc = grow((void **)&report->references, report->reference_count, sizeof(*added), err);
	if (rc)
		return rc;
	added = &report->references[report->reference_count];
	*added = (struct tranship_reference){ .role = role, .place = place_of(path) };
	rc = copy_text(path, &added->path, err);
	report->reference_count += rc == 0;
	return rc;
}

int report_note(struct tranship_probe_result *report, const char *note, struct tranship_error *err)
{
	int rc;

	if (!report || report->note_count == NOTES_MAX)
		return 0;
	rc = grow((void **)&report->notes, report->note_count, sizeof(*report->notes), err);
	if (rc == 0)
		rc = copy_text(note, &report->notes[report->note_count], err);
	report->note_count += rc == 0;
	return rc;
}

int report_member(struct tranship_probe_result *report, const char *name, uint64_t size,
		  struct tranship_error *err)
{
	struct tranship_member *added;
	int rc;

	if (report->member_count == MEMBERS_MAX)
		return 0;
	rc = grow((void **)&report->members, report->member_count, sizeof(*added), err);
	if (rc)
		return rc;
	added = &report->members[report->member_count];
	added->size = size;
	rc = copy_text(name, &added->name, err);
	report->member_count += rc == 0;
	return rc;
}
