/* SPDX-License-Identifier: Apache-2.0 */
/* Strings that live as long as what they are part of, and what is told of strings. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include "tranship/error.h"

#include <stdarg.h>
#include <stddef.h>

/* Owns strings. All zero is empty. Without memory the program ends, as elsewhere in the command. */
struct texts {
	char **at;
	size_t count;
};
/* A copy. */
const char *texts_keep(struct texts *texts, const char *text);
const char *texts_printf(struct texts *texts, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void texts_free(struct texts *texts);

/* Text from outside as one line of at most TEXT_SHOWN - 1 bytes that a terminal can take. */
#define TEXT_SHOWN 120
const char *text_shown(const char *text, char shown[TEXT_SHOWN]);

/* Fills err (not NULL), and returns the code. */
int texts_error(struct tranship_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int texts_error_v(struct tranship_error *err, int code, const char *fmt, va_list ap);

#endif
