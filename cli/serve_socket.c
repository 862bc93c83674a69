// SPDX-License-Identifier: Apache-2.0
#include "serve_socket.h"

#include "cli.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

/* As a value in a URL; the caller frees it. */
static char *percent_encode(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/";
	char *out = malloc(3 * strlen(text) + 1), *p = out;

	if (!out)
		abort();
	for (; *text; text++)
		if (strchr(plain, *text))
			*p++ = *text;
		else
			p += sprintf(p, "%%%02X", (unsigned)(unsigned char)*text);
	*p = '\0';
	return out;
}

/* `path` from the root on; NULL on failure. */
static char *absolute_path(const char *path)
{
	char *folder, *joined = NULL;

	if (*path == '/')
		return strdup(path);
	folder = getcwd(NULL, 0);
	if (folder && asprintf(&joined, "%s/%s", folder, path) < 0)
		joined = NULL;
	free(folder);
	return joined;
}

/* In a folder of its own, which keeps other users out. */
static char *path_of_our_own(struct serve_socket *s)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (asprintf(&s->folder, "%s/tranship-serve.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
		abort();
	if (!mkdtemp(s->folder)) {
		cli_error("'%s' could not be made: %s", s->folder, strerror(errno));
		free(s->folder);
		s->folder = NULL;
		return NULL;
	}
	if (asprintf(&path, "%s/socket", s->folder) < 0)
		abort();
	return path;
}

static int listen_unix(const struct serve_where *where, struct serve_socket *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *path = where->unix_path ? absolute_path(where->unix_path) : path_of_our_own(s);
	char *encoded;

	if (!path)
		return -1;
	if (strlen(path) >= sizeof(address.sun_path)) {
		cli_error("'%s': the path of a Unix socket has at most %zu bytes", path,
			  sizeof(address.sun_path) - 1);
		free(path);
		return -1;
	}
	strcpy(address.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&address, sizeof(address))) {
		cli_error("'%s': no socket could be made there: %s", path, strerror(errno));
		free(path);
		return -1;
	}
	s->path = path; /* from here on it is ours to remove */
	encoded = percent_encode(path);
	if (asprintf(&s->uri, "nbd%s+unix:///?socket=%s", where->tls ? "s" : "", encoded) < 0)
		abort();
	free(encoded);
	return 0;
}

static int name_tcp(const struct serve_where *where, const char *address, struct serve_socket *s)
{
	bool six = strchr(address, ':');
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);

	if (getsockname(s->fd, (struct sockaddr *)&bound, &len) ||
	    getnameinfo((struct sockaddr *)&bound, len, NULL, 0, s->port, sizeof(s->port),
			NI_NUMERICSERV)) {
		cli_error("'%s': which port it is could not be found out", address);
		return -1;
	}
	if (asprintf(&s->uri, "nbd%s://%s%s%s:%s", where->tls ? "s" : "", six ? "[" : "", address,
		     six ? "]" : "", s->port) < 0)
		abort();
	return 0;
}

/* getaddrinfo would take it modulo 2^16. */
static bool is_port(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 5 && strspn(text, "0123456789") == len &&
	       strtoul(text, NULL, 10) <= UINT16_MAX;
}

static int listen_tcp(const struct serve_where *where, struct serve_socket *s)
{
	const char *address = where->address ? where->address : "127.0.0.1";
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *info;
	int on = 1, rc;

	if (where->port && !is_port(where->port)) {
		cli_error("'%s' is no port: a number from 0 to 65535", where->port);
		return -1;
	}
	rc = getaddrinfo(address, where->port ? where->port : "10809", &hints, &info);
	if (rc) {
		cli_error("'%s' is no address with a port: %s", address, gai_strerror(rc));
		return -1;
	}
	s->fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(s->fd, info->ai_addr, info->ai_addrlen)) {
		cli_error("'%s' port %s: no socket could be made there: %s", address,
			  where->port ? where->port : "10809", strerror(errno));
		freeaddrinfo(info);
		return -1;
	}
	freeaddrinfo(info);
	return name_tcp(where, address, s);
}

int serve_socket_open(const struct serve_where *where, struct serve_socket *out)
{
	bool tcp = where->address || where->port;

	*out = (struct serve_socket){ .fd = -1 };
	if (tcp ? listen_tcp(where, out) : listen_unix(where, out))
		return -1;
	if (listen(out->fd, BACKLOG)) {
		cli_error("%s: nobody can be listened to: %s", out->uri, strerror(errno));
		return -1;
	}
	return 0;
}

void serve_socket_close(struct serve_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->path)
		unlink(s->path);
	if (s->folder)
		rmdir(s->folder);
	free(s->path);
	free(s->folder);
	free(s->uri);
	*s = (struct serve_socket){ .fd = -1 };
}
