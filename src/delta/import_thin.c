// SPDX-License-Identifier: Apache-2.0
/*
 * `thin_delta` between two volumes of a dm-thin pool (thin-provisioning-tools,
 * src/thin/delta_visitor.rs): <superblock data_block_size=> with a <diff> of <same>, <different>,
 * <left_only> and <right_only>, in blocks of the volumes. The left one is the older. With --verbose
 * each of them has <range>s inside instead of saying begin and length itself.
 *
 * What only the older one has (left_only) reads as zeros now, unless the volume has an external
 * origin, of which the list says nothing: so it is a change like others, not zeros.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

/* data_block_size counts sectors; the pool allows 64 KiB to 1 GiB. */
#define SECTOR 512U
#define BLOCK_SECTORS_MAX ((uint64_t)1 << 21)

struct thin {
	struct import *in;
	uint64_t block;
	uint64_t ranges, diffs, documents;
	bool changed; /* what the element that is open says of its ranges */
	bool empty;   /* it has said no range yet */
};

static int start_superblock(struct thin *t, const struct xml_attributes *attr,
			    struct tranship_error *err)
{
	bool found;
	uint64_t sectors = 0;
	int rc = xml_attribute("thin", attr, "data_block_size", &sectors, &found, err);

	if (rc)
		return rc;
	if (!found || sectors == 0 || sectors > BLOCK_SECTORS_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "thin: data_block_size is %s (%" PRIu64 ", at most %" PRIu64
				 " sectors)",
				 found ? "out of range" : "missing", sectors, BLOCK_SECTORS_MAX);
	t->block = sectors * SECTOR;
	return 0;
}

/* Takes begin and length, which `must` be there. */
static int take_range(struct thin *t, const struct xml_attributes *attr, bool must,
		      struct tranship_error *err)
{
	bool has_begin, has_length = false;
	uint64_t begin = 0, length = 0;
	int rc = xml_attribute("thin", attr, "begin", &begin, &has_begin, err);

	if (rc == 0)
		rc = xml_attribute("thin", attr, "length", &length, &has_length, err);
	if (rc)
		return rc;
	t->ranges++;
	if (!has_begin && !has_length && !must)
		return 0;
	if (!has_begin || !has_length || length == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "thin: range %" PRIu64 " lacks begin or length, or is empty",
				 t->ranges);
	t->empty = false;
	if (!t->changed)
		return 0;
	return import_blocks(t->in, t->ranges, begin, length, t->block, false, err);
}

static int start_kind(struct thin *t, const struct xml_place *place,
		      const struct xml_attributes *attr, struct tranship_error *err)
{
	const char *name = place->name;

	t->changed = !is(name, "same");
	t->empty = true;
	if (t->changed && !is(name, "different") && !is(name, "left_only") &&
	    !is(name, "right_only"))
		return xml_unknown("thin", place, err);
	return take_range(t, attr, false, err);
}

static int on_start(void *ctx, const struct xml_place *place, const struct xml_attributes *attr,
		    struct tranship_error *err)
{
	struct thin *t = ctx;

	if (place->depth == 1 && is(place->name, "superblock") && t->documents == 0)
		return start_superblock(t, attr, err);
	if (place->depth == 2 && is(place->name, "diff")) {
		t->diffs++;
		if (t->diffs == 1)
			return 0;
	}
	if (place->depth == 3)
		return start_kind(t, place, attr, err);
	if (place->depth == 4 && is(place->name, "range"))
		return take_range(t, attr, true, err);
	return error_set(err, TRANSHIP_ECORRUPT, "thin: this is no output of thin_delta");
}

static int on_end(void *ctx, const struct xml_place *place, const char *text,
		  struct tranship_error *err)
{
	struct thin *t = ctx;

	(void)text;
	if (place->depth == 3 && t->empty)
		return error_set(err, TRANSHIP_ECORRUPT, "thin: range %" PRIu64 " is of nothing",
				 t->ranges);
	return 0;
}

static int on_closed(void *ctx, struct tranship_error *err)
{
	struct thin *t = ctx;

	t->documents++;
	if (t->diffs == 0)
		return error_set(err, TRANSHIP_ECORRUPT, "thin: the list has no diff");
	return 0;
}

static int read_thin(struct import *in, struct tranship_error *err)
{
	static const struct xml_rules rules = { on_start, on_end, on_closed };
	struct thin t = { .in = in };

	return xml_read(&in->text, &rules, &t, err);
}

const struct import_kind import_thin = { .name = "thin", .needs_size = true, .read = read_thin };
