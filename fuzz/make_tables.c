// SPDX-License-Identifier: Apache-2.0
/* Seeds of fuzz_gpt: small tables, so that all of one fits into a few sectors. */
#include "make_tables.h"

#include "base/bytes.h"
#include "image_gpt.h"
#include "mbr-gpt/gpt.h"
#include "sparse_disk.h"
#include "tables_input.h"

#include <stdlib.h>
#include <string.h>

static const struct image_gpt_entry entries[] = {
	{ &gpt_type_esp, 40, 99, 0, "EFI" },
	{ &gpt_type_linux, 100, 400, 0, "root" },
};

/* Saves so many sectors of the start and of the end. */
static void save_disk(make_tables_save *save, const char *name, struct tranship_disk *disk,
		      uint32_t start, uint32_t end)
{
	uint32_t sector_size = tranship_disk_sector_size(disk);
	uint64_t size = tranship_disk_size(disk);
	size_t start_len = (size_t)start * sector_size, end_len = (size_t)end * sector_size;
	unsigned char *out = malloc(TABLES_HEAD + start_len + end_len);

	if (!out)
		abort();
	out[TABLES_OFF_FLAGS] = TABLES_FLAG_SUM | (sector_size == 4096 ? TABLES_FLAG_4K : 0);
	put_le32(out + TABLES_OFF_SECTORS, (uint32_t)(size / sector_size));
	put_le32(out + TABLES_OFF_START, (uint32_t)start_len);
	sparse_disk_read(disk, 0, out + TABLES_HEAD, start_len);
	sparse_disk_read(disk, size - end_len, out + TABLES_HEAD + start_len, end_len);
	save("gpt", name, out, TABLES_HEAD + start_len + end_len);
	free(out);
	tranship_disk_close(disk);
}

static struct tranship_disk *gpt_disk(uint64_t sectors, uint32_t sector_size, uint32_t entry_size)
{
	struct image_gpt image = {
		.entries = entries, .used = 2, .count = 4, .entry_size = entry_size
	};
	struct tranship_disk *disk = sparse_disk(sectors * sector_size, sector_size);

	if (!disk)
		abort();
	image_gpt_write(disk, &image);
	return disk;
}

static struct tranship_disk *mbr_disk(void)
{
	struct tranship_disk *disk = sparse_disk(4096 * 512, 512);

	if (!disk)
		abort();
	image_mbr_entry(disk, 0, 0, 0x80, 7, 100, 100);
	image_mbr_entry(disk, 0, 1, 0, 0x0F, 1, 50);
	image_mbr_entry(disk, 1, 0, 0, 0x83, 10, 10);
	image_mbr_entry(disk, 1, 1, 0, 5, 1, 10);
	image_mbr_entry(disk, 2, 0, 0, 0x83, 20, 10);
	image_mbr_entry(disk, 2, 1, 0, 5, 2, 10);
	image_mbr_entry(disk, 3, 0, 0, 0x82, 30, 10);
	return disk;
}

void make_tables(make_tables_save *save)
{
	struct tranship_disk *disk;

	save_disk(save, "gpt", gpt_disk(1000, 512, 128), 3, 2);
	save_disk(save, "gpt-4k", gpt_disk(1000, 4096, 128), 3, 2);
	save_disk(save, "gpt-large-entries", gpt_disk(1000, 512, 256), 4, 3);
	save_disk(save, "gpt-large-disk", gpt_disk(UINT32_MAX, 512, 128), 3, 2);
	save_disk(save, "gpt-backup-only", gpt_disk(1000, 512, 128), 0, 2);
	disk = gpt_disk(500, 512, 128);
	sparse_disk_resize(disk, 501 * 512);
	save_disk(save, "gpt-grown", disk, 3, 3);
	disk = gpt_disk(1000, 512, 128);
	image_mbr_entry(disk, 0, 1, 0, 0x83, 100, 301);
	save_disk(save, "gpt-hybrid", disk, 3, 2);
	save_disk(save, "mbr-logical", mbr_disk(), 4, 0);
}
