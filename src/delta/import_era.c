// SPDX-License-Identifier: Apache-2.0
/*
 * `era_invalidate --written-since N` of a dm-era device (thin-provisioning-tools,
 * src/era/invalidate.rs): <blocks> with <range begin= end=>, whose end is exclusive, and <block
 * block=>. How large a block is stands elsewhere. Version 1.3.2 and older of the tool in Rust
 * forgets blocks where no writeset is left; nothing in the list shows that.
 */
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

struct era {
	struct import *in;
	uint64_t ranges;
	uint64_t documents;
};

static int read_range(struct era *e, const struct xml_attributes *attr, struct tranship_error *err)
{
	bool has_begin, has_end = false;
	uint64_t begin = 0, end = 0;
	int rc = xml_attribute("era", attr, "begin", &begin, &has_begin, err);

	if (rc == 0)
		rc = xml_attribute("era", attr, "end", &end, &has_end, err);
	if (rc)
		return rc;
	if (!has_begin || !has_end || end <= begin)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "era: range %" PRIu64 " lacks begin or end, or is empty",
				 e->ranges);
	return import_blocks(e->in, e->ranges, begin, end - begin, e->in->options->block_size,
			     false, err);
}

static int read_block(struct era *e, const struct xml_attributes *attr, struct tranship_error *err)
{
	bool found;
	uint64_t block = 0;
	int rc = xml_attribute("era", attr, "block", &block, &found, err);

	if (rc)
		return rc;
	if (!found)
		return error_set(err, TRANSHIP_ECORRUPT, "era: range %" PRIu64 " names no block",
				 e->ranges);
	return import_blocks(e->in, e->ranges, block, 1, e->in->options->block_size, false, err);
}

static int on_start(void *ctx, const struct xml_place *place, const struct xml_attributes *attr,
		    struct tranship_error *err)
{
	struct era *e = ctx;

	if (place->depth == 1 && is(place->name, "blocks") && e->documents == 0)
		return 0;
	if (place->depth != 2)
		return error_set(err, TRANSHIP_ECORRUPT, "era: this is no list of blocks");
	e->ranges++;
	if (is(place->name, "range"))
		return read_range(e, attr, err);
	if (is(place->name, "block"))
		return read_block(e, attr, err);
	return xml_unknown("era", place, err);
}

static int on_end(void *ctx, const struct xml_place *place, const char *text,
		  struct tranship_error *err)
{
	(void)ctx, (void)place, (void)text, (void)err;
	return 0;
}

static int on_closed(void *ctx, struct tranship_error *err)
{
	struct era *e = ctx;

	(void)err;
	e->documents++;
	return 0;
}

static int read_era(struct import *in, struct tranship_error *err)
{
	static const struct xml_rules rules = { on_start, on_end, on_closed };
	struct era e = { .in = in };

	return xml_read(&in->text, &rules, &e, err);
}

const struct import_kind import_era = {
	.name = "era", .needs_size = true, .needs_block = true, .read = read_era
};
