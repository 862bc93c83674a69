// SPDX-License-Identifier: Apache-2.0
/* URLs of NBD exports: what is taken, and what is refused before anybody is connected to. */
#include "support.h"

#include "nbd/nbd_export.h"
#include "nbd/nbd_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_url_parse__what_is_taken(void **state)
{
	static const struct {
		const char *text;
		struct nbd_url want;
	} cases[] = {
		{ "nbd://host", { .host = "host", .port = "10809", .export = "" } },
		{ "nbd://host/", { .host = "host", .port = "10809", .export = "" } },
		{ "nbd://host:1/a/b", { .host = "host", .port = "1", .export = "a/b" } },
		{ "nbd://host:065535//x", { .host = "host", .port = "65535", .export = "/x" } },
		{ "nbd://[::1]:10810/x%20y%2Fz",
		  { .host = "::1", .port = "10810", .export = "x y/z" } },
		{ "nbd://[fe80::1]", { .host = "fe80::1", .port = "10809", .export = "" } },
		{ "nbd+unix:///?socket=/tmp/s", { .socket = "/tmp/s", .export = "" } },
		{ "nbd+unix:///disk?socket=%2Ftmp%2Fa%3db%26",
		  { .socket = "/tmp/a=b&", .export = "disk" } },
		{ "nbds://bob@host/x",
		  { .tls = true, .host = "host", .port = "10809", .export = "x", .user = "bob" } },
		{ "nbds://host/?tls-certificates=/etc/pki",
		  { .tls = true,
		    .host = "host",
		    .port = "10809",
		    .export = "",
		    .tls_certificates = "/etc/pki" } },
		{ "nbds+unix://al@/?socket=s&tls-psk-file=k",
		  { .tls = true, .socket = "s", .export = "", .user = "al", .tls_psk_file = "k" } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		const struct nbd_url *want = &cases[i].want;
		struct tranship_error err;
		struct nbd_url got;

		if (nbd_url_parse(cases[i].text, &got, &err))
			fail_msg("'%s': %s", cases[i].text, err.message);
		if (got.tls != want->tls || !equal(got.host, want->host) ||
		    strcmp(got.port, want->port) != 0 || !equal(got.socket, want->socket) ||
		    !equal(got.export, want->export) || !equal(got.user, want->user) ||
		    !equal(got.tls_certificates, want->tls_certificates) ||
		    !equal(got.tls_psk_file, want->tls_psk_file))
			fail_msg("'%s' was taken for something else", cases[i].text);
		nbd_url_free(&got);
	}
}

static void test_url_parse__what_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "", "no nbd://" },
		{ "nbd:", "no nbd://" },
		{ "nbd:host:10809", "no nbd://" },
		{ "nbdx://host", "no nbd://" },
		{ "NBD://host", "no nbd://" },
		{ "nbd+vsock://1", "no nbd://" },
		{ "nbd://", "host in the URL has 0 bytes" },
		{ "nbd:///disk", "host in the URL has 0 bytes" },
		{ "nbd://host:", "no port" },
		{ "nbd://host:0", "no port" },
		{ "nbd://host:65536", "no port" },
		{ "nbd://host:1x", "no port" },
		{ "nbd://host:-1", "no port" },
		{ "nbd://host:100000000000000000001", "no port" },
		{ "nbd://[::1", "lacks a ']'" },
		{ "nbd://[::1]1", "no port" },
		{ "nbd://[host]", "no IPv6 address" },
		{ "nbd://[]", "host in the URL has 0 bytes" },
		{ "nbd://host/a%", "without two hexadecimal digits" },
		{ "nbd://host/a%4", "without two hexadecimal digits" },
		{ "nbd://host/a%4g", "without two hexadecimal digits" },
		{ "nbd://host/a%00b", "zero byte" },
		{ "nbd://host/#x", "fragment" },
		{ "nbd://host/?socket=/x", "does not go with its scheme" },
		{ "nbd://host/?tls-certificates=/x", "does not go with its scheme" },
		{ "nbds://host/?tls-verify-peer=false", "no parameter that is known" },
		{ "nbds://host/?tls-psk-file=", "has 0 bytes" },
		{ "nbds://host/?tls-psk-file", "has no value" },
		{ "nbd://bob@host", "only TLS has" },
		{ "nbds://@host", "user in the URL has 0 bytes" },
		{ "nbd+unix://host/?socket=/x", "names a host" },
		{ "nbd+unix:///", "has no socket" },
		{ "nbd+unix:///?socket=", "has 0 bytes" },
		{ "nbd+unix:///?socket=/x&socket=/y", "twice" },
		{ "nbd+unix:///?socket=/x&", NULL },
		{ "nbd+unix:///?Socket=/x", "no parameter that is known" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct tranship_error err = { 0 };
		struct nbd_url got;
		int rc = nbd_url_parse(cases[i][0], &got, &err);

		if (!cases[i][1]) {
			assert_int_equal(rc, 0);
			nbd_url_free(&got);
			continue;
		}
		if (rc != TRANSHIP_EINVAL || !strstr(err.message, cases[i][1]))
			fail_msg("'%s': %d, %s", cases[i][0], rc, err.message);
		assert_null(got.export);
	}
}

static void refuse_long(const char *before, size_t len, const char *after)
{
	char *text = malloc(strlen(before) + len + strlen(after) + 1);
	struct tranship_error err;
	struct nbd_url got;

	assert_non_null(text);
	strcpy(text, before);
	memset(text + strlen(before), 'x', len);
	strcpy(text + strlen(before) + len, after);
	assert_int_equal(nbd_url_parse(text, &got, &err), TRANSHIP_EINVAL);
	free(text);
}

static void test_url_parse__what_is_too_long(void **state)
{
	(void)state;
	refuse_long("nbd://", 256, "/");
	refuse_long("nbd://host/", 4097, "");
	refuse_long("nbd://host/", 100000, "");
	refuse_long("nbd+unix:///?socket=/", 107, "");
	refuse_long("nbds://", 256, "@host");
	refuse_long("nbds://host/?tls-psk-file=", 4096, "");
}

static void test_url_parse__what_is_shown(void **state)
{
	struct nbd_url url;

	(void)state;
	assert_int_equal(nbd_url_parse("nbd://a%1Bb:7/x", &url, NULL), 0);
	assert_string_equal(url.shown, "a\\x1bb:7");
	nbd_url_free(&url);
}

static int target(const char *location, const char *text, struct nbd_target *out,
		  struct tranship_error *err)
{
	struct options *options;
	int rc = options_parse(text, nbd_open_options, NULL, &options, err);

	if (rc == 0)
		rc = nbd_target_from(location, options, out, err);
	options_free(options);
	return rc;
}

static void test_target_from__options(void **state)
{
	struct tranship_error err;
	struct nbd_target got;

	(void)state;
	assert_int_equal(target("nbd://host", NULL, &got, &err), 0);
	assert_int_equal(got.silence_ms, 60000);
	nbd_url_free(&got.url);
	assert_int_equal(target("nbds://a@host/?tls-psk-file=x",
				"timeout=0,tls-psk-file=y,tls-user=b", &got, &err),
			 0);
	assert_int_equal(got.silence_ms, 0);
	assert_string_equal(got.url.tls_psk_file, "y");
	assert_string_equal(got.url.user, "b");
	nbd_url_free(&got.url);
	assert_int_equal(target("nbd://host", "tls-certificates=/x", &got, &err), TRANSHIP_EINVAL);
	assert_int_equal(target("nbd://host", "timeout=86401", &got, &err), TRANSHIP_EINVAL);
	assert_int_equal(target("nbd://host", "timeout=-1", &got, &err), TRANSHIP_EINVAL);
	assert_int_equal(target("disk.raw", NULL, &got, &err), TRANSHIP_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_parse__what_is_taken),
		cmocka_unit_test(test_url_parse__what_is_refused),
		cmocka_unit_test(test_url_parse__what_is_too_long),
		cmocka_unit_test(test_url_parse__what_is_shown),
		cmocka_unit_test(test_target_from__options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
