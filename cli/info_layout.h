/* SPDX-License-Identifier: Apache-2.0 */
/* What `info` and `boot plan` say of the partitions of a disk. */
#ifndef CLI_INFO_LAYOUT_H
#define CLI_INFO_LAYOUT_H

#include "cli.h"

#include "tranship/boot.h"

/* NULL where there is nothing to say: no partition table and nothing odd about that, a disk that
 * needs its parent, one that comes from a pipe. One that cannot be read is warned of. */
struct tranship_layout *info_layout_read(struct tranship_disk *disk, const char *path, bool quiet);

json_t *info_layout_json(const struct tranship_layout *layout);
void info_layout_print(const struct tranship_layout *layout);
/* The same without the notes. */
void info_layout_print_tables(const struct tranship_layout *layout);

#endif
