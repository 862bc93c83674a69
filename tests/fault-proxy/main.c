// SPDX-License-Identifier: Apache-2.0
/*
 * A proxy for HTTP on loopback that damages what passes through it, by rules, so that a client can
 * be seen to survive it with a real server behind.
 *   fault-proxy PORT-FILE HOST:PORT [seed=N] [limit=N] [log=FILE] [[METHOD/]WHEN=FAULT]...
 * It listens at a free port, which it writes to PORT-FILE, passes requests on to HOST:PORT, and
 * ends when the process that started it does.
 *   METHOD  the rule is about such requests only
 *   WHEN    "3": the third request that the rule sees; "3-5"; "20%": so many of them, by the seed
 *   FAULT   "503": an answer of the proxy's own; else what happens and where:
 *           reset@WHERE, close@WHERE, flip@upload, flip@download, wait@WHERE:MILLISECONDS
 *   WHERE   in the order of time: request (nothing is passed on), upload (within its body), answer
 *           (it was carried out, and nothing comes back), headers (within the answer's), content
 *           (behind them), download (within the answer's body)
 *   limit   so many faults at most for each method and address: then a client that tries once more
 *           than that must succeed
 *   log     a line for each request: method, address, the rule that was followed, or -
 * The first rule that fits is followed.
 */
#include "faults.h"
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in upstream;

/* One client's connection, the server's that belongs to it, and the exchange that goes on. */
struct connection {
	struct stream client, server; /* server.fd -1: not yet */
	struct head request, answer;
	struct fault fault;
	bool keep; /* for another exchange */
};

static void wait_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* The next close is a reset. */
static void abort_on_close(int fd)
{
	struct linger now = { .l_onoff = 1 };

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Does what is to be done at this place, if it is the fault's. False: all is over. `bytes`: of a
 * body, where there are any. */
static bool suffer(struct connection *c, enum fault_point point, unsigned char *bytes)
{
	if (c->fault.point != point)
		return true;
	switch (c->fault.act) {
	case FAULT_RESET:
		abort_on_close(c->client.fd);
		abort_on_close(c->server.fd);
		return false;
	case FAULT_CLOSE: return false;
	case FAULT_FLIP:
		if (bytes)
			*bytes ^= 1U << (c->fault.seed >> 61);
		return true;
	case FAULT_WAIT: wait_ms(c->fault.arg); return true;
	case FAULT_STATUS:
	case NO_FAULT: break;
	}
	return true;
}

static bool suffer_upload(void *ctx, unsigned char *bytes)
{
	return suffer(ctx, AT_UPLOAD, bytes);
}

static bool suffer_download(void *ctx, unsigned char *bytes)
{
	return suffer(ctx, AT_DOWNLOAD, bytes);
}

static bool connect_server(struct connection *c)
{
	int one = 1;

	if (c->server.fd >= 0)
		return true;
	c->server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->server.fd < 0)
		return false;
	(void)setsockopt(c->server.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return connect(c->server.fd, (struct sockaddr *)&upstream, sizeof(upstream)) == 0;
}

/* An answer of the proxy's own, in the words of an S3 server. */
static bool answer_status(struct connection *c)
{
	char text[512], body[256];
	int len;

	c->keep = !c->request.close && !c->request.expect;
	if (c->keep && !body_pass(&c->client, &c->request, -1, 0, NULL, NULL))
		return false;
	(void)snprintf(body, sizeof(body),
		       "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>by the fault "
		       "proxy</Message></Error>",
		       c->fault.arg == 503 ? "SlowDown" : "InternalError");
	len = snprintf(text, sizeof(text),
		       "HTTP/1.1 %u Fault\r\nContent-Type: application/xml\r\nContent-Length: "
		       "%zu\r\n%s\r\n%s",
		       c->fault.arg, strlen(body), c->keep ? "" : "Connection: close\r\n",
		       strcmp(c->request.method, "HEAD") == 0 ? "" : body);
	return send_all(c->client.fd, text, (size_t)len) && c->keep;
}

/* The next answer's head. */
static bool read_answer(struct connection *c)
{
	if (!head_read(&c->server, false, &c->answer))
		return false;
	if (strcmp(c->request.method, "HEAD") == 0)
		c->answer.has_body = false;
	return true;
}

/* Passes the request on, and reads the head of the answer. */
static bool pass_request(struct connection *c)
{
	if (!suffer(c, AT_REQUEST, NULL) || !connect_server(c) ||
	    !send_all(c->server.fd, c->request.text, c->request.len))
		return false;
	if (c->request.expect) {
		if (!read_answer(c))
			return false;
		if (c->answer.status != 100) { /* it does not want the body */
			c->request.close = true;
			return true;
		}
		if (!send_all(c->client.fd, c->answer.text, c->answer.len))
			return false;
	}
	/* A server that has heard enough may have answered and closed: then that answer counts. */
	if (!body_pass(&c->client, &c->request, c->server.fd, c->fault.seed, suffer_upload, c) &&
	    (c->fault.point == AT_UPLOAD && c->fault.act != FAULT_FLIP && c->fault.act != NO_FAULT))
		return false;
	do
		if (!read_answer(c))
			return false;
	while (c->answer.status == 100);
	return true;
}

static bool pass_answer(struct connection *c)
{
	size_t half = c->answer.len / 2;

	c->keep = !c->request.close && !c->answer.close &&
		  (!c->answer.has_body || c->answer.chunked || c->answer.has_length);
	return suffer(c, AT_ANSWER, NULL) && send_all(c->client.fd, c->answer.text, half) &&
	       suffer(c, AT_HEADERS, NULL) &&
	       send_all(c->client.fd, c->answer.text + half, c->answer.len - half) &&
	       suffer(c, AT_CONTENT, NULL) &&
	       body_pass(&c->server, &c->answer, c->client.fd, c->fault.seed, suffer_download, c) &&
	       c->keep;
}

/* False: the connection is over. */
static bool exchange(struct connection *c)
{
	if (!head_read(&c->client, true, &c->request))
		return false;
	c->fault = faults_next(c->request.method, c->request.target);
	if (c->fault.act == FAULT_STATUS)
		return answer_status(c);
	return pass_request(c) && pass_answer(c);
}

static void *serve(void *arg)
{
	struct connection *c = arg;

	while (exchange(c))
		;
	if (c->server.fd >= 0)
		close(c->server.fd);
	close(c->client.fd);
	free(c);
	return NULL;
}

static int listen_at(const char *port_file)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char partial[4096];
	FILE *f;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	/* Who waits for the file must not read half of it. */
	(void)snprintf(partial, sizeof(partial), "%s.partial", port_file);
	f = fopen(partial, "we");
	if (!f || fprintf(f, "%u\n", ntohs(addr.sin_port)) < 0 || fclose(f) != 0 ||
	    rename(partial, port_file) < 0)
		return -1;
	return fd;
}

static bool parse_upstream(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[64] = "";

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	upstream.sin_family = AF_INET;
	upstream.sin_port = htons((uint16_t)atoi(colon + 1));
	return inet_pton(AF_INET, host, &upstream.sin_addr) == 1;
}

static void accept_one(int fd)
{
	int one = 1, client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct connection *c;
	pthread_t thread;

	if (client < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(client);
		return;
	}
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->client.fd = client;
	c->server.fd = -1;
	if (pthread_create(&thread, NULL, serve, c) == 0) {
		pthread_detach(thread);
	} else {
		close(client);
		free(c);
	}
}

int main(int argc, char **argv)
{
	pid_t parent = getppid();
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1;
	if (argc < 3 || !parse_upstream(argv[2])) {
		fprintf(stderr, "usage: fault-proxy PORT-FILE HOST:PORT [seed=N] [limit=N] "
				"[log=FILE] [[METHOD/]WHEN=FAULT]...\n");
		return 2;
	}
	if (!faults_parse(argc - 3, argv + 3))
		return 2;
	fd = listen_at(argv[1]);
	if (fd < 0) {
		perror("fault-proxy");
		return 1;
	}
	for (;;)
		accept_one(fd);
}
