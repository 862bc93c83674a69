/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_ntfs. */
#ifndef FUZZ_MAKE_NTFS_H
#define FUZZ_MAKE_NTFS_H

#include <stddef.h>

void make_ntfs(void (*save)(const char *target, const char *name, const void *bytes, size_t size));

#endif
