// SPDX-License-Identifier: Apache-2.0
/* File records by their references. */
#include "base/error.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>

int ntfs_record_read(struct ntfs *ntfs, uint64_t reference, struct ntfs_record *out,
		     struct tranship_error *err)
{
	uint64_t number = ntfs_reference_number(reference);
	unsigned sequence = ntfs_reference_sequence(reference);
	uint32_t size = ntfs->g.record_size;
	int rc;

	if (number >= ntfs->mft.size / size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64 "; the MFT has %" PRIu64, number,
				 ntfs->mft.size / size);
	out->number = number;
	rc = ntfs_stream_read(ntfs, &ntfs->mft, number * size, out->raw, size, err);
	if (rc == 0)
		rc = ntfs_record_decode(out, size, err);
	if (rc)
		return rc;
	if (!out->in_use)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64 " is referred to, and not in use",
				 number);
	if (sequence != 0 && sequence != out->sequence)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64
				 " is referred to with sequence number %u, and has %u",
				 number, sequence, out->sequence);
	return 0;
}

int ntfs_node_open(struct ntfs *ntfs, uint64_t reference, struct ntfs_node *out,
		   struct tranship_error *err)
{
	int rc;

	out->list = NULL;
	out->list_len = 0;
	rc = ntfs_record_read(ntfs, reference, &out->record, err);
	if (rc)
		return rc;
	if (out->record.base != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64
				 " is no file: it belongs to record %" PRIu64,
				 out->record.number, ntfs_reference_number(out->record.base));
	return ntfs_attribute_list_load(ntfs, out, err);
}

void ntfs_node_close(struct ntfs_node *node)
{
	free(node->list);
	node->list = NULL;
}
