/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections to one export: as many as there are threads that want one, up to a bound, one
 * where the server does not say that several see the same. What fails because a connection was lost
 * is done again on a new one, a bounded number of times; all requests are reads, so that is safe.
 * The export must be what it was: size, blocks, context.
 */
#ifndef NBD_NBD_POOL_H
#define NBD_NBD_POOL_H

#include "nbd/nbd_connection.h"

#include <pthread.h>

#define NBD_CONNECTIONS_MAX 64U
#define NBD_RECONNECTS_MAX 100U

struct nbd_pool {
	const struct nbd_target *target;
	struct nbd_facts facts; /* of the first connection */
	unsigned reconnects;    /* how often in a row, for one request */
	unsigned wanted;        /* connections at most */
	pthread_mutex_t lock;   /* of what follows */
	pthread_cond_t idle_again;
	unsigned limit; /* wanted, or less where the server took no more */
	unsigned open;  /* idle or not */
	unsigned idle_count;
	struct nbd_connection *idle[NBD_CONNECTIONS_MAX];
};

/* Makes the first connection, without trying again. `wanted` is 1 to NBD_CONNECTIONS_MAX; the
 * target must outlive the pool. Undone by nbd_pool_close, also after a failure. */
int nbd_pool_open(struct nbd_pool *pool, const struct nbd_target *target, unsigned wanted,
		  unsigned reconnects, struct tranship_error *err);
void nbd_pool_close(struct nbd_pool *pool);

/* A request; it may be done several times. */
typedef int nbd_request(struct nbd_connection *c, void *ctx, struct tranship_error *err);

/* Does it, from any thread. */
int nbd_pool_do(struct nbd_pool *pool, nbd_request *request, void *ctx, struct tranship_error *err);

#endif
