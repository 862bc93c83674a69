// SPDX-License-Identifier: Apache-2.0
/*
 * Whose a journal is. A file is known by its inode. A device has nothing of that kind: its number
 * and its name may be another one's after a restart, and the bytes on it are what is being changed.
 * So its journal counts for it alone if the size is right and the name is, or it has been attached
 * ever since; and what was interrupted is finished or undone only if it was attached ever since, or
 * the blocks themselves show that something was interrupted here (apply_check_evidence).
 */
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "delta/apply_inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_SEED 0x454D414EU

void apply_absolute(const char *path, char *out, size_t cap)
{
	char here[PATH_MAX];
	int len;

	if (*path != '/' && getcwd(here, sizeof(here)))
		len = snprintf(out, cap, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
	else
		len = snprintf(out, cap, "%s", path);
	if (len < 0)
		*out = '\0';
}

void apply_owner(const struct apply *a, const char *target, struct apply_head *out)
{
	char path[2 * PATH_MAX];
	size_t len, skip;

	apply_absolute(target, path, sizeof(path));
	len = strlen(path);
	skip = len < sizeof(out->name) ? 0 : len - (sizeof(out->name) - 1);
	memcpy(out->name, path + skip, len - skip + 1);
	out->name_check = check64(path, len, NAME_SEED);
	out->ino = apply_is_device(a) ? 0 : a->info.ino;
	out->dev = apply_is_device(a) ? a->info.rdev : a->info.dev;
	out->device_size = apply_is_device(a) ? a->info.size : 0;
	out->attached = apply_is_device(a) ? a->info.attached : 0;
}

static bool is_attached_still(const struct apply_head *was, const struct apply_head *is)
{
	return was->attached != 0 && was->attached == is->attached;
}

static bool is_owner(const struct apply *a, const struct apply_head *was,
		     const struct apply_head *is)
{
	bool same_name = was->name_check == is->name_check;

	if (was->ino != is->ino || was->device_size != is->device_size)
		return false;
	if (is->ino == 0)
		return same_name || is_attached_still(was, is);
	/* A journal elsewhere may meet the same inode number of another file system. */
	return !a->options->journal || same_name || was->dev == is->dev;
}

int apply_check_owner(const struct apply *a, struct tranship_error *err)
{
	static const char *const what[] = { [APPLY_UNFINISHED] = "that was interrupted: finish or "
								 "undo that first",
					    [APPLY_FINISHED] = "that is kept to go back",
					    [APPLY_VOID] = "that was undone" };
	const struct apply_journal *j = &a->journal;
	char shown[2 * APPLY_NAME_SIZE];

	if (!j->found || is_owner(a, &j->head, &a->owner))
		return 0;
	text_escape(shown, sizeof(shown), j->head.name, strlen(j->head.name));
	return error_set(err, TRANSHIP_EMISMATCH,
			 "the journal '%.800s' is of an apply to another %s, '%s', %s; or choose "
			 "another place for the journal",
			 j->path, j->head.ino ? "file" : "device", shown, what[j->head.state]);
}

int apply_check_evidence(const struct apply *a, bool mixture, struct tranship_error *err)
{
	const struct apply_journal *j = &a->journal;

	if (!apply_is_device(a) || mixture || is_attached_still(&j->head, &a->owner))
		return 0;
	return error_set(err, TRANSHIP_EMISMATCH,
			 "the journal '%.800s' is of an apply that was interrupted, and nothing on "
			 "this device shows that it was this one: if it was, it is whole, and the "
			 "journal and '%.800s" APPLY_PAGES_SUFFIX ".tranship-note' can be removed",
			 j->path, j->path);
}
