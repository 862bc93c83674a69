// SPDX-License-Identifier: Apache-2.0
/* What a point remembers of the plan through which its disk was read, and what follows from it for
 * the next run. */
#include "pipeline/replicate_inside.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "core/disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *target_word(enum tranship_boot_target target)
{
	return target == TRANSHIP_BOOT_BIOS_GPT ? "bios-gpt" : "bios-mbr";
}

static int check_plan(const struct tranship_disk *source, const struct tranship_boot_plan *plan,
		      struct tranship_error *err)
{
	const char *refusal = tranship_boot_plan_refusal(plan, 0);

	if (refusal)
		return error_set(err, TRANSHIP_EINVAL, "the boot plan is refused: %s", refusal);
	if (tranship_boot_plan_size(plan) != source->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "the boot plan is of a disk of %" PRIu64
				 " bytes, the source has %" PRIu64,
				 tranship_boot_plan_size(plan), source->size);
	return 0;
}

/* Extents `first` to `last` of the plan as one: from the begin of the first to the end of the last.
 * One alone keeps its digest. */
static int gather_extents(const struct tranship_boot_plan *plan, uint32_t first, uint32_t last,
			  struct manifest_boot_extent *out, struct tranship_error *err)
{
	struct tranship_boot_extent e = { 0 };
	struct sha256 *sha = NULL;
	uint32_t i;
	int rc = tranship_boot_plan_extent(plan, first, &e);

	*out = (struct manifest_boot_extent){ .off = e.off, .len = e.len };
	memcpy(out->digest, e.sha256, sizeof(out->digest));
	if (first == last)
		return rc;
	rc = rc ? rc : sha256_new(&sha, err);
	for (i = first; i <= last && rc == 0; i++) {
		unsigned char place[16];

		rc = tranship_boot_plan_extent(plan, i, &e);
		put_le64(place, e.off);
		put_le64(place + 8, e.len);
		if (rc == 0)
			rc = sha256_update(sha, place, sizeof(place), err);
		if (rc == 0)
			rc = sha256_update(sha, e.sha256, sizeof(e.sha256), err);
	}
	out->len = e.off + e.len - out->off;
	if (rc == 0)
		rc = sha256_final(sha, out->digest, err);
	sha256_free(sha);
	return rc;
}

/* The same plan is always remembered as the same extents. */
static int remember(const struct tranship_boot_plan *plan, struct manifest_boot **out,
		    struct tranship_error *err)
{
	uint32_t count = tranship_boot_plan_count(plan);
	uint32_t each = (uint32_t)div_up(count, MANIFEST_BOOT_EXTENTS_MAX);
	const char *digest = tranship_boot_plan_digest(plan);
	size_t n;
	int rc = manifest_boot_new(count ? (size_t)div_up(count, each) : 0, out, err);

	if (rc)
		return rc;
	snprintf((*out)->target, sizeof((*out)->target), "%s",
		 target_word(tranship_boot_plan_target(plan)));
	if (strlen(digest) != 2 * sizeof((*out)->digest) ||
	    !hex_parse(digest, (*out)->digest, sizeof((*out)->digest)))
		return error_set(err, TRANSHIP_EINVAL, "the boot plan has no digest");
	for (n = 0; n < (*out)->count && rc == 0; n++) {
		uint32_t first = (uint32_t)n * each;

		rc = gather_extents(plan, first, (uint32_t)min_u64(first + each, count) - 1,
				    &(*out)->extents[n], err);
	}
	return rc;
}

int replication_take_boot(struct replication *run, struct tranship_error *err)
{
	int rc;

	if (!run->o->boot)
		return 0;
	rc = check_plan(run->source, run->o->boot, err);
	return rc ? rc : remember(run->o->boot, &run->boot, err);
}

int replication_view(const struct replication *run, char **out, struct tranship_error *err)
{
	const char *view = run->o->source_view ? run->o->source_view : "";

	*out = NULL;
	if (!run->boot)
		*out = strdup(view);
	else if (asprintf(out, "%s\nboot %s", view, tranship_boot_plan_digest(run->o->boot)) < 0)
		*out = NULL;
	return *out ? 0 : error_nomem(err, strlen(view));
}

static bool same_extent(const struct manifest_boot_extent *a, const struct manifest_boot_extent *b)
{
	return a->off == b->off && a->len == b->len &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/* Those of `a` that `b` does not have just so; both ascend. */
static int add_missing(const struct manifest_boot *a, const struct manifest_boot *b,
		       struct tranship_changes *to, struct tranship_error *err)
{
	size_t count = b ? b->count : 0, at = 0, i;
	int rc = 0;

	for (i = 0; a && i < a->count && rc == 0; i++) {
		const struct manifest_boot_extent *e = &a->extents[i];

		while (at < count && b->extents[at].off < e->off)
			at++;
		if (at == count || !same_extent(e, &b->extents[at]))
			rc = tranship_changes_add(to, e->off, e->len, false, err);
	}
	return rc;
}

int replication_add_boot(const struct replication *run, struct tranship_changes *to,
			 struct tranship_error *err)
{
	int rc = add_missing(run->last.boot, run->boot, to, err);

	return rc ? rc : add_missing(run->boot, run->last.boot, to, err);
}
