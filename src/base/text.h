/* SPDX-License-Identifier: Apache-2.0 */
/* Text that comes out of images and goes to people: escaping, UTF-16, sizes. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes src, len bytes of unknown text, to out (cap bytes with the terminator): control
 * characters, quotes, backslashes and bytes that are no valid UTF-8 become \xNN. Longer text is cut
 * at cap.
 */
void text_escape(char *out, size_t cap, const char *src, size_t len);

/* The same for a sentence that stands by itself and may quote something: only what is no text for a
 * terminal is escaped. */
void text_show(char *out, size_t cap, const char *src, size_t len);

/* The system's text for an errno value; 0, or -1 if there is none. Thread-safe. */
int text_strerror(int sys, char *out, size_t cap);

/*
 * UTF-16 to UTF-8. Stops at a NUL unit or after units; unpaired surrogates become U+FFFD.
 * out takes at most cap bytes with the terminator and is cut between characters.
 */
void text_from_utf16le(char *out, size_t cap, const unsigned char *src, size_t units);
void text_from_utf16be(char *out, size_t cap, const unsigned char *src, size_t units);

/*
 * UTF-8 to UTF-16 units, without a terminator. Returns how many of the cap units at out were
 * needed, or -1: src is no valid UTF-8, or longer.
 */
long text_to_utf16(uint16_t *out, size_t cap, const char *src);

/* Bytes that ought to be UTF-8, up to a NUL or len: those that are not become U+FFFD. Cut between
 * characters at cap, which counts the terminator. */
void text_from_bytes(char *out, size_t cap, const unsigned char *src, size_t len);

/* Whether it is one line of UTF-8 of at most max bytes (up to 255) without control characters: what
 * goes into messages, JSON and other files as it is. "" is one. At most max + 1 bytes are looked
 * at.
 */
bool text_is_line(const char *text, size_t max);

/* ASCII text to UTF-16LE units, padded with zeros to units. */
void text_to_utf16le(unsigned char *out, size_t units, const char *ascii);

#endif
