/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fingerprint is made of pages that are mostly zeros at their ends; an input is
 *
 *	1 byte	flags: 1 leaves checks as they are
 *	128	the end
 *	then pages, the head first:
 *	2 bytes	length n (little-endian, modulo 4097)
 *	n bytes	that the page begins with; the rest is zeros
 *
 * and the length in the end is made right with the checks.
 */
#ifndef FUZZ_FINGERPRINT_INPUT_H
#define FUZZ_FINGERPRINT_INPUT_H

#include "base/buffer.h"
#include "delta/fingerprint_ondisk.h"

#define FINGERPRINT_INPUT_PAGES 40U

/* The file that an input stands for. NULL: no memory. */
struct tranship_file *fingerprint_input_file(const uint8_t *data, size_t size);

/* The input that stands for a file. 0 or -1. */
int fingerprint_input_of(const unsigned char *file, size_t size, struct buffer *out);

#endif
