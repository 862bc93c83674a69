/* SPDX-License-Identifier: Apache-2.0 */
/* An open store. Constant once it is open, but for its target and slots, which guard themselves. */
#ifndef EMIT_STORE_INSIDE_H
#define EMIT_STORE_INSIDE_H

#include "emit/seal.h"
#include "emit/slot.h"
#include "emit/target.h"
#include "tranship/store.h"

/* The blocks of all stores: what EBS takes. Changes are kept in units of them. */
#define STORE_BLOCK (512U << 10)
#define STORE_UNIT (64U << 10)
#define STORE_BLOCK_UNITS (STORE_BLOCK / STORE_UNIT)

struct tranship_store {
	struct target *target;
	struct store_keys keys;
	char id[40]; /* the store's id as a UUID */
	uint32_t slot_size;
	struct slots *slots;
	char *cache_folder; /* for what can be built again; NULL: nowhere */
	tranship_warn_fn *warn;
	void *warn_ctx;
};

/* The same over a target, which stays the caller's. */
int store_init_target(struct target *t, const struct tranship_store_init_options *options,
		      struct tranship_error *err);
/* Takes the target over on success. */
int store_open_target(struct target *t, const struct tranship_store_options *options,
		      struct tranship_store **out, struct tranship_error *err);

/* What store->cache_folder is, malloc'ed, or NULL. wanted: tranship_store_options.cache. */
int store_cache_name(const char *wanted, const char *id, char **out, struct tranship_error *err);
/* Makes store->cache_folder, which is not NULL, with the folders above it, mode 0700. */
int store_cache_make(const struct tranship_store *store, struct tranship_error *err);

#endif
