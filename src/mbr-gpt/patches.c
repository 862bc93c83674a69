// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/patches.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void patches_init(struct patches *p, const struct tranship_disk *disk)
{
	*p = (struct patches){ .sector_size = tranship_disk_sector_size(disk),
			       .disk_size = tranship_disk_size(disk) };
}

void patches_free(struct patches *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		free(p->at[i].bytes);
	free(p->at);
	p->at = NULL;
	p->count = p->cap = 0;
}

size_t patches_find(const struct patches *p, uint64_t sector)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->at[middle].sector < sector)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes room for one more at index. */
static int grow(struct patches *p, size_t index, struct tranship_error *err)
{
	if (p->count == PATCHES_SECTORS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "boot: more than %u sectors would be replaced",
				 PATCHES_SECTORS_MAX);
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct patch *at = realloc(p->at, cap * sizeof(*at));

		if (!at)
			return error_nomem(err, cap * sizeof(*at));
		p->at = at;
		p->cap = cap;
	}
	memmove(p->at + index + 1, p->at + index, (p->count - index) * sizeof(*p->at));
	p->count++;
	return 0;
}

/* The patch of this sector; a new one has the disk's bytes, which are not read where `whole` says
 * that all of them will be replaced. */
static int patch_at(struct patches *p, struct tranship_disk *disk, uint64_t sector, bool whole,
		    struct patch **out, struct tranship_error *err)
{
	size_t index = patches_find(p, sector);
	unsigned char *bytes;
	int rc = 0;

	if (index < p->count && p->at[index].sector == sector) {
		*out = &p->at[index];
		return 0;
	}
	bytes = malloc(p->sector_size);
	if (!bytes)
		return error_nomem(err, p->sector_size);
	if (!whole)
		rc = tranship_disk_read(disk, NULL, sector * p->sector_size, bytes, p->sector_size,
					err);
	if (rc == 0)
		rc = grow(p, index, err);
	if (rc) {
		free(bytes);
		return rc;
	}
	p->at[index] = (struct patch){ sector, bytes, NULL };
	*out = &p->at[index];
	return 0;
}

int patches_put(struct patches *p, struct tranship_disk *disk, uint64_t off, const void *bytes,
		size_t len, const char *reason, struct tranship_error *err)
{
	uint64_t limit = p->disk_size - p->disk_size % p->sector_size;
	const unsigned char *from = bytes;

	if (!range_ok(off, len, limit))
		return error_set(err, TRANSHIP_EINVAL,
				 "boot: %zu bytes at %" PRIu64
				 " pass the disk's last sector (%" PRIu64 " bytes)",
				 len, off, limit);
	while (len > 0) {
		uint64_t within = off % p->sector_size;
		size_t piece = (size_t)min_u64(len, p->sector_size - within);
		struct patch *patch = NULL;
		int rc = patch_at(p, disk, off / p->sector_size, piece == p->sector_size, &patch,
				  err);

		if (rc)
			return rc;
		memcpy(patch->bytes + within, from, piece);
		patch->reason = reason;
		from += piece;
		off += piece;
		len -= piece;
	}
	return 0;
}

int patches_drop_equal(struct patches *p, struct tranship_disk *disk, struct tranship_error *err)
{
	unsigned char *old = malloc(p->sector_size);
	size_t i, kept = 0;
	int rc = 0;

	if (!old)
		return error_nomem(err, p->sector_size);
	for (i = 0; i < p->count; i++) {
		struct patch patch = p->at[i];

		if (rc == 0)
			rc = tranship_disk_read(disk, NULL, patch.sector * p->sector_size, old,
						p->sector_size, err);
		if (rc == 0 && memcmp(old, patch.bytes, p->sector_size) == 0)
			free(patch.bytes);
		else
			p->at[kept++] = patch;
	}
	p->count = kept;
	free(old);
	return rc;
}

void patches_lay_over(const struct patches *p, uint64_t off, unsigned char *buf, size_t len)
{
	uint64_t end = off + len;
	size_t i;

	for (i = patches_find(p, off / p->sector_size); i < p->count; i++) {
		uint64_t start = p->at[i].sector * p->sector_size;
		uint64_t from = max_u64(start, off), to = min_u64(start + p->sector_size, end);

		if (start >= end)
			break;
		memcpy(buf + (from - off), p->at[i].bytes + (from - start), to - from);
	}
}

int patches_copy(const struct patches *from, struct patches *to, struct tranship_error *err)
{
	size_t i;

	*to = (struct patches){ .sector_size = from->sector_size, .disk_size = from->disk_size };
	if (from->count == 0)
		return 0;
	to->at = calloc(from->count, sizeof(*to->at));
	if (!to->at)
		return error_nomem(err, from->count * sizeof(*to->at));
	to->cap = from->count;
	for (i = 0; i < from->count; i++) {
		unsigned char *bytes = malloc(from->sector_size);

		if (!bytes) {
			patches_free(to);
			return error_nomem(err, from->sector_size);
		}
		memcpy(bytes, from->at[i].bytes, from->sector_size);
		to->at[i] = (struct patch){ from->at[i].sector, bytes, from->at[i].reason };
		to->count++;
	}
	return 0;
}
