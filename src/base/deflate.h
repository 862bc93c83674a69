/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole buffers to and from the zlib format (RFC 1950). Built on libdeflate; on zlib where that is
 * absent
 * (-DTRANSHIP_WITH_LIBDEFLATE=OFF); level 1 compresses with ISA-L where that is present. An
 * inflater or a deflater serves one thread at a time.
 */
#ifndef BASE_DEFLATE_H
#define BASE_DEFLATE_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>

struct inflater;
struct deflater;

int inflater_new(struct inflater **out, struct tranship_error *err);
void inflater_free(struct inflater *inf);

enum inflate_result {
	INFLATE_OK,
	INFLATE_BAD,  /* not a zlib stream, cut short, or its checksum is wrong */
	INFLATE_LONG, /* it unpacks to more than cap bytes */
};

/* Unpacks one zlib stream; bytes behind its end are ignored. *got is what it unpacked to. */
enum inflate_result inflater_run(struct inflater *inf, const void *in, size_t in_len, void *out,
				 size_t cap, size_t *got);

#define DEFLATE_LEVEL_MAX 12
#define DEFLATE_LEVEL_DEFAULT 6

/* level: 0 (stored) to 12 (smallest). repeats: the same bytes are packed the same way every time,
 * which ISA-L does not promise: some of its codes depend on the addresses that it was given. */
int deflater_new(int level, bool repeats, struct deflater **out, struct tranship_error *err);
void deflater_free(struct deflater *def);

/* The most bytes that deflater_run makes of len bytes, at any level. */
size_t deflate_bound(size_t len);

/* Packs len bytes into out, which holds deflate_bound(len); *got is the packed size. */
int deflater_run(struct deflater *def, const void *in, size_t len, void *out, size_t *got,
		 struct tranship_error *err);

#endif
