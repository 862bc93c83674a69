/* SPDX-License-Identifier: Apache-2.0 */
/* A store in memory, disks made of pieces, and runs between them. Every run's point is read back by
 * way of its table and its slots, not as a disk, and compared byte by byte. */
#ifndef TESTS_UNIT_STORE_SCENE_H
#define TESTS_UNIT_STORE_SCENE_H

#include "memory_target.h"
#include "support.h"

#include "emit/manifest.h"
#include "tranship/pipeline.h"

/* A disk as a test knows it: a few pieces of bytes, zeros between them. */
#define SPARSE_PIECES 64U
struct sparse_disk {
	uint64_t size;
	size_t count;
	struct {
		uint64_t off;
		size_t len;
		unsigned char *bytes; /* malloc'ed */
	} pieces[SPARSE_PIECES];      /* ascending */
};
void sparse_free(struct sparse_disk *d);
void sparse_copy(const struct sparse_disk *from, struct sparse_disk *to);
/* Random bytes that compress a little; over what is there. */
void sparse_write(struct sparse_disk *d, struct rng *rng, uint64_t off, size_t len);
void sparse_zero(struct sparse_disk *d, uint64_t off, size_t len);
void sparse_read(const struct sparse_disk *d, uint64_t off, unsigned char *buf, size_t len);
/* As a raw disk to be read; `d` must outlive it. */
struct tranship_disk *sparse_open(const struct sparse_disk *d);

struct store_scene {
	struct target *target; /* the store's */
	struct tranship_store *store;
	struct rng rng;
};
void store_scene_begin(struct store_scene *s, bool encrypted, uint64_t slot_size);
void store_scene_end(struct store_scene *s);

/* A run; options NULL: disk "d". Fails the test unless it returns 0. */
void store_scene_run(struct store_scene *s, const struct sparse_disk *d,
		     const struct tranship_replicate_options *options,
		     struct tranship_replicate_result *result);
/* The same for one that is to fail. */
int store_scene_try(struct store_scene *s, const struct sparse_disk *d,
		    const struct tranship_replicate_options *options,
		    struct tranship_replicate_result *result, struct tranship_error *err);
/* The point has the bytes of the disk, its manifest's slots are those of its table. */
void store_scene_check(struct store_scene *s, const char *point, const struct sparse_disk *d);

#endif
