// SPDX-License-Identifier: Apache-2.0
/* What a diff compares: whether all that it was given belongs together, and which ids, digests and
 * blocks follow from it. */
#include "base/error.h"
#include "base/text.h"
#include "core/disk.h"
#include "core/writer.h"
#include "delta/diff.h"

#include <inttypes.h>
#include <string.h>

/* Takes over an id if there is one; two of one thing must agree. */
static int agree(char *id, const char *other, const char *what, const char *where,
		 struct tranship_error *err)
{
	if (!other || *other == '\0')
		return 0;
	if (!text_is_line(other, TRANSHIP_ID_MAX))
		return error_set(err, TRANSHIP_EINVAL,
				 "the id of the %s is no line of UTF-8 of at most %d bytes", what,
				 TRANSHIP_ID_MAX);
	if (*id && strcmp(id, other) != 0)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "the id of the %s is '%.100s', but %s says '%.100s'", what, id,
				 where, other);
	strcpy(id, other);
	return 0;
}

static const char *fingerprint_id(const struct tranship_fingerprint *fp)
{
	return fp ? fingerprint_head(fp)->id : NULL;
}

int diff_choose_ids(struct diff *d, struct idgen *ids, struct tranship_error *err)
{
	const struct tranship_diff_options *o = d->options;
	const char *listed = o->changes ? tranship_changes_base_id(o->changes) : NULL;
	const char *listed_target = o->changes ? tranship_changes_target_id(o->changes) : NULL;
	char *base = d->head.base_id, *target = d->head.target_id;
	int rc = agree(base, o->base_id, "base", "the caller", err);

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
		rc = agree(target, o->target_id, "new version", "the caller", err);
	if (rc == 0)
		rc = agree(target, listed_target, "new version", "the changes", err);
	if (rc == 0 && *target == '\0')
		rc = new_version_id(ids, target, err);
	strcpy(d->result->base_id, base);
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
int diff_check_sides(const struct diff *d, struct tranship_error *err)
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

/* The lineage of the fingerprint or delta at path. */
static int read_lineage(struct diff *d, const char *path, struct tranship_error *err)
{
	struct tranship_fingerprint *fp = NULL;
	struct tranship_file *file = NULL;
	struct delta *delta = NULL;
	int rc;

	if (tranship_is_fingerprint(path)) {
		rc = tranship_fingerprint_open(path, &fp, err);
		if (rc == 0) {
			d->head.kind = fingerprint_head(fp)->kind;
			d->head.seeds[0] = fingerprint_head(fp)->seed;
		}
	} else {
		rc = tranship_file_open(path, 0, &file, err);
		if (rc == 0)
			rc = delta_open(file, 0, &delta, err);
		if (rc == 0) {
			d->head.kind = delta_head(delta)->kind;
			d->head.seeds[0] = delta_head(delta)->seeds[0];
		}
	}
	delta_close(delta);
	tranship_file_close(file);
	tranship_fingerprint_close(fp);
	return rc ? error_in_file(err, rc, path) : 0;
}

/* Hash and secret: those of the fingerprint that is at hand, of what it shall be like, or new ones.
 */
int diff_choose_lineage(struct diff *d, struct idgen *ids, struct tranship_error *err)
{
	const struct tranship_fingerprint *fp = d->was ? d->was : d->carry;
	const char *like = fp ? NULL : d->options->like;
	enum digest_kind wanted;
	int rc = digest_kind_parse(d->options->hash, &wanted, err);

	d->head.lineages = 1;
	d->head.kind = wanted;
	if (rc == 0 && fp) {
		d->head.kind = fingerprint_head(fp)->kind;
		d->head.seeds[0] = fingerprint_head(fp)->seed;
	} else if (rc == 0 && like) {
		rc = read_lineage(d, like, err);
	} else if (rc == 0 && wanted == DIGEST_XXH3) {
		rc = idgen_bytes(ids, &d->head.seeds[0], sizeof(d->head.seeds[0]), err);
	}
	if (rc == 0 && d->options->hash && wanted != d->head.kind)
		rc = error_set(err, TRANSHIP_EINVAL, "the lineage has the hash %s, not %s",
			       digest_kind_name(d->head.kind), digest_kind_name(wanted));
	return rc;
}

/* In blocks of the fingerprint, of 4 KiB, or of what the writer takes. */
int diff_choose_block(struct diff *d, struct tranship_error *err)
{
	uint32_t unit = d->sink.writer ? d->sink.writer->unit : 0;

	d->head.block_size = d->was ? fingerprint_head(d->was)->block_size : TRANSHIP_BLOCK_MIN;
	if (!d->was && unit > d->head.block_size)
		d->head.block_size = unit;
	if (unit == 0 || (unit <= TRANSHIP_BLOCK_MAX && d->head.block_size % unit == 0))
		return 0;
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "the output is written in units of %" PRIu32
			 " bytes, which what is compared does not come in",
			 unit);
}

/* The digests by which it is compared, and those of the new fingerprint. */
int diff_choose_digests(struct diff *d, struct tranship_error *err)
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

static bool same_file(const struct tranship_disk *a, const struct tranship_disk *b)
{
	return a->file_count > 0 && b->file_count > 0 && a->files[0].has_id && b->files[0].has_id &&
	       file_id_equal(&a->files[0].id, &b->files[0].id) && strcmp(a->format, b->format) == 0;
}

/*
 * Where the old disk is one of the parents of the new one, what the images above it hold is all
 * that can have changed; and some disks know by themselves what they have changed since another
 * one. Not where a fingerprint of all of it is wanted and there is none to go on from.
 */
int diff_derive_changes(struct diff *d, struct tranship_error *err)
{
	uint32_t i, count = tranship_disk_layer_count(d->target);
	bool carried = !d->options->fingerprint_out || d->carry;
	int rc;

	if (!d->old || d->options->changes || !carried)
		return 0;
	for (i = 1; i < count; i++)
		if (same_file(tranship_disk_layer(d->target, i), tranship_disk_layer(d->old, 0)))
			return tranship_changes_of_layers(d->target, i, &d->layers, err);
	if (!d->target->ops->changes_since)
		return 0;
	rc = d->target->ops->changes_since(d->target, d->old, &d->layers, err);
	return rc < 0 ? rc : 0;
}

void diff_describe_base(struct diff *d)
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
