/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a disk's files are as they were. */
#ifndef CORE_FILES_ID_H
#define CORE_FILES_ID_H

#include "base/buffer.h"
#include "core/disk.h"

#define FILES_ID_TEXT 65U

/*
 * A digest of the disk's local files: device, inode, size, times of the last change of content and
 * of status. "" where the disk has other things than local regular files, of which nobody knows: a
 * device keeps its name and its times while another disk comes to stand behind it.
 */
int files_id(const struct tranship_disk *disk, char out[FILES_ID_TEXT], struct tranship_error *err);

/* A digest of a text, in hexadecimal digits. */
int id_of_text(const struct buffer *text, char out[FILES_ID_TEXT], struct tranship_error *err);

#endif
