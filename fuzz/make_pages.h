/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_table. */
#ifndef FUZZ_MAKE_PAGES_H
#define FUZZ_MAKE_PAGES_H

#include <stddef.h>

void make_pages(void (*save)(const char *target, const char *name, const void *bytes, size_t size));

#endif
