// SPDX-License-Identifier: Apache-2.0
/*
 * Whether there is room for a delta, looked at before anything is begun. It is an estimate: what
 * falls on a hole needs room, what replaces something does not, and others use the file system as
 * well.
 */
#include "base/checked.h"
#include "base/error.h"
#include "delta/apply_inside.h"

#include <errno.h>
#include <inttypes.h>

/* For the note, tables, and journals of transactions. */
#define MARGIN ((uint64_t)1 << 20)

struct counting {
	struct apply *a;
	struct delta *delta;
	uint64_t absent; /* bytes of data for which the image has no place yet */
	uint64_t zeros;  /* that replace zeros which it has: these may be a hole of its file */
};

/* [off, end) becomes data and was zeros. */
static int count_run(struct counting *c, uint64_t off, uint64_t end, struct tranship_error *err)
{
	struct tranship_disk *disk = c->a->target.disk;
	int rc = 0;

	if (end > disk->size) {
		c->absent += end - max_u64(off, disk->size);
		end = disk->size;
	}
	while (rc == 0 && off < end) {
		struct tranship_extent extent;
		uint64_t n;

		rc = tranship_disk_map(disk, off, &extent, err);
		n = rc ? 0 : min_u64(extent.len, end - off);
		if (rc == 0 && extent.kind == TRANSHIP_DATA)
			c->zeros += n;
		else
			c->absent += n;
		off += n;
	}
	return rc;
}

static int count_record(struct counting *c, const struct record *r, struct tranship_error *err)
{
	const struct record_rule *rule = delta_record_rule(c->delta);
	const struct digester *digester = delta_digester(c->delta, r->head.lineage);
	const unsigned char *old = r->old_digests;
	uint64_t unit = rule->block_size;
	uint32_t i, block, first;
	int rc = 0;

	for (i = 0; i < r->head.pieces; i++) {
		const struct record_piece *p = &r->pieces[i];

		for (block = 0; rc == 0 && block < p->blocks; block++) {
			for (first = block; block < p->blocks; block++)
				if (!digest_is_zero(digester, old + block * rule->digest_size))
					break;
			if (p->kind == RECORD_DATA && block > first)
				rc = count_run(c, p->off + first * unit, p->off + block * unit,
					       err);
		}
		old += p->blocks * rule->digest_size;
	}
	return rc;
}

static int count_new(struct apply *a, struct delta *delta, uint64_t *out,
		     struct tranship_error *err)
{
	struct counting c = { .a = a, .delta = delta };
	struct record r = { 0 };
	uint64_t at = 0, where, holes = 0;
	size_t i;
	int rc;

	while ((rc = delta_find(delta, at, &r, &where, err)) == 1) {
		at = r.head.end;
		rc = count_record(&c, &r, err);
		if (rc)
			break;
	}
	record_free(&r);
	for (i = 0; rc == 0 && i < a->target.edits.count; i++) {
		struct medium_info info;

		rc = edit_info(a->target.edits.edits[i], &info, err);
		if (rc == 0 && info.size > info.allocated)
			holes += info.size - info.allocated;
	}
	*out = c.absent + min_u64(c.zeros, holes);
	return rc;
}

int apply_check_room(struct apply *a, struct delta *delta, struct tranship_error *err)
{
	const struct medium *m = a->journal.medium;
	uint64_t need = 0, copy = delta_end(delta)->size;
	struct medium_info target, journal;
	int rc = edit_info(apply_main_edit(a), &target, err);

	if (rc == 0 && m->ops->info(m->ctx, a->journal.file, &journal))
		return error_sys(err, EIO, "fstat of the journal failed");
	if (rc || apply_is_device(a))
		return rc;
	rc = count_new(a, delta, &need, err);
	if (rc || need == 0)
		return rc;
	need += MARGIN + (target.dev == journal.dev ? copy : 0);
	if (need <= target.room)
		return 0;
	return error_sys(err, ENOSPC,
			 "about %" PRIu64 " bytes of room are needed, for what the target gets "
			 "that it had not and for the journal, and %" PRIu64
			 " are left; nothing was changed",
			 need, target.room);
}
