// SPDX-License-Identifier: Apache-2.0
/* Whose requests these are: files with profiles, the environment, a machine's metadata service; and
 * where the server is. */
#include "support.h"

#include "emit/s3.h"
#include "http_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const variables[] = {
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"AWS_PROFILE",
	"AWS_REGION",
	"AWS_DEFAULT_REGION",
	"AWS_ENDPOINT_URL_S3",
	"AWS_ENDPOINT_URL",
	"AWS_SHARED_CREDENTIALS_FILE",
	"AWS_CONFIG_FILE",
	"AWS_CA_BUNDLE",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT",
	"AWS_EC2_METADATA_DISABLED",
};

static int set_up(void **state)
{
	size_t i;

	for (i = 0; i < COUNT_OF(variables); i++)
		unsetenv(variables[i]);
	if (folder_make(state))
		return -1;
	setenv("HOME", *state, 1);
	return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
	write_path(path_in(folder, name), text, strlen(text));
}

/* In the folder, by the variables. */
static void write_files(const char *folder, const char *credentials, const char *config)
{
	write_text(folder, "credentials", credentials);
	write_text(folder, "config", config);
	setenv("AWS_SHARED_CREDENTIALS_FILE", path_in(folder, "credentials"), 1);
	setenv("AWS_CONFIG_FILE", path_in(folder, "config"), 1);
}

static int keys_of(const struct tranship_s3_options *options, struct s3_keys *keys,
		   struct s3_settings *settings, struct tranship_error *err)
{
	struct s3_credentials *c;
	int rc = s3_credentials_open(options, &c, settings, err);

	memset(keys, 0, sizeof(*keys));
	if (rc == 0)
		rc = s3_credentials_get(c, time(NULL), keys, err);
	s3_credentials_close(c);
	return rc;
}

#define CREDENTIALS                                  \
	"# a comment\r\n"                            \
	"[default]\r\n"                              \
	"aws_access_key_id = DEFAULTID\r\n"          \
	"aws_secret_access_key=default/secret+1\r\n" \
	"[other]\n"                                  \
	"aws_access_key_id =OTHERID\n"               \
	"; another\n"                                \
	"aws_secret_access_key = other\n"            \
	"aws_session_token = token==\n"              \
	"  region = indented\n"
#define CONFIG                                                                             \
	"[default]\nregion = eu-central-1\noutput = json\n"                                \
	"[profile other]\nregion=ap-south-1\nendpoint_url = https://s3.example.com:8443\n" \
	"s3 =\n  addressing_style = path\n"                                                \
	"[profile inconfig]\naws_access_key_id = CONFIGID\naws_secret_access_key = c\n"    \
	"[other]\nregion = not-a-profile\n"                                                \
	"[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n"     \
	"[profile half]\naws_access_key_id = HALF\n"

static void test_profiles__default_and_named(void **state)
{
	struct tranship_s3_options options = { 0 };
	struct s3_settings settings;
	struct tranship_error err;
	struct s3_keys keys;

	write_files(*state, CREDENTIALS, CONFIG);
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "DEFAULTID");
	assert_string_equal(keys.secret, "default/secret+1");
	assert_string_equal(keys.token, "");
	assert_true(keys.expires == S3_NEVER);
	assert_string_equal(settings.region, "eu-central-1");
	options.profile = "other";
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "OTHERID");
	assert_string_equal(keys.token, "token==");
	assert_string_equal(settings.region, "ap-south-1");
	assert_string_equal(settings.endpoint, "https://s3.example.com:8443");
	options.profile = NULL;
	setenv("AWS_PROFILE", "inconfig", 1);
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "CONFIGID");
	assert_string_equal(settings.region, "");
}

/* The option's profile, the environment, AWS_PROFILE. */
static void test_precedence(void **state)
{
	struct tranship_s3_options options = { 0 };
	struct s3_settings settings;
	struct tranship_error err;
	struct s3_keys keys;

	write_files(*state, CREDENTIALS, CONFIG);
	setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	setenv("AWS_SESSION_TOKEN", "t", 1);
	setenv("AWS_PROFILE", "other", 1);
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "ENVIRONMENT");
	assert_string_equal(keys.token, "t");
	assert_string_equal(settings.endpoint, "https://s3.example.com:8443");
	options.profile = "default";
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "DEFAULTID");
	assert_string_equal(keys.token, "");
}

static void test_home__files(void **state)
{
	struct tranship_s3_options options = { 0 };
	struct s3_settings settings;
	struct tranship_error err;
	struct s3_keys keys;
	char folder[600];

	assert_fails(keys_of(&options, &keys, &settings, &err), TRANSHIP_EDENIED, &err,
		     "no credentials");
	snprintf(folder, sizeof(folder), "%s/.aws", (char *)*state);
	assert_int_equal(mkdir(folder, 0700), 0);
	write_text(folder, "credentials", CREDENTIALS);
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	assert_string_equal(keys.id, "DEFAULTID");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", 1);
	assert_ok(keys_of(&options, &keys, &settings, &err), &err);
	setenv("AWS_SHARED_CREDENTIALS_FILE", folder, 1);
	assert_fails(keys_of(&options, &keys, &settings, &err), TRANSHIP_ELIMIT, &err,
		     "no regular file");
}

static void test_profiles__refused(void **state)
{
	static const struct {
		const char *profile;
		int rc;
		const char *piece;
	} rows[] = {
		{ "none", TRANSHIP_EDENIED, "there is no profile 'none'" },
		{ "", TRANSHIP_EDENIED, "no credentials" },
		{ "half", TRANSHIP_EDENIED, "must both be there" },
		{ "role", TRANSHIP_EUNSUPPORTED, "role_arn" },
		{ "spaces", TRANSHIP_EDENIED, "cannot be in it" },
		{ "long", TRANSHIP_EDENIED, "is too long" },
	};
	struct tranship_s3_options options = { 0 };
	struct s3_settings settings;
	struct tranship_error err;
	struct s3_keys keys;
	char text[9000] = "[spaces]\naws_access_key_id = A\naws_secret_access_key = hidden "
			  "word\n[long]\naws_access_key_id = ";
	size_t i;

	memset(text + strlen(text), 'L', 200);
	write_files(*state, text, CONFIG);
	for (i = 0; i < COUNT_OF(rows); i++) {
		options.profile = rows[i].profile;
		assert_fails(keys_of(&options, &keys, &settings, &err), rows[i].rc, &err,
			     rows[i].piece);
		assert_null(strstr(err.message, "hidden"));
	}
	options.profile = NULL;
	setenv("AWS_ACCESS_KEY_ID", "ONLY", 1);
	assert_fails(keys_of(&options, &keys, &settings, &err), TRANSHIP_EDENIED, &err,
		     "only one is set");
	setenv("AWS_SECRET_ACCESS_KEY", "hidden\r\nX-Header: 1", 1);
	assert_fails(keys_of(&options, &keys, &settings, &err), TRANSHIP_EDENIED, &err,
		     "AWS_SECRET_ACCESS_KEY has a character");
	assert_null(strstr(err.message, "hidden"));
}

/* A metadata service of version 2. */
struct machine {
	struct http_server *http;
	atomic_uint fetched;
	int64_t lives; /* seconds that keys are good for */
	int broken;    /* 1: no role, 2: no code, 3: not JSON, 4: 500, 5: endless */
};

static void serve_keys(struct machine *m, struct http_exchange *x)
{
	char json[600], when[40];
	time_t end = time(NULL) + m->lives;
	unsigned n = ++m->fetched;
	struct tm tm;

	gmtime_r(&end, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(json, sizeof(json),
		 "{\"Code\": \"%s\", \"Type\": \"AWS-HMAC\", \"AccessKeyId\": \"ASIA%u\", "
		 "\"SecretAccessKey\": \"s%u\", \"Token\": \"t%u\", \"Expiration\": \"%s\"}",
		 m->broken == 2 ? "Failed" : "Success", n, n, n, when);
	http_reply_with(x, 200, "", m->broken == 3 ? "nonsense" : json,
			m->broken == 3 ? 8 : strlen(json));
}

static void machine_answers(void *ctx, struct http_exchange *x)
{
	static const char role[] = "/latest/meta-data/iam/security-credentials/";
	static const char zeros[20000];
	struct machine *m = ctx;
	char text[300];

	if (m->broken == 4) {
		http_reply_with(x, 500, "", "", 0);
	} else if (strcmp(x->target, "/latest/api/token") == 0) {
		http_header(x, "x-aws-ec2-metadata-token-ttl-seconds", text, sizeof(text));
		assert_string_equal(x->method, "PUT");
		assert_string_equal(text, "21600");
		http_reply_with(x, 200, "", m->broken == 5 ? zeros : "TOKEN==",
				m->broken == 5 ? sizeof(zeros) : 7);
	} else if (strcmp(http_header(x, "x-aws-ec2-metadata-token", text, sizeof(text)),
			  "TOKEN==") != 0) {
		http_reply_with(x, 401, "", "", 0);
	} else if (strcmp(x->target, role) == 0 && m->broken != 1) {
		http_reply_with(x, 200, "", "my-role\n", 8);
	} else if (strncmp(x->target, role, strlen(role)) == 0 &&
		   strcmp(x->target + strlen(role), "my-role") == 0) {
		serve_keys(m, x);
	} else {
		http_reply_with(x, 404, "", "", 0);
	}
}

static void machine_start(struct machine *m)
{
	m->http = http_server_start(machine_answers, m);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", http_server_url(m->http), 1);
	/* It is never asked over a proxy. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	unsetenv("no_proxy");
}

static void test_instance__renews(void **state)
{
	const struct tranship_s3_options options = { .instance = true };
	struct machine m = { .lives = 3600 };
	struct s3_settings settings;
	struct s3_credentials *c;
	struct tranship_error err;
	struct s3_keys keys;
	int64_t now = time(NULL);

	(void)state;
	setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT", 1); /* not asked for */
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	machine_start(&m);
	assert_ok(s3_credentials_open(&options, &c, &settings, &err), &err);
	assert_ok(s3_credentials_get(c, now, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA1");
	assert_string_equal(keys.secret, "s1");
	assert_string_equal(keys.token, "t1");
	assert_true(keys.expires >= now + 3599 && keys.expires <= now + 3660);
	assert_ok(s3_credentials_get(c, now + 2900, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA1");
	/* Ten minutes before the end. */
	m.lives = 7200;
	assert_ok(s3_credentials_get(c, now + 3060, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA2");
	/* The server says that they are over. */
	assert_true(s3_credentials_renew(c, &keys));
	assert_ok(s3_credentials_get(c, now, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA3");
	s3_credentials_close(c);
	http_server_stop(m.http);
	unsetenv("http_proxy");
}

/* Keys that are still good do while the service is away; it is not asked each time then. */
static void test_instance__outage(void **state)
{
	const struct tranship_s3_options options = { .instance = true };
	struct machine m = { .lives = 600 };
	struct s3_settings settings;
	struct s3_credentials *c;
	struct tranship_error err;
	struct s3_keys keys;
	int64_t now = time(NULL);
	unsigned before;

	(void)state;
	machine_start(&m);
	assert_ok(s3_credentials_open(&options, &c, &settings, &err), &err);
	m.broken = 1;
	before = http_server_requests(m.http);
	assert_ok(s3_credentials_get(c, now + 10, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA1");
	assert_int_equal(http_server_requests(m.http), before + 2);
	assert_ok(s3_credentials_get(c, now + 20, &keys, &err), &err);
	assert_int_equal(http_server_requests(m.http), before + 2);
	assert_fails(s3_credentials_get(c, now + 700, &keys, &err), TRANSHIP_EDENIED, &err,
		     "no role");
	assert_string_equal(keys.secret, "");
	m.broken = 0;
	assert_ok(s3_credentials_get(c, now + 701, &keys, &err), &err);
	assert_string_equal(keys.id, "ASIA2");
	s3_credentials_close(c);
	http_server_stop(m.http);
	unsetenv("http_proxy");
}

static void test_instance__refused(void **state)
{
	static const struct {
		int broken, rc;
		const char *piece;
	} rows[] = {
		{ 1, TRANSHIP_EDENIED, "no role" },     { 2, TRANSHIP_EDENIED, "not Success" },
		{ 3, TRANSHIP_EDENIED, "not Success" }, { 4, TRANSHIP_EIO, "500" },
		{ 5, TRANSHIP_EIO, "too much" },
	};
	const struct tranship_s3_options options = { .instance = true };
	struct machine m = { .lives = 3600 };
	struct s3_settings settings;
	struct tranship_error err;
	struct s3_keys keys;
	size_t i;

	(void)state;
	machine_start(&m);
	for (i = 0; i < COUNT_OF(rows); i++) {
		m.broken = rows[i].broken;
		assert_fails(keys_of(&options, &keys, &settings, &err), rows[i].rc, &err,
			     rows[i].piece);
	}
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	assert_fails(keys_of(&options, &keys, &settings, &err), TRANSHIP_EDENIED, &err,
		     "AWS_EC2_METADATA_DISABLED");
	http_server_stop(m.http);
	unsetenv("http_proxy");
}

/* A file that another program renews while a run goes on. */
static void test_renew__file(void **state)
{
	const struct tranship_s3_options options = { 0 };
	struct s3_settings settings;
	struct s3_credentials *c;
	struct tranship_error err;
	struct s3_keys keys;

	write_files(*state, CREDENTIALS, CONFIG);
	assert_ok(s3_credentials_open(&options, &c, &settings, &err), &err);
	assert_ok(s3_credentials_get(c, time(NULL), &keys, &err), &err);
	assert_false(s3_credentials_renew(c, &keys));
	write_files(*state, "[default]\naws_access_key_id=NEW\naws_secret_access_key=n\n", CONFIG);
	assert_true(s3_credentials_renew(c, &keys));
	assert_ok(s3_credentials_get(c, time(NULL), &keys, &err), &err);
	assert_string_equal(keys.id, "NEW");
	s3_credentials_close(c);
}

struct place_row {
	const char *url, *endpoint;
	bool virtual_host;
	const char *origin, *host, *prefix; /* NULL: refused, */
	const char *piece;                  /* because */
};

static const struct place_row places[] = {
	{ "s3://bucket", NULL, false, "https://s3.us-east-1.amazonaws.com",
	  "s3.us-east-1.amazonaws.com", "" },
	{ "s3://bucket/", NULL, true, "https://bucket.s3.us-east-1.amazonaws.com",
	  "bucket.s3.us-east-1.amazonaws.com", "" },
	{ "s3://my.bucket/a/b c/", "http://h:80", false, "http://h", "h", "a/b c/" },
	{ "s3://Big_bucket/a", "https://h:443/", false, "https://h", "h", "a/" },
	{ "s3://bucket/a", "https://h:80", false, "https://h:80", "h:80", "a/" },
	{ "s3://bucket/a", "http://[::1]:9000", false, "http://[::1]:9000", "[::1]:9000", "a/" },
	{ "s3://bucket/a", "http://[::1]", false, "http://[::1]", "[::1]", "a/" },
	{ "s3:/bucket", NULL, false, NULL, NULL, NULL, "does not begin with s3://" },
	{ "s3://", NULL, false, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://ab", NULL, false, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://a..b", NULL, false, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://.abc", NULL, false, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://a?b", NULL, false, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://a\x1b[31m", NULL, false, NULL, NULL, NULL, "'a\\x1b[31m'" },
	{ "s3://Bucket", NULL, true, NULL, NULL, NULL, "no name of a bucket" },
	{ "s3://bucket//", NULL, false, NULL, NULL, NULL, "empty" },
	{ "s3://bucket/a//b", NULL, false, NULL, NULL, NULL, "empty" },
	{ "s3://bucket/a/../b", NULL, false, NULL, NULL, NULL, "dots" },
	{ "s3://bucket/./b", NULL, false, NULL, NULL, NULL, "dots" },
	{ "s3://bucket/a\nb", NULL, false, NULL, NULL, NULL, "no line" },
	{ "s3://bucket", "ftp://h", false, NULL, NULL, NULL, "https:// or http://" },
	{ "s3://bucket", "http://", false, NULL, NULL, NULL, "no valid host" },
	{ "s3://bucket", "http://a b", false, NULL, NULL, NULL, "no valid host" },
	{ "s3://bucket", "http://user:pw@h", false, NULL, NULL, NULL, "no valid port" },
	{ "s3://bucket", "http://u@h", false, NULL, NULL, NULL, "no valid host" },
	{ "s3://bucket", "http://h:0", false, NULL, NULL, NULL, "no valid port" },
	{ "s3://bucket", "http://h:65536", false, NULL, NULL, NULL, "no valid port" },
	{ "s3://bucket", "http://h:1x", false, NULL, NULL, NULL, "no valid port" },
	{ "s3://bucket", "http://h:", false, NULL, NULL, NULL, "no valid port" },
	{ "s3://bucket", "http://h/path", false, NULL, NULL, NULL, "more than a host" },
	{ "s3://bucket", "http://[::1", false, NULL, NULL, NULL, "no valid host" },
	{ "s3://bucket", "http://127.0.0.1:1", true, NULL, NULL, NULL, "is an address" },
};

static void test_place__rows(void **state)
{
	static const struct s3_settings nothing;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(places); i++) {
		const struct place_row *r = &places[i];
		const struct tranship_s3_options options = { .endpoint = r->endpoint,
							     .virtual_host = r->virtual_host };
		struct tranship_error err;
		struct s3_place place;
		int rc = s3_place_parse(r->url, &options, &nothing, &place, &err);

		if (r->piece) {
			assert_fails(rc, TRANSHIP_EINVAL, &err, r->piece);
			continue;
		}
		assert_ok(rc, &err);
		assert_string_equal(place.origin, r->origin);
		assert_string_equal(place.host, r->host);
		assert_string_equal(place.prefix, r->prefix);
	}
}

static void test_place__where_from(void **state)
{
	struct tranship_s3_options options = { 0 };
	const struct s3_settings settings = { .region = "p-1", .endpoint = "http://profile" };
	struct tranship_error err;
	struct s3_place place;

	(void)state;
	assert_ok(s3_place_parse("s3://bucket", &options, &settings, &place, &err), &err);
	assert_string_equal(place.origin, "http://profile");
	assert_string_equal(place.region, "p-1");
	setenv("AWS_ENDPOINT_URL", "http://environment", 1);
	setenv("AWS_DEFAULT_REGION", "d-1", 1);
	assert_ok(s3_place_parse("s3://bucket", &options, &settings, &place, &err), &err);
	assert_string_equal(place.origin, "http://environment");
	assert_string_equal(place.region, "d-1");
	setenv("AWS_ENDPOINT_URL_S3", "http://s3", 1);
	setenv("AWS_REGION", "r-1", 1);
	assert_ok(s3_place_parse("s3://bucket", &options, &settings, &place, &err), &err);
	assert_string_equal(place.origin, "http://s3");
	assert_string_equal(place.region, "r-1");
	options.endpoint = "http://option";
	options.region = "cn-north-1";
	assert_ok(s3_place_parse("s3://bucket", &options, &settings, &place, &err), &err);
	assert_string_equal(place.origin, "http://option");
	options.region = "a/b";
	assert_fails(s3_place_parse("s3://bucket", &options, &settings, &place, &err),
		     TRANSHIP_EINVAL, &err, "no name of a region");
}

static void test_time__forms(void **state)
{
	(void)state;
	assert_int_equal(s3_time("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(s3_time("2023-11-14T22:13:20.123Z"), 1700000000);
	assert_int_equal(s3_time("2023-11-14T22:13:20"), -1);
	assert_int_equal(s3_time("2023-13-14T22:13:20Z"), -1);
	assert_int_equal(s3_time("2023-11-14 22:13:20Z"), -1);
	assert_int_equal(s3_time("2023-11-14T22:13:20+01:00"), -1);
	assert_int_equal(s3_time("x"), -1);
	assert_int_equal(s3_time(""), -1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_profiles__default_and_named),
		TEST(test_precedence),
		TEST(test_home__files),
		TEST(test_profiles__refused),
		TEST(test_instance__renews),
		TEST(test_instance__outage),
		TEST(test_instance__refused),
		TEST(test_renew__file),
		TEST(test_place__rows),
		TEST(test_place__where_from),
		TEST(test_time__forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
