/* SPDX-License-Identifier: Apache-2.0 */
/* What a chain is made of, for who puts one together. */
#ifndef CORE_CHAIN_INSIDE_H
#define CORE_CHAIN_INSIDE_H

#include "core/chain.h"

struct layer {
	struct tranship_disk *disk;
	uint32_t first_file; /* where its files begin among the chain's */
};

struct chain {
	struct tranship_disk disk;
	uint32_t count;
	struct layer *layers; /* the child first */
};

/* A chain without images that will read as `top` does. */
int chain_new(const struct tranship_disk *top, struct chain **out, struct tranship_error *err);
/* Adds the next parent; on failure it stays the caller's. */
int chain_add(struct chain *chain, struct tranship_disk *disk, struct tranship_error *err);
struct tranship_disk *chain_last(const struct chain *chain);
/* Gives up a chain, but not the first `keep` of its images. */
void chain_drop(struct chain *chain, uint32_t keep);

#endif
