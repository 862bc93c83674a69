// SPDX-License-Identifier: Apache-2.0
/*
 * Direct-mapped pages: a page has one slot it can be in, so there is no list to keep and nothing to
 * age. Tables are read nearly in order, which is what such a cache is best at. The tables of a huge
 * disk are mostly holes of the file: reading these would fill the system's page cache with zeros,
 * which takes longer than all else.
 */
#include "io/table_cache.h"

#include "base/checked.h"
#include "base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 4096U
#define DEFAULT_MEMORY (1U << 20)
#define EMPTY UINT64_MAX
/* Stretches of the file that are remembered: a walk goes through directories, tables and copies of
 * both in turns. */
#define KNOWN 4U

struct slot {
	uint64_t page; /* its number in the file, or EMPTY */
	unsigned char bytes[PAGE_SIZE];
};

struct table_cache {
	struct tranship_file *file;
	pthread_mutex_t lock;
	struct tranship_file_extent known[KNOWN]; /* of the file, which were asked for last */
	unsigned oldest;                          /* of these */
	size_t slots;
	struct slot slot[];
};

int table_cache_new(struct tranship_file *file, size_t memory, struct table_cache **out,
		    struct tranship_error *err)
{
	size_t slots = (memory ? memory : DEFAULT_MEMORY) / PAGE_SIZE;
	struct table_cache *cache;
	size_t i;

	*out = NULL;
	slots = slots > 0 ? slots : 1;
	/* No more slots than the file has pages: small images take little. */
	slots = (size_t)min_u64(slots, div_up(tranship_file_size(file), PAGE_SIZE) + 1);
	cache = malloc(sizeof(*cache) + slots * sizeof(cache->slot[0]));
	if (!cache)
		return error_nomem(err, slots * sizeof(cache->slot[0]));
	cache->file = file;
	memset(cache->known, 0, sizeof(cache->known));
	cache->oldest = 0;
	cache->slots = slots;
	for (i = 0; i < slots; i++)
		cache->slot[i].page = EMPTY;
	pthread_mutex_init(&cache->lock, NULL);
	*out = cache;
	return 0;
}

void table_cache_free(struct table_cache *cache)
{
	if (!cache)
		return;
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

void table_cache_forget(struct table_cache *cache, uint64_t off, uint64_t len)
{
	size_t i;

	for (i = 0; i < cache->slots; i++)
		if (cache->slot[i].page != EMPTY && cache->slot[i].page >= off / PAGE_SIZE &&
		    cache->slot[i].page * PAGE_SIZE < off + len)
			cache->slot[i].page = EMPTY;
	memset(cache->known, 0, sizeof(cache->known));
}

static bool find_known(struct table_cache *cache, uint64_t off, struct tranship_file_extent *out)
{
	unsigned i;
	bool found = false;

	pthread_mutex_lock(&cache->lock);
	for (i = 0; i < KNOWN && !found; i++) {
		*out = cache->known[i];
		found = off >= out->off && off - out->off < out->len;
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

bool table_cache_is_hole(struct table_cache *cache, uint64_t off, uint64_t len)
{
	struct tranship_file_extent e;

	if (!find_known(cache, off, &e)) {
		if (tranship_file_map(cache->file, off, &e, NULL))
			return false;
		pthread_mutex_lock(&cache->lock);
		cache->known[cache->oldest] = e;
		cache->oldest = (cache->oldest + 1) % KNOWN;
		pthread_mutex_unlock(&cache->lock);
	}
	return e.hole && range_ok(off - e.off, len, e.len);
}

/* Reads a page outside the lock; two threads that miss at once both read it, which does no harm. */
static int fill(struct table_cache *cache, uint64_t page, size_t skip, void *buf, size_t len,
		struct tranship_error *err)
{
	struct slot *slot = &cache->slot[page % cache->slots];
	unsigned char bytes[PAGE_SIZE] = { 0 };
	uint64_t off = page * PAGE_SIZE;
	size_t have = (size_t)min_u64(PAGE_SIZE, tranship_file_size(cache->file) - off);
	int rc;

	if (table_cache_is_hole(cache, off, have)) {
		memset(buf, 0, len);
		return 0;
	}
	rc = tranship_file_read(cache->file, off, bytes, have, err);
	if (rc)
		return rc;
	memcpy(buf, bytes + skip, len);
	pthread_mutex_lock(&cache->lock);
	memcpy(slot->bytes, bytes, PAGE_SIZE);
	slot->page = page;
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

int table_cache_read(struct table_cache *cache, uint64_t off, void *buf, size_t len,
		     struct tranship_error *err)
{
	unsigned char *to = buf;

	if (!range_ok(off, len, tranship_file_size(cache->file))) /* the file's own words for it */
		return tranship_file_read(cache->file, off, buf, len, err);
	while (len > 0) {
		uint64_t page = off / PAGE_SIZE;
		size_t skip = (size_t)(off % PAGE_SIZE);
		size_t n = (size_t)min_u64(len, PAGE_SIZE - skip);
		struct slot *slot = &cache->slot[page % cache->slots];
		bool hit;

		pthread_mutex_lock(&cache->lock);
		hit = slot->page == page;
		if (hit)
			memcpy(to, slot->bytes + skip, n);
		pthread_mutex_unlock(&cache->lock);
		if (!hit) {
			int rc = fill(cache, page, skip, to, n, err);

			if (rc)
				return rc;
		}
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}
