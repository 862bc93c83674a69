// SPDX-License-Identifier: Apache-2.0
/* Paths. */
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/ntfs_inside.h"

#include <string.h>

/* The next name of a path, from *path on; its length, 0: there is none. */
static size_t next_name(const char **path)
{
	*path += strspn(*path, "/\\");
	return strcspn(*path, "/\\");
}

/* Looks for one name, len bytes of UTF-8, in a directory. */
static int find_name(struct ntfs_file *directory, const char *name, size_t len, bool *found,
		     uint64_t *reference, struct tranship_error *err)
{
	char text[NTFS_NAME_TEXT];
	uint16_t units[NTFS_NAME_UNITS];
	long count;

	*found = false;
	if (!directory->directory || len >= sizeof(text))
		return 0;
	memcpy(text, name, len);
	text[len] = '\0';
	count = text_to_utf16(units, NTFS_NAME_UNITS, text);
	if (count < 0)
		return 0;
	return ntfs_index_find(directory->ntfs, &directory->index, units, (unsigned)count, found,
			       reference, err);
}

int ntfs_find(struct ntfs *ntfs, const char *path, struct ntfs_file **out,
	      struct tranship_error *err)
{
	uint64_t reference = NTFS_RECORD_ROOT;
	const char *name = path;
	struct ntfs_file *file;
	size_t len;
	int rc = ntfs_file_open(ntfs, reference, &file, err);

	*out = NULL;
	while (rc == 0 && (len = next_name(&name)) > 0) {
		bool found;

		rc = find_name(file, name, len, &found, &reference, err);
		ntfs_file_close(file);
		file = NULL;
		if (rc == 0 && !found)
			return 0;
		if (rc == 0)
			rc = ntfs_file_open(ntfs, reference, &file, err);
		name += len;
	}
	if (rc)
		return error_in_file(err, rc, path);
	*out = file;
	return 0;
}
