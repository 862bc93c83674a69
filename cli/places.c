// SPDX-License-Identifier: Apache-2.0
#include "places.h"

#include "cli.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* How deep an object of a store may be: slots/XX/ID. */
#define STORE_LEVELS 3U

/* Where it is, or will be; "" for what has no place of its own. */
static void place_of(const char *path, char *place)
{
	char folder[PATH_MAX], name[PATH_MAX];
	struct stat st;

	*place = '\0';
	if (!path || strcmp(path, "-") == 0 || strlen(path) >= PATH_MAX || tranship_is_place(path))
		return;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return;
	if (realpath(path, place))
		return;
	strcpy(folder, path);
	strcpy(name, path);
	*place = '\0';
	if (realpath(dirname(folder), place) && strlen(place) + strlen(name) + 2 < PATH_MAX)
		strcat(strcat(place, "/"), basename(name));
}

/* Whether a folder has the store.json of a store. */
static bool is_store(const char *folder)
{
	char path[PATH_MAX + sizeof("/store.json")], text[4096];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/store.json", folder);
	in = fopen(path, "re");
	len = in ? fread(text, 1, sizeof(text), in) : 0;
	if (in)
		fclose(in);
	return memmem(text, len, "\"tranship store\"", strlen("\"tranship store\"")) != NULL;
}

static bool is_object(const char *key)
{
	static const char *const first[] = { "store.json", "slots",  "points", "tags",
					     "aliases",    "leases", "trash" };
	size_t len = strcspn(key, "/"), i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (strlen(first[i]) == len && memcmp(key, first[i], len) == 0)
			return true;
	return false;
}

int cli_spare_stores(const char *path)
{
	char place[PATH_MAX], *slash;
	const char *key;
	unsigned level;

	place_of(path, place);
	for (level = 0; level < STORE_LEVELS && (slash = strrchr(place, '/')) != NULL; level++) {
		*slash = '\0';
		key = slash + 1;
		if (is_object(key) && is_store(*place ? place : "/")) {
			cli_error("'%s' is in the store '%s': its objects are not overwritten",
				  path, *place ? place : "/");
			return -1;
		}
	}
	return 0;
}

int cli_check_places(const struct named_file *files, size_t count, const char *renewed)
{
	char a[PATH_MAX], b[PATH_MAX];
	size_t i, j;

	for (i = 0; i < count && files[i].is_output; i++) {
		if (cli_spare_stores(files[i].path))
			return -1;
		for (j = i + 1; j < count; j++) {
			bool allowed = renewed && files[i].path == renewed && files[j].path &&
				       !files[j].is_output &&
				       tranship_is_fingerprint(files[j].path);

			place_of(files[i].path, a);
			place_of(files[j].path, b);
			if (*a == '\0' || strcmp(a, b) != 0 || allowed)
				continue;
			cli_error("%s and %s are one file: '%s' would be overwritten",
				  files[i].option, files[j].option, files[j].path);
			return -1;
		}
	}
	return 0;
}

const char *cli_relative_path(const char *out, const char *old, char *path)
{
	char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
	size_t same = 0, i, used = 0;

	if (!out || strcmp(out, "-") == 0 || strlen(out) >= sizeof(folder) || !realpath(old, to))
		return NULL;
	if (!realpath(out, folder)) /* a link is written where it leads */
		strcpy(folder, out);
	if (!realpath(dirname(folder), from))
		return NULL;
	if (strcmp(from, "/") != 0)
		strncat(from, "/", sizeof(from) - strlen(from) - 1);
	for (i = 0; from[i] && from[i] == to[i]; i++)
		if (from[i] == '/')
			same = i + 1;
	*path = '\0';
	for (i = same; from[i]; i++)
		if (from[i] == '/' && used + 4 < PATH_MAX) {
			strcat(path, "../");
			used += 3;
		}
	if (used + strlen(to + same) >= PATH_MAX)
		return NULL;
	strcat(path, to + same);
	return path;
}
