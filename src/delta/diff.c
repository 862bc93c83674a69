// SPDX-License-Identifier: Apache-2.0
/* tranship_diff: where what is found goes. What is compared, and whether it belongs together, is in
 * diff_sides.c. */
#include "delta/diff.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "core/disk.h"
#include "core/format.h"
#include "delta/delta_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Neither disk may be overwritten, and `fp` (NULL: none) neither, which the new fingerprint may
 * replace: it has the same secret. */
static int open_secret(const struct diff *d, const char *path, unsigned flags,
		       const struct tranship_fingerprint *fp, struct output **out,
		       struct tranship_error *err)
{
	const struct tranship_disk *disks[2] = { d->target, d->old };
	const struct tranship_file *file = fp ? fingerprint_file(fp) : NULL;
	struct file_id *sources, *more;
	size_t count;
	int rc = disk_file_ids(disks, 2, &sources, &count, err);

	if (rc == 0 && file && file->has_id) {
		more = realloc(sources, (count + 1) * sizeof(*sources));
		if (!more) {
			free(sources);
			return error_nomem(err, sizeof(*sources));
		}
		sources = more;
		sources[count++] = file->id;
	}
	return rc ? rc : secret_output_open(path, flags, sources, count, out, err);
}

static int open_delta(struct diff *d, const char *path, struct tranship_error *err)
{
	struct diff_sink *s = &d->sink;
	int rc = open_secret(d, path, d->options->create_flags, d->was ? d->was : d->carry,
			     &s->output, err);

	if (rc == 0)
		rc = delta_writer_new(output_main(s->output), &d->head, &s->delta, err);
	return rc ? rc : packer_new(s->delta, &d->rule, d->level, diff_threads(d), &s->packer, err);
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
	rc = open_secret(d, d->options->fingerprint_out, 0, NULL, &d->print_output, err);
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
	packer_free(d->sink.packer);
	delta_writer_free(d->sink.delta);
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

/* All that is decided before anything is read. */
static int prepare(struct diff *d, const char *path, struct tranship_error *err)
{
	const char *format = d->options->format;
	bool is_delta = !format || strcmp(format, "tsd") == 0;
	struct idgen ids;
	int rc = diff_check_sides(d, err);

	if (rc == 0)
		rc = diff_derive_changes(d, err);
	if (rc == 0)
		rc = parse_options(d, is_delta, &ids, err);
	if (rc == 0)
		rc = diff_choose_ids(d, &ids, err);
	if (rc == 0)
		rc = diff_choose_lineage(d, &ids, err);
	if (rc == 0 && path && !is_delta)
		rc = open_writer(d, path, err);
	if (rc == 0)
		rc = diff_choose_block(d, err);
	if (rc == 0)
		rc = diff_choose_digests(d, err);
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
	diff_describe_base(d);
	rc = prepare(d, path, err);
	if (rc == 0)
		rc = diff_run(d, "comparing", err);
	if (rc == 0)
		rc = check_missed(d, err);
	if (rc == 0)
		rc = finish(d, err);
	release(d);
	explicit_bzero(d, sizeof(*d)); /* the secret of the lineage */
	free(d);
	return rc;
}
