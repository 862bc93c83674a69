/* SPDX-License-Identifier: Apache-2.0 */
/* A small FAT32 volume within a disk, open, with patches over it. */
#ifndef TESTS_UNIT_FAT_SCENE_H
#define TESTS_UNIT_FAT_SCENE_H

#include "faulty.h"
#include "image_fat.h"
#include "support.h"

#include "mbr-gpt/fat.h"

/* Where the volume begins, in bytes of the disk. */
#define FAT_SCENE_OFF 1536U

struct fat_scene {
	struct image_fat image;
	struct faults faults; /* of the disk's reads */
	struct tranship_disk *disk;
	struct patches patches;
	struct fat fat;
	struct tranship_error err;
};

/* A filled volume, not open yet: the test may change it. image NULL: the defaults. */
void fat_scene_make(struct fat_scene *s, const struct image_fat *image);
/* Opens it; what fat_open says. Close it in any case. */
int fat_scene_open(struct fat_scene *s);
void fat_scene_close(struct fat_scene *s);

/* fat_find and fat_read_all; 1: it is not there. *out is malloc'ed. */
int fat_scene_read(struct fat_scene *s, const char *path, unsigned char **out, size_t *len);
/* Fails unless it has the bytes of image_fat_byte(cluster). */
void fat_scene_expect(struct fat_scene *s, const char *path, uint32_t cluster, size_t len);
int fat_scene_put(struct fat_scene *s, const char *path, const void *bytes, size_t len);
/* The entry of a table as it is through the patches. */
uint32_t fat_scene_entry(struct fat_scene *s, uint32_t copy, uint32_t cluster);
/* Four bytes at an offset of the volume. */
uint32_t fat_scene_word(struct fat_scene *s, uint64_t off);

#endif
