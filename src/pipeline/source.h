/* SPDX-License-Identifier: Apache-2.0 */
/* Who a source is. */
#ifndef PIPELINE_SOURCE_H
#define PIPELINE_SOURCE_H

#include "core/files_id.h"

#define SOURCE_ID_TEXT FILES_ID_TEXT

/*
 * A digest of who the source is and how it is looked at: another member of an archive, or another
 * part of a file, is another disk in the same file. view: what the caller knows of that; may be
 * NULL. "" where identity is.
 */
int source_view_id(const struct tranship_disk *disk, const char *identity, const char *view,
		   char out[SOURCE_ID_TEXT], struct tranship_error *err);

#endif
