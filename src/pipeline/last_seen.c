// SPDX-License-Identifier: Apache-2.0
#include "pipeline/last_seen.h"

#include "base/error.h"
#include "io/output.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".last"

static char *path_of(const char *checkpoint)
{
	size_t len = strlen(checkpoint) + sizeof(SUFFIX);
	char *path = malloc(len);

	if (path)
		snprintf(path, len, "%s" SUFFIX, checkpoint);
	return path;
}

static bool is_for(const json_t *root, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(root, name));

	return text && strcmp(text, wanted) == 0;
}

int last_seen_read(const char *checkpoint, const char *store, const char *disk,
		   char out[POINT_ID_TEXT], struct tranship_error *err)
{
	char *path = path_of(checkpoint);
	const char *point;
	json_t *root;

	out[0] = '\0';
	if (!path)
		return error_nomem(err, strlen(checkpoint));
	root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	free(path);
	point = json_string_value(json_object_get(root, "point"));
	if (point && strlen(point) < POINT_ID_TEXT && is_for(root, "store", store) &&
	    is_for(root, "disk", disk))
		snprintf(out, POINT_ID_TEXT, "%s", point);
	json_decref(root);
	return 0;
}

int last_seen_write(const char *checkpoint, const char *store, const char *disk, const char *point,
		    struct tranship_error *err)
{
	char *path = path_of(checkpoint), *text = NULL;
	const struct output_params params = { .path = path, .secret = true };
	json_t *root = json_pack("{s:s, s:s, s:s}", "store", store, "disk", disk, "point", point);
	struct output *output = NULL;
	int rc;

	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	rc = path && text ? output_open(&params, &output, err)
			  : error_nomem(err, strlen(checkpoint));
	if (rc == 0)
		rc = file_write(output_main(output), 0, text, strlen(text), err);
	if (rc == 0)
		rc = output_finish(output, err);
	output_close(output);
	json_decref(root);
	free(text);
	free(path);
	return rc;
}
