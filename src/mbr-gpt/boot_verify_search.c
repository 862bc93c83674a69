// SPDX-License-Identifier: Apache-2.0
/*
 * What GRUB looks for first: a core.img with a configuration of its own searches a file system by
 * its UUID. One that no partition has may stand in LVM or RAID, or on another disk, so that its
 * absence is no more than a remark.
 */
#include "base/error.h"
#include "mbr-gpt/boot_verify.h"
#include "mbr-gpt/layout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ID_MIN = 8, COMMAND_MAX = 200 };

static int has_file_system(const struct verify *v, const char *id, bool *has,
			   struct tranship_error *err)
{
	struct fs_found *found = calloc(1, sizeof(*found));
	uint32_t i;
	int rc = 0;

	*has = false;
	if (!found)
		return error_nomem(err, sizeof(*found));
	for (i = 0; i < v->count && rc == 0 && !*has; i++) {
		struct volume volume = verify_volume(v, &v->at[i]);

		rc = fs_probe(&volume, found, err);
		*has = rc == 0 && strcasecmp(found->id, id) == 0;
	}
	free(found);
	return rc;
}

/* A UUID, or the serial number of a FAT or NTFS. */
static bool is_id(const char *word, size_t len)
{
	return len >= ID_MIN && len < FS_ID_TEXT && strspn(word, "0123456789abcdefABCDEF-") == len;
}

/* The first word of a command that is an id; text ends in a NUL. */
static bool find_id(const char *text, char id[FS_ID_TEXT])
{
	size_t command = strcspn(text, ";\n"), at = 0;

	while (at < command) {
		char word[FS_ID_TEXT];
		size_t len = strcspn(text + at, " \t'\";\n");

		if (len < sizeof(word)) {
			memcpy(word, text + at, len);
			word[len] = '\0';
			if (is_id(word, len)) {
				memcpy(id, word, len + 1);
				return true;
			}
		}
		at += len + 1;
	}
	return false;
}

/* What the configuration in it searches; GRUB's own texts have these words, too, but no id. */
static bool find_search(const unsigned char *core, size_t len, char id[FS_ID_TEXT])
{
	static const char *const words[] = { "search.fs_uuid ", "--fs-uuid " };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t word = strlen(words[i]);
		const unsigned char *at = core;

		while ((at = memmem(at, len - (size_t)(at - core), words[i], word)) != NULL) {
			char command[COMMAND_MAX + 1] = "";
			size_t left = len - (size_t)(at - core);

			memcpy(command, at, left < COMMAND_MAX ? left : COMMAND_MAX);
			if (find_id(command + word, id))
				return true;
			at += word;
		}
	}
	return false;
}

int verify_search(struct verify *v, const unsigned char *core, size_t len,
		  struct tranship_error *err)
{
	char id[FS_ID_TEXT];
	bool has;
	int rc;

	if (!find_search(core, len, id))
		return 0;
	rc = has_file_system(v, id, &has, err);
	if (rc == 0 && !has)
		verify_remark(v,
			      "grub: core.img searches the file system %s, which no partition "
			      "has: is it in LVM or RAID?",
			      id);
	return rc;
}
