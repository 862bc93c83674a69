// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of the machine's role, from its metadata service, version 2 ("Use the Instance Metadata
 * Service", Amazon EC2 User Guide): a token is fetched by PUT, so that a request which somebody
 * tricked another program into passing on gets nothing. Never over a proxy.
 */
#include "emit/s3.h"

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE "http://169.254.169.254"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define TRIES 3U
#define REPLY_MAX ((size_t)16 << 10)
#define ROLE_MAX 128U
#define TIMEOUT 5U
#define CONNECT_TIMEOUT 2U

struct text_sink {
	size_t len;
	bool cut;
	char text[REPLY_MAX + 1];
};

struct instance {
	struct http *http;
	char url[600]; /* of the service, without a '/' at its end */
	char token[200 + 256];
	struct text_sink got;
};

static bool take(void *ctx, const struct http_reply *reply, const unsigned char *bytes, size_t len)
{
	struct text_sink *s = ctx;

	(void)reply;
	if (len > REPLY_MAX - s->len) {
		s->cut = true;
		return false;
	}
	memcpy(s->text + s->len, bytes, len);
	s->len += len;
	return true;
}

static int no_answer(const struct instance *i, const struct http_reply *reply,
		     struct tranship_error *err)
{
	char shown[200];

	text_escape(shown, sizeof(shown), i->url, strlen(i->url));
	if (reply->fault != HTTP_OK)
		return error_set(err, TRANSHIP_EIO, "the metadata service at %s: %s", shown,
				 reply->why.message);
	if (reply->status == 404)
		return error_set(err, TRANSHIP_EDENIED,
				 "the metadata service at %s knows no role of this machine: attach "
				 "one that may use the bucket",
				 shown);
	return error_set(err, reply->status / 100 == 4 ? TRANSHIP_EDENIED : TRANSHIP_EIO,
			 "the metadata service at %s answers %d%s", shown, reply->status,
			 i->got.cut ? ", and too much" : "");
}

/* The body goes to i->got, as text. */
static int ask(struct instance *i, const char *method, const char *path, const char *header,
	       struct tranship_error *err)
{
	char url[600 + 400];
	struct http_request request = { .method = method,
					.url = url,
					.headers = &header,
					.header_count = 1,
					.sink = take,
					.sink_ctx = &i->got };
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct http_reply reply;
	unsigned n;
	int rc;

	snprintf(url, sizeof(url), "%s%s", i->url, path);
	for (n = 0;; n++) {
		i->got.len = 0;
		i->got.cut = false;
		rc = http_do(i->http, &request, &reply, err);
		if (rc)
			return rc;
		if ((reply.fault != HTTP_AGAIN && reply.status < 500) || n + 1 == TRIES)
			break;
		http_reply_free(&reply);
		nanosleep(&pause, NULL);
	}
	i->got.text[i->got.len] = '\0';
	if (reply.fault != HTTP_OK || reply.status != 200 || i->got.cut)
		rc = no_answer(i, &reply, err);
	http_reply_free(&reply);
	return rc;
}

static int odd_answer(const char *what, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EDENIED,
			 "what the metadata service answers is no credentials: %s", what);
}

static int get_token(struct instance *i, struct tranship_error *err)
{
	char token[257] = "";
	int rc = ask(i, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600",
		     err);

	if (rc)
		return rc;
	if (s3_keys_set(token, sizeof(token) - 1, i->got.text) || !token[0])
		return odd_answer("the token", err);
	snprintf(i->token, sizeof(i->token), "X-aws-ec2-metadata-token: %s", token);
	return 0;
}

static int take_field(const json_t *object, const char *name, char *field, size_t max)
{
	const char *value = json_string_value(json_object_get(object, name));
	bool wrong = !value || s3_keys_set(field, max, value);

	if (value) /* jansson leaves it in memory */
		explicit_bzero((char *)value, strlen(value));
	return wrong || !field[0];
}

static int parse_keys(const char *text, size_t len, struct s3_keys *keys,
		      struct tranship_error *err)
{
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *code = json_string_value(json_object_get(json, "Code"));
	const char *expires = json_string_value(json_object_get(json, "Expiration"));
	int rc = 0;

	if (!json || !code || strcmp(code, "Success") != 0)
		rc = odd_answer("its code is not Success", err);
	else if (take_field(json, "AccessKeyId", keys->id, S3_KEY_ID_MAX) ||
		 take_field(json, "SecretAccessKey", keys->secret, S3_SECRET_MAX) ||
		 take_field(json, "Token", keys->token, S3_TOKEN_MAX))
		rc = odd_answer("a key is missing", err);
	else if (!expires || (keys->expires = s3_time(expires)) < 0)
		rc = odd_answer("when they expire is missing", err);
	json_decref(json);
	return rc;
}

static int get_keys(struct instance *i, struct s3_keys *keys, struct tranship_error *err)
{
	struct buffer path = { 0 };
	char role[ROLE_MAX + 1] = "";
	int rc = get_token(i, err);

	if (rc == 0)
		rc = ask(i, "GET", ROLES, i->token, err);
	if (rc)
		return rc;
	i->got.text[strcspn(i->got.text, "\r\n")] = '\0';
	if (s3_keys_set(role, ROLE_MAX, i->got.text) || !role[0])
		return odd_answer("the name of the role", err);
	rc = buffer_printf(&path, err, "%s", ROLES);
	if (rc == 0)
		rc = sigv4_encode(&path, role, false, err);
	if (rc == 0)
		rc = ask(i, "GET", (char *)path.bytes, i->token, err);
	if (rc == 0)
		rc = parse_keys(i->got.text, i->got.len, keys, err);
	buffer_free(&path);
	return rc;
}

int s3_instance_keys(struct s3_keys *keys, struct tranship_error *err)
{
	const struct http_options options = { .direct = true,
					      .timeout = TIMEOUT,
					      .connect_timeout = CONNECT_TIMEOUT };
	const char *url = secure_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *off = secure_getenv("AWS_EC2_METADATA_DISABLED");
	struct instance *i;
	size_t len;
	int rc;

	url = url && url[0] ? url : SERVICE;
	len = strlen(url);
	if (off && strcasecmp(off, "true") == 0)
		return error_set(err, TRANSHIP_EDENIED,
				 "credentials are to come from the metadata service, which "
				 "AWS_EC2_METADATA_DISABLED forbids");
	i = calloc(1, sizeof(*i));
	if (!i)
		return error_nomem(err, sizeof(*i));
	if (len > 0 && url[len - 1] == '/')
		len--;
	snprintf(i->url, sizeof(i->url), "%.*s", (int)(len < 500 ? len : 500), url);
	*keys = (struct s3_keys){ .id = "" };
	rc = http_open(&options, &i->http, err);
	if (rc == 0)
		rc = get_keys(i, keys, err);
	if (rc)
		s3_keys_wipe(keys);
	http_close(i->http);
	explicit_bzero(i, sizeof(*i));
	free(i);
	return rc;
}
