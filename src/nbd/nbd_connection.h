/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to an export, for one thread at a time. libnbd speaks the protocol; its
 * asynchronous calls are used because they let a wait end: a server that says nothing for the
 * target's time is taken for lost.
 */
#ifndef NBD_NBD_CONNECTION_H
#define NBD_NBD_CONNECTION_H

#include "nbd/nbd_url.h"

#include <stddef.h>

/* What connections are made to; belongs to whoever makes them. */
struct nbd_target {
	struct nbd_url url;
	const char *context; /* the metadata context that is asked for */
	unsigned silence_ms; /* so long a server may say nothing; 0: any time */
};

/* What a server says of the export. */
struct nbd_facts {
	uint64_t size;
	uint32_t min_block; /* offsets and lengths are its multiples: a power of two to 64 KiB */
	uint32_t preferred_block; /* 0: it does not say */
	uint32_t max_payload;     /* of one read, a multiple of min_block */
	bool has_context;
	bool multi_conn; /* several connections see the same */
	bool read_only;
};

struct nbd_connection;

/*
 * TRANSHIP_EIO: there is no server or no such export, or it did not go on; TRANSHIP_EUNSUPPORTED,
 * TRANSHIP_ECORRUPT: what it says of the export.
 */
int nbd_connection_open(const struct nbd_target *target, struct nbd_connection **out,
			struct nbd_facts *facts, struct tranship_error *err);
/* NULL is accepted. Nothing is waited for. */
void nbd_connection_close(struct nbd_connection *c);

/* Whether it can be used no more. After a failed request: false is the server's answer to it. */
bool nbd_connection_lost(const struct nbd_connection *c);

/* One request: aligned, and at most facts.max_payload. */
int nbd_connection_read(struct nbd_connection *c, uint64_t off, void *buf, size_t len,
			struct tranship_error *err);

/*
 * Block status of the target's context from off on, aligned; len at most NBD_STATUS_MAX. `take` is
 * called once, with pairs of length and flags, as the server sent them; nonzero fails the request.
 */
#define NBD_STATUS_MAX 0xFFFF0000U
typedef int nbd_take_status(void *ctx, const uint32_t *entries, size_t pairs);
int nbd_connection_status(struct nbd_connection *c, uint64_t off, uint64_t len,
			  nbd_take_status *take, void *ctx, struct tranship_error *err);

#endif
