/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "tranship/error.h"

/* `path` as the folder of the file `beside` sees it: absolute as it is, else from there. malloc'ed.
 */
int path_beside(const char *beside, const char *path, char **out, struct tranship_error *err);

#endif
