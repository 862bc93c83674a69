/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Lower-case digits, two a byte, and a terminator. out: 2 * len + 1 bytes. */
void hex_text(const void *bytes, size_t len, char *out);

/* Reads exactly 2 * len lower-case digits, and looks at no more of the text; what follows is the
 * caller's to check. False: that is not what stands there; out is undefined. */
bool hex_parse(const char *text, unsigned char *out, size_t len);

#endif
