// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int buffer_reserve(struct buffer *buf, size_t extra, struct tranship_error *err)
{
	size_t need, cap;
	unsigned char *bytes;

	if (__builtin_add_overflow(buf->len, extra, &need))
		return error_nomem(err, extra);
	if (need <= buf->cap)
		return 0;
	cap = buf->cap + buf->cap / 2;
	if (cap < need)
		cap = need;
	bytes = realloc(buf->bytes, cap);
	if (!bytes)
		return error_nomem(err, cap);
	buf->bytes = bytes;
	buf->cap = cap;
	return 0;
}

int buffer_append(struct buffer *buf, const void *data, size_t len, struct tranship_error *err)
{
	int rc = buffer_reserve(buf, len, err);

	if (rc)
		return rc;
	if (len > 0)
		memcpy(buf->bytes + buf->len, data, len);
	buf->len += len;
	return 0;
}

int buffer_printf(struct buffer *buf, struct tranship_error *err, const char *fmt, ...)
{
	va_list ap;
	int len, rc;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return error_set(err, TRANSHIP_EINVAL, "text could not be formatted");
	rc = buffer_reserve(buf, (size_t)len + 1, err);
	if (rc)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)buf->bytes + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
	return 0;
}

void buffer_free(struct buffer *buf)
{
	free(buf->bytes);
	*buf = (struct buffer){ 0 };
}
