// SPDX-License-Identifier: Apache-2.0
/* A file in memory. */
#include "base/buffer.h"
#include "base/error.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

/* Far above any image that a test or a fuzz target makes; a hostile size must not fill the machine.
 */
#define MEMORY_FILE_MAX ((uint64_t)4 << 30)

static int memory_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	struct buffer *mem = ctx;

	(void)err;
	memcpy(buf, mem->bytes + off, len);
	return 0;
}

static int memory_resize(void *ctx, uint64_t size, struct tranship_error *err)
{
	struct buffer *mem = ctx;

	if (size > MEMORY_FILE_MAX)
		return error_set(err, TRANSHIP_ELIMIT, "a file in memory cannot pass 4 GiB");
	if (size > mem->len) {
		int rc = buffer_reserve(mem, (size_t)size - mem->len, err);

		if (rc)
			return rc;
		memset(mem->bytes + mem->len, 0, (size_t)size - mem->len);
	}
	mem->len = (size_t)size;
	return 0;
}

static int memory_write(void *ctx, uint64_t off, const void *buf, size_t len,
			struct tranship_error *err)
{
	struct buffer *mem = ctx;

	if (off + len > mem->len) {
		int rc = memory_resize(mem, off + len, err);

		if (rc)
			return rc;
	}
	memcpy(mem->bytes + off, buf, len);
	return 0;
}

static void memory_close(void *ctx)
{
	buffer_free(ctx);
	free(ctx);
}

static const struct tranship_file_ops memory_ops = {
	.read = memory_read,
	.write = memory_write,
	.resize = memory_resize,
	.close = memory_close,
};

int tranship_file_memory(const void *data, size_t size, struct tranship_file **out,
			 struct tranship_error *err)
{
	struct buffer *mem = calloc(1, sizeof(*mem));
	int rc;

	*out = NULL;
	if (!mem)
		return error_nomem(err, sizeof(*mem));
	rc = data ? buffer_append(mem, data, size, err) : memory_resize(mem, size, err);
	if (rc == 0)
		rc = tranship_file_new(&memory_ops, mem, size, out, err);
	if (rc)
		memory_close(mem);
	return rc;
}
