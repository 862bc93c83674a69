// SPDX-License-Identifier: Apache-2.0
/*
 * The parser is our own, so that what a URL may ask for is a short list: no parameter switches the
 * verification of certificates off, and a parameter that is not known is an error instead of a
 * setting that did nothing.
 */
#include "nbd/nbd_url.h"

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define URL_MAX 8192U
/* The protocol's limit for strings. */
#define EXPORT_MAX 4096U
#define HOST_MAX 255U
#define USER_MAX 255U
#define FILE_NAME_MAX 4095U
#define SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define DEFAULT_PORT "10809"

static int refuse(struct tranship_error *err, const char *part, size_t len, const char *why)
{
	char shown[100];

	text_escape(shown, sizeof(shown), part, len);
	return error_set(err, TRANSHIP_EINVAL, "nbd: '%s' in the URL %s", shown, why);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%41" stands for; -1: it is none, or zero. */
static int decode_byte(const char *at, size_t left)
{
	int high = left > 2 ? hex_digit(at[1]) : -1, low = left > 2 ? hex_digit(at[2]) : -1;

	return high < 0 || low < 0 || (high | low) == 0 ? -1 : high << 4 | low;
}

/* What the percent signs in a part stand for: malloc'ed text of min to max bytes. */
static int decode(const char *what, const char *part, size_t len, size_t min, size_t max,
		  char **out, struct tranship_error *err)
{
	char *text = malloc(len + 1);
	size_t i, n = 0;

	*out = NULL;
	if (!text)
		return error_nomem(err, len + 1);
	for (i = 0; i < len; i++) {
		int byte = part[i] == '%' ? decode_byte(part + i, len - i) : part[i];

		if (part[i] == '%' && byte < 0) {
			free(text);
			return refuse(err, part, len,
				      "has a '%' without two hexadecimal digits, or a zero byte");
		}
		i += part[i] == '%' ? 2 : 0;
		text[n++] = (char)byte;
	}
	text[n] = '\0';
	if (n < min || n > max) {
		free(text);
		return error_set(err, TRANSHIP_EINVAL,
				 "nbd: the %s in the URL has %zu bytes, not %zu to %zu", what, n,
				 min, max);
	}
	*out = text;
	return 0;
}

/* "nbds+unix://" and the others; the rest of the text, NULL if it begins as none. */
static const char *take_scheme(const char *text, bool *tls, bool *is_unix)
{
	if (strncmp(text, "nbd", 3) != 0)
		return NULL;
	text += 3;
	*tls = *text == 's';
	text += *tls;
	*is_unix = strncmp(text, "+unix", 5) == 0;
	text += *is_unix ? 5 : 0;
	return strncmp(text, "://", 3) == 0 ? text + 3 : NULL;
}

static int take_port(struct nbd_url *url, const char *text, size_t len, struct tranship_error *err)
{
	unsigned long port = 0;
	size_t i;

	for (i = 0; i < len && i < 6 && text[i] >= '0' && text[i] <= '9'; i++)
		port = port * 10 + (unsigned long)(text[i] - '0');
	if (i != len || port < 1 || port > 65535)
		return refuse(err, text, len, "is no port from 1 to 65535");
	snprintf(url->port, sizeof(url->port), "%lu", port);
	return 0;
}

/* "host", "host:port", "[::1]:port" */
static int take_host(struct nbd_url *url, const char *text, size_t len, struct tranship_error *err)
{
	const char *end = text + len, *host = text, *after;

	if (len > 0 && *text == '[') {
		host = text + 1;
		after = memchr(host, ']', len - 1);
		if (!after)
			return refuse(err, text, len, "lacks a ']'");
		len = (size_t)(after++ - host);
		if (strspn(host, "0123456789abcdefABCDEF:.") < len)
			return refuse(err, host, len, "is no IPv6 address");
	} else {
		after = memchr(text, ':', len);
		after = after ? after : end;
		len = (size_t)(after - host);
	}
	strcpy(url->port, DEFAULT_PORT);
	if (after < end && *after != ':')
		return refuse(err, after, (size_t)(end - after), "is no port");
	if (after < end) {
		int rc = take_port(url, after + 1, (size_t)(end - after - 1), err);

		if (rc)
			return rc;
	}
	return decode("host", host, len, 1, HOST_MAX, &url->host, err);
}

/* What stands before the path: "user@host:port", of a Unix socket only "user@" or nothing. */
static int take_authority(struct nbd_url *url, bool is_unix, const char *text, size_t len,
			  struct tranship_error *err)
{
	const char *at = memchr(text, '@', len);
	size_t user_len = at ? (size_t)(at - text) : 0;
	int rc;

	if (at && !url->tls)
		return refuse(err, text, len, "names a user, which only TLS has");
	if (at) {
		rc = decode("user", text, user_len, 1, USER_MAX, &url->user, err);
		if (rc)
			return rc;
		text = at + 1;
		len -= user_len + 1;
	}
	if (!is_unix)
		return take_host(url, text, len, err);
	return len ? refuse(err, text, len, "names a host, which a Unix socket has none of") : 0;
}

static int take_parameter(struct nbd_url *url, bool is_unix, const char *text, size_t len,
			  struct tranship_error *err)
{
	const struct {
		const char *name;
		char **value;
		size_t max;
		bool allowed;
	} known[] = {
		{ "socket", &url->socket, SOCKET_MAX, is_unix },
		{ "tls-certificates", &url->tls_certificates, FILE_NAME_MAX, url->tls },
		{ "tls-psk-file", &url->tls_psk_file, FILE_NAME_MAX, url->tls },
	};
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len, i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != name_len || memcmp(known[i].name, text, name_len) != 0)
			continue;
		if (!known[i].allowed)
			return refuse(err, text, len, "does not go with its scheme");
		if (*known[i].value || !equals)
			return refuse(err, text, len, equals ? "is there twice" : "has no value");
		return decode(known[i].name, equals + 1, len - name_len - 1, 1, known[i].max,
			      known[i].value, err);
	}
	return refuse(err, text, len, "is no parameter that is known");
}

static int take_query(struct nbd_url *url, bool is_unix, const char *text,
		      struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && *text) {
		size_t len = strcspn(text, "&");

		rc = take_parameter(url, is_unix, text, len, err);
		text += len;
		text += *text == '&';
	}
	return rc;
}

static int parse(const char *text, struct nbd_url *url, struct tranship_error *err)
{
	size_t authority, path;
	bool is_unix;
	int rc;

	if (strlen(text) > URL_MAX)
		return error_set(err, TRANSHIP_EINVAL, "nbd: a URL of %zu bytes, at most %u can be",
				 strlen(text), URL_MAX);
	text = take_scheme(text, &url->tls, &is_unix);
	if (!text)
		return error_set(err, TRANSHIP_EINVAL,
				 "nbd: no nbd://, nbd+unix://, nbds:// or nbds+unix://");
	if (strchr(text, '#'))
		return refuse(err, strchr(text, '#'), strlen(strchr(text, '#')),
			      "is a fragment, which an export has none of");
	authority = strcspn(text, "/?");
	rc = take_authority(url, is_unix, text, authority, err);
	text += authority;
	text += *text == '/';
	path = strcspn(text, "?");
	if (rc == 0)
		rc = decode("export", text, path, 0, EXPORT_MAX, &url->export, err);
	if (rc == 0)
		rc = take_query(url, is_unix, text + path + (text[path] == '?'), err);
	if (rc == 0 && is_unix && !url->socket)
		rc = error_set(err, TRANSHIP_EINVAL, "nbd: the URL has no socket=PATH");
	return rc;
}

static void show(struct nbd_url *url)
{
	const char *where = url->socket ? url->socket : url->host;
	size_t used;

	text_escape(url->shown, sizeof(url->shown) - sizeof(url->port), where, strlen(where));
	used = strlen(url->shown);
	if (!url->socket)
		snprintf(url->shown + used, sizeof(url->shown) - used, ":%s", url->port);
}

int nbd_url_parse(const char *text, struct nbd_url *out, struct tranship_error *err)
{
	struct nbd_url url = { 0 };
	int rc = parse(text, &url, err);

	*out = (struct nbd_url){ 0 };
	if (rc) {
		nbd_url_free(&url);
		return rc;
	}
	show(&url);
	*out = url;
	return 0;
}

void nbd_url_free(struct nbd_url *url)
{
	free(url->host);
	free(url->socket);
	free(url->export);
	free(url->user);
	free(url->tls_certificates);
	free(url->tls_psk_file);
	*url = (struct nbd_url){ 0 };
}
