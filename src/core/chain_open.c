// SPDX-License-Identifier: Apache-2.0
/*
 * Looking for parents. Formats say which parent an image needs and where it may be; here it is
 * looked for as the policy allows, and must be the one that is meant. A parent is of its child's
 * format, or of the one that its child recorded: what is in it may be a guest's, so it is never
 * probed, but where the caller named it and nobody knows.
 */
#include "core/chain_inside.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How far the search is. */
struct chain_search {
	struct chain *chain;
	struct open_params params; /* of the image whose parent is looked for */
	char *path;                /* of that image, where it was found; NULL: params' own */
	struct resolver *resolver; /* of a parent that the caller named; NULL: params' own */
	const struct tranship_open_options *options;
};

/* The file of an image must not be one of its children's. */
static int check_loop(const struct chain *chain, const struct tranship_file *file, const char *path,
		      struct tranship_error *err)
{
	char shown[200];
	uint32_t i;

	for (i = 0; i < chain->disk.file_count; i++)
		if (file->has_id && chain->disk.files[i].has_id &&
		    file_id_equal(&file->id, &chain->disk.files[i].id)) {
			text_escape(shown, sizeof(shown), path, strlen(path));
			return error_set(err, TRANSHIP_ECORRUPT,
					 "%s: the chain of parents comes back to '%s'",
					 chain_last(chain)->format, shown);
		}
	return 0;
}

/* Whether a disk that was opened is the parent that the last layer means. */
static int check_parent(const struct chain *chain, const struct tranship_disk *parent,
			const char *path, unsigned flags, struct tranship_error *err)
{
	const struct tranship_disk *child = chain_last(chain);
	const struct disk_parent *wanted = child->parent;
	char shown[200];
	bool same = strcmp(parent->identity, wanted->ids[0]) == 0 ||
		    (wanted->ids[1] && strcmp(parent->identity, wanted->ids[1]) == 0);

	if (wanted->accept) /* which looks at it when all of it is there */
		return 0;
	text_escape(shown, sizeof(shown), path, strlen(path));
	if (!same && !(flags & OPEN_UNFINISHED_COMMIT))
		return error_set(err, TRANSHIP_EMISMATCH, "%s: the parent wanted is %s, '%s' is %s",
				 child->format, wanted->ids[0], shown,
				 *parent->identity ? parent->identity : "without an identity");
	if (parent->sector_size != child->sector_size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "%s: sectors have %" PRIu32
				 " bytes, those of the parent '%s' %" PRIu32,
				 child->format, child->sector_size, shown, parent->sector_size);
	return 0;
}

/* The format of the last layer's parent. `named`: the caller named the file. */
static int parent_format(const struct chain_search *s, struct tranship_file *file, bool named,
			 const struct format **out, struct tranship_error *err)
{
	const struct tranship_disk *child = chain_last(s->chain);
	const char *format = tranship_disk_parent_format(child);
	struct probe_look look;
	int rc;

	if (*format)
		return format_named(format, out, err);
	if (!named)
		return error_set(err, TRANSHIP_EINVAL,
				 "%s: the format of the base is not recorded: give it with the "
				 "option base-format, or name the base",
				 child->format);
	rc = probe_look(file, &look, err);
	look.in.warn = s->options->warn;
	look.in.warn_ctx = s->options->warn_ctx;
	return rc ? rc : format_probe(&look.in, out, err);
}

/* Opens a file as the parent of the last layer; takes the file over in any case. */
static int open_parent(const struct chain_search *s, struct tranship_file *file, const char *path,
		       bool named, struct tranship_disk **out, struct tranship_error *err)
{
	const char *options = chain_last(s->chain)->parent->options;
	struct open_params params = s->params;
	const struct format *format;
	int rc = check_loop(s->chain, file, path, err);

	params.name = path;
	if (rc == 0)
		rc = open_settled(&params, path, &file, err);
	if (rc == 0) {
		rc = parent_format(s, file, named, &format, err);
		if (rc == 0)
			rc = format_open(format, file, &params, options, out, err);
		if (rc)
			error_in_file(err, rc, path);
	}
	if (rc) {
		tranship_file_close(file);
		return rc;
	}
	rc = check_parent(s->chain, *out, path, s->params.flags, err);
	if (rc) {
		tranship_disk_close(*out);
		*out = NULL;
	}
	return rc;
}

/* The parent that the caller named; its own parents are looked for from its folder. */
static int open_named_parent(struct chain_search *s, const char *path, struct tranship_disk **out,
			     char **found, struct tranship_error *err)
{
	struct resolver *resolver;
	struct tranship_file *file;
	int rc = resolver_new(path, s->options->policy, &resolver, err);

	if (rc)
		return rc;
	resolver_free(s->resolver);
	s->resolver = resolver;
	s->params.resolver = resolver;
	*found = strdup(path);
	if (!*found)
		return error_nomem(err, strlen(path) + 1);
	rc = tranship_file_open(path, open_file_flags(s->params.flags), &file, err);
	return rc ? error_in_file(err, rc, path) : open_parent(s, file, path, true, out, err);
}

static bool is_missing(const struct tranship_error *err)
{
	return err->code == TRANSHIP_EIO && err->sys_errno == ENOENT;
}

/* One place after the other; the error is that of the first one where there was something. */
static int open_hinted_parent(struct chain_search *s, struct tranship_disk **out, char **found,
			      struct tranship_error *err)
{
	const struct tranship_disk *child = chain_last(s->chain);
	const struct disk_parent *wanted = child->parent;
	struct tranship_error first, why;
	const char *from = s->path ? s->path : s->params.name;
	struct tranship_file *file;
	size_t i;

	if (wanted->hint_count == 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "%s: the image needs the parent %s and does not say where it is",
				 child->format, wanted->ids[0]);
	for (i = 0; i < wanted->hint_count; i++) {
		int rc = resolver_open(s->params.resolver, from, wanted->hints[i],
				       open_file_flags(s->params.flags), &file, found, &why);

		if (rc == 0)
			rc = open_parent(s, file, *found, false, out, &why);
		if (rc == 0)
			return 0;
		free(*found);
		*found = NULL;
		if (i == 0 || rc == TRANSHIP_ENOMEM || (is_missing(&first) && !is_missing(&why)))
			first = why;
		/* A parent in the middle of a change is the parent: a copy of it is not. */
		if (rc == TRANSHIP_EBUSY)
			first = why;
		if (rc == TRANSHIP_ENOMEM || rc == TRANSHIP_EBUSY)
			break;
	}
	if (first.code == TRANSHIP_EMISMATCH)
		return error_copy(err, &first, first.code);
	error_set(err, first.code, "%s: the parent %s is needed: %.350s", child->format,
		  wanted->ids[0], first.message);
	if (err)
		err->sys_errno = first.sys_errno;
	return first.code;
}

/* Adds the parent of the last layer. */
static int add_parent(struct chain_search *s, struct tranship_error *err)
{
	const struct tranship_policy *policy = s->options->policy;
	uint32_t depth = policy && policy->chain_depth ? policy->chain_depth : TRANSHIP_CHAIN_DEPTH;
	uint32_t index = s->chain->count - 1;
	struct tranship_disk *parent = NULL;
	char *found = NULL;
	int rc;

	if (s->chain->count >= depth)
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s: the chain has more than %" PRIu32 " images",
				 s->chain->disk.format, depth);
	rc = index < s->options->parent_count
		     ? open_named_parent(s, s->options->parents[index], &parent, &found, err)
		     : open_hinted_parent(s, &parent, &found, err);
	if (rc == 0)
		rc = chain_add(s->chain, parent, err);
	if (rc) {
		if (parent)
			tranship_disk_close(parent);
		free(found);
		return rc;
	}
	free(s->path);
	s->path = found;
	return 0;
}

/* Asks a layer whether what lies below it, which it does not know by an identity, is its base. */
static int accept_beneath(struct chain *chain, uint32_t index, struct tranship_error *err)
{
	struct tranship_disk *child = chain->layers[index].disk;
	struct tranship_disk *next = chain->layers[index + 1].disk;
	struct chain *below;
	int rc;

	if (index + 2 == chain->count)
		return child->parent->accept(child, next, err);
	rc = chain_new(next, &below, err);
	if (rc)
		return rc;
	below->layers = chain->layers + index + 1; /* lent */
	below->count = chain->count - index - 1;
	rc = child->parent->accept(child, &below->disk, err);
	disk_fini(&below->disk);
	free(below);
	return rc;
}

/* From the last one up: what a layer is read through was accepted before. */
static int accept_parents(struct chain *chain, unsigned flags, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = chain->count - 1; i > 0 && rc == 0; i--)
		if (chain->layers[i - 1].disk->parent->accept && !(flags & OPEN_UNFINISHED_COMMIT))
			rc = accept_beneath(chain, i - 1, err);
	return rc;
}

int chain_open(struct tranship_disk *top, const struct open_params *params,
	       const struct tranship_open_options *options, struct tranship_disk **out,
	       struct tranship_error *err)
{
	struct chain_search s = { .params = *params, .options = options };
	int rc = chain_new(top, &s.chain, err);

	if (rc)
		return rc;
	rc = chain_add(s.chain, top, err);
	while (rc == 0 && chain_last(s.chain)->parent)
		rc = add_parent(&s, err);
	if (rc == 0)
		rc = accept_parents(s.chain, params->flags, err);
	resolver_free(s.resolver);
	free(s.path);
	if (rc)
		chain_drop(s.chain, s.chain->count > 0 ? 1 : 0);
	else
		*out = &s.chain->disk;
	return rc;
}
