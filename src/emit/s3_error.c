// SPDX-License-Identifier: Apache-2.0
/* What a server's error means ("Error Responses", Amazon S3 API Reference, and the codes of Ceph
 * RGW and Swift), and what a person can do about it. */
#include "emit/s3.h"

#include "base/error.h"
#include "base/text.h"
#include "emit/s3_xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void keep(char *to, size_t cap, const char *text)
{
	snprintf(to, cap, "%s", text);
}

static int on_element(void *ctx, unsigned depth, const char *name, const char *parent,
		      const char *text, struct tranship_error *err)
{
	struct s3_fault *f = ctx;

	(void)err;
	if (depth != 2 || strcmp(parent, "Error") != 0)
		return 0;
	if (strcmp(name, "Code") == 0)
		keep(f->code, sizeof(f->code), text);
	else if (strcmp(name, "Message") == 0)
		keep(f->message, sizeof(f->message), text);
	else if (strcmp(name, "Region") == 0)
		keep(f->region, sizeof(f->region), text);
	else if (strcmp(name, "Endpoint") == 0)
		keep(f->endpoint, sizeof(f->endpoint), text);
	return 0;
}

void s3_fault_read(const struct http_reply *reply, struct s3_fault *out)
{
	*out = (struct s3_fault){ .code = "" };
	/* What is cut or no XML at all says as much as was read of it. */
	if (reply->text)
		(void)s3_xml_read(reply->text, reply->text_len, on_element, out, NULL);
	if (!out->region[0])
		keep(out->region, sizeof(out->region), reply->region);
}

static bool one_of(const char *code, const char *const *codes)
{
	for (; *codes; codes++)
		if (strcmp(code, *codes) == 0)
			return true;
	return false;
}

bool s3_fault_again(const struct http_reply *reply, const struct s3_fault *fault)
{
	static const char *const codes[] = { "SlowDown", "RequestTimeout", "InternalError",
					     "ServiceUnavailable", "Throttling",
					     "ThrottlingException", "RequestLimitExceeded",
					     "TooManyRequests", "BandwidthLimitExceeded",
					     /* Bytes that changed on their way are right here. */
					     "XAmzContentSHA256Mismatch", "BadDigest", NULL };

	if (reply->fault != HTTP_OK)
		return reply->fault == HTTP_AGAIN;
	if (reply->status == 408 || reply->status == 429)
		return true;
	if (reply->status >= 500)
		return reply->status != 501 && reply->status != 505 && reply->status != 507;
	return one_of(fault->code, codes);
}

/* A sentence, as far as it is the same for all requests. %s: nothing. */
struct rule {
	const char *code;
	int rc;
	const char *text;
};

static const struct rule rules[] = {
	{ "ExpiredToken", TRANSHIP_EDENIED, "the session token has expired: get new credentials" },
	{ "TokenRefreshRequired", TRANSHIP_EDENIED,
	  "the session token must be renewed: get new credentials" },
	{ "InvalidToken", TRANSHIP_EDENIED,
	  "the session token does not belong to the access key: set AWS_SESSION_TOKEN to the one "
	  "that came with it, or unset it" },
	{ "AccountProblem", TRANSHIP_EDENIED, "the account has a problem: ask who runs it" },
	{ "XAmzContentSHA256Mismatch", TRANSHIP_EIO,
	  "the server received other bytes than were sent (their SHA-256 differs)" },
	{ "BadDigest", TRANSHIP_EIO,
	  "the server received other bytes than were sent (their digest differs)" },
};

static void clock_text(int64_t time, char out[40])
{
	time_t t = (time_t)time;
	struct tm tm;

	if (time < 0 || !gmtime_r(&t, &tm) || strftime(out, 40, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		strcpy(out, "a time that it does not say");
}

static int skewed(const char *what, const struct http_reply *reply, const struct s3_signed *sent,
		  struct tranship_error *err)
{
	char ours[40], theirs[40];

	clock_text(sent->time, ours);
	clock_text(reply->date, theirs);
	return error_set(err, TRANSHIP_EDENIED,
			 "%s: the clocks differ too much for a signed request: this machine's says "
			 "%s, the server's %s; set the wrong one",
			 what, ours, theirs);
}

static const char *right_of(const struct s3_request *r)
{
	if (!r->key)
		return "s3:ListBucket";
	if (strcmp(r->method, "PUT") == 0)
		return "s3:PutObject";
	return strcmp(r->method, "DELETE") == 0 ? "s3:DeleteObject" : "s3:GetObject";
}

/* The keys are wrong, or may not do this. */
static int denied(const char *what, const struct s3_request *request, const struct s3_fault *fault,
		  const struct s3_signed *sent, struct tranship_error *err)
{
	char id[S3_KEY_ID_MAX * 2], said[200];

	text_escape(id, sizeof(id), sent->key_id, strlen(sent->key_id));
	text_escape(said, sizeof(said), fault->message, strlen(fault->message));
	if (strcmp(fault->code, "InvalidAccessKeyId") == 0)
		return error_set(err, TRANSHIP_EDENIED,
				 "%s: the server does not know the access key '%s': check "
				 "AWS_ACCESS_KEY_ID or the profile, and the endpoint",
				 what, id);
	if (strcmp(fault->code, "SignatureDoesNotMatch") == 0)
		return error_set(err, TRANSHIP_EDENIED,
				 "%s: the secret is not that of the access key '%s': check "
				 "AWS_SECRET_ACCESS_KEY or the profile",
				 what, id);
	return error_set(err, TRANSHIP_EDENIED,
			 "%s: the access key '%s' may not do this, it needs the right %s%s%s%s",
			 what, id, right_of(request), said[0] ? " (the server says: '" : "", said,
			 said[0] ? "')" : "");
}

static int elsewhere(const struct s3 *s3, const char *what, const struct http_reply *reply,
		     const struct s3_fault *fault, struct tranship_error *err)
{
	char region[80], endpoint[200];

	text_escape(region, sizeof(region), fault->region, strlen(fault->region));
	text_escape(endpoint, sizeof(endpoint), fault->endpoint, strlen(fault->endpoint));
	if (region[0])
		return error_set(
			err, TRANSHIP_EDENIED,
			"%s: the bucket is in the region '%s', not in '%s': set AWS_REGION", what,
			region, s3->place.region);
	return error_set(err, TRANSHIP_EDENIED,
			 "%s: the server wants to be asked in another region or at another "
			 "endpoint than '%s' (%d%s%s%s)",
			 what, s3->place.region, reply->status, endpoint[0] ? ": '" : "", endpoint,
			 endpoint[0] ? "'" : "");
}

static int missing(const struct s3 *s3, const char *what, const struct s3_request *request,
		   const struct s3_fault *fault, struct tranship_error *err)
{
	if (!request->key || strcmp(fault->code, "NoSuchBucket") == 0)
		return error_set(err, TRANSHIP_ENOTFOUND, "there is no bucket '%s' at %s",
				 s3->place.bucket, s3->place.host);
	return error_set(err, TRANSHIP_ENOTFOUND, "there is no object %s", what);
}

static int no_reply(const char *what, const struct http_reply *reply, const struct s3_signed *sent,
		    struct tranship_error *err)
{
	error_set(err, TRANSHIP_EIO, "%s: %s (%u %s)", what, reply->why.message, sent->tries,
		  sent->tries == 1 ? "try" : "tries");
	if (err)
		err->sys_errno = reply->why.sys_errno;
	return TRANSHIP_EIO;
}

static int other(const char *what, const struct s3_request *request, const struct http_reply *reply,
		 const struct s3_fault *fault, const struct s3_signed *sent,
		 struct tranship_error *err)
{
	bool full = reply->status == 507 || strcmp(fault->code, "QuotaExceeded") == 0;
	char code[100], said[200];

	text_escape(code, sizeof(code), fault->code, strlen(fault->code));
	text_escape(said, sizeof(said), fault->message, strlen(fault->message));
	error_set(err, TRANSHIP_EIO, "%s: the server answers %s with %d%s%s%s%s (%u %s)", what,
		  request->method, reply->status, code[0] ? " " : "", code, said[0] ? ": " : "",
		  said, sent->tries, sent->tries == 1 ? "try" : "tries");
	if (err && full)
		err->sys_errno = ENOSPC;
	return TRANSHIP_EIO;
}

void s3_what(const struct s3 *s3, const char *key, char *out, size_t cap)
{
	char whole[S3_BUCKET_MAX + S3_PREFIX_MAX + TARGET_KEY_MAX + 20];

	snprintf(whole, sizeof(whole), "s3://%s%s%s", s3->place.bucket, key ? "/" : "",
		 key ? key : "");
	text_escape(out, cap, whole, strlen(whole));
}

int s3_fault_report(const struct s3 *s3, const struct s3_request *request,
		    const struct http_reply *reply, const struct s3_fault *fault,
		    const struct s3_signed *sent, struct tranship_error *err)
{
	static const char *const clocks[] = { "RequestTimeTooSkewed", "RequestExpired", NULL };
	static const char *const places[] = { "AuthorizationHeaderMalformed", "PermanentRedirect",
					      "TemporaryRedirect", "Redirect", NULL };
	char what[300];
	size_t i;

	s3_what(s3, request->key, what, sizeof(what));
	if (reply->fault != HTTP_OK)
		return no_reply(what, reply, sent, err);
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(fault->code, rules[i].code) == 0)
			return error_set(err, rules[i].rc, "%s: %s", what, rules[i].text);
	if (one_of(fault->code, clocks))
		return skewed(what, reply, sent, err);
	if (one_of(fault->code, places) || (reply->status >= 300 && reply->status < 400))
		return elsewhere(s3, what, reply, fault, err);
	if (strcmp(fault->code, "QuotaExceeded") != 0 &&
	    (reply->status == 401 || reply->status == 403))
		return denied(what, request, fault, sent, err);
	if (reply->status == 404)
		return missing(s3, what, request, fault, err);
	return other(what, request, reply, fault, sent, err);
}
