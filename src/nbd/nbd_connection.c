// SPDX-License-Identifier: Apache-2.0
#include "nbd/nbd_connection.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The protocol's bounds for what a server may say of its blocks, and for a client that was told
 * nothing. */
#define MIN_BLOCK_MAX (64U << 10)
#define PAYLOAD_MAX (32U << 20)

struct nbd_connection {
	struct nbd_handle *handle;
	const struct nbd_target *target;
	bool lost;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* libnbd's words for what failed last on this thread, which may have a server's among them. */
static int failed(const struct nbd_connection *c, const char *what, struct tranship_error *err)
{
	const char *words = nbd_get_error();
	int sys = nbd_get_errno(), rc;
	char shown[300];

	if (sys == ENOMEM)
		return error_nomem(err, 0);
	words = words ? words : "no reason is known";
	text_show(shown, sizeof(shown), words, strlen(words));
	rc = error_set(err, TRANSHIP_EIO, "nbd: %s: %s: %s", c->target->url.shown, what, shown);
	if (err)
		err->sys_errno = sys;
	return rc;
}

static bool handle_is_gone(const struct nbd_connection *c)
{
	return nbd_aio_is_dead(c->handle) == 1 || nbd_aio_is_closed(c->handle) == 1;
}

/* Waits for the server to say something, or to take something. */
static int wait_turn(struct nbd_connection *c, const char *what, struct tranship_error *err)
{
	uint64_t limit = c->target->silence_ms, start = now_ms(), waited;

	do {
		int ms = limit ? (int)min_u64(limit, INT_MAX) : -1;
		int ready = nbd_poll(c->handle, ms);

		if (ready > 0)
			return 0;
		if (ready < 0 && nbd_get_errno() != EINTR) {
			c->lost = c->lost || handle_is_gone(c);
			return failed(c, what, err);
		}
		waited = now_ms() - start;
	} while (limit == 0 || waited < limit);
	c->lost = true; /* and what it may say later is not waited for */
	return error_sys(err, ETIMEDOUT, "nbd: %s: %s: nothing was heard for %" PRIu64 " ms",
			 c->target->url.shown, what, limit);
}

/*
 * Only what can verify the server. libnbd compares its certificate with the name of the host, and a
 * Unix socket has none; and where it finds no ca-cert.pem, versions before 1.20 (CVE-2024-7383)
 * take any certificate.
 */
static int check_verifiable(const struct nbd_url *url, struct tranship_error *err)
{
	char path[PATH_MAX], shown[200];

	if (url->tls_psk_file)
		return 0;
	if (url->socket)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: %s: over a Unix socket TLS can be verified only with a "
				 "pre-shared key (tls-psk-file)",
				 url->shown);
	if (!url->tls_certificates)
		return error_set(
			err, TRANSHIP_EINVAL,
			"nbd: %s: TLS needs tls-certificates or tls-psk-file, by which the "
			"server is verified",
			url->shown);
	snprintf(path, sizeof(path), "%s/ca-cert.pem", url->tls_certificates);
	if (access(path, R_OK) == 0)
		return 0;
	text_escape(shown, sizeof(shown), path, strlen(path));
	return error_sys(err, errno, "nbd: '%s', by which the server is verified", shown);
}

static int set_tls(struct nbd_connection *c, struct tranship_error *err)
{
	const struct nbd_url *url = &c->target->url;
	struct nbd_handle *h = c->handle;
	int rc;

	if (!url->tls)
		return nbd_set_tls(h, LIBNBD_TLS_DISABLE) ? failed(c, "no TLS", err) : 0;
	if (!nbd_supports_tls(h))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: the installed libnbd was built without TLS");
	rc = check_verifiable(url, err);
	if (rc)
		return rc;
	if (nbd_set_tls(h, LIBNBD_TLS_REQUIRE) || nbd_set_tls_verify_peer(h, true) ||
	    (url->tls_certificates && nbd_set_tls_certificates(h, url->tls_certificates)) ||
	    (url->tls_psk_file && nbd_set_tls_psk_file(h, url->tls_psk_file)) ||
	    (url->user && nbd_set_tls_username(h, url->user)))
		return failed(c, "TLS could not be set up", err);
	return 0;
}

static int connect_to_server(struct nbd_connection *c, struct tranship_error *err)
{
	static const char what[] = "no connection";
	const struct nbd_url *url = &c->target->url;
	int rc = set_tls(c, err);

	if (rc)
		return rc;
	if (nbd_set_export_name(c->handle, url->export) ||
	    nbd_add_meta_context(c->handle, c->target->context))
		return failed(c, "the export could not be named", err);
	if (url->socket ? nbd_aio_connect_unix(c->handle, url->socket)
			: nbd_aio_connect_tcp(c->handle, url->host, url->port))
		return failed(c, what, err);
	while (nbd_aio_is_connecting(c->handle) == 1) {
		rc = wait_turn(c, what, err);
		if (rc)
			return rc;
	}
	if (nbd_aio_is_ready(c->handle) != 1)
		return failed(c, what, err);
	return 0;
}

/* Of what is not said, or not a power of two, the protocol's default. */
static int take_block_sizes(struct nbd_connection *c, struct nbd_facts *facts,
			    struct tranship_error *err)
{
	int64_t min = nbd_get_block_size(c->handle, LIBNBD_SIZE_MINIMUM);
	int64_t preferred = nbd_get_block_size(c->handle, LIBNBD_SIZE_PREFERRED);
	int64_t max = nbd_get_block_size(c->handle, LIBNBD_SIZE_MAXIMUM);

	if (min < 0 || preferred < 0 || max < 0)
		return failed(c, "no block sizes", err);
	min = min == 0 ? 1 : min;
	max = max == 0 || max > PAYLOAD_MAX ? PAYLOAD_MAX : max;
	if (!is_pow2((uint64_t)min) || min > MIN_BLOCK_MAX || max < min || max < 512)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "nbd: %s: blocks of %" PRId64 " to %" PRId64
				 " bytes, which the protocol does not allow",
				 c->target->url.shown, min, max);
	if (facts->size % (uint64_t)min != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "nbd: %s: the size %" PRIu64
				 " is no multiple of the server's block of %" PRId64 " bytes",
				 c->target->url.shown, facts->size, min);
	facts->min_block = (uint32_t)min;
	facts->preferred_block = (uint32_t)min_u64((uint64_t)preferred, PAYLOAD_MAX);
	facts->max_payload = (uint32_t)round_down((uint64_t)max, (uint64_t)min);
	return 0;
}

static int take_facts(struct nbd_connection *c, struct nbd_facts *facts, struct tranship_error *err)
{
	int64_t size = nbd_get_size(c->handle);
	int context = nbd_can_meta_context(c->handle, c->target->context);
	int multi = nbd_can_multi_conn(c->handle), read_only = nbd_is_read_only(c->handle);

	if (size < 0 || context < 0 || multi < 0 || read_only < 0)
		return failed(c, "what the export is", err);
	facts->size = (uint64_t)size;
	facts->has_context = context;
	facts->multi_conn = multi;
	facts->read_only = read_only;
	return take_block_sizes(c, facts, err);
}

int nbd_connection_open(const struct nbd_target *target, struct nbd_connection **out,
			struct nbd_facts *facts, struct tranship_error *err)
{
	struct nbd_connection *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c)
		return error_nomem(err, sizeof(*c));
	c->target = target;
	c->handle = nbd_create();
	rc = c->handle ? connect_to_server(c, err) : failed(c, "libnbd", err);
	if (rc == 0)
		rc = take_facts(c, facts, err);
	if (rc) {
		nbd_connection_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

void nbd_connection_close(struct nbd_connection *c)
{
	if (!c)
		return;
	if (c->handle && !c->lost && nbd_aio_is_ready(c->handle) == 1)
		nbd_aio_disconnect(c->handle, 0); /* a word of goodbye, if it can be sent at once */
	nbd_close(c->handle);
	free(c);
}

bool nbd_connection_lost(const struct nbd_connection *c)
{
	return c->lost;
}

/* Waits for the end of a command; cookie < 0: it could not be sent. */
static int finish(struct nbd_connection *c, int64_t cookie, const char *what,
		  struct tranship_error *err)
{
	int done = cookie < 0 ? -1 : 0, rc = 0;

	while (done == 0 && rc == 0) {
		done = nbd_aio_command_completed(c->handle, (uint64_t)cookie);
		if (done == 0)
			rc = wait_turn(c, what, err);
	}
	if (rc) {
		/* The command may still write to its buffer: the connection has to go. */
		c->lost = true;
		return rc;
	}
	if (done > 0)
		return 0;
	/* A server that shuts down says so in its reply. */
	c->lost = handle_is_gone(c) || nbd_get_errno() == ESHUTDOWN;
	return failed(c, what, err);
}

int nbd_connection_read(struct nbd_connection *c, uint64_t off, void *buf, size_t len,
			struct tranship_error *err)
{
	int64_t cookie = nbd_aio_pread(c->handle, buf, len, off, NBD_NULL_COMPLETION, 0);
	char what[80];

	snprintf(what, sizeof(what), "reading %zu bytes at %" PRIu64, len, off);
	return finish(c, cookie, what, err);
}

struct status {
	const char *context;
	uint64_t off;
	nbd_take_status *take;
	void *ctx;
	bool taken;
};

static int on_extents(void *user, const char *context, uint64_t off, uint32_t *entries,
		      size_t count, int *error)
{
	struct status *s = user;

	(void)error;
	if (s->taken || off != s->off || count < 2 || strcmp(context, s->context) != 0)
		return 0;
	s->taken = true;
	return s->take(s->ctx, entries, count / 2) ? -1 : 0;
}

int nbd_connection_status(struct nbd_connection *c, uint64_t off, uint64_t len,
			  nbd_take_status *take, void *ctx, struct tranship_error *err)
{
	struct status s = { .context = c->target->context, .off = off, .take = take, .ctx = ctx };
	nbd_extent_callback callback = { .callback = on_extents, .user_data = &s };
	int64_t cookie =
		nbd_aio_block_status(c->handle, len, off, callback, NBD_NULL_COMPLETION, 0);
	char what[80];
	int rc;

	snprintf(what, sizeof(what), "the block status at %" PRIu64, off);
	rc = finish(c, cookie, what, err);
	if (rc == 0 && !s.taken)
		rc = error_set(err, TRANSHIP_ECORRUPT, "nbd: %s: %s: the server did not say it",
			       c->target->url.shown, what);
	return rc;
}
