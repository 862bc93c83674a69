/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a disk, and the deltas between them. */
#ifndef TESTS_UNIT_HISTORY_H
#define TESTS_UNIT_HISTORY_H

#include "support.h"

#include "image_delta.h"

#define VERSIONS_MAX 40
#define BLOCK 4096U

/* Each delta leads to a version from the one before; in files of a folder. */
struct history {
	const char *folder;
	unsigned char *disks[VERSIONS_MAX];
	size_t sizes[VERSIONS_MAX];
	struct image_delta made[VERSIONS_MAX];
	char *deltas[VERSIONS_MAX]; /* deltas[i] leads from version i to i + 1 */
	size_t count;               /* of versions */
};

void history_begin(struct history *h, const char *folder, unsigned char *disk, size_t size);
void history_free(struct history *h);

/* Adds a version, which is taken over. Its delta has so many lineages, the first of this number. */
void history_add(struct history *h, unsigned char *disk, size_t size, enum digest_kind kind,
		 unsigned lineage, unsigned lineages);
/* Writes deltas[i] anew: one between these disks, described by `made`. */
void history_write(struct history *h, size_t i, const struct image_delta *made,
		   const unsigned char *base, const unsigned char *target);

/* A copy with another size; and what happens to the last version: fresh bytes, zeros, and what an
 * older one had there. */
unsigned char *history_copy(const unsigned char *bytes, size_t size, size_t new_size);
unsigned char *history_edited(struct rng *rng, const struct history *h, size_t new_size);

/* Fails unless the file is the delta from one version to the other, to the block. */
void history_check(const char *path, const struct history *h, size_t from, size_t to);
/* Merges deltas; and every run of the history's, each of which must be right. */
int history_merge(char *const *deltas, size_t count, const char *path,
		  const struct tranship_merge_options *options, struct tranship_error *err);
void history_merge_all(const struct history *h);

#endif
