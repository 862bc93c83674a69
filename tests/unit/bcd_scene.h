/* SPDX-License-Identifier: Apache-2.0 */
/* Boot configuration data in memory, and what is told of it. For cmocka. */
#ifndef TESTS_UNIT_BCD_SCENE_H
#define TESTS_UNIT_BCD_SCENE_H

#include "image_bcd.h"
#include "mbr-gpt/bcd.h"

/* What was told. */
struct bcd_told {
	unsigned notes, faults;
	char note[4000], fault[4000]; /* all, a line each */
};

struct bcd_scene {
	struct image_bcd bcd;
	struct hive_image image;
	struct buffer file;
	struct regf_memory memory;
	struct regf_store store;
	struct regf hive;
	struct bcd_partition partitions[3];
	struct bcd_disk disk;
	struct bcd_report report;
	struct bcd_told told;
};

/* Takers of sentences, for a struct bcd_told. */
void bcd_take_note(void *ctx, const char *sentence);
void bcd_take_fault(void *ctx, const char *sentence);
/* Only counts. */
void bcd_count_note(void *ctx, const char *sentence);

/* The tree with an entry of a virtual disk, which may be changed before it is opened; the disk has
 * its three partitions. */
void bcd_scene_begin(struct bcd_scene *s, bool bios);
/* Builds the tree, and opens it. May be called again after changes. */
void bcd_scene_open(struct bcd_scene *s);
void bcd_scene_close(struct bcd_scene *s);
/* Converts the hive, which must work; s->report, s->told. */
void bcd_scene_convert(struct bcd_scene *s);

#endif
