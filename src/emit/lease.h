/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: what a writer puts before anything else and renews, so that gc leaves alone what the
 * writer made (slots whose id begins with the writer's) and what its base point names. The object
 * is leases/WRITER, WRITER 16 hexadecimal digits; its age is by the server's clock.
 */
#ifndef EMIT_LEASE_H
#define EMIT_LEASE_H

#include "emit/store_inside.h"

#define WRITER_ID_SIZE 8U

struct lease {
	struct tranship_store *store;
	unsigned char writer[WRITER_ID_SIZE];
	char base[64];       /* the id of its base point; "": none */
	int64_t renewed;     /* server's clock, when it was put last */
	double renewed_here; /* this machine's CLOCK_BOOTTIME at that, in seconds */
	uint64_t grace;      /* seconds */
};

/* Puts it. writer: of a run that goes on; NULL: a new one. */
int lease_take(struct tranship_store *store, const unsigned char *writer, const char *base,
	       uint64_t grace, struct lease *out, struct tranship_error *err);
/* Puts it again if a sixteenth of the grace (at most ten minutes) has passed since the last time.
 */
int lease_keep(struct lease *lease, struct tranship_error *err);
/* TRANSHIP_ECANCELED if it was renewed more than half the grace ago: what gc may have done since is
 * not known. */
int lease_check(const struct lease *lease, struct tranship_error *err);
/* Removes it. */
int lease_drop(struct lease *lease, struct tranship_error *err);

/* What another's lease says. */
struct lease_info {
	unsigned char writer[WRITER_ID_SIZE];
	char base[64];
	int64_t renewed; /* server's clock */
	uint64_t grace;  /* seconds that the writer counts on */
};
typedef int lease_fn(void *ctx, const struct lease_info *info, struct tranship_error *err);
/* All leases, dead ones too. One that cannot be read is an error. */
int lease_list(struct tranship_store *store, lease_fn *fn, void *ctx, struct tranship_error *err);

#endif
