/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows. Zero-initialise it; buffer_free gives the memory back. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "tranship/error.h"

#include <stddef.h>

struct buffer {
	unsigned char *bytes;
	size_t len;
	size_t cap;
};

/* Makes room for extra more bytes behind len; their content is undefined. */
int buffer_reserve(struct buffer *buf, size_t extra, struct tranship_error *err);
int buffer_append(struct buffer *buf, const void *data, size_t len, struct tranship_error *err);
int buffer_printf(struct buffer *buf, struct tranship_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void buffer_free(struct buffer *buf);

#endif
