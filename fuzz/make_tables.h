/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_gpt. */
#ifndef FUZZ_MAKE_TABLES_H
#define FUZZ_MAKE_TABLES_H

#include <stddef.h>

typedef void make_tables_save(const char *target, const char *name, const void *bytes, size_t size);

void make_tables(make_tables_save *save);

#endif
