// SPDX-License-Identifier: Apache-2.0
#include "patched.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

struct patched {
	const unsigned char *base;
	size_t base_size;
	const struct patch *patches;
	size_t count;
};

/* Copies what a stretch of bytes that stands at `at` has of [off, off + len). */
static void lay(const unsigned char *bytes, uint64_t at, uint64_t bytes_len, uint64_t off,
		unsigned char *buf, size_t len)
{
	uint64_t from = max_u64(at, off), to = min_u64(at + bytes_len, off + len);

	if (from < to)
		memcpy(buf + (from - off), bytes + (from - at), (size_t)(to - from));
}

static int patched_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct patched *p = ctx;
	size_t i;

	(void)err;
	memset(buf, 0, len);
	lay(p->base, 0, p->base_size, off, buf, len);
	for (i = 0; i < p->count; i++)
		lay(p->patches[i].bytes, p->patches[i].off, p->patches[i].len, off, buf, len);
	return 0;
}

static const struct tranship_file_ops patched_ops = { .read = patched_read, .close = free };

struct tranship_file *patched_file(const void *base, size_t base_size, uint64_t size,
				   const struct patch *patches, size_t count)
{
	struct patched *p = malloc(sizeof(*p));
	struct tranship_file *file = NULL;

	if (!p)
		return NULL;
	*p = (struct patched){ base, base_size, patches, count };
	if (tranship_file_new(&patched_ops, p, size, &file, NULL))
		free(p);
	return file;
}
