/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ZERO_H
#define BASE_ZERO_H

#include <stdbool.h>
#include <stddef.h>

/* Whether len bytes at data are all zero. */
bool bytes_are_zero(const void *data, size_t len);

#endif
