// SPDX-License-Identifier: Apache-2.0
/* How large an image would become: by writing it to an output that only counts. */
#include "core/format.h"
#include "tranship/copy.h"

int tranship_measure(struct tranship_disk *disk, const struct tranship_create_options *options,
		     struct tranship_measure *out, struct tranship_error *err)
{
	struct tranship_create_options mine = *options;
	struct tranship_writer *writer = NULL;
	int rc;

	*out = (struct tranship_measure){ 0 };
	if (disk && mine.size == 0)
		mine.size = disk->size;
	rc = create_counted(&mine, &writer, err);
	if (rc)
		return rc;
	out->fully_allocated = writer->ops->full_size(writer);
	if (disk)
		rc = tranship_copy(disk, writer, NULL, err);
	else
		rc = tranship_writer_zero(writer, 0, writer->size, err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	if (rc == 0 && writer->output)
		out->required = output_total(writer->output);
	tranship_writer_close(writer);
	return rc;
}
