/* SPDX-License-Identifier: Apache-2.0 */
/* Filling in a struct tranship_error: one call where the fault is found, passed on unchanged above.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "tranship/error.h"

#include <stdarg.h>
#include <stddef.h>

/* Stores code and message in *err (which may be NULL) and returns code. */
int error_set(struct tranship_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set with TRANSHIP_EIO (TRANSHIP_ENOMEM for ENOMEM); appends ": " and the system's text
 * for sys. */
int error_sys(struct tranship_error *err, int sys, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Always TRANSHIP_ENOMEM. */
int error_nomem(struct tranship_error *err, size_t bytes);

/* Puts a file's name, escaped, in front of the message: "'name': message". Returns err's code, or
 * code if err is NULL. */
int error_in_file(struct tranship_error *err, int code, const char *name);

/* Copies code, errno and message; both pointers may be NULL. Returns code. */
int error_copy(struct tranship_error *to, const struct tranship_error *from, int code);

/* Formats a warning and hands it to warn, unless that is NULL. */
void warn_send(tranship_warn_fn *warn, void *ctx, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
