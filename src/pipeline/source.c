// SPDX-License-Identifier: Apache-2.0
#include "pipeline/source.h"

#include "base/buffer.h"

int source_view_id(const struct tranship_disk *disk, const char *identity, const char *view,
		   char out[SOURCE_ID_TEXT], struct tranship_error *err)
{
	struct buffer text = { 0 };
	int rc;

	out[0] = '\0';
	if (!*identity)
		return 0;
	rc = buffer_printf(&text, err, "%s\n%s %u\n%s\n", identity, disk->format,
			   (unsigned)disk->sector_size, view ? view : "");
	if (rc == 0)
		rc = id_of_text(&text, out, err);
	buffer_free(&text);
	return rc;
}
