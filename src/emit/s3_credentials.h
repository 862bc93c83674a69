/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose requests these are. In this order: the profile that the options name; the environment
 * (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN); the profile AWS_PROFILE or
 * "default" in ~/.aws/credentials, then in ~/.aws/config. Only the option `instance` asks the
 * machine's metadata service, and nothing else then: a store must not find other rights than it was
 * given because a file is missing.
 */
#ifndef EMIT_S3_CREDENTIALS_H
#define EMIT_S3_CREDENTIALS_H

#include "tranship/store.h"

#include <pthread.h>

#define S3_KEY_ID_MAX 128U
#define S3_SECRET_MAX 256U
#define S3_TOKEN_MAX 8192U
#define S3_NEVER INT64_MAX

/* Secret: s3_keys_wipe it. */
struct s3_keys {
	char id[S3_KEY_ID_MAX + 1];
	char secret[S3_SECRET_MAX + 1];
	char token[S3_TOKEN_MAX + 1]; /* "": none */
	int64_t expires;              /* seconds since 1970, S3_NEVER: not known */
};
void s3_keys_wipe(struct s3_keys *keys);

/* NULL where it fits and is text without spaces, else what is wrong, which shows nothing of it. */
const char *s3_keys_set(char *field, size_t max, const char *value);

/* What a profile has besides keys. Empty strings: not said. */
struct s3_settings {
	char region[61];
	char endpoint[300];
	char other[32]; /* the setting by which others would get keys: "role_arn" */
};

/* s3_profile.c: one profile out of one file. Returns 0 with *found false where there is no such
 * file or profile. What stands in keys and settings already stays. */
int s3_profile_read(const char *path, const char *profile, bool config, struct s3_keys *keys,
		    struct s3_settings *settings, bool *found, struct tranship_error *err);
/* Both files, where the environment or the home folder has them. TRANSHIP_EDENIED: there is no such
 * profile, and it was asked for. */
int s3_profile_load(const struct tranship_s3_options *options, struct s3_keys *keys,
		    struct s3_settings *settings, struct tranship_error *err);

/* s3_instance.c: the keys of the machine's role, by IMDSv2. */
int s3_instance_keys(struct s3_keys *keys, struct tranship_error *err);

/* Threads: any number. */
struct s3_credentials;
int s3_credentials_open(const struct tranship_s3_options *options, struct s3_credentials **out,
			struct s3_settings *settings, struct tranship_error *err);
/* Keys that are good for a while yet; those of a machine are fetched anew before they expire. */
int s3_credentials_get(struct s3_credentials *c, int64_t now, struct s3_keys *out,
		       struct tranship_error *err);
/* The server calls these expired: whether where they came from has others now. */
bool s3_credentials_renew(struct s3_credentials *c, const struct s3_keys *old);
void s3_credentials_close(struct s3_credentials *c); /* NULL is accepted */

#endif
