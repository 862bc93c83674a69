/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a FAT32 volume and the places of its clusters. */
#ifndef MBR_GPT_FAT_TABLE_H
#define MBR_GPT_FAT_TABLE_H

#include "mbr-gpt/fat_ondisk.h"

#define FAT_PAGE 16384U /* bytes of the table that are read at once */
#define FAT_NO_PAGE UINT64_MAX

static inline bool fat_is_cluster(const struct fat *fat, uint32_t cluster)
{
	return cluster >= FAT_FIRST && cluster - FAT_FIRST < fat->clusters;
}

/* Where a cluster stands in the volume. */
static inline uint64_t fat_cluster_off(const struct fat *fat, uint32_t cluster)
{
	return fat->data_off + (uint64_t)(cluster - FAT_FIRST) * fat->cluster_size;
}

/* Where a copy of the table stands in the volume. */
static inline uint64_t fat_table_off(const struct fat *fat, uint32_t copy)
{
	return (fat->reserved_sectors + (uint64_t)copy * fat->fat_sectors) * fat->sector_size;
}

/* All 32 bits of an entry (0 to clusters + 1) of the active table. */
int fat_table_get(struct fat *fat, uint32_t cluster, uint32_t *value, struct tranship_error *err);

/* Whether the chain of a file has the clusters that its size needs, without a loop among them. A
 * longer one is left alone. */
int fat_check_chain(struct fat *fat, const struct fat_entry *file, struct tranship_error *err);

#endif
