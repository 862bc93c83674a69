// SPDX-License-Identifier: Apache-2.0
#include "core/forward.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* So many chunks that were read are remembered: far more than the runs that a copy has under way.
 */
#define REMEMBERED 8192U

void forward_init(struct forward *fw)
{
	*fw = (struct forward){ 0 };
	pthread_mutex_init(&fw->lock, NULL);
}

void forward_fini(struct forward *fw)
{
	size_t i;

	for (i = 0; i < fw->count; i++) {
		free(fw->chunks[i]->stored);
		free(fw->chunks[i]);
	}
	free(fw->chunks);
	free(fw->lost);
	pthread_mutex_destroy(&fw->lock);
}

/* Forgets the older half of the chunks, as far as they were read. */
static void forget(struct forward *fw)
{
	size_t n = 0;

	while (n < fw->count / 2 && !fw->chunks[n]->stored) {
		fw->floor = fw->chunks[n]->off + fw->chunks[n]->len;
		free(fw->chunks[n++]);
	}
	memmove(fw->chunks, fw->chunks + n, (fw->count - n) * sizeof(*fw->chunks));
	fw->count -= n;
}

static int make_room(struct forward *fw, struct tranship_error *err)
{
	size_t cap = fw->cap ? 2 * fw->cap : 64;
	struct forward_chunk **chunks;

	if (fw->count >= REMEMBERED)
		forget(fw);
	if (fw->count < fw->cap)
		return 0;
	chunks = realloc(fw->chunks, cap * sizeof(*chunks));
	if (!chunks)
		return error_nomem(err, cap * sizeof(*chunks));
	fw->chunks = chunks;
	fw->cap = cap;
	return 0;
}

int forward_push(struct forward *fw, uint64_t off, uint64_t len, unsigned char *stored,
		 size_t stored_len, struct tranship_error *err)
{
	struct forward_chunk *chunk = calloc(1, sizeof(*chunk));
	int rc;

	if (!chunk) {
		free(stored);
		return error_nomem(err, sizeof(*chunk));
	}
	*chunk = (struct forward_chunk){ off, len, stored, stored_len, len };
	pthread_mutex_lock(&fw->lock);
	rc = make_room(fw, err);
	if (rc == 0)
		fw->chunks[fw->count++] = chunk;
	pthread_mutex_unlock(&fw->lock);
	if (rc) {
		free(stored);
		free(chunk);
	}
	return rc;
}

int forward_push_lost(struct forward *fw, uint64_t off, uint64_t len, uint64_t pos,
		      struct tranship_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&fw->lock);
	if (fw->lost_count == fw->lost_cap) {
		size_t cap = fw->lost_cap ? 2 * fw->lost_cap : 16;
		struct forward_lost *lost = realloc(fw->lost, cap * sizeof(*lost));

		if (lost) {
			fw->lost = lost;
			fw->lost_cap = cap;
		} else {
			rc = error_nomem(err, cap * sizeof(*lost));
		}
	}
	if (rc == 0)
		fw->lost[fw->lost_count++] = (struct forward_lost){ off, len, pos };
	pthread_mutex_unlock(&fw->lock);
	return rc;
}

/* The first stretch of what is lost that ends behind off; NULL: none. */
static const struct forward_lost *lost_from(const struct forward *fw, uint64_t off)
{
	size_t low = 0, high = fw->lost_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fw->lost[mid].off + fw->lost[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < fw->lost_count ? &fw->lost[low] : NULL;
}

/* How many chunks begin at or before off. */
static size_t chunks_up_to(const struct forward *fw, uint64_t off)
{
	size_t low = 0, high = fw->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fw->chunks[mid]->off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void forward_find(struct forward *fw, uint64_t off, struct forward_place *out)
{
	const struct forward_lost *lost;
	size_t n;

	pthread_mutex_lock(&fw->lock);
	n = chunks_up_to(fw, off);
	lost = lost_from(fw, off);
	*out = (struct forward_place){ .kind = FORWARD_GAP };
	out->end = n < fw->count ? fw->chunks[n]->off : UINT64_MAX;
	if (n > 0 && off - fw->chunks[n - 1]->off < fw->chunks[n - 1]->len) {
		out->chunk = fw->chunks[n - 1];
		out->kind = out->chunk->stored ? FORWARD_CHUNK : FORWARD_GONE;
		out->end = out->chunk->off + out->chunk->len;
	} else if (lost && lost->off <= off) {
		out->kind = FORWARD_LOST;
		out->end = lost->off + lost->len;
		out->pos = lost->pos;
	} else if (off < fw->floor) {
		out->kind = FORWARD_GONE;
	}
	if (out->kind == FORWARD_GAP && lost && lost->off < out->end)
		out->end = lost->off;
	pthread_mutex_unlock(&fw->lock);
}

void forward_take(struct forward *fw, const struct forward_chunk *chunk, uint64_t len)
{
	struct forward_chunk *found;

	pthread_mutex_lock(&fw->lock);
	found = fw->chunks[chunks_up_to(fw, chunk->off) - 1];
	found->unread -= len < found->unread ? len : found->unread;
	if (found->unread == 0) {
		free(found->stored);
		found->stored = NULL;
	}
	pthread_mutex_unlock(&fw->lock);
}

int forward_gone(const char *format, uint64_t off, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EINVAL,
			 "%s: a stream is read once and in order, offset %" PRIu64 " is gone",
			 format, off);
}
