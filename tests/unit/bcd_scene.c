// SPDX-License-Identifier: Apache-2.0
#include "bcd_scene.h"

#include "support.h"

#include <stdio.h>
#include <string.h>

static void take(char *all, size_t cap, const char *sentence)
{
	size_t len = strlen(all);

	assert_true(strncmp(sentence, "bcd: ", 5) == 0);
	snprintf(all + len, cap - len, "%s\n", sentence);
}

void bcd_take_note(void *ctx, const char *sentence)
{
	struct bcd_told *told = ctx;

	told->notes++;
	take(told->note, sizeof(told->note), sentence);
}

void bcd_take_fault(void *ctx, const char *sentence)
{
	struct bcd_told *told = ctx;

	told->faults++;
	take(told->fault, sizeof(told->fault), sentence);
}

void bcd_count_note(void *ctx, const char *sentence)
{
	struct bcd_told *told = ctx;

	(void)sentence;
	told->notes++;
}

void bcd_scene_begin(struct bcd_scene *s, bool bios)
{
	memset(s, 0, sizeof(*s));
	s->bcd = image_bcd_defaults();
	s->bcd.bios = bios;
	s->bcd.vhd = true;
	image_bcd_tree(&s->bcd, &s->image);
	s->partitions[0] = (struct bcd_partition){ s->bcd.esp.id, s->bcd.esp.off };
	s->partitions[1] = (struct bcd_partition){ s->bcd.windows.id, s->bcd.windows.off };
	s->partitions[2] = (struct bcd_partition){ s->bcd.recovery.id, s->bcd.recovery.off };
	s->disk = (struct bcd_disk){ s->bcd.disk, s->bcd.signature, s->partitions, 3 };
}

void bcd_scene_open(struct bcd_scene *s)
{
	struct tranship_error err = { 0 };

	s->file.len = 0;
	hive_image_build(&s->image, &s->file);
	s->memory = (struct regf_memory){ s->file.bytes, s->file.len };
	s->store = regf_store_memory(&s->memory);
	assert_ok(regf_open(&s->store, &s->hive, &err), &err);
}

void bcd_scene_close(struct bcd_scene *s)
{
	hive_image_free(&s->image);
	buffer_free(&s->file);
}

void bcd_scene_convert(struct bcd_scene *s)
{
	struct tranship_error err = { 0 };

	memset(&s->told, 0, sizeof(s->told));
	assert_ok(bcd_to_bios(&s->hive, &s->disk, bcd_take_note, &s->told, &s->report, &err), &err);
	assert_ok(regf_check(&s->hive, &err), &err);
}
