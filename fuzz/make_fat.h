/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_fat. */
#ifndef FUZZ_MAKE_FAT_H
#define FUZZ_MAKE_FAT_H

#include <stddef.h>

void make_fat(void (*save)(const char *target, const char *name, const void *bytes, size_t size));

#endif
