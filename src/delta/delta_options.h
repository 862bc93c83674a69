/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a delta file that is written. */
#ifndef DELTA_DELTA_OPTIONS_H
#define DELTA_DELTA_OPTIONS_H

#include "base/idgen.h"

/* text: "level=N,seed=HEX"; NULL: none. */
int delta_options_parse(const char *text, int *level, struct idgen *ids,
			struct tranship_error *err);

#endif
