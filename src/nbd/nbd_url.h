/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an export is, as the NBD project's doc/uri.md spells it: nbd://host[:port]/export,
 * nbd+unix:///export?socket=PATH, and nbds:// and nbds+unix:// with TLS.
 */
#ifndef NBD_NBD_URL_H
#define NBD_NBD_URL_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

struct nbd_url {
	bool tls;
	char *host;             /* NULL: a Unix socket; an IPv6 address is without brackets */
	char port[6];           /* "1" to "65535" */
	char *socket;           /* NULL: TCP */
	char *export;           /* "": the server's default */
	char *user;             /* NULL: none; for TLS with a pre-shared key */
	char *tls_certificates; /* a folder with ca-cert.pem; NULL: none */
	char *tls_psk_file;     /* NULL: none */
	char shown[120];        /* the server, for messages */
};

/* TRANSHIP_EINVAL says what is wrong with it. Undone by nbd_url_free, which also takes one of
 * zeros. */
int nbd_url_parse(const char *text, struct nbd_url *out, struct tranship_error *err);
void nbd_url_free(struct nbd_url *url);

#endif
