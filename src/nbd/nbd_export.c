// SPDX-License-Identifier: Apache-2.0
#include "nbd/nbd_export.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define SILENCE_DEFAULT_S 60
#define SILENCE_MAX_S 86400

const struct tranship_option_info nbd_open_options[] = {
	{ "connections", "int", "how many there are at most (default 8)" },
	{ "reconnect", "int", "how often in a row a lost one is made again (default 6)" },
	{ "timeout", "int", "seconds that a server may say nothing (default 60; 0: any time)" },
	{ "tls-certificates", "text", "folder with ca-cert.pem, client-cert.pem, client-key.pem" },
	{ "tls-psk-file", "text", "file with the keys of users" },
	{ "tls-user", "text", "which of them, or in the URL: nbds://USER@..." },
	{ 0 },
};

/* What an option says counts before what the URL says. */
static int override(char **value, const struct options *options, const char *name,
		    struct tranship_error *err)
{
	const char *text = options_text(options, name, NULL);

	if (!text)
		return 0;
	free(*value);
	*value = strdup(text);
	return *value ? 0 : error_nomem(err, strlen(text) + 1);
}

static int fill(struct nbd_url *url, const struct options *options, struct tranship_error *err)
{
	int rc = override(&url->tls_certificates, options, "tls-certificates", err);

	if (rc == 0)
		rc = override(&url->tls_psk_file, options, "tls-psk-file", err);
	if (rc == 0)
		rc = override(&url->user, options, "tls-user", err);
	if (rc == 0 && !url->tls && (url->tls_certificates || url->tls_psk_file || url->user))
		rc = error_set(err, TRANSHIP_EINVAL,
			       "nbd: an option for TLS is given, and the URL is not nbds://");
	return rc;
}

int nbd_target_from(const char *location, const struct options *options, struct nbd_target *out,
		    struct tranship_error *err)
{
	int silence = options_int(options, "timeout", SILENCE_DEFAULT_S);
	int rc;

	*out = (struct nbd_target){ 0 };
	if (silence > SILENCE_MAX_S)
		return error_set(err, TRANSHIP_EINVAL, "nbd: a timeout of %d s, at most %d can be",
				 silence, SILENCE_MAX_S);
	out->silence_ms = (unsigned)silence * 1000;
	rc = nbd_url_parse(location, &out->url, err);
	if (rc == 0)
		rc = fill(&out->url, options, err);
	if (rc)
		nbd_url_free(&out->url);
	return rc;
}
