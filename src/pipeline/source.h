/* SPDX-License-Identifier: Apache-2.0 */
/* Who a source is: whether what was read of it is still what it has. */
#ifndef PIPELINE_SOURCE_H
#define PIPELINE_SOURCE_H

#include "core/disk.h"

#define SOURCE_ID_TEXT 65U

/*
 * A digest of the disk's local files: device, inode, size, times of the last change of content and
 * of status. "" where the disk has other things than local files, of which nobody knows.
 */
int source_files_id(const struct tranship_disk *disk, char out[SOURCE_ID_TEXT],
		    struct tranship_error *err);

#endif
