/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that others read while they are written anew: each sees the old text or the new. */
#ifndef CLI_WHOLE_FILE_H
#define CLI_WHOLE_FILE_H

#include "tranship/error.h"

#include <stddef.h>

/* Takes its name when it is written and synced. */
int whole_file_write(const char *path, const char *text, size_t len, struct tranship_error *err);

/* Whether that could be done: looks at the folder, so that a long run does not end in vain. */
int whole_file_check(const char *path, struct tranship_error *err);

#endif
