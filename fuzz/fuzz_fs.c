// SPDX-License-Identifier: Apache-2.0
/*
 * The input is how a volume differs from one with a sound file system (fs_input.h), its checksum
 * made right or not. Whatever a probe makes of it, it is the same each time, its texts are UTF-8,
 * and the disk that has it as its EFI system partition can be described.
 */
#include "harness.h"

#include "base/bytes.h"
#include "base/text.h"
#include "fs_input.h"
#include "image_fs.h"
#include "image_gpt.h"
#include "mbr-gpt/layout.h"
#include "sparse_disk.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 64, SECTORS = IMAGE_FS_SIZE / 512 };

static struct tranship_disk *disk_of(const uint8_t *data, size_t size)
{
	static const struct image_gpt_entry entry = { &gpt_type_esp, FIRST, FIRST + SECTORS - 1, 4,
						      "ESP" };
	static const struct image_gpt table = { .entries = &entry, .used = 1 };
	const struct image_fs *fs = &image_fs_list[data[FS_INPUT_OFF_KIND] % image_fs_count];
	struct tranship_disk *disk = sparse_disk((FIRST + SECTORS + 64) * 512ULL, 512);
	unsigned char *raw = image_fs_make(fs, IMAGE_FS_SIZE);
	size_t at = FS_INPUT_HEAD, len;

	if (!disk || !raw)
		abort();
	for (; size - at >= FS_INPUT_RECORD; at += len) {
		uint32_t off = get_le32(data + at) & 0xFFFFFF;

		len = data[at + 3];
		at += FS_INPUT_RECORD;
		len = len < size - at ? len : size - at;
		if (off < IMAGE_FS_SIZE && len <= IMAGE_FS_SIZE - off)
			memcpy(raw + off, data + at, len);
	}
	if ((data[FS_INPUT_OFF_FLAGS] & FS_INPUT_SUM) && fs->sum)
		fs->sum(raw, IMAGE_FS_SIZE);
	image_gpt_write(disk, &table);
	sparse_disk_write(disk, 0, "code", 4);
	sparse_disk_write(disk, FIRST * 512, raw, IMAGE_FS_SIZE);
	free(raw);
	return disk;
}

/* Valid UTF-8, in its room. */
static void require_text(const char *text, size_t cap)
{
	uint16_t units[FS_LABEL_TEXT];

	fuzz_require(strnlen(text, cap) < cap, "a text has an end");
	fuzz_require(text_to_utf16(units, FS_LABEL_TEXT, text) >= 0, "a text is UTF-8");
}

static void probe(struct tranship_disk *disk, struct fs_found *found)
{
	struct volume volume = { disk, NULL, FIRST * 512, IMAGE_FS_SIZE };

	fuzz_require(fs_probe(&volume, found, NULL) == 0, "a disk that can be read is probed");
	require_text(found->id, sizeof(found->id));
	require_text(found->label, sizeof(found->label));
	fuzz_require(*found->type || (!*found->id && !*found->label), "nothing has no name");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs_found found, again;
	const struct tranship_partition *p;
	struct tranship_layout *layout;
	struct tranship_disk *disk;
	uint32_t i;

	if (size < FS_INPUT_HEAD)
		return 0;
	disk = disk_of(data, size);
	probe(disk, &found);
	probe(disk, &again);
	fuzz_require(found.type == again.type && strcmp(found.id, again.id) == 0 &&
			     strcmp(found.label, again.label) == 0,
		     "it is the same each time");
	fuzz_require(tranship_layout_read(disk, &layout, NULL) == 0, "the disk can be described");
	p = tranship_layout_partition(layout, 0);
	fuzz_require(p && strcmp(p->fs, found.type) == 0 && strcmp(p->fs_label, found.label) == 0,
		     "as the probe did");
	for (i = 0; tranship_layout_note(layout, i); i++)
		fuzz_require(text_is_line(tranship_layout_note(layout, i), 255) ||
				     strlen(tranship_layout_note(layout, i)) > 255,
			     "a note is a line");
	tranship_layout_free(layout);
	tranship_disk_close(disk);
	return 0;
}
