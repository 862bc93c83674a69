// SPDX-License-Identifier: Apache-2.0
/* All names of a directory: those of the root, then block by block. */
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/ntfs_inside.h"

#include <stdlib.h>

typedef int list_fn(void *ctx, const char *name, uint64_t record, bool is_directory);

/* The names of one node. */
static int list_node(struct ntfs_entries *entries, list_fn *fn, void *ctx,
		     struct tranship_error *err)
{
	for (;;) {
		char name[NTFS_NAME_TEXT];
		struct ntfs_entry e;
		int rc = ntfs_entry_next(entries, &e, err);

		if (rc || e.last)
			return rc;
		/* The root directory has itself as ".". */
		if (e.name_space == NTFS_NAMESPACE_DOS ||
		    ntfs_reference_number(e.reference) == entries->directory)
			continue;
		text_from_utf16le(name, sizeof(name), e.name, e.name_units);
		rc = fn(ctx, name, e.reference, e.directory);
		if (rc)
			return rc;
	}
}

static int list_blocks(const struct ntfs *ntfs, struct ntfs_index *index, list_fn *fn, void *ctx,
		       struct tranship_error *err)
{
	unsigned char *block = malloc(index->block_size);
	struct ntfs_entries entries;
	uint64_t count, i;
	bool used;
	int rc;

	if (!block)
		return error_nomem(err, index->block_size);
	rc = ntfs_index_blocks(ntfs, index, &count, err);
	for (i = 0; rc == 0 && i < count; i++) {
		rc = ntfs_index_in_use(ntfs, index, i, &used, err);
		if (rc || !used)
			continue;
		rc = ntfs_index_block(ntfs, index, i * index->block_size / index->vcn_size, block,
				      &entries, err);
		if (rc == 0)
			rc = list_node(&entries, fn, ctx, err);
	}
	free(block);
	return rc;
}

int ntfs_list(struct ntfs_file *directory, list_fn *fn, void *ctx, struct tranship_error *err)
{
	struct ntfs_index *index = &directory->index;
	struct ntfs_entries entries;
	int rc;

	if (!directory->directory)
		return error_set(err, TRANSHIP_EINVAL, "ntfs: what is listed is no directory");
	rc = ntfs_index_root(index, &entries, err);
	if (rc == 0)
		rc = list_node(&entries, fn, ctx, err);
	if (rc == 0 && index->allocation.size > 0)
		rc = list_blocks(directory->ntfs, index, fn, ctx, err);
	return rc;
}
