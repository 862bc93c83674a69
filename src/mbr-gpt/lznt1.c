// SPDX-License-Identifier: Apache-2.0
/*
 * LZNT1 ([MS-XCA] 2.5): chunks of 4096 bytes, each behind a header of two bytes and each with
 * nothing to do with the others. The format's quirk: how many bits of a copy token are its length
 * depends on how far the chunk has come.
 */
#include "mbr-gpt/ntfs.h"

#include "base/bytes.h"

#include <string.h>

enum {
	CHUNK = 4096,
	HEADER_LENGTH = 0x0FFF,    /* of header and data, minus 3 */
	HEADER_SIGNATURE = 0x7000, /* 3, always */
	HEADER_SIGNATURE_IS = 0x3000,
	HEADER_COMPRESSED = 0x8000,
	COPY_MIN = 3,
};

/* A copy token where `made` bytes of the chunk are there: length and displacement share 16 bits. */
static void split_token(unsigned token, size_t made, size_t *length, size_t *displacement)
{
	unsigned shift = 12;
	size_t reach;

	for (reach = made - 1; reach >= 0x10; reach >>= 1)
		shift--;
	*length = (token & ((1U << shift) - 1)) + COPY_MIN;
	*displacement = (token >> shift) + 1;
}

/* Unpacks one chunk's data to out, which takes CHUNK bytes. Returns how many it made, or -1. */
static long unpack_chunk(const unsigned char *in, size_t len, unsigned char *out)
{
	size_t at = 0, made = 0, length, displacement;
	unsigned flags = 0, left = 0;

	while (at < len) {
		if (left == 0) {
			flags = in[at++];
			left = 8;
			continue; /* flags may be the last byte */
		}
		left--;
		if (flags >> (7 - left) & 1) {
			if (len - at < 2 || made == 0)
				return -1;
			split_token(get_le16(in + at), made, &length, &displacement);
			at += 2;
			if (displacement > made || length > CHUNK - made)
				return -1;
			/* They may overlap: byte by byte. */
			for (; length > 0; length--, made++)
				out[made] = out[made - displacement];
		} else {
			if (made == CHUNK)
				return -1;
			out[made++] = in[at++];
		}
	}
	return (long)made;
}

long lznt1_unpack(const unsigned char *in, size_t len, unsigned char *out, size_t cap)
{
	unsigned char chunk[CHUNK];
	size_t at = 0, made = 0, last = 0;

	while (made < cap && len - at >= 2) {
		unsigned header = get_le16(in + at);
		size_t size = (header & HEADER_LENGTH) + 1;
		long got;

		if (header == 0)
			break;
		at += 2;
		if ((header & HEADER_SIGNATURE) != HEADER_SIGNATURE_IS || size > len - at)
			return -1;
		if (header & HEADER_COMPRESSED) {
			got = unpack_chunk(in + at, size, chunk);
			if (got < 0)
				return -1;
		} else {
			memcpy(chunk, in + at, size);
			got = (long)size;
		}
		at += size;
		/* A chunk that is short stands for 4096 bytes if another one follows. */
		last = (size_t)got < cap - made ? (size_t)got : cap - made;
		memcpy(out + made, chunk, last);
		if (cap - made <= CHUNK)
			return (long)(made + last);
		memset(out + made + last, 0, CHUNK - last);
		made += CHUNK;
	}
	return (long)(made > 0 ? made - CHUNK + last : 0);
}
