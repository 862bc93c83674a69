/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that waits for the clients of `serve`. */
#ifndef CLI_SERVE_SOCKET_H
#define CLI_SERVE_SOCKET_H

#include <stdbool.h>

/* Where it is wanted; all NULL: a Unix socket in a new folder that only the user can enter. */
struct serve_where {
	const char *unix_path;
	const char *address; /* IPv4 or IPv6; NULL with a port: 127.0.0.1 */
	const char *port;    /* "0": any that is free */
	bool tls;            /* what the URI says */
};

struct serve_socket {
	int fd;       /* listening; -1: none */
	char *path;   /* of a Unix socket, absolute; NULL: TCP */
	char *folder; /* that was made for it; NULL: none */
	char port[6]; /* "" for a Unix socket */
	char *uri;
};

/* 0, or -1 with a message. Undone by serve_socket_close, also after a failure. */
int serve_socket_open(const struct serve_where *where, struct serve_socket *out);
/* Also removes the socket, and the folder that was made for it. */
void serve_socket_close(struct serve_socket *s);

#endif
