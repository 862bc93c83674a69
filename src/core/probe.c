// SPDX-License-Identifier: Apache-2.0
/*
 * Probing. The parsers that open an image are those that know what it names, so probing opens it,
 * as a lone layer, under a policy that allows no other file, with a report in which the formats
 * note what they come across before they refuse it. Extents are noted instead of opened; parents
 * are what the disk says that it needs. The disk is closed unread.
 */
#include "core/archive.h"
#include "core/format.h"
#include "core/report.h"

#include "base/error.h"
#include "io/file_local.h"
#include "io/file_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a probe carries along. */
struct probe {
	struct tranship_probe_result *result;
	const struct tranship_open_options *options;
	const char *name;          /* of the file, for people */
	struct tranship_error err; /* of the call that failed last */
	int rc;                    /* of noting warnings */
};

static void take_warning(void *ctx, const char *message)
{
	struct probe *p = ctx;

	if (p->rc == 0)
		p->rc = report_note(p->result, message, &p->err);
}

static int note_ambiguous(struct probe *p, const char *note)
{
	p->result->ambiguous = true;
	return report_note(p->result, note, &p->err);
}

/* What the content is to blame for becomes the reason; anything else is passed on. */
static int take_error(struct probe *p, int rc)
{
	if (rc == TRANSHIP_EIO || rc == TRANSHIP_ENOMEM || rc == TRANSHIP_EBUSY)
		return rc;
	p->result->reason = strdup(p->err.message);
	return p->result->reason ? 0 : error_nomem(&p->err, sizeof(p->err.message));
}

static int take_parent(struct probe *p, const struct tranship_disk *disk)
{
	const struct disk_parent *parent = disk->parent;
	size_t i;
	int rc = 0;

	if (!parent)
		return 0;
	report_parent(p->result, parent->ids[0]);
	for (i = 0; rc == 0 && i < parent->hint_count; i++)
		rc = report_reference(p->result, TRANSHIP_ROLE_PARENT, parent->hints[i], &p->err);
	return rc;
}

/* Lets the format read its headers. */
static int describe(struct probe *p, struct tranship_file *file, const struct format *format)
{
	struct open_params params = { .name = p->name,
				      .flags = (p->options->flags | TRANSHIP_OPEN_LAYER) &
					       ~(unsigned)TRANSHIP_OPEN_STRICT,
				      .warn = take_warning,
				      .warn_ctx = p,
				      .report = p->result };
	struct tranship_disk *disk = NULL;
	struct options *parsed = NULL;
	int rc;

	rc = options_parse(p->options->options, format->open_options, NULL, &parsed, &p->err);
	if (rc == 0)
		rc = resolver_new(NULL, NULL, &params.resolver, &p->err);
	if (rc)
		goto out;
	params.options = parsed;
	rc = format->open(file, &params, &disk, &p->err);
	if (rc) {
		rc = take_error(p, rc);
		goto out;
	}
	p->result->virtual_size = disk->size;
	p->result->size_known = true;
	rc = take_parent(p, disk);
	disk_close_keeping(disk, file);
out:
	resolver_free(params.resolver);
	options_free(parsed);
	return rc ? rc : p->rc;
}

static int take_member(void *ctx, const struct tar_member *member)
{
	struct probe *p = ctx;

	return archive_names_image(member->name)
		       ? report_member(p->result, member->name, member->size, &p->err)
		       : 0;
}

/* What else the bytes could be. */
static int note_rival(struct probe *p, const struct probe_input *in, const struct format *format)
{
	const char *rival = format_rival(in, format);
	char note[200];

	if (!rival)
		return 0;
	snprintf(note, sizeof(note), "it is taken for %s, and has the marks of %s, too",
		 format->name, rival);
	return note_ambiguous(p, note);
}

static int find_out(struct probe *p, struct tranship_file *file, const struct format **out)
{
	const struct foreign *foreign;
	struct probe_look look;
	int rc = probe_look(file, &look, &p->err);

	*out = NULL;
	if (rc)
		return rc;
	look.in.warn = take_warning;
	look.in.warn_ctx = p;
	foreign = foreign_find(&look.in);
	rc = format_probe(&look.in, out, &p->err);
	/* A probe's warnings and its errors say that it looks like what it may not be. */
	p->result->ambiguous = p->result->note_count > 0 || (rc && !foreign);
	if (rc)
		*out = NULL;
	if (foreign && (!*out || strcmp((*out)->name, "raw") == 0)) {
		p->result->foreign = foreign->name;
		p->result->encrypted = foreign->encrypted;
	}
	if (rc == 0 && foreign && strcmp(foreign->name, "tar") == 0 &&
	    tar_walk(file, take_member, p, &p->err) == TRANSHIP_ENOMEM)
		return TRANSHIP_ENOMEM;
	if (rc)
		return take_error(p, rc);
	return p->rc ? p->rc : note_rival(p, &look.in, *out);
}

static int probe_image(struct probe *p, struct tranship_file *file)
{
	const struct format *format;
	int rc = p->options->format ? format_named(p->options->format, &format, &p->err)
				    : find_out(p, file, &format);

	if (rc || !format)
		return rc;
	p->result->format = format->name;
	return describe(p, file, format);
}

static int probe_archive(struct probe *p, struct tranship_file *archive)
{
	struct tranship_file *member;
	int rc;

	p->result->archive = true;
	rc = tar_walk(archive, take_member, p, &p->err);
	/* Damage behind the member does not keep it from being opened. */
	if (rc == TRANSHIP_ECORRUPT || rc == TRANSHIP_EUNSUPPORTED || rc == TRANSHIP_ELIMIT)
		rc = report_note(p->result, p->err.message, &p->err);
	if (rc)
		return rc;
	rc = archive_open(archive, p->options->member, &member, &p->err);
	if (rc)
		return take_error(p, rc);
	rc = probe_image(p, member);
	file_part_release(member);
	return rc;
}

static int probe(struct tranship_file *file, const char *name, bool archive,
		 const struct tranship_open_options *options, struct tranship_probe_result **out,
		 struct tranship_error *err)
{
	struct probe p = { .options = options, .name = name };
	int rc;

	p.result = calloc(1, sizeof(*p.result));
	if (!p.result)
		return error_nomem(err, sizeof(*p.result));
	rc = archive ? probe_archive(&p, file) : probe_image(&p, file);
	if (rc) {
		tranship_probe_free(p.result);
		return error_copy(err, &p.err, rc);
	}
	*out = p.result;
	return 0;
}

static const struct tranship_open_options default_options;

int tranship_probe_file(struct tranship_file *file, const struct tranship_open_options *options,
			struct tranship_probe_result **out, struct tranship_error *err)
{
	*out = NULL;
	if (!options)
		options = &default_options;
	return probe(file, "", options->member != NULL, options, out, err);
}

int tranship_probe(const char *path, const struct tranship_open_options *options,
		   struct tranship_probe_result **out, struct tranship_error *err)
{
	struct tranship_file *file;
	unsigned flags = TRANSHIP_FILE_DROP_BEHIND;
	int rc;

	*out = NULL;
	if (!options)
		options = &default_options;
	if (options->flags & TRANSHIP_OPEN_FORCE_SHARE)
		flags |= TRANSHIP_FILE_FORCE_SHARE;
	rc = tranship_file_open(path, flags, &file, err);
	if (rc)
		return rc;
	rc = probe(file, path, archive_wanted(path, options), options, out, err);
	tranship_file_close(file);
	return rc;
}
