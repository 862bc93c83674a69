// SPDX-License-Identifier: Apache-2.0
#include "delta/delta_file.h"

#include <stdio.h>

static void fill(const struct delta *d, struct tranship_delta_info *out)
{
	const struct delta_head *head = delta_head(d);
	const struct delta_end *end = delta_end(d);

	*out = (struct tranship_delta_info){
		.base_size = head->base_size,
		.target_size = head->target_size,
		.sector_size = head->sector_size,
		.block_size = head->block_size,
		.records = end->records,
		.data = end->data,
		.zero = end->zero,
		.file_size = end->size,
	};
	snprintf(out->hash, sizeof(out->hash), "%s", digest_kind_name(head->kind));
	snprintf(out->base_id, sizeof(out->base_id), "%s", head->base_id);
	snprintf(out->target_id, sizeof(out->target_id), "%s", head->target_id);
	snprintf(out->base_format, sizeof(out->base_format), "%s", head->base_format);
}

int tranship_delta_inspect(const char *path, bool verify, struct tranship_delta_info *out,
			   struct tranship_error *err)
{
	struct tranship_file *file;
	struct delta *d = NULL;
	int rc = tranship_file_open(path, 0, &file, err);

	if (rc)
		return rc;
	rc = delta_open(file, 0, &d, err);
	if (rc == 0 && verify)
		rc = delta_verify(d, NULL, NULL, err);
	if (rc == 0)
		fill(d, out);
	delta_close(d);
	tranship_file_close(file);
	return rc;
}
