/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gc must leave alone: the slots that points name, that the base points of live leases name
 * where prune took those out of the list, and those of live writers. docs/formats/store.md,
 * "Writers and gc", says why this is enough.
 */
#ifndef EMIT_GC_NAMES_H
#define EMIT_GC_NAMES_H

#include "emit/block_index.h"
#include "emit/lease.h"
#include "emit/manifest.h"

struct gc_names {
	int64_t now; /* server's clock, before anything was read */
	struct slot_set *points;
	struct slot_set *bases; /* and not in `points` */
	struct lease_info *live;
	size_t live_count;
	unsigned char (*dead)[WRITER_ID_SIZE]; /* writers of leases older than twice the grace */
	size_t dead_count;
	/* The base point of a live lease that is nowhere: what it names is not known, so nothing
	 * may be marked or deleted. "": there is none. */
	char lost_base[64];
};

/*
 * Leases younger than `grace` seconds are live. pruned: manifests that prune put aside less than
 * that ago count as bases, too. A manifest or lease that cannot be read is an error.
 */
int gc_names_read(struct tranship_store *store, uint64_t grace, bool pruned, struct gc_names *out,
		  struct tranship_error *err);
void gc_names_free(struct gc_names *names);

bool gc_names_has(const struct gc_names *names, const struct slot_id *id);
/* Whether a live lease names this point as its base. */
bool gc_names_has_base(const struct gc_names *names, const char *point);

#endif
