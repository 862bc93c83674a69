/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_FILE_PART_H
#define IO_FILE_PART_H

#include "io/file.h"

/* Undoes tranship_file_part: the part is gone, the whole file is the caller's again. */
void file_part_release(struct tranship_file *part);

#endif
