// SPDX-License-Identifier: Apache-2.0
#include "emit/http.h"

#include "base/error.h"
#include "base/text.h"
#include "emit/http_reply.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Handles beyond these are closed when their call ends. */
#define IDLE_MAX 64U
#define BUFFER_BYTES (128L << 10)

struct http {
	pthread_mutex_t lock; /* of what follows */
	CURL *idle[IDLE_MAX];
	unsigned idle_count;
	struct http_options options; /* with strings of its own */
};

struct call {
	const struct http_request *request;
	struct http_reply *reply;
	CURL *curl;
	bool headed;  /* the head was read to its end */
	bool enough;  /* the sink has what it wanted */
	bool no_room; /* memory ran out */
	unsigned timeout;
	curl_off_t moved; /* bytes, until */
	time_t moved_at;
	char text[CURL_ERROR_SIZE];
};

static pthread_once_t started = PTHREAD_ONCE_INIT;
static CURLcode start_result; /* written once, under `started` */

static void start_curl(void)
{
	start_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool copy_text(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

int http_open(const struct http_options *options, struct http **out, struct tranship_error *err)
{
	struct http *h = calloc(1, sizeof(*h));

	*out = NULL;
	if (!h)
		return error_nomem(err, sizeof(*h));
	h->options = *options;
	h->options.proxy = NULL;
	if (!copy_text(&h->options.ca_file, options->ca_file) ||
	    !copy_text(&h->options.proxy, options->proxy)) {
		free((char *)h->options.ca_file);
		free(h);
		return error_nomem(err, 1);
	}
	pthread_mutex_init(&h->lock, NULL);
	pthread_once(&started, start_curl);
	if (start_result != CURLE_OK) {
		http_close(h);
		return error_set(err, TRANSHIP_EIO, "libcurl cannot start: %s",
				 curl_easy_strerror(start_result));
	}
	*out = h;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	while (http->idle_count > 0)
		curl_easy_cleanup(http->idle[--http->idle_count]);
	pthread_mutex_destroy(&http->lock);
	free((char *)http->options.ca_file);
	if (http->options.proxy) /* it may have a password */
		explicit_bzero((char *)http->options.proxy, strlen(http->options.proxy));
	free((char *)http->options.proxy);
	free(http);
}

static CURL *borrow(struct http *h)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&h->lock);
	if (h->idle_count > 0)
		curl = h->idle[--h->idle_count];
	pthread_mutex_unlock(&h->lock);
	return curl ? curl : curl_easy_init();
}

static void give_back(struct http *h, CURL *curl)
{
	curl_easy_reset(curl); /* connections stay */
	pthread_mutex_lock(&h->lock);
	if (h->idle_count < IDLE_MAX) {
		h->idle[h->idle_count++] = curl;
		curl = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	curl_easy_cleanup(curl);
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct call *call = ctx;

	if (count > 5 && memcmp(line, "HTTP/", 5) == 0) {
		http_reply_begin(call->reply);
		call->headed = false;
	} else if (count > 0 && (line[0] == '\r' || line[0] == '\n')) {
		call->headed = true;
	} else {
		http_reply_line(call->reply, line, count);
	}
	return size * count;
}

static bool keep_text(struct call *call, const char *bytes, size_t len)
{
	struct http_reply *r = call->reply;

	if (!r->text) {
		r->text = malloc(HTTP_TEXT_MAX + 1);
		call->no_room = !r->text;
		if (!r->text)
			return false;
	}
	if (len > HTTP_TEXT_MAX - r->text_len) {
		call->enough = true;
		len = HTTP_TEXT_MAX - r->text_len;
	}
	memcpy(r->text + r->text_len, bytes, len);
	r->text_len += len;
	r->text[r->text_len] = '\0';
	return !call->enough;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct call *call = ctx;
	struct http_reply *r = call->reply;
	long status = 0;

	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	if (status < 200 || status > 299 || !call->request->sink)
		return keep_text(call, bytes, count) ? size * count : 0;
	r->body_len += count;
	if (call->request->sink(call->request->sink_ctx, r, (unsigned char *)bytes, count))
		return size * count;
	call->enough = true;
	return 0; /* libcurl ends the transfer and the connection */
}

/* libcurl's own measure of a low speed is a mean over seconds, which one burst holds up. It calls
 * this at least once a second. */
static int on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
		       curl_off_t up)
{
	struct call *call = ctx;
	struct timespec now;

	(void)down_all, (void)up_all;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (down + up != call->moved || call->moved_at == 0) {
		call->moved = down + up;
		call->moved_at = now.tv_sec;
	}
	return now.tv_sec - call->moved_at > (time_t)call->timeout;
}

static CURLcode set_peer(CURL *curl, const struct http_options *o)
{
	CURLcode rc = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (rc == CURLE_OK && o->ca_file)
		rc = curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
	if (rc == CURLE_OK && o->ca_file) /* else the system's folder is asked, too */
		rc = curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	if (rc == CURLE_OK && (o->proxy || o->direct))
		rc = curl_easy_setopt(curl, CURLOPT_PROXY, o->direct ? "" : o->proxy);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)o->connect_timeout);
#if LIBCURL_VERSION_NUM >= 0x075500
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
	return rc;
}

static CURLcode set_method(CURL *curl, const struct http_request *r)
{
	CURLcode rc;

	if (strcmp(r->method, "HEAD") == 0)
		return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	if (strcmp(r->method, "GET") == 0)
		return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	if (strcmp(r->method, "PUT") == 0) {
		/* As the body of a POST it is sent from where it is, and again where a connection
		 * that was kept turns out to be dead. */
		rc = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body_len ? r->body : "");
		if (rc != CURLE_OK)
			return rc;
	}
	return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
}

static CURLcode set_callbacks(CURL *curl, struct call *call)
{
	CURLcode rc = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->text);
	return rc;
}

static CURLcode set_up(CURL *curl, const struct http *h, struct call *call,
		       struct curl_slist *lines)
{
	CURLcode rc = set_peer(curl, &h->options);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (rc == CURLE_OK) /* what is signed is what is sent */
		rc = curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (rc == CURLE_OK) /* a transfer a connection: they are to go side by side */
		rc = curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 2L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_URL, call->request->url);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
	if (rc == CURLE_OK)
		rc = set_method(curl, call->request);
	return rc == CURLE_OK ? set_callbacks(curl, call) : rc;
}

static bool may_work_again(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the reply: bytes of an earlier one */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_ABORTED_BY_CALLBACK: /* on_progress */
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_BAD_CONTENT_ENCODING: /* of chunks */
	case CURLE_NO_CONNECTION_AVAILABLE: return true;
	default: return false;
	}
}

static int finish(struct call *call, CURLcode code, struct tranship_error *err)
{
	struct http_reply *r = call->reply;
	const char *text = call->text[0] ? call->text : curl_easy_strerror(code);
	char shown[200];
	long status = 0, sys = 0;

	if (call->no_room || code == CURLE_OUT_OF_MEMORY)
		return error_set(err, TRANSHIP_ENOMEM, "memory ran out in an HTTP request");
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		snprintf(call->text, sizeof(call->text), "no byte moved for %u seconds",
			 call->timeout);
		text = call->text;
	}
	if (code == CURLE_OK && !call->headed) { /* which libcurl takes for a reply */
		code = CURLE_GOT_NOTHING;
		text = "the connection ended within the head of the reply";
	}
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && call->enough)) {
		curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
		r->status = (int)status;
		r->fault = HTTP_OK;
		return 0;
	}
	r->fault = may_work_again(code) ? HTTP_AGAIN : HTTP_FAILED;
	r->status = 0;
	curl_easy_getinfo(call->curl, CURLINFO_OS_ERRNO, &sys);
	text_show(shown, sizeof(shown), text, strlen(text));
	error_set(&r->why, TRANSHIP_EIO, "%s", shown);
	r->why.sys_errno = (int)sys;
	return 0;
}

/* Before 7.87 what is written over TLS to a peer that is gone raises SIGPIPE, and CURLOPT_NOSIGNAL
 * leaves that to us. */
static CURLcode perform_quietly(CURL *curl)
{
	const struct timespec at_once = { 0 };
	sigset_t broken_pipe, old, pending;
	bool before;
	CURLcode code;

	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	sigpending(&pending);
	before = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &broken_pipe, &old);
	code = curl_easy_perform(curl);
	sigpending(&pending);
	if (!before && sigismember(&pending, SIGPIPE) == 1)
		sigtimedwait(&broken_pipe, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return code;
}

static int perform(struct http *h, CURL *curl, struct call *call, struct curl_slist *lines,
		   struct tranship_error *err)
{
	CURLcode code = set_up(curl, h, call, lines);

	return finish(call, code == CURLE_OK ? perform_quietly(curl) : code, err);
}

int http_do(struct http *http, const struct http_request *request, struct http_reply *reply,
	    struct tranship_error *err)
{
	struct call call = { .request = request, .reply = reply, .timeout = http->options.timeout };
	struct curl_slist *lines = NULL, *longer;
	size_t i;
	int rc;

	*reply = (struct http_reply){ 0 };
	http_reply_begin(reply);
	for (i = 0; i < request->header_count; i++) {
		longer = curl_slist_append(lines, request->headers[i]);
		if (!longer) {
			curl_slist_free_all(lines);
			return error_nomem(err, strlen(request->headers[i]));
		}
		lines = longer;
	}
	call.curl = borrow(http);
	if (!call.curl) {
		curl_slist_free_all(lines);
		return error_nomem(err, 1);
	}
	rc = perform(http, call.curl, &call, lines, err);
	if (rc == 0 && reply->fault == HTTP_OK && !http_reply_is_odd(reply))
		give_back(http, call.curl);
	else /* its connection may be in any state */
		curl_easy_cleanup(call.curl);
	for (longer = lines; longer; longer = longer->next)
		explicit_bzero(longer->data, strlen(longer->data));
	curl_slist_free_all(lines);
	return rc;
}

void http_reply_free(struct http_reply *reply)
{
	free(reply->text);
	*reply = (struct http_reply){ 0 };
}
