// SPDX-License-Identifier: Apache-2.0
/* Opening a file to change it in place: which file it is, where its journal stands, what a crash
 * left.
 */
#include "base/checked.h"
#include "base/error.h"
#include "io/edit_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Sets the names of journal and note after `base`, a last component. */
static void name_site(struct journal_site *site, const char *base, const char *journal_suffix)
{
	snprintf(site->journal, sizeof(site->journal), "%s%s", base, journal_suffix);
	snprintf(site->note, sizeof(site->note), "%s%s", base, NOTE_SUFFIX);
	snprintf(site->note_partial, sizeof(site->note_partial), "%s%s", base, NOTE_PARTIAL);
}

static int open_target(struct edit *e, const char *path, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	char real[PATH_MAX], work[PATH_MAX];
	struct medium_info info;
	const char *name;
	int rc, sys = m->ops->resolve(m->ctx, path, real);

	if (sys)
		return error_sys(err, sys, "could not be opened");
	rc = medium_open_folder_of(m, real, work, &e->site.folder, &name, err);
	if (rc == 0)
		rc = m->ops->claim(m->ctx, e->site.folder, name, &e->site.target, err);
	if (rc)
		return rc;
	sys = m->ops->info(m->ctx, e->site.target, &info);
	if (sys)
		return error_sys(err, sys, "fstat failed");
	e->site.device = S_ISBLK(info.mode);
	e->site.ino = info.ino;
	e->site.dev = info.dev;
	name_site(&e->site, name, JOURNAL_SUFFIX);
	return 0;
}

/* A device's journal stands where the caller said. */
static int place_journal(struct edit *e, const char *journal_path, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	char work[PATH_MAX];
	const char *name;
	int rc;

	if (!e->site.device && journal_path)
		return error_set(err, TRANSHIP_EINVAL,
				 "the journal of a file stands beside it, not where one likes");
	if (!e->site.device)
		return 0;
	if (!journal_path)
		return error_set(err, TRANSHIP_EINVAL,
				 "to change a device in place, a path for its journal is needed, "
				 "on storage that lasts");
	m->ops->close(m->ctx, e->site.folder);
	e->site.folder = -1;
	rc = medium_open_folder_of(m, journal_path, work, &e->site.folder, &name, err);
	if (rc == 0)
		name_site(&e->site, name, "");
	return rc;
}

/*
 * Whatever an earlier run left is settled before anything is read, and what is read must last: the
 * journal's old content is compared with the file after a power loss. So what a program that was
 * killed wrote is synced, and so are its names: a journal that was removed, and came back later,
 * would undo what is done now.
 */
static int settle(struct edit *e, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	int rc = medium_unlink(m, e->site.folder, e->site.note_partial, err);

	if (rc == 0)
		rc = journal_recover(&e->site, &e->recovered, err);
	if (rc == 0 && !e->recovered)
		rc = medium_sync(m, e->site.target, "the file", err);
	if (rc == 0 && !e->recovered)
		rc = medium_sync_folder(m, e->site.folder, err);
	return rc;
}

int edit_refuse_names(bool recovered, uint64_t names, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "%sthe file has %" PRIu64 " names (hard links), and a change in place "
			 "would change what all of them are: copy it, or remove the others",
			 recovered ? "a change that was interrupted was undone, but " : "", names);
}

/* Whether a change may begin, or go on. */
static int check_free(const struct edit *e, const struct edit_params *params,
		      struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	char text[NOTE_TEXT_MAX + 1];
	struct medium_info info;
	struct note_header h = { 0 };
	bool found;
	int sys, rc = journal_note_read(&e->site, &found, &h.kind, text, err);

	if (rc)
		return rc;
	if (found && (h.kind == EDIT_NOTE_PART ? !params->part : !params->with_note))
		return journal_note_refuse(&h, text, err);
	sys = m->ops->info(m->ctx, e->site.target, &info);
	if (sys)
		return error_sys(err, sys, "fstat failed");
	if (found || e->site.device || info.links < 2)
		return 0;
	return edit_refuse_names(e->recovered, info.links, err);
}

static int make_file(struct edit *e, struct tranship_error *err)
{
	const struct medium *m = e->site.medium;
	struct medium_info info;
	int rc, sys = m->ops->info(m->ctx, e->site.target, &info);

	if (sys)
		return error_sys(err, sys, "fstat failed");
	rc = tranship_file_new(&edit_file_ops, e, info.size, &e->file, err);
	if (rc)
		return rc;
	e->file->has_id = true;
	e->file->id = (struct file_id){ (dev_t)info.dev, (ino_t)info.ino };
	e->medium_len = e->undo_len = info.size;
	return 0;
}

/* `recover`: nothing else is wanted. */
static int open_site(const char *path, const struct edit_params *params, bool recover,
		     struct edit **out, struct tranship_error *err)
{
	struct edit *e = calloc(1, sizeof(*e));
	int rc;

	*out = NULL;
	if (!e)
		return error_nomem(err, sizeof(*e));
	e->site.medium = params->medium ? params->medium : &medium_local;
	e->site.folder = e->site.target = -1;
	e->pages.max = (params->memory_max ? params->memory_max : EDIT_MEMORY_MAX) / JOURNAL_PAGE;
	e->pages.max = min_u64(e->pages.max, JOURNAL_PAGES_MAX);
	rc = open_target(e, path, err);
	if (rc == 0)
		rc = place_journal(e, params->journal_path, err);
	if (rc == 0)
		rc = settle(e, err);
	if (rc == 0 && !recover)
		rc = check_free(e, params, err);
	if (rc == 0)
		rc = make_file(e, err);
	if (rc) {
		edit_close(e);
		return rc;
	}
	*out = e;
	return 0;
}

int edit_open(const char *path, const struct edit_params *params, struct edit **out,
	      struct tranship_error *err)
{
	return open_site(path, params, false, out, err);
}

int edit_recover(const char *path, const struct edit_params *params, bool *recovered,
		 struct tranship_error *err)
{
	struct edit *e;
	int rc = open_site(path, params, true, &e, err);

	if (recovered)
		*recovered = rc == 0 && edit_recovered(e);
	edit_close(e);
	return rc;
}
