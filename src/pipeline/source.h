/* SPDX-License-Identifier: Apache-2.0 */
/* Who a source is: whether what was read of it is still what it has. */
#ifndef PIPELINE_SOURCE_H
#define PIPELINE_SOURCE_H

#include "core/disk.h"

#define SOURCE_ID_TEXT 65U

/*
 * A digest of the disk's local files: device, inode, size, times of the last change of content and
 * of status. "" where the disk has other things than local regular files, of which nobody knows: a
 * device keeps its name and its times while another disk comes to stand behind it.
 */
int source_files_id(const struct tranship_disk *disk, char out[SOURCE_ID_TEXT],
		    struct tranship_error *err);

/*
 * A digest of who the source is and how it is looked at: another member of an archive, or another
 * part of a file, is another disk in the same file. view: what the caller knows of that; may be
 * NULL. "" where identity is.
 */
int source_view_id(const struct tranship_disk *disk, const char *identity, const char *view,
		   char out[SOURCE_ID_TEXT], struct tranship_error *err);

#endif
