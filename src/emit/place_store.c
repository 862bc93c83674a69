// SPDX-License-Identifier: Apache-2.0
/* store:FOLDER@POINT and s3://BUCKET/PREFIX@POINT: a restore point as a disk, with the store that
 * was opened for it. */
#include "base/error.h"
#include "base/text.h"
#include "core/place.h"
#include "emit/point_disk.h"
#include "emit/store_head.h"

#include <stdlib.h>
#include <string.h>

/* What a location says, in two. */
struct point_location {
	char *store;
	const char *point; /* within `store`, behind its end */
};

static int split(const char *location, struct point_location *out, struct tranship_error *err)
{
	char *at, shown[200];

	out->store = strdup(location);
	if (!out->store)
		return error_nomem(err, strlen(location) + 1);
	at = strrchr(out->store, '@');
	if (at && at[1] != '\0') {
		*at = '\0';
		out->point = at + 1;
		return 0;
	}
	text_escape(shown, sizeof(shown), location, strlen(location));
	free(out->store);
	out->store = NULL;
	return error_set(err, TRANSHIP_EINVAL,
			 "'%s' names no restore point: it is written LOCATION@POINT", shown);
}

/* What opens an encrypted store. */
struct place_secret {
	char passphrase[PASSPHRASE_MAX + 2];
};

/* The first line of a file. */
static int read_passphrase(const char *path, struct place_secret *secret,
			   struct tranship_error *err)
{
	size_t len;
	int sys = secret_file_read(path, (unsigned char *)secret->passphrase,
				   sizeof(secret->passphrase) - 1, &len);

	if (sys)
		return error_sys(err, sys, "the passphrase file could not be read");
	secret->passphrase[len] = '\0';
	secret->passphrase[strcspn(secret->passphrase, "\r\n")] = '\0';
	return 0;
}

/* What is set to nothing is not set. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Options win over the environment, where one of them is given. */
static int choose_secret(const struct options *options, struct place_secret *secret,
			 struct tranship_store_options *how, struct tranship_error *err)
{
	const char *file = options_text(options, "passphrase-file", NULL);

	how->key_file = options_text(options, "key-file", NULL);
	if (file) {
		how->passphrase = secret->passphrase;
		return read_passphrase(file, secret, err);
	}
	if (how->key_file)
		return 0;
	how->key_file = environment("TRANSHIP_KEY_FILE");
	how->passphrase = environment("TRANSHIP_PASSPHRASE");
	return 0;
}

static int open_store(const char *location, const struct options *options,
		      const struct tranship_open_options *how, struct tranship_store **out,
		      struct tranship_error *err)
{
	struct tranship_store_options store = {
		.cache = options_text(options, "cache", NULL),
		.s3 = { .endpoint = options_text(options, "endpoint", NULL),
			.region = options_text(options, "region", NULL),
			.profile = options_text(options, "profile", NULL),
			.instance = options_bool(options, "instance-credentials", false),
			.virtual_host = options_bool(options, "virtual-host", false),
			.ca_file = options_text(options, "ca-file", NULL),
			.proxy = options_text(options, "proxy", NULL),
			.retries = (unsigned)options_int(options, "retries", 0),
			.timeout = (unsigned)options_int(options, "timeout", 0) },
		.warn = how->warn,
		.warn_ctx = how->warn_ctx
	};
	struct place_secret secret;
	int rc = choose_secret(options, &secret, &store, err);

	if (rc == 0)
		rc = tranship_store_open(location, &store, out, err);
	explicit_bzero(&secret, sizeof(secret));
	return rc;
}

static int place_store_open(const char *location, const struct options *options,
			    const struct tranship_open_options *how, struct tranship_disk **out,
			    struct tranship_error *err)
{
	struct tranship_store *store = NULL;
	struct point_location where = { 0 };
	int rc;

	*out = NULL;
	rc = split(location, &where, err);
	if (rc == 0)
		rc = open_store(where.store, options, how, &store, err);
	if (rc == 0)
		rc = tranship_store_open_point(store, where.point,
					       how->flags & TRANSHIP_OPEN_SALVAGE, out, err);
	if (rc == 0)
		rc = disk_add_place(*out, location, err);
	free(where.store);
	if (rc) {
		tranship_disk_close(*out);
		*out = NULL;
		tranship_store_close(store);
		return rc;
	}
	point_disk_take_store(*out);
	return 0;
}

static const struct tranship_option_info open_options[] = {
	{ "key-file", "text", "the file that opens an encrypted store" },
	{ "passphrase-file", "text", "a file whose first line is the passphrase of one" },
	{ "cache", "text", "a folder for what can be built again; '' for none" },
	{ "endpoint", "text", "the URL of the S3 server" },
	{ "region", "text", "its region" },
	{ "profile", "text", "the section of ~/.aws that has the credentials" },
	{ "instance-credentials", "bool", "ask the instance's metadata service for them" },
	{ "virtual-host", "bool", "the bucket is part of the server's name" },
	{ "ca-file", "text", "certificates that are trusted instead of the system's" },
	{ "proxy", "text", "the URL of a proxy" },
	{ "retries", "int", "of a request (default 8)" },
	{ "timeout", "int", "seconds without a byte moving (default 60)" },
	{ 0 },
};

const struct place store_place = {
	.prefix = "store:",
	.open = place_store_open,
	.open_options = open_options,
};

const struct place s3_place = {
	.prefix = "s3://",
	.open = place_store_open,
	.open_options = open_options,
};
