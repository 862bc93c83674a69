// SPDX-License-Identifier: Apache-2.0
/* The folder of a store's own for what can be built again, on this machine. */
#include "base/error.h"
#include "base/text.h"
#include "emit/store_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int join(char **out, const char *folder, const char *middle, const char *id,
		struct tranship_error *err)
{
	if (asprintf(out, "%s%s/%s", folder, middle, id) < 0) {
		*out = NULL;
		return error_nomem(err, strlen(folder) + strlen(middle) + strlen(id));
	}
	return 0;
}

/* XDG Base Directory Specification 0.8: what is not absolute is ignored. */
static const char *absolute(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value == '/' ? value : NULL;
}

int store_cache_name(const char *wanted, const char *id, char **out, struct tranship_error *err)
{
	const char *folder;

	*out = NULL;
	if (wanted && !*wanted)
		return 0;
	if (wanted)
		return join(out, wanted, "", id, err);
	folder = absolute("XDG_CACHE_HOME");
	if (folder)
		return join(out, folder, "/tranship", id, err);
	folder = absolute("HOME");
	return folder ? join(out, folder, "/.cache/tranship", id, err) : 0;
}

int store_cache_make(const struct tranship_store *store, struct tranship_error *err)
{
	char *path = strdup(store->cache_folder), *slash, shown[200];
	int sys = 0;

	if (!path)
		return error_nomem(err, strlen(store->cache_folder) + 1);
	for (slash = path; sys == 0 && slash;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			sys = errno;
		if (slash)
			*slash = '/';
	}
	free(path);
	text_show(shown, sizeof(shown), store->cache_folder, strlen(store->cache_folder));
	return sys ? error_sys(err, sys, "the cache folder '%s' could not be made", shown) : 0;
}
