// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

int text_strerror(int sys, char *out, size_t cap)
{
	const char *text = strerrordesc_np(sys);

	if (!text || cap == 0)
		return -1;
	snprintf(out, cap, "%s", text);
	return 0;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629, section 4), or 0. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	static const unsigned char low[4] = { 0xC2, 0xE0, 0xF0, 0xF5 };
	size_t len, i;

	if (p[0] < 0x80)
		return 1;
	len = p[0] >= low[0] && p[0] < low[1]   ? 2
	      : p[0] >= low[1] && p[0] < low[2] ? 3
	      : p[0] >= low[2] && p[0] < low[3] ? 4
						: 0;
	if (len == 0 || len > left)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies past U+10FFFF; C1 controls are no text for a
	 * terminal. */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
	    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F) ||
	    (p[0] == 0xC2 && p[1] < 0xA0))
		return 0;
	return len;
}

/* `also`: characters that are escaped like those that drive a terminal. */
static void escape(char *out, size_t cap, const char *src, size_t len, const char *also)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t used = 0;

	if (cap == 0)
		return;
	while (len > 0) {
		size_t n = utf8_len(p, len);
		int plain =
			n > 1 || (n == 1 && p[0] >= 0x20 && p[0] != 0x7F && !strchr(also, p[0]));
		size_t need = plain ? n : 4;

		if (used + need >= cap)
			break;
		if (plain)
			memcpy(out + used, p, n);
		else
			snprintf(out + used, 5, "\\x%02x", p[0]);
		used += need;
		n = plain ? n : 1;
		p += n;
		len -= n;
	}
	out[used] = '\0';
}

void text_escape(char *out, size_t cap, const char *src, size_t len)
{
	escape(out, cap, src, len, "'\"\\");
}

void text_show(char *out, size_t cap, const char *src, size_t len)
{
	escape(out, cap, src, len, "");
}

static size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

static void from_utf16(char *out, size_t cap, const unsigned char *src, size_t units,
		       uint16_t (*get)(const unsigned char *))
{
	size_t used = 0, i;

	for (i = 0; i < units; i++) {
		uint32_t c = get(src + 2 * i);
		char bytes[4];
		size_t n;

		if (c == 0)
			break;
		if (c >= 0xD800 && c < 0xDC00 && i + 1 < units) {
			uint32_t low = get(src + 2 * i + 2);

			if (low >= 0xDC00 && low < 0xE000) {
				c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
				i++;
			}
		}
		if (c >= 0xD800 && c < 0xE000)
			c = 0xFFFD;
		n = utf8_put(bytes, c);
		if (used + n >= cap)
			break;
		memcpy(out + used, bytes, n);
		used += n;
	}
	if (cap > 0)
		out[used] = '\0';
}

void text_from_bytes(char *out, size_t cap, const unsigned char *src, size_t len)
{
	size_t used = 0, n;

	for (; len > 0 && *src; src += n, len -= n) {
		char bytes[4];
		size_t put;

		n = utf8_len(src, len);
		put = n > 0 ? n : utf8_put(bytes, 0xFFFD);
		if (used + put >= cap)
			break;
		memcpy(out + used, n > 0 ? (const char *)src : bytes, put);
		used += put;
		n = n > 0 ? n : 1;
	}
	if (cap > 0)
		out[used] = '\0';
}

void text_from_utf16le(char *out, size_t cap, const unsigned char *src, size_t units)
{
	from_utf16(out, cap, src, units, get_le16);
}

void text_from_utf16be(char *out, size_t cap, const unsigned char *src, size_t units)
{
	from_utf16(out, cap, src, units, get_be16);
}

/* A well-formed sequence of len bytes. */
static uint32_t utf8_get(const unsigned char *p, size_t len)
{
	static const unsigned char lead[5] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	uint32_t c = p[0] & lead[len];
	size_t i;

	for (i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3F);
	return c;
}

long text_to_utf16(uint16_t *out, size_t cap, const char *src)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t left = strlen(src), used = 0;

	while (left > 0) {
		size_t len = utf8_len(p, left), need = len == 4 ? 2 : 1;
		uint32_t c;

		if (len == 0 || need > cap - used)
			return -1;
		c = utf8_get(p, len);
		if (need == 2) {
			out[used] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
			out[used + 1] = (uint16_t)(0xDC00 + ((c - 0x10000) & 0x3FF));
		} else {
			out[used] = (uint16_t)c;
		}
		used += need;
		p += len;
		left -= len;
	}
	return (long)used;
}

bool text_is_line(const char *text, size_t max)
{
	uint16_t units[255];
	long count = strnlen(text, max + 1) <= max ? text_to_utf16(units, 255, text) : -1, i;

	for (i = 0; i < count; i++)
		if (units[i] < 0x20 || (units[i] >= 0x7F && units[i] < 0xA0))
			return false;
	return count >= 0;
}

void text_to_utf16le(unsigned char *out, size_t units, const char *ascii)
{
	size_t i;

	for (i = 0; i < units; i++) {
		put_le16(out + 2 * i, (uint16_t)(unsigned char)*ascii);
		if (*ascii)
			ascii++;
	}
}
