/* SPDX-License-Identifier: Apache-2.0 */
/* A delta and what it is applied to, for the tests of apply. */
#ifndef TESTS_UNIT_APPLY_SCENE_H
#define TESTS_UNIT_APPLY_SCENE_H

#include "chain_files.h"
#include "deltas.h"

#include <limits.h>
#include <sys/types.h>

#define KIB 1024U
#define MIB (1U << 20)
#define SIZE (96 * KIB + 512)

#define raw_kind (&target_kinds[0])
#define vhd_kind (&target_kinds[2])

/* Two versions of a disk, a delta between them, and a target that is the first. */
struct scene {
	char target[PATH_MAX], delta[PATH_MAX], journal[PATH_MAX], note[PATH_MAX];
	unsigned char *content[2];
	size_t sizes[2];
	const struct target_kind *kind;
	struct tranship_policy policy;
	struct tranship_open_options open;
	struct tranship_apply_options options;
	struct tranship_apply_result result;
	struct tranship_error err;
};

/* All of the file's bytes, to see later whether one changed. */
struct bytes {
	unsigned char *bytes;
	size_t size;
};

/* Changes of its content are made before scene_finish. */
void scene_begin(struct scene *s, const char *folder, const struct target_kind *kind,
		 size_t old_size, size_t new_size);
void scene_finish(struct scene *s);
void scene_set(struct scene *s, const char *folder, const struct target_kind *kind, size_t old_size,
	       size_t new_size);
void scene_end(struct scene *s);
int scene_apply(struct scene *s);
int scene_undo(struct scene *s);
void scene_expect(const struct scene *s, unsigned version);
bool is_there(const char *path);
void scene_expect_clean(const struct scene *s);
struct bytes bytes_of(const char *path);
void expect_same(const char *path, struct bytes *before);
/* Applies it on a medium that fails in the middle. */
void scene_leave_unfinished(struct scene *s);
void poke(const char *path, off_t at, unsigned char byte);
void place(char *out, const char *folder, const char *name);

#endif
