/* SPDX-License-Identifier: Apache-2.0 */
/* A format's options: "key=value,key=value" (",," stands for a comma in a value), against a table.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include "tranship/image.h"

struct options;

/*
 * `table` ends with a NULL name; `also` is a second such table, or NULL. Unknown keys, and values
 * that are not of their option's type, are TRANSHIP_EINVAL. A key given twice counts the second
 * time. `text` may be NULL.
 */
int options_parse(const char *text, const struct tranship_option_info *table,
		  const struct tranship_option_info *also, struct options **out,
		  struct tranship_error *err);
void options_free(struct options *o);

/* The value as text, or fallback where it was not given. `o` may be NULL. */
const char *options_text(const struct options *o, const char *name, const char *fallback);
/* These were checked when they were parsed. */
uint64_t options_size(const struct options *o, const char *name, uint64_t fallback);
int options_int(const struct options *o, const char *name, int fallback);
bool options_bool(const struct options *o, const char *name, bool fallback);

#endif
