/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds of fuzz_fs. */
#ifndef FUZZ_MAKE_FS_H
#define FUZZ_MAKE_FS_H

#include <stddef.h>

typedef void make_fs_save(const char *target, const char *name, const void *bytes, size_t size);

void make_fs(make_fs_save *save);

#endif
