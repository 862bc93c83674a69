/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of any size and sector size in memory, that holds only what was written. */
#ifndef TESTS_UNIT_SPARSE_DISK_H
#define TESTS_UNIT_SPARSE_DISK_H

#include "tranship/disk.h"

#include <stdint.h>

struct patches;

/* NULL: no memory. */
struct tranship_disk *sparse_disk(uint64_t size, uint32_t sector_size);

/* Both only for such disks, and for ranges inside of them; they abort where memory ends. */
void sparse_disk_write(struct tranship_disk *disk, uint64_t off, const void *bytes, size_t len);
void sparse_disk_patch(struct tranship_disk *disk, const struct patches *patches);
/* Bytes of the disk, to look at or to change. */
void sparse_disk_read(struct tranship_disk *disk, uint64_t off, void *buf, size_t len);
/* A disk with the same content. */
struct tranship_disk *sparse_disk_copy(struct tranship_disk *disk);
/* Ends the disk here; what stood behind is forgotten. Or makes it longer. */
void sparse_disk_resize(struct tranship_disk *disk, uint64_t size);

#endif
