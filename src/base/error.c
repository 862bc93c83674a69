// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *tranship_code_name(int code)
{
	switch ((enum tranship_code)code) {
	case TRANSHIP_OK: return "OK";
	case TRANSHIP_EIO: return "EIO";
	case TRANSHIP_ENOMEM: return "ENOMEM";
	case TRANSHIP_EINVAL: return "EINVAL";
	case TRANSHIP_ECORRUPT: return "ECORRUPT";
	case TRANSHIP_EUNSUPPORTED: return "EUNSUPPORTED";
	case TRANSHIP_ELIMIT: return "ELIMIT";
	case TRANSHIP_EDENIED: return "EDENIED";
	case TRANSHIP_EMISMATCH: return "EMISMATCH";
	case TRANSHIP_ECANCELED: return "ECANCELED";
	case TRANSHIP_EBUSY: return "EBUSY";
	case TRANSHIP_ENOTFOUND: return "ENOTFOUND";
	case TRANSHIP_ETRACKING: return "ETRACKING";
	}
	return "unknown";
}

static void error_vset(struct tranship_error *err, int code, const char *fmt, va_list ap)
{
	err->code = code;
	err->sys_errno = 0;
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
}

int error_set(struct tranship_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		error_vset(err, code, fmt, ap);
		va_end(ap);
	}
	return code;
}

int error_sys(struct tranship_error *err, int sys, const char *fmt, ...)
{
	int code = sys == ENOMEM ? TRANSHIP_ENOMEM : TRANSHIP_EIO;
	va_list ap;

	if (err) {
		char text[128];
		size_t used;

		va_start(ap, fmt);
		error_vset(err, code, fmt, ap);
		va_end(ap);
		err->sys_errno = sys;
		used = strlen(err->message);

		if (text_strerror(sys, text, sizeof(text)) == 0)
			snprintf(err->message + used, sizeof(err->message) - used, ": %s", text);
	}
	return code;
}

int error_nomem(struct tranship_error *err, size_t bytes)
{
	return error_set(err, TRANSHIP_ENOMEM, "out of memory: %zu bytes were asked for", bytes);
}

int error_in_file(struct tranship_error *err, int code, const char *name)
{
	char escaped[160];
	char message[sizeof(err->message)];

	if (!err)
		return code;
	text_escape(escaped, sizeof(escaped), name, strlen(name));
	memcpy(message, err->message, sizeof(message));
	snprintf(err->message, sizeof(err->message), "'%s': %.*s", escaped,
		 (int)(sizeof(err->message) - sizeof(escaped) - 8), message);
	return err->code;
}

int error_copy(struct tranship_error *to, const struct tranship_error *from, int code)
{
	if (to && from)
		*to = *from;
	return code;
}

void warn_send(tranship_warn_fn *warn, void *ctx, const char *fmt, ...)
{
	char message[sizeof(((struct tranship_error *)0)->message)];
	va_list ap;

	if (!warn)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	warn(ctx, message);
}
