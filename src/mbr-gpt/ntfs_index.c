// SPDX-License-Identifier: Apache-2.0
/*
 * The index of a directory: a B+ tree whose root stands in the file record ($INDEX_ROOT) and whose
 * other nodes are blocks of $INDEX_ALLOCATION, those that $BITMAP has as in use. A look-up goes
 * down the tree and has a limit of levels; who lists a directory goes through the blocks in their
 * order instead, so that a tree with a loop in it has no loop for him.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	ROOT_OFF_TYPE = 0,
	ROOT_OFF_COLLATION = 4,
	ROOT_OFF_BLOCK_SIZE = 8,
	COLLATION_FILE_NAME = 1,

	BLOCK_OFF_VCN = 16,
};

static int bad_index(const struct ntfs_index *index, const char *what, uint64_t value,
		     struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "ntfs: directory %" PRIu64 ": %s (%" PRIu64 ")",
			 index->directory, what, value);
}

static int decode_root(const struct ntfs *ntfs, struct ntfs_index *index,
		       struct tranship_error *err)
{
	const unsigned char *raw = index->root.value;

	if (!index->root.opened || !index->root.resident)
		return bad_index(index, "it has no index root", index->root.size, err);
	if (index->root.size < NTFS_INDEX_ROOT_HEAD + NTFS_INDEX_HEADER)
		return bad_index(index, "its index root is too short", index->root.size, err);
	if (get_le32(raw + ROOT_OFF_TYPE) != NTFS_FILE_NAME ||
	    get_le32(raw + ROOT_OFF_COLLATION) != COLLATION_FILE_NAME)
		return bad_index(index, "its index is not one of file names",
				 get_le32(raw + ROOT_OFF_TYPE), err);
	index->block_size = get_le32(raw + ROOT_OFF_BLOCK_SIZE);
	if (!is_pow2(index->block_size) || index->block_size < NTFS_BLOCK_MIN ||
	    index->block_size > NTFS_BLOCK_MAX)
		return bad_index(index, "its index blocks have an impossible size",
				 index->block_size, err);
	index->vcn_size =
		index->block_size < ntfs->g.cluster_size ? NTFS_STRIDE : ntfs->g.cluster_size;
	return 0;
}

int ntfs_index_open(struct ntfs *ntfs, const struct ntfs_node *node, struct ntfs_index *out,
		    struct tranship_error *err)
{
	static const char name[] = "$I30";
	int rc;

	*out = (struct ntfs_index){ .directory = node->record.number };
	rc = ntfs_stream_open(ntfs, node, NTFS_INDEX_ROOT, name, &out->root, err);
	if (rc == 0)
		rc = ntfs_stream_open(ntfs, node, NTFS_INDEX_ALLOCATION, name, &out->allocation,
				      err);
	if (rc == 0)
		rc = ntfs_stream_open(ntfs, node, NTFS_BITMAP, name, &out->bitmap, err);
	if (rc == 0)
		rc = decode_root(ntfs, out, err);
	if (rc)
		ntfs_index_close(out);
	return rc;
}

void ntfs_index_close(struct ntfs_index *index)
{
	ntfs_stream_close(&index->root);
	ntfs_stream_close(&index->allocation);
	ntfs_stream_close(&index->bitmap);
}

int ntfs_index_root(const struct ntfs_index *index, struct ntfs_entries *out,
		    struct tranship_error *err)
{
	return ntfs_entries_decode(index->root.value + NTFS_INDEX_ROOT_HEAD,
				   (size_t)index->root.size - NTFS_INDEX_ROOT_HEAD,
				   index->directory, out, err);
}

int ntfs_index_blocks(const struct ntfs *ntfs, const struct ntfs_index *index, uint64_t *count,
		      struct tranship_error *err)
{
	uint64_t size = index->allocation.size;

	*count = size / index->block_size;
	/* Blocks are never sparse, so they have room on the volume. */
	if (size > ntfs->g.clusters * ntfs->g.cluster_size)
		return bad_index(index, "its index is larger than the volume", size, err);
	if (*count > NTFS_INDEX_BLOCKS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "ntfs: directory %" PRIu64 ": %" PRIu64
				 " index blocks; %u are read at most",
				 index->directory, *count, (unsigned)NTFS_INDEX_BLOCKS_MAX);
	return 0;
}

int ntfs_index_in_use(const struct ntfs *ntfs, struct ntfs_index *index, uint64_t block, bool *used,
		      struct tranship_error *err)
{
	unsigned char bits = 0;
	int rc = 0;

	if (block / 8 < index->bitmap.size)
		rc = ntfs_stream_read(ntfs, &index->bitmap, block / 8, &bits, 1, err);
	*used = bits >> block % 8 & 1;
	return rc;
}

int ntfs_index_block(const struct ntfs *ntfs, struct ntfs_index *index, uint64_t vcn,
		     unsigned char *block, struct ntfs_entries *out, struct tranship_error *err)
{
	uint64_t off;
	bool used;
	int rc;

	if (!mul_ok(vcn, index->vcn_size, &off) || off % index->block_size != 0 ||
	    !range_ok(off, index->block_size, index->allocation.size))
		return bad_index(index, "it refers to a block that is not in its index", vcn, err);
	rc = ntfs_index_in_use(ntfs, index, off / index->block_size, &used, err);
	if (rc)
		return rc;
	if (!used)
		return bad_index(index, "it refers to a block that is not in use", vcn, err);
	rc = ntfs_stream_read(ntfs, &index->allocation, off, block, index->block_size, err);
	if (rc == 0)
		rc = ntfs_fixup(block, index->block_size, "INDX", "index block", vcn, err);
	if (rc)
		return rc;
	if (get_le64(block + BLOCK_OFF_VCN) != vcn)
		return bad_index(index, "a block is another one than it should be, by its VCN",
				 get_le64(block + BLOCK_OFF_VCN), err);
	return ntfs_entries_decode(block + NTFS_INDEX_BLOCK_HEAD,
				   index->block_size - NTFS_INDEX_BLOCK_HEAD, index->directory, out,
				   err);
}

/* As NTFS sorts file names, but that names that differ in case only are equal. */
static int collate(const struct ntfs *ntfs, const uint16_t *name, unsigned units,
		   const struct ntfs_entry *e)
{
	unsigned i;

	for (i = 0; i < units && i < e->name_units; i++) {
		uint16_t a = ntfs->upcase[name[i]];
		uint16_t b = ntfs->upcase[get_le16(e->name + 2 * (size_t)i)];

		if (a != b)
			return a < b ? -1 : 1;
	}
	return units < e->name_units ? -1 : units > e->name_units;
}

/* Goes through a node to where the name is, or to where it would be: *child is the way on from
 * there, if there is one. 1: found. */
static int find_in_node(const struct ntfs *ntfs, struct ntfs_entries *entries, const uint16_t *name,
			unsigned units, struct ntfs_entry *e, struct tranship_error *err)
{
	for (;;) {
		int order, rc = ntfs_entry_next(entries, e, err);

		if (rc)
			return rc;
		order = e->last ? -1 : collate(ntfs, name, units, e);
		if (order == 0)
			return 1;
		if (order < 0)
			return 0;
	}
}

int ntfs_index_find(const struct ntfs *ntfs, struct ntfs_index *index, const uint16_t *name,
		    unsigned units, bool *found, uint64_t *reference, struct tranship_error *err)
{
	unsigned char *block = NULL;
	struct ntfs_entries entries;
	struct ntfs_entry e = { 0 };
	unsigned depth;
	int rc;

	*found = false;
	rc = ntfs_index_root(index, &entries, err);
	for (depth = 1; rc == 0; depth++) {
		rc = find_in_node(ntfs, &entries, name, units, &e, err);
		if (rc || !e.has_child)
			break;
		if (depth == NTFS_INDEX_DEPTH_MAX) {
			rc = bad_index(index, "its index has too many levels, or a loop", depth,
				       err);
			break;
		}
		if (!block)
			block = malloc(index->block_size);
		rc = block ? ntfs_index_block(ntfs, index, e.child_vcn, block, &entries, err)
			   : error_nomem(err, index->block_size);
	}
	if (rc == 1) {
		*found = true;
		*reference = e.reference;
		rc = 0;
	}
	free(block);
	return rc;
}
