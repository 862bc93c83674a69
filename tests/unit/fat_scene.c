// SPDX-License-Identifier: Apache-2.0
#include "fat_scene.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void fat_scene_make(struct fat_scene *s, const struct image_fat *image)
{
	*s = (struct fat_scene){ .image = image ? *image : image_fat_defaults() };
	assert_int_equal(image_fat_new(&s->image), 0);
	image_fat_fill(&s->image);
}

int fat_scene_open(struct fat_scene *s)
{
	struct tranship_open_options raw = { .format = "raw" };
	size_t size = FAT_SCENE_OFF + s->image.size + 700;
	unsigned char *bytes = calloc(1, size);
	struct volume volume;
	struct tranship_file *file;

	assert_non_null(bytes);
	memcpy(bytes + FAT_SCENE_OFF, s->image.bytes, s->image.size);
	file = faulty_over(file_of(bytes, size), &s->faults);
	free(bytes);
	assert_non_null(file);
	assert_ok(tranship_open_file(file, &raw, &s->disk, &s->err), &s->err);
	patches_init(&s->patches, s->disk);
	volume = (struct volume){ s->disk, &s->patches, FAT_SCENE_OFF, s->image.size };
	atomic_store(&s->faults.reads, 0);
	return fat_open(&volume, &s->fat, &s->err);
}

void fat_scene_close(struct fat_scene *s)
{
	fat_close(&s->fat);
	patches_free(&s->patches);
	tranship_disk_close(s->disk);
	free(s->image.bytes);
}

int fat_scene_read(struct fat_scene *s, const char *path, unsigned char **out, size_t *len)
{
	struct fat_entry file;
	bool found;
	int rc = fat_find(&s->fat, path, &found, &file, &s->err);

	*out = NULL;
	if (rc || !found)
		return rc ? rc : 1;
	*len = file.size;
	return fat_read_all(&s->fat, &file, SIZE_MAX, out, &s->err);
}

void fat_scene_expect(struct fat_scene *s, const char *path, uint32_t cluster, size_t len)
{
	unsigned char *bytes;
	size_t got, i;

	assert_ok(fat_scene_read(s, path, &bytes, &got), &s->err);
	assert_int_equal(got, len);
	for (i = 0; i < len; i++)
		assert_int_equal(bytes[i], image_fat_byte(cluster, i));
	free(bytes);
}

int fat_scene_put(struct fat_scene *s, const char *path, const void *bytes, size_t len)
{
	return fat_put(&s->fat, &s->patches, path, FAT_ATTR_ARCHIVE, bytes, len, "a test", &s->err);
}

uint32_t fat_scene_word(struct fat_scene *s, uint64_t off)
{
	unsigned char raw[4];

	assert_ok(volume_read(&s->fat.volume, off, raw, sizeof(raw), &s->err), &s->err);
	return get_le32(raw);
}

uint32_t fat_scene_entry(struct fat_scene *s, uint32_t copy, uint32_t cluster)
{
	unsigned char *at = image_fat_table(&s->image, copy) + (size_t)cluster * 4;

	return fat_scene_word(s, (uint64_t)(at - s->image.bytes));
}
