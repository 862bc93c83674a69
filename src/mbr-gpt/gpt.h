/* SPDX-License-Identifier: Apache-2.0 */
/* The GUID partition table (UEFI specification 2.10, section 5.3): as much of it as a copy must
 * know. */
#ifndef MBR_GPT_GPT_H
#define MBR_GPT_GPT_H

#include "tranship/disk.h"

/*
 * Whether the disk has a valid primary GPT header whose backup would not stand in the last sector
 * of a disk of new_size bytes; then a sentence about it goes to message. A disk that cannot be read
 * has none.
 */
bool gpt_backup_misplaced(struct tranship_disk *disk, uint64_t new_size, char *message, size_t cap);

#endif
