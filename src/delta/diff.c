// SPDX-License-Identifier: Apache-2.0
/* tranship_diff: what is compared with what, where it goes, and that the two belong together. */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"
#include "core/format.h"
#include "delta/delta_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Takes over an id if there is one; two of one thing must agree. */
static int agree(char *id, const char *other, const char *what, const char *where,
		 struct tranship_error *err)
{
	if (!other || *other == '\0')
		return 0;
	if (strlen(other) > TRANSHIP_ID_MAX)
		return error_set(err, TRANSHIP_EINVAL, "the %s id has more than %d bytes", what,
				 TRANSHIP_ID_MAX);
	if (*id && strcmp(id, other) != 0)
		return error_set(err, TRANSHIP_EMISMATCH, "the %s is '%.100s', that of %s '%.100s'",
				 what, id, where, other);
	strcpy(id, other);
	return 0;
}

static const char *fingerprint_id(const struct tranship_fingerprint *fp)
{
	return fp ? fingerprint_head(fp)->id : NULL;
}

static int choose_ids(struct diff *d, struct idgen *ids, struct tranship_error *err)
{
	const struct tranship_diff_options *o = d->options;
	const char *listed = o->changes ? tranship_changes_base_id(o->changes) : NULL;
	const char *listed_target = o->changes ? tranship_changes_target_id(o->changes) : NULL;
	char *base = d->head.base_id, *target = d->head.target_id;
	int rc = agree(base, o->base_id, "base", "it", err);

	if (rc == 0)
		rc = agree(base, fingerprint_id(d->was), "base", "the fingerprint", err);
	if (rc == 0)
		rc = agree(base, fingerprint_id(o->base_fingerprint), "base", "its fingerprint",
			   err);
	if (rc == 0)
		rc = agree(base, fingerprint_id(o->verify), "base", "its fingerprint", err);
	if (rc == 0)
		rc = agree(base, listed, "base", "the changes", err);
	if (rc == 0)
		rc = agree(target, o->target_id, "new version", "it", err);
	if (rc == 0)
		rc = agree(target, listed_target, "new version", "the changes", err);
	if (rc == 0 && *target == '\0')
		rc = new_version_id(ids, target, err);
	strcpy(d->result->target_id, target);
	return rc;
}

static int check_size(const struct diff *d, uint64_t size, const char *what,
		      struct tranship_error *err)
{
	if (size == d->head.base_size)
		return 0;
	return error_set(err, TRANSHIP_EMISMATCH,
			 "the %s is of a disk of %" PRIu64 " bytes, the base has %" PRIu64, what,
			 size, d->head.base_size);
}

/* Whether all that is given can be of one pair of disks. */
static int check_sides(const struct diff *d, struct tranship_error *err)
{
	const struct tranship_diff_options *o = d->options;
	int rc = disk_require_complete(d->target, err);

	if (rc == 0 && d->old)
		rc = disk_require_complete(d->old, err);
	if (rc == 0 && d->verify)
		rc = check_size(d, fingerprint_head(d->verify)->size, "fingerprint", err);
	if (rc == 0 && o->base_fingerprint)
		rc = check_size(d, fingerprint_head(o->base_fingerprint)->size, "fingerprint", err);
	if (rc)
		return rc;
	if (o->verify && !o->changes)
		return error_set(err, TRANSHIP_EINVAL, "there are no changes to be verified");
	if (o->changes && tranship_changes_size(o->changes) != d->target->size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the changes are of a disk of %" PRIu64
				 " bytes, this one has %" PRIu64,
				 tranship_changes_size(o->changes), d->target->size);
	if (o->changes && o->fingerprint_out && !d->carry)
		return error_set(err, TRANSHIP_EINVAL,
				 "a fingerprint of what the changes name needs that of the base");
	if (o->changes && d->target->forward && !o->verify)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "what comes through a pipe is read whole: it has no changes");
	return 0;
}

/* Hash and secret: those of the fingerprint that is at hand, else new ones. */
static int choose_lineage(struct diff *d, struct idgen *ids, struct tranship_error *err)
{
	const struct tranship_fingerprint *fp = d->was ? d->was : d->carry;
	enum digest_kind wanted;
	int rc = digest_kind_parse(d->options->hash, &wanted, err);

	d->head.lineages = 1;
	if (rc == 0 && fp) {
		d->head.kind = fingerprint_head(fp)->kind;
		d->head.seeds[0] = fingerprint_head(fp)->seed;
		if (d->options->hash && wanted != d->head.kind)
			rc = error_set(err, TRANSHIP_EINVAL,
				       "the fingerprint has the hash %s, not %s",
				       digest_kind_name(d->head.kind), digest_kind_name(wanted));
	} else if (rc == 0) {
		d->head.kind = wanted;
		if (wanted == DIGEST_XXH3)
			rc = idgen_bytes(ids, &d->head.seeds[0], sizeof(d->head.seeds[0]), err);
	}
	return rc;
}

/* In blocks of the fingerprint, of 4 KiB, or of what the writer takes. */
static int choose_block(struct diff *d, struct tranship_error *err)
{
	uint32_t unit = d->sink.writer ? d->sink.writer->unit : 0;

	d->head.block_size = d->was ? fingerprint_head(d->was)->block_size : TRANSHIP_BLOCK_MIN;
	if (unit > d->head.block_size)
		d->head.block_size = unit;
	if (unit <= TRANSHIP_BLOCK_MAX && (!d->was || unit == 0 || d->head.block_size % unit == 0))
		return 0;
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "the output is written in units of %" PRIu32
			 " bytes, which what is compared does not come in",
			 unit);
}

/* The digests by which it is compared, and those of the new fingerprint. */
static int choose_digests(struct diff *d, struct tranship_error *err)
{
	const struct tranship_fingerprint *fp = d->was ? d->was : d->carry;
	uint32_t print = fp ? fingerprint_head(fp)->block_size : TRANSHIP_BLOCK_DEFAULT;
	int rc = digester_init(&d->digester, d->head.kind, d->head.block_size, &d->head.seeds[0],
			       err);

	if (rc == 0)
		rc = digester_init(&d->print, d->head.kind, print, &d->head.seeds[0], err);
	d->same_digests = d->was && print == d->head.block_size;
	d->rule = delta_rule(&d->head);
	return rc;
}

static int open_secret(const struct diff *d, const char *path, unsigned flags, struct output **out,
		       struct tranship_error *err)
{
	const struct tranship_disk *disks[2] = { d->target, d->old };
	struct file_id *sources;
	size_t count;
	int rc = disk_file_ids(disks, 2, &sources, &count, err);

	return rc ? rc : secret_output_open(path, flags, sources, count, out, err);
}

static int open_delta(struct diff *d, const char *path, struct tranship_error *err)
{
	struct diff_sink *s = &d->sink;
	int rc = open_secret(d, path, d->options->create_flags, &s->output, err);

	if (rc == 0)
		rc = delta_writer_new(output_main(s->output), &d->head, &s->delta, err);
	return rc ? rc : record_builder_new(&d->rule, d->level, &s->builder, err);
}

/* Another image: a differencing disk over the old one, or a list of writes. */
static int open_writer(struct diff *d, const char *path, struct tranship_error *err)
{
	const struct tranship_diff_options *o = d->options;
	struct tranship_create_options create = { .format = o->format,
						  .size = d->target->size,
						  .options = o->options,
						  .flags = o->create_flags,
						  .source = d->target,
						  .base = d->old,
						  .base_hint = o->base_hint,
						  .warn = o->copy.warn,
						  .warn_ctx = o->copy.warn_ctx };

	if (!d->old)
		create.flags |= CREATE_OVER_ANY;
	return tranship_create(path, &create, &d->sink.writer, err);
}

static int open_fingerprint(struct diff *d, struct tranship_error *err)
{
	struct fingerprint_head head = { .size = d->target->size,
					 .sector_size = d->target->sector_size,
					 .block_size = d->print.block_size,
					 .kind = d->print.kind,
					 .seed = d->print.seed };
	int rc;

	memcpy(&head.file_id, &d->head.file_id, sizeof(head.file_id));
	strcpy(head.id, d->head.target_id);
	rc = open_secret(d, d->options->fingerprint_out, 0, &d->print_output, err);
	return rc ? rc
		  : fingerprint_writer_new(output_main(d->print_output), &head, &d->print_writer,
					   err);
}

/* The delta gets its name first: without it the new fingerprint would hide what changed. */
static int finish(struct diff *d, struct tranship_error *err)
{
	struct diff_sink *s = &d->sink;
	int rc = s->delta ? delta_writer_finish(s->delta, NULL, err) : 0;

	if (rc == 0 && d->print_writer)
		rc = fingerprint_writer_finish(d->print_writer, err);
	if (rc == 0 && s->delta) {
		d->result->written = tranship_file_size(output_main(s->output));
		rc = output_finish(s->output, err);
	}
	if (rc == 0 && s->writer)
		rc = tranship_writer_finish(s->writer, err);
	if (rc == 0 && s->writer && s->writer->output)
		d->result->written = tranship_file_size(output_main(s->writer->output));
	return rc == 0 && d->print_output ? output_finish(d->print_output, err) : rc;
}

/* Changes that left something out are not believed in anything. */
static int check_missed(struct diff *d, struct tranship_error *err)
{
	struct tranship_change first;

	if (!d->missed || tranship_changes_count(d->missed) == 0)
		return 0;
	first = tranship_changes_at(d->missed, 0);
	if (d->options->missed) {
		*d->options->missed = d->missed;
		d->missed = NULL;
	}
	return error_set(err, TRANSHIP_EMISMATCH,
			 "the changes do not name all that changed: the first of it is [%" PRIu64
			 ", %" PRIu64 ")",
			 first.off, first.off + first.len);
}

static void release(struct diff *d)
{
	delta_writer_free(d->sink.delta);
	record_builder_free(d->sink.builder);
	buffer_free(&d->sink.encoded);
	output_close(d->sink.output);
	tranship_writer_close(d->sink.writer);
	fingerprint_writer_free(d->print_writer);
	output_close(d->print_output);
	tranship_changes_free(d->layers);
	tranship_changes_free(d->changes);
	tranship_changes_free(d->missed);
}

static int parse_options(struct diff *d, bool is_delta, struct idgen *ids,
			 struct tranship_error *err)
{
	int rc = delta_options_parse(is_delta ? d->options->options : NULL, &d->level, ids, err);

	return rc ? rc : idgen_bytes(ids, &d->head.file_id, sizeof(d->head.file_id), err);
}

static void describe_base(struct diff *d)
{
	const char *hint = d->options->base_hint;

	d->head.base_size = d->old ? d->old->size : fingerprint_head(d->was)->size;
	d->head.target_size = d->target->size;
	d->head.sector_size = d->target->sector_size;
	if (d->old)
		strncat(d->head.base_format, d->old->format, sizeof(d->head.base_format) - 1);
	if (hint && strlen(hint) <= DELTA_HINT_MAX)
		strcpy(d->head.base_hint, hint);
}

static bool same_file(const struct tranship_disk *a, const struct tranship_disk *b)
{
	return a->file_count > 0 && b->file_count > 0 && a->files[0].has_id && b->files[0].has_id &&
	       file_id_equal(&a->files[0].id, &b->files[0].id) && strcmp(a->format, b->format) == 0;
}

/*
 * Where the old disk is one of the parents of the new one, what the images above it hold is all
 * that can have changed. Not where a fingerprint of all of it is wanted and there is none to go on
 * from.
 */
static int derive_changes(struct diff *d, struct tranship_error *err)
{
	uint32_t i, count = tranship_disk_layer_count(d->target);
	bool carried = !d->options->fingerprint_out || d->carry;

	if (!d->old || d->options->changes || !carried)
		return 0;
	for (i = 1; i < count; i++)
		if (same_file(tranship_disk_layer(d->target, i), tranship_disk_layer(d->old, 0)))
			return tranship_changes_of_layers(d->target, i, &d->layers, err);
	return 0;
}

/* All that is decided before anything is read. */
static int prepare(struct diff *d, const char *path, struct tranship_error *err)
{
	const char *format = d->options->format;
	bool is_delta = !format || strcmp(format, "tsd") == 0;
	struct idgen ids;
	int rc = check_sides(d, err);

	if (rc == 0)
		rc = derive_changes(d, err);
	if (rc == 0)
		rc = parse_options(d, is_delta, &ids, err);
	if (rc == 0)
		rc = choose_ids(d, &ids, err);
	if (rc == 0)
		rc = choose_lineage(d, &ids, err);
	if (rc == 0 && path && !is_delta)
		rc = open_writer(d, path, err);
	if (rc == 0)
		rc = choose_block(d, err);
	if (rc == 0)
		rc = choose_digests(d, err);
	if (rc == 0 && path && is_delta)
		rc = open_delta(d, path, err);
	if (rc == 0 && d->options->fingerprint_out)
		rc = open_fingerprint(d, err);
	if (rc == 0 && d->verify)
		rc = tranship_changes_new(d->target->size, &d->missed, err);
	return rc;
}

int tranship_diff(const struct tranship_diff_base *base, struct tranship_disk *target,
		  const char *path, const struct tranship_diff_options *options,
		  struct tranship_diff_result *out, struct tranship_error *err)
{
	static const struct tranship_diff_options defaults;
	struct tranship_diff_result ignored;
	struct diff *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return error_nomem(err, sizeof(*d));
	d->options = options ? options : &defaults;
	d->result = out ? out : &ignored;
	*d->result = (struct tranship_diff_result){ 0 };
	d->target = target;
	d->old = base->disk;
	d->was = base->disk ? NULL : base->fingerprint;
	d->verify = d->options->verify;
	d->carry = d->options->base_fingerprint ? d->options->base_fingerprint : d->verify;
	if (d->was)
		d->carry = d->was;
	d->cursor[0].disk = target;
	d->cursor[1].disk = d->old;
	if (!d->old && !d->was) {
		free(d);
		return error_set(err, TRANSHIP_EINVAL, "there is nothing to compare the disk with");
	}
	describe_base(d);
	rc = prepare(d, path, err);
	if (rc == 0)
		rc = diff_run(d, "comparing", err);
	if (rc == 0)
		rc = check_missed(d, err);
	if (rc == 0)
		rc = finish(d, err);
	release(d);
	free(d);
	return rc;
}
