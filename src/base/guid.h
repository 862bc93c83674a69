/* SPDX-License-Identifier: Apache-2.0 */
/* GUIDs as they stand on disk: 16 bytes. VHDX stores the first three fields little-endian, VHD
 * big-endian. */
#ifndef BASE_GUID_H
#define BASE_GUID_H

#include <stdbool.h>
#include <string.h>

struct guid {
	unsigned char bytes[16];
};

#define GUID_TEXT_SIZE 37

/* A GUID as registries print it (8-4-4-4-12), in the byte order of VHDX and GPT. */
#define GUID_LE(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                           \
	{                                                                                          \
		{                                                                                  \
			(a) & 0xFF, (a) >> 8 & 0xFF, (a) >> 16 & 0xFF, (a) >> 24 & 0xFF, (b)&0xFF, \
				(b) >> 8 & 0xFF, (c)&0xFF, (c) >> 8 & 0xFF, d0, d1, d2, d3, d4,    \
				d5, d6, d7                                                         \
		}                                                                                  \
	}

static inline bool guid_equal(const struct guid *a, const struct guid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool guid_is_zero(const struct guid *g)
{
	static const struct guid zero;

	return guid_equal(g, &zero);
}

/* Lower-case text; the first three fields are read little-endian (VHDX, GPT) or as they stand
 * (VHD). */
void guid_text_le(const struct guid *g, char text[GUID_TEXT_SIZE]);
void guid_text_be(const struct guid *g, char text[GUID_TEXT_SIZE]);

/* Reads 8-4-4-4-12 hexadecimal digits, bytes as they stand. False: that is not what text is. */
bool guid_parse_be(const char *text, struct guid *out);
/* What guid_text_le wrote. */
bool guid_parse_le(const char *text, struct guid *out);

#endif
