// SPDX-License-Identifier: Apache-2.0
/* What fingerprints and deltas share when they are made: their output, their version. */
#include "delta/fingerprint.h"

#include "base/error.h"
#include "tranship/image.h"

#include <string.h>

int secret_output_open(const char *path, unsigned create_flags, struct file_id *sources,
		       size_t source_count, struct output **out, struct tranship_error *err)
{
	const struct output_params params = { .path = path,
					      .no_clobber =
						      create_flags & TRANSHIP_CREATE_NO_CLOBBER,
					      .secret = true,
					      .sources = sources,
					      .source_count = source_count };
	int rc = output_open(&params, out, err);

	if (rc)
		return rc;
	if (output_is_in_place(*out)) {
		output_close(*out);
		*out = NULL;
		return error_set(err, TRANSHIP_EINVAL,
				 "it is a device: the end of this file is found by its length");
	}
	return 0;
}

int new_version_id(struct idgen *ids, char out[TRANSHIP_ID_MAX + 1], struct tranship_error *err)
{
	struct guid guid;
	int rc = idgen_guid_be(ids, &guid, err);

	if (rc)
		return rc;
	memset(out, 0, TRANSHIP_ID_MAX + 1);
	guid_text_be(&guid, out);
	return 0;
}
