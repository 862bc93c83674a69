/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people type them. */
#ifndef CLI_DURATION_H
#define CLI_DURATION_H

#include <stdint.h>

#define DURATION_MAX (UINT64_C(36525) * 24 * 3600)

/* "90", "90s", "15m", "72h", "3d" as seconds, up to a hundred years. Nonzero: it is none. */
int cli_duration(const char *text, uint64_t *seconds);

#endif
