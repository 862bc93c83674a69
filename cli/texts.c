// SPDX-License-Identifier: Apache-2.0
#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *own(struct texts *texts, char *text)
{
	char **more = realloc(texts->at, (texts->count + 1) * sizeof(*more));

	if (!more || !text)
		abort();
	texts->at = more;
	texts->at[texts->count++] = text;
	return text;
}

const char *texts_keep(struct texts *texts, const char *text)
{
	return own(texts, strdup(text));
}

const char *texts_printf(struct texts *texts, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return own(texts, text);
}

void texts_free(struct texts *texts)
{
	size_t i;

	for (i = 0; i < texts->count; i++)
		free(texts->at[i]);
	free(texts->at);
	*texts = (struct texts){ 0 };
}

const char *text_shown(const char *text, char shown[TEXT_SHOWN])
{
	size_t i;

	for (i = 0; text[i] && i < TEXT_SHOWN - 1; i++) {
		unsigned char c = (unsigned char)text[i];

		shown[i] = (char)(c < 0x20 || c >= 0x7F ? '?' : c);
	}
	shown[i] = '\0';
	return shown;
}

int texts_error_v(struct tranship_error *err, int code, const char *fmt, va_list ap)
{
	*err = (struct tranship_error){ .code = code };
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	return code;
}

int texts_error(struct tranship_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	texts_error_v(err, code, fmt, ap);
	va_end(ap);
	return code;
}
