// SPDX-License-Identifier: Apache-2.0
/*
 * POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar's long names and
 * base-256 numbers. Own code because libarchive and libtar unpack members and do not say at which
 * offset one stands, which is all that is wanted here.
 */
#include "io/tar.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 512,
	OFF_NAME = 0,
	LEN_NAME = 100,
	OFF_SIZE = 124,
	LEN_SIZE = 12,
	OFF_CHECKSUM = 148,
	LEN_CHECKSUM = 8,
	OFF_TYPE = 156,
	OFF_MAGIC = 257,
	OFF_PREFIX = 345,
	LEN_PREFIX = 155,
	OFF_SPARSE_MORE = 482, /* in a header of type 'S' */
	OFF_MAP_MORE = 504,    /* in a block that continues its map */
};

/* Longer extended headers are passed over: they hold nothing that is wanted here. */
#define EXTENDED_MAX (64U * 1024)

/* Octal text, or base 256 when the first byte's top bit is set (GNU). */
static bool parse_number(const unsigned char *p, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		v = p[0] & 0x7F;
		for (i = 1; i < len; i++) {
			if (v >> 56)
				return false;
			v = v << 8 | p[i];
		}
		*out = v;
		return true;
	}
	while (i < len && p[i] == ' ')
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	*out = v;
	return i == len || p[i] == ' ' || p[i] == '\0';
}

static bool header_ok(const unsigned char *h)
{
	uint64_t sum = 0, want;
	size_t i;

	for (i = 0; i < BLOCK; i++)
		sum += i >= OFF_CHECKSUM && i < OFF_CHECKSUM + LEN_CHECKSUM ? ' ' : h[i];
	return parse_number(h + OFF_CHECKSUM, LEN_CHECKSUM, &want) && sum == want;
}

/* prefix/name of a ustar header. */
static void header_name(const unsigned char *h, char *out)
{
	size_t prefix = 0, name = strnlen((const char *)h + OFF_NAME, LEN_NAME);

	if (memcmp(h + OFF_MAGIC, "ustar\0", 6) == 0)
		prefix = strnlen((const char *)h + OFF_PREFIX, LEN_PREFIX);
	memcpy(out, h + OFF_PREFIX, prefix);
	if (prefix > 0)
		out[prefix++] = '/';
	memcpy(out + prefix, h + OFF_NAME, name);
	out[prefix + name] = '\0';
}

static void set_name(struct tar_member *m, const char *name, size_t len)
{
	len = len < TAR_NAME_MAX - 1 ? len : TAR_NAME_MAX - 1;
	memcpy(m->name, name, len);
	m->name[len] = '\0';
}

/* The records "LEN key=value\n" of a pax header that say name and size of the member behind it. */
static void parse_pax(char *text, size_t len, struct tar_member *next, bool *has_size)
{
	while (len > 0) {
		char *end;
		size_t record = strtoul(text, &end, 10);
		char *key = end + 1, *value;

		if (*end != ' ' || record > len || record < (size_t)(key - text) + 1 ||
		    text[record - 1] != '\n')
			return;
		value = memchr(key, '=', record - (size_t)(key - text));
		if (!value)
			return;
		text[record - 1] = '\0';
		*value++ = '\0';
		if (strcmp(key, "path") == 0)
			set_name(next, value, strlen(value));
		if (strcmp(key, "size") == 0) {
			next->size = strtoull(value, &end, 10);
			*has_size = *end == '\0';
		}
		if (strncmp(key, "GNU.sparse.", 11) == 0)
			next->sparse = true;
		if (strcmp(key, "GNU.sparse.name") == 0)
			set_name(next, value, strlen(value));
		text += record;
		len -= record;
	}
}

/* What extended headers said about the member that follows them. */
struct pending {
	struct tar_member member;
	bool has_size;
};

static int read_extended(struct tranship_file *file, char type, uint64_t off, uint64_t size,
			 struct pending *pending, struct tranship_error *err)
{
	char *text;
	int rc;

	if (size > EXTENDED_MAX || type == 'g')
		return 0;
	text = malloc((size_t)size + 1);
	if (!text)
		return error_nomem(err, (size_t)size + 1);
	rc = tranship_file_read(file, off, text, (size_t)size, err);
	text[size] = '\0';
	if (rc == 0 && type == 'L')
		set_name(&pending->member, text, strlen(text));
	if (rc == 0 && type == 'x')
		parse_pax(text, (size_t)size, &pending->member, &pending->has_size);
	free(text);
	return rc;
}

static bool block_is_zero(const unsigned char *h)
{
	return h[0] == 0 && memcmp(h, h + 1, BLOCK - 1) == 0;
}

/* GNU's old form: the map of what is there goes on in blocks behind the header. */
static int skip_sparse_map(struct tranship_file *file, const unsigned char *h, uint64_t *off,
			   struct tranship_error *err)
{
	unsigned char more = h[OFF_SPARSE_MORE];

	while (more) {
		*off += BLOCK;
		if (!range_ok(*off, BLOCK, tranship_file_size(file)))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "tar: the archive ends at %" PRIu64 ", in a sparse map",
					 *off);
		if (tranship_file_read(file, *off + OFF_MAP_MORE, &more, 1, err))
			return TRANSHIP_EIO;
	}
	return 0;
}

static int walk(struct tranship_file *file, struct pending *pending,
		int (*fn)(void *, const struct tar_member *), void *ctx, struct tranship_error *err)
{
	unsigned char h[BLOCK];
	uint64_t off = 0;

	while (range_ok(off, BLOCK, tranship_file_size(file))) {
		uint64_t size, next;
		char type;
		int rc = tranship_file_read(file, off, h, BLOCK, err);

		if (rc)
			return rc;
		if (block_is_zero(h))
			return 0;
		if (!header_ok(h) || !parse_number(h + OFF_SIZE, LEN_SIZE, &size))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "tar: the header at %" PRIu64 " is damaged", off);
		type = (char)h[OFF_TYPE];
		if (type == 'S') {
			pending->member.sparse = true;
			rc = skip_sparse_map(file, h, &off, err);
			if (rc)
				return rc;
		}
		if (pending->has_size && type != 'x' && type != 'L')
			size = pending->member.size;
		off += BLOCK;
		if (!round_up_ok(size, BLOCK, &next) ||
		    !range_ok(off, size, tranship_file_size(file)) || !add_ok(off, next, &next))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "tar: the member at %" PRIu64 " has %" PRIu64
					 " bytes, which pass the end of the archive",
					 off - BLOCK, size);
		if (type == 'x' || type == 'L' || type == 'g') {
			rc = read_extended(file, type, off, size, pending, err);
		} else {
			if (pending->member.name[0] == '\0')
				header_name(h, pending->member.name);
			pending->member.off = off;
			pending->member.size = size;
			if (type == '0' || type == '\0' || type == 'S')
				rc = fn(ctx, &pending->member);
			*pending = (struct pending){ 0 };
		}
		if (rc)
			return rc;
		off = next;
	}
	return 0;
}

int tar_walk(struct tranship_file *file, int (*fn)(void *ctx, const struct tar_member *member),
	     void *ctx, struct tranship_error *err)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	int rc;

	if (!pending)
		return error_nomem(err, sizeof(*pending));
	rc = walk(file, pending, fn, ctx, err);
	free(pending);
	return rc;
}
