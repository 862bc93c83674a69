// SPDX-License-Identifier: Apache-2.0
/*
 * The pages of ListChangedBlocks, or of ListSnapshotBlocks (what the snapshot has), of the EBS
 * direct APIs (docs.aws.amazon.com/ebs/latest/APIReference). All but the last one have a NextToken,
 * and block indexes ascend from page to page. A page may be short or empty and say that more
 * follow. A changed block without a token in the second snapshot is only in the first one (user
 * guide, "List blocks that are different between two snapshots"): it is zeros now. VolumeSize is
 * in GiB; an example of the user guide has bytes, which no number of GiB can be. `aws ebs` makes
 * one page of all of them.
 *
 * How large a block is may stand behind all blocks, so ranges are kept in blocks until the end.
 */
#include "base/checked.h"
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

#define EBS_BLOCK_MAX ((uint64_t)64 << 20)
#define EBS_GIB_MAX 65536U

/* No index is as high. */
#define EBS_INDEX_MAX (((uint64_t)EBS_GIB_MAX << 30) / 512)

enum list { CHANGED_BLOCKS, BLOCKS };

struct pages {
	uint64_t next; /* the lowest index that may follow */
	uint64_t block;
	uint64_t pages;
	bool changed; /* ChangedBlocks */
	bool more;    /* the last page has a token */
};

static int volume_size(const struct json_objects *j, uint64_t said, uint64_t *size,
		       struct tranship_error *err)
{
	uint64_t gib = (uint64_t)1 << 30;

	*size = said <= EBS_GIB_MAX ? said * gib : said;
	if (*size % gib != 0 || *size > EBS_GIB_MAX * gib)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " has a VolumeSize of %" PRIu64
				 ", neither GiB nor bytes",
				 j->count, said);
	return 0;
}

static int get_sizes(struct import *in, const struct json_objects *j, const json_t *page,
		     struct pages *p, struct tranship_error *err)
{
	uint64_t block, said, size;
	int rc = json_get_u64(j, page, "BlockSize", &block, err);

	if (rc == 0)
		rc = json_get_u64(j, page, "VolumeSize", &said, err);
	if (rc)
		return rc;
	if (!is_pow2(block) || block < 512 || block > EBS_BLOCK_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " has blocks of %" PRIu64 " bytes", j->count,
				 block);
	if (p->pages > 0 && p->block != block)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " has blocks of %" PRIu64
				 " bytes, the one before of %" PRIu64,
				 j->count, block, p->block);
	p->block = block;
	rc = volume_size(j, said, &size, err);
	return rc ? rc : import_size(in, size, err);
}

/* A token; *has: it is there and not empty. */
static int get_token(const struct json_objects *j, const json_t *object, const char *key, bool *has,
		     struct tranship_error *err)
{
	const json_t *token = json_object_get(object, key);
	char place[JSON_PLACE_MAX];

	*has = json_string_length(token) > 0;
	if (!token || json_is_null(token) || json_is_string(token))
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT, "ebs: %s: %s is no text", json_place(j, place),
			 key);
}

/* Whether a block of ChangedBlocks is in the second snapshot. */
static int get_tokens(const struct json_objects *j, const json_t *block, bool *second,
		      struct tranship_error *err)
{
	char place[JSON_PLACE_MAX];
	bool first;
	int rc = get_token(j, block, "SecondBlockToken", second, err);

	if (rc == 0)
		rc = get_token(j, block, "FirstBlockToken", &first, err);
	if (rc == 0 && !*second && !first)
		rc = error_set(err, TRANSHIP_ECORRUPT, "ebs: %s has no token",
			       json_place(j, place));
	return rc;
}

static int read_block(struct import *in, const struct json_objects *j, const json_t *block,
		      void *ctx, struct tranship_error *err)
{
	static const char *const known[] = { "BlockIndex", "BlockToken", "FirstBlockToken",
					     "SecondBlockToken", NULL };
	struct pages *p = ctx;
	char place[JSON_PLACE_MAX];
	bool there = true;
	uint64_t index;
	int rc = json_known(j, block, known, err);

	if (rc == 0)
		rc = json_get_u64(j, block, "BlockIndex", &index, err);
	if (rc)
		return rc;
	if (index < p->next)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: %s: block %" PRIu64 " does not come behind block %" PRIu64,
				 json_place(j, place), index, p->next - 1);
	if (index >= EBS_INDEX_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: %s: block %" PRIu64
				 " passes the end of the largest volume (block %" PRIu64 ")",
				 json_place(j, place), index, EBS_INDEX_MAX);
	if (j->list == CHANGED_BLOCKS)
		rc = get_tokens(j, block, &there, err);
	p->next = index + 1;
	return rc ? rc : ranges_heap_add(&in->heap, index, 1, there ? RANGE_DATA : RANGE_ZERO, err);
}

/* The answer to a request that failed. */
static const char *fault_of(const json_t *page)
{
	const char *text = json_string_value(json_object_get(page, "Message"));

	if (!text)
		text = json_string_value(json_object_get(page, "message"));
	return text ? text : json_string_value(json_object_get(page, "__type"));
}

/* Which list this is a page of. */
static int get_kind(const struct json_objects *j, const json_t *page, struct pages *p,
		    struct tranship_error *err)
{
	bool changed = json_object_get(page, "ChangedBlocks") != NULL;

	if (changed == (json_object_get(page, "Blocks") != NULL))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " has %s ChangedBlocks and Blocks", j->count,
				 changed ? "both" : "none of");
	if (p->pages > 0 && p->changed != changed)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " is of another list than those before",
				 j->count);
	p->changed = changed;
	if (!json_is_array(json_object_get(page, changed ? "ChangedBlocks" : "Blocks")))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 ": its blocks are no array", j->count);
	return 0;
}

static int check_end(const struct import *in, const struct json_objects *j, const struct pages *p,
		     struct tranship_error *err)
{
	/* A volume is of whole blocks. */
	if (p->next <= in->size / p->block)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ebs: page %" PRIu64 ": block %" PRIu64
			 " passes the end of the disk (%" PRIu64 ")",
			 j->count, p->next - 1, in->size);
}

static int read_page(struct import *in, const struct json_objects *j, const json_t *page, void *ctx,
		     struct tranship_error *err)
{
	static const char *const known[] = { "BlockSize",        "Blocks",    "ChangedBlocks",
					     "ExpiryTime",       "NextToken", "VolumeSize",
					     "ResponseMetadata", "$metadata", NULL };
	struct pages *p = ctx;
	int rc;

	if (!json_has(page, "BlockSize") && fault_of(page))
		return import_fault(in->unit, fault_of(page), err);
	rc = json_known(j, page, known, err);
	if (rc == 0 && p->pages > 0 && !p->more)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ebs: page %" PRIu64 " follows the one that was the last", j->count);
	if (rc == 0)
		rc = get_kind(j, page, p, err);
	if (rc == 0)
		rc = get_sizes(in, j, page, p, err);
	if (rc == 0)
		rc = check_end(in, j, p, err);
	if (rc == 0)
		rc = get_token(j, page, "NextToken", &p->more, err);
	p->pages++;
	return rc;
}

/* Blocks to bytes. */
static int scale(struct import *in, uint64_t block, struct tranship_error *err)
{
	struct ranges *set = &in->heap.set;
	int rc = ranges_heap_settle(&in->heap, err);
	size_t i;

	for (i = 0; rc == 0 && i < set->count; i++) {
		struct range *r = &set->at[i];

		*r = range_of(r->off * block, range_len(r) * block, range_kind(r));
	}
	return rc;
}

static int read_ebs(struct import *in, struct tranship_error *err)
{
	static const struct json_rules rules = {
		.lists = { [CHANGED_BLOCKS] = "ChangedBlocks", [BLOCKS] = "Blocks" },
		.item = read_block,
		.object = read_page,
	};
	struct pages p = { 0 };
	int rc = json_read(in, &rules, &p, NULL, err);

	if (rc == 0 && p.more)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ebs: page %" PRIu64 " has a NextToken, but no page follows",
			       p.pages);
	return rc ? rc : scale(in, p.block, err);
}

const struct import_kind import_ebs = { .name = "ebs", .read = read_ebs };
