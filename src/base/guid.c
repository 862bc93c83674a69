// SPDX-License-Identifier: Apache-2.0
#include "base/guid.h"

#include <ctype.h>
#include <stdio.h>

static void guid_text(const unsigned char *b, const int *order, char *text)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		text += snprintf(text, 3, "%02x", b[order[i]]);
	}
}

static const int order_le[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

void guid_text_le(const struct guid *g, char text[GUID_TEXT_SIZE])
{
	guid_text(g->bytes, order_le, text);
}

void guid_text_be(const struct guid *g, char text[GUID_TEXT_SIZE])
{
	static const int order[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

	guid_text(g->bytes, order, text);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool guid_parse_be(const char *text, struct guid *out)
{
	struct guid g;
	int i;

	for (i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		high = hex_value((char)tolower((unsigned char)text[0]));
		low = high < 0 ? -1 : hex_value((char)tolower((unsigned char)text[1]));
		if (low < 0)
			return false;
		g.bytes[i] = (unsigned char)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return false;
	*out = g;
	return true;
}

bool guid_parse_le(const char *text, struct guid *out)
{
	struct guid g;
	int i;

	if (!guid_parse_be(text, &g))
		return false;
	for (i = 0; i < 16; i++)
		out->bytes[order_le[i]] = g.bytes[i];
	return true;
}
