// SPDX-License-Identifier: Apache-2.0
#include "emit/s3_credentials.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Keys of a machine are fetched anew this long before they end; where that fails the old ones do
 * until they end, and it is tried again after a minute. */
#define RENEW_BEFORE 600
#define RENEW_PAUSE 60

enum source { FROM_PROFILE, FROM_ENVIRONMENT, FROM_INSTANCE };

struct s3_credentials {
	enum source source;
	struct tranship_s3_options options; /* only what is needed to read again */
	char *profile;
	pthread_mutex_t lock; /* of what follows; held while keys are fetched */
	struct s3_keys keys;
	int64_t next_try;
};

void s3_keys_wipe(struct s3_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

const char *s3_keys_set(char *field, size_t max, const char *value)
{
	size_t i;

	for (i = 0; value[i]; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return "has a character that cannot be in it";
	if (i > max)
		return "is too long";
	memcpy(field, value, i + 1);
	return NULL;
}

static int from_environment(struct s3_keys *keys, struct tranship_error *err)
{
	const char *id = secure_getenv("AWS_ACCESS_KEY_ID");
	const char *secret = secure_getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = secure_getenv("AWS_SESSION_TOKEN"), *name, *wrong;

	if ((!id || !id[0]) != (!secret || !secret[0]))
		return error_set(err, TRANSHIP_EDENIED,
				 "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set: "
				 "set both, or none to use a profile");
	if (!id || !id[0])
		return 0;
	wrong = s3_keys_set(keys->id, S3_KEY_ID_MAX, id);
	name = "AWS_ACCESS_KEY_ID";
	if (!wrong) {
		wrong = s3_keys_set(keys->secret, S3_SECRET_MAX, secret);
		name = "AWS_SECRET_ACCESS_KEY";
	}
	if (!wrong && token) {
		wrong = s3_keys_set(keys->token, S3_TOKEN_MAX, token);
		name = "AWS_SESSION_TOKEN";
	}
	keys->expires = S3_NEVER;
	return wrong ? error_set(err, TRANSHIP_EDENIED, "%s %s", name, wrong) : 0;
}

static int no_keys(const struct s3_settings *settings, struct tranship_error *err)
{
	if (settings->other[0])
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "the profile gets its credentials by %s, which is not done here: "
				 "put AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
				 "AWS_SESSION_TOKEN into the environment (aws configure "
				 "export-credentials prints them)",
				 settings->other);
	return error_set(err, TRANSHIP_EDENIED,
			 "there are no credentials for S3: set AWS_ACCESS_KEY_ID and "
			 "AWS_SECRET_ACCESS_KEY, or write a profile in ~/.aws/credentials, or let "
			 "them be taken from the instance");
}

static int find_keys(struct s3_credentials *c, struct s3_settings *settings,
		     struct tranship_error *err)
{
	struct s3_keys environment = { .id = "" };
	int rc;

	/* The profile says where the server is in any case. */
	rc = s3_profile_load(&c->options, &c->keys, settings, err);
	if (rc || c->source == FROM_INSTANCE)
		return rc;
	if (!c->options.profile)
		rc = from_environment(&environment, err);
	if (rc == 0 && environment.id[0]) {
		c->keys = environment;
		c->source = FROM_ENVIRONMENT;
	}
	s3_keys_wipe(&environment);
	return rc || c->keys.id[0] ? rc : no_keys(settings, err);
}

int s3_credentials_open(const struct tranship_s3_options *options, struct s3_credentials **out,
			struct s3_settings *settings, struct tranship_error *err)
{
	struct s3_credentials *c = calloc(1, sizeof(*c));
	int rc = 0;

	*out = NULL;
	*settings = (struct s3_settings){ .region = "" };
	if (!c)
		return error_nomem(err, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->source = options->instance ? FROM_INSTANCE : FROM_PROFILE;
	if (options->profile) {
		c->profile = strdup(options->profile);
		rc = c->profile ? 0 : error_nomem(err, strlen(options->profile));
		c->options.profile = c->profile;
	}
	if (rc == 0)
		rc = find_keys(c, settings, err);
	if (rc == 0 && c->source == FROM_INSTANCE)
		rc = s3_instance_keys(&c->keys, err);
	if (rc) {
		s3_credentials_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

/* Where it fails the old keys are as they were. */
static int fetch(struct s3_credentials *c, struct tranship_error *err)
{
	struct s3_settings settings = { .region = "" };
	struct s3_keys keys = { .id = "" };
	int rc = c->source == FROM_INSTANCE ? s3_instance_keys(&keys, err)
					    : s3_profile_load(&c->options, &keys, &settings, err);

	if (rc == 0 && keys.id[0])
		c->keys = keys;
	s3_keys_wipe(&keys);
	return rc;
}

int s3_credentials_get(struct s3_credentials *c, int64_t now, struct s3_keys *out,
		       struct tranship_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->keys.expires != S3_NEVER && c->keys.expires - RENEW_BEFORE <= now &&
	    c->next_try <= now) {
		c->next_try = now + RENEW_PAUSE;
		rc = fetch(c, err);
		if (rc && c->keys.expires > now)
			rc = 0; /* the old ones do for now */
		else
			c->next_try = 0;
	}
	*out = c->keys;
	pthread_mutex_unlock(&c->lock);
	if (rc)
		s3_keys_wipe(out);
	return rc;
}

bool s3_credentials_renew(struct s3_credentials *c, const struct s3_keys *old)
{
	bool others;

	pthread_mutex_lock(&c->lock);
	if (c->source != FROM_ENVIRONMENT && strcmp(c->keys.token, old->token) == 0 &&
	    strcmp(c->keys.id, old->id) == 0)
		(void)fetch(c, NULL); /* then the server's word stands */
	others = strcmp(c->keys.token, old->token) != 0 || strcmp(c->keys.id, old->id) != 0;
	pthread_mutex_unlock(&c->lock);
	return others;
}

void s3_credentials_close(struct s3_credentials *c)
{
	if (!c)
		return;
	s3_keys_wipe(&c->keys);
	pthread_mutex_destroy(&c->lock);
	free(c->profile);
	free(c);
}
