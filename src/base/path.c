// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int path_beside(const char *beside, const char *path, char **out, struct tranship_error *err)
{
	const char *slash = strrchr(beside, '/');
	size_t len = slash && *path != '/' ? (size_t)(slash - beside) + 1 : 0;

	*out = malloc(len + strlen(path) + 1);
	if (!*out)
		return error_nomem(err, len + strlen(path) + 1);
	memcpy(*out, beside, len);
	strcpy(*out + len, path);
	return 0;
}
