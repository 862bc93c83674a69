// SPDX-License-Identifier: Apache-2.0
/*
 * The pages of ListChangedBlocks, or of ListSnapshotBlocks (what the snapshot has), of the EBS
 * direct APIs (docs.aws.amazon.com/ebs/latest/APIReference). All but the last one have a NextToken,
 * and block indexes ascend from page to page. A page may be short or empty and say that more
 * follow. A changed block without a token in the second snapshot is only in the first one (user
 * guide, "List blocks that are different between two snapshots"): it is zeros now. VolumeSize is
 * in GiB; an example of the user guide has bytes, which no number of GiB can be.
 */
#include "base/checked.h"
#include "base/error.h"
#include "delta/import.h"

#include <inttypes.h>
#include <string.h>

#define EBS_BLOCK_MAX ((uint64_t)64 << 20)
#define EBS_GIB_MAX 65536U

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

static bool has_token(const json_t *object, const char *key)
{
	const char *token = json_string_value(json_object_get(object, key));

	return token && *token;
}

static int read_block(struct import *in, const struct json_objects *j, const json_t *block,
		      struct pages *p, struct tranship_error *err)
{
	bool gone = p->changed && !has_token(block, "SecondBlockToken");
	uint64_t index;
	int rc = json_get_u64(j, block, "BlockIndex", &index, err);

	if (rc)
		return rc;
	if (index < p->next)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 ": block %" PRIu64
				 " does not come behind block %" PRIu64,
				 j->count, index, p->next - 1);
	if (gone && !has_token(block, "FirstBlockToken"))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 ": block %" PRIu64 " has no token", j->count,
				 index);
	p->next = index + 1;
	return import_blocks(in, index, index, 1, p->block, gone, err);
}

/* The answer to a request that failed. */
static const char *fault_of(const json_t *page)
{
	const char *text = json_string_value(json_object_get(page, "Message"));

	if (!text)
		text = json_string_value(json_object_get(page, "message"));
	return text ? text : json_string_value(json_object_get(page, "__type"));
}

static int get_blocks(const struct json_objects *j, const json_t *page, struct pages *p,
		      json_t **blocks, struct tranship_error *err)
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
	*blocks = json_object_get(page, changed ? "ChangedBlocks" : "Blocks");
	if (!json_is_array(*blocks))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 ": its blocks are no array", j->count);
	return 0;
}

static int read_page(struct import *in, const struct json_objects *j, const json_t *page, void *ctx,
		     struct tranship_error *err)
{
	struct pages *p = ctx;
	const json_t *token = json_object_get(page, "NextToken");
	json_t *blocks = NULL;
	size_t i;
	int rc;

	if (!json_has(page, "BlockSize") && fault_of(page))
		return import_fault(in->unit, fault_of(page), err);
	if (p->pages > 0 && !p->more)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ebs: page %" PRIu64 " follows the one that was the last",
				 j->count);
	rc = get_blocks(j, page, p, &blocks, err);
	if (rc == 0)
		rc = get_sizes(in, j, page, p, err);
	for (i = 0; rc == 0 && i < json_array_size(blocks); i++)
		rc = read_block(in, j, json_array_get(blocks, i), p, err);
	if (rc == 0 && token && !json_is_null(token) && !json_is_string(token))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ebs: page %" PRIu64 ": NextToken is no text", j->count);
	p->more = has_token(page, "NextToken");
	p->pages++;
	return rc;
}

static int read_ebs(struct import *in, struct tranship_error *err)
{
	struct pages p = { 0 };
	int rc = json_read(in, false, read_page, &p, NULL, err);

	if (rc == 0 && p.more)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ebs: page %" PRIu64 " has a NextToken, but no page follows",
			       p.pages);
	return rc;
}

const struct import_kind import_ebs = { .name = "ebs", .read = read_ebs };
