/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: what the lines of a reply's head say. */
#ifndef EMIT_HTTP_REPLY_H
#define EMIT_HTTP_REPLY_H

#include "emit/http.h"

/* Forgets all that an earlier head said: "HTTP/1.1 100 Continue" stands before the real one. */
void http_reply_begin(struct http_reply *reply);
/* One line, not terminated. What is not understood is left out. */
void http_reply_line(struct http_reply *reply, const char *line, size_t len);
/* Whether the head contradicts itself, so that nobody knows where the next reply begins. */
bool http_reply_is_odd(const struct http_reply *reply);

#endif
