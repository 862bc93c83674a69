/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forward disk has taken from its pipe and nobody has read yet. One thread maps, which
 * pushes chunks in ascending order; any thread reads. A chunk's bytes go when the last of them was
 * read; that it was there is remembered for a while, so that a second read is refused and not
 * mistaken for a gap.
 */
#ifndef CORE_FORWARD_H
#define CORE_FORWARD_H

#include "tranship/error.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct forward_chunk {
	uint64_t off; /* [off, off + len) of the disk */
	uint64_t len;
	unsigned char *stored; /* its stored form, malloc'ed; NULL once it was read */
	size_t stored_len;
	uint64_t unread;
};

/* What a damaged stream should have had. It is never forgotten. */
struct forward_lost {
	uint64_t off;
	uint64_t len;
	uint64_t pos; /* where in the stream the damage begins */
};

struct forward {
	pthread_mutex_t lock;
	struct forward_chunk **chunks; /* ascending */
	size_t count, cap;
	struct forward_lost *lost; /* ascending */
	size_t lost_count, lost_cap;
	uint64_t floor; /* nothing is known about what lies before */
};

enum forward_kind {
	FORWARD_CHUNK, /* off lies in a chunk that is there */
	FORWARD_GAP,   /* off lies in none; the next one (or nothing) follows */
	FORWARD_GONE,  /* it was read before */
	FORWARD_LOST,  /* the stream is damaged there */
};

/* What is known about an offset. */
struct forward_place {
	enum forward_kind kind;
	const struct forward_chunk *chunk; /* that holds it; stays until its last byte is taken */
	uint64_t end; /* of the chunk, the gap or what is lost; UINT64_MAX for a gap before nothing
		       */
	uint64_t pos; /* FORWARD_LOST: where in the stream the damage begins */
};

void forward_init(struct forward *fw);
void forward_fini(struct forward *fw);

/* off is past all chunks before. Takes over `stored` in any case. */
int forward_push(struct forward *fw, uint64_t off, uint64_t len, unsigned char *stored,
		 size_t stored_len, struct tranship_error *err);

/* off is past all that was pushed before; pos is where in the stream the damage begins. */
int forward_push_lost(struct forward *fw, uint64_t off, uint64_t len, uint64_t pos,
		      struct tranship_error *err);

void forward_find(struct forward *fw, uint64_t off, struct forward_place *out);

/* len bytes of the chunk were read. */
void forward_take(struct forward *fw, const struct forward_chunk *chunk, uint64_t len);

/* What to say of FORWARD_GONE. */
int forward_gone(const char *format, uint64_t off, struct tranship_error *err);

#endif
