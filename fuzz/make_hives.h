/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_regf. */
#ifndef FUZZ_MAKE_HIVES_H
#define FUZZ_MAKE_HIVES_H

#include <stddef.h>

void make_hives(void (*save)(const char *target, const char *name, const void *bytes, size_t size));

#endif
