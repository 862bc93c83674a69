// SPDX-License-Identifier: Apache-2.0
/* tranship_fingerprint_make: the new half of a diff, alone. */
#include "base/error.h"
#include "core/disk.h"
#include "delta/diff.h"

#include <stdlib.h>
#include <string.h>

static int choose(struct diff *d, const struct tranship_fingerprint_options *o,
		  struct fingerprint_head *head, struct tranship_error *err)
{
	const struct fingerprint_head *like = o->like ? fingerprint_head(o->like) : NULL;
	struct idgen ids;
	int rc = idgen_init(&ids, o->seed, err);

	if (rc == 0)
		rc = digest_kind_parse(o->hash, &head->kind, err);
	head->block_size = o->block_size ? o->block_size : TRANSHIP_BLOCK_DEFAULT;
	if (rc == 0 && like &&
	    ((o->hash && head->kind != like->kind) ||
	     (o->block_size && head->block_size != like->block_size)))
		rc = error_set(err, TRANSHIP_EINVAL,
			       "the fingerprint that it shall be like has the hash %s and blocks "
			       "of %u bytes",
			       digest_kind_name(like->kind), like->block_size);
	if (rc == 0 &&
	    (head->block_size < TRANSHIP_BLOCK_MIN || head->block_size > TRANSHIP_BLOCK_MAX ||
	     (head->block_size & (head->block_size - 1)) != 0))
		rc = error_set(err, TRANSHIP_EINVAL,
			       "blocks of %u bytes: a power of two from %u to %u is wanted",
			       head->block_size, TRANSHIP_BLOCK_MIN, TRANSHIP_BLOCK_MAX);
	if (rc == 0 && strlen(o->id ? o->id : "") > TRANSHIP_ID_MAX)
		rc = error_set(err, TRANSHIP_EINVAL, "the id has more than %d bytes",
			       TRANSHIP_ID_MAX);
	if (rc == 0)
		rc = idgen_bytes(&ids, &head->file_id, sizeof(head->file_id), err);
	if (rc == 0 && !like && head->kind == DIGEST_XXH3)
		rc = idgen_bytes(&ids, &head->seed, sizeof(head->seed), err);
	if (rc == 0 && o->id && *o->id)
		strcpy(head->id, o->id);
	else if (rc == 0)
		rc = new_version_id(&ids, head->id, err);
	if (rc)
		return rc;
	if (like) {
		head->kind = like->kind;
		head->block_size = like->block_size;
		head->seed = like->seed;
	}
	rc = digester_init(&d->print, head->kind, head->block_size, &head->seed, err);
	d->digester = d->print;
	return rc;
}

int tranship_fingerprint_make(struct tranship_disk *disk, const char *path,
			      const struct tranship_fingerprint_options *options,
			      struct tranship_error *err)
{
	static const struct tranship_fingerprint_options defaults;
	const struct tranship_fingerprint_options *o = options ? options : &defaults;
	struct tranship_diff_options diff_options = { .copy = o->copy };
	struct tranship_diff_result ignored = { 0 };
	struct fingerprint_head head = { .size = disk->size, .sector_size = disk->sector_size };
	struct diff *d = calloc(1, sizeof(*d));
	struct file_id *sources;
	size_t count;
	int rc = d ? disk_require_complete(disk, err) : error_nomem(err, sizeof(*d));

	if (rc)
		goto out;
	d->alone = true;
	d->target = disk;
	d->cursor[0].disk = disk;
	d->options = &diff_options;
	d->result = &ignored;
	rc = choose(d, o, &head, err);
	if (rc == 0)
		rc = disk_file_ids((const struct tranship_disk *const *)&d->target, 1, &sources,
				   &count, err);
	if (rc == 0)
		rc = secret_output_open(path, 0, sources, count, &d->print_output, err);
	if (rc == 0)
		rc = fingerprint_writer_new(output_main(d->print_output), &head, &d->print_writer,
					    err);
	if (rc == 0)
		rc = diff_run(d, "fingerprinting", err);
	if (rc == 0)
		rc = fingerprint_writer_finish(d->print_writer, err);
	if (rc == 0)
		rc = output_finish(d->print_output, err);
	fingerprint_writer_free(d->print_writer);
	output_close(d->print_output);
out:
	explicit_bzero(&head, sizeof(head)); /* the secret of the lineage */
	if (d)
		explicit_bzero(d, sizeof(*d));
	free(d);
	return rc;
}
