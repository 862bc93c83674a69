// SPDX-License-Identifier: Apache-2.0
/*
 * A request until it is answered: what the network or a busy server did is tried again, after waits
 * that double and are random from zero on ("full jitter": clients that were cut off together do not
 * come back together); what the server means is not.
 */
#include "emit/s3.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The upper bound of the n-th wait, in milliseconds. */
static uint64_t bound_of(const struct s3_tuning *t, unsigned n)
{
	uint64_t bound = n < 20 ? (uint64_t)t->backoff << n : t->backoff_max;

	return bound < t->backoff_max ? bound : t->backoff_max;
}

static void wait_before(const struct s3_tuning *t, unsigned n, unsigned retry_after)
{
	uint64_t asked = (uint64_t)retry_after * 1000, random = 0, wait;
	struct timespec left;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = UINT64_MAX / 2;
	wait = random % (bound_of(t, n) + 1);
	wait += asked < t->backoff_max ? asked : t->backoff_max;
	left.tv_sec = (time_t)(wait / 1000);
	left.tv_nsec = (long)(wait % 1000) * 1000000;
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static bool is_good(const struct s3_request *r, const struct http_reply *reply,
		    const struct s3_fault *fault)
{
	if (reply->fault != HTTP_OK)
		return false;
	if (reply->status == r->quiet[0] || reply->status == r->quiet[1])
		return true;
	/* A 200 may turn out to be an error while its body is made. */
	return reply->status >= 200 && reply->status < 300 && !fault->code[0];
}

/* One try: 0, S3_AGAIN, or an error. */
static int try_once(struct s3 *s3, const struct s3_request *request, const struct s3_keys *keys,
		    unsigned tries, struct http_reply *reply, struct s3_fault *fault,
		    struct tranship_error *err)
{
	struct s3_signed sent;
	struct http_request wire = { .method = request->method,
				     .body = request->body,
				     .body_len = request->body_len,
				     .sink = request->sink,
				     .sink_ctx = request->ctx };
	int rc = s3_sign(s3, request, keys, time(NULL), &sent, err);

	if (rc)
		return rc;
	sent.tries = tries;
	wire.url = sent.url;
	wire.headers = (const char *const *)sent.lines;
	wire.header_count = sent.count;
	if (request->begin)
		request->begin(request->ctx);
	rc = http_do(s3->http, &wire, reply, err);
	if (rc == 0) {
		s3_fault_read(reply, fault);
		if (!is_good(request, reply, fault)) {
			rc = s3_fault_report(s3, request, reply, fault, &sent, err);
			rc = s3_fault_again(reply, fault) ? S3_AGAIN : rc;
		} else if (request->check) {
			rc = request->check(request->ctx, reply, err);
		}
	}
	s3_signed_free(&sent);
	return rc;
}

int s3_send(struct s3 *s3, const struct s3_request *request, struct http_reply *reply,
	    struct tranship_error *err)
{
	static const struct http_reply none = { .fault = HTTP_FAILED };
	struct s3_fault fault;
	struct s3_keys keys;
	bool renewed = false;
	unsigned n = 0;
	int rc;

	*reply = none;
	for (;;) {
		unsigned retry_after;

		rc = s3_credentials_get(s3->credentials, time(NULL), &keys, err);
		if (rc)
			return rc;
		fault.code[0] = '\0';
		rc = try_once(s3, request, &keys, n + 1, reply, &fault, err);
		if (rc == TRANSHIP_EDENIED && !renewed && strcmp(fault.code, "ExpiredToken") == 0) {
			renewed = true;
			if (s3_credentials_renew(s3->credentials, &keys)) {
				http_reply_free(reply);
				continue;
			}
		}
		if (rc != S3_AGAIN || n >= s3->retries)
			break;
		retry_after = reply->retry_after;
		http_reply_free(reply);
		wait_before(&s3->tuning, n++, retry_after);
	}
	s3_keys_wipe(&keys);
	return rc == S3_AGAIN ? TRANSHIP_EIO : rc;
}
