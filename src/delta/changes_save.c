// SPDX-License-Identifier: Apache-2.0
#include "io/output.h"
#include "tranship/changes.h"

static int append(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	struct tranship_file *file = ctx;

	return file_write(file, tranship_file_size(file), text, len, err);
}

int tranship_changes_save(const struct tranship_changes *changes, const char *path,
			  struct tranship_error *err)
{
	const struct output_params params = { .path = path };
	struct output *output = NULL;
	int rc = output_open(&params, &output, err);

	if (rc == 0)
		rc = tranship_changes_write(changes, append, output_main(output), err);
	if (rc == 0)
		rc = output_finish(output, err);
	output_close(output);
	return rc;
}
