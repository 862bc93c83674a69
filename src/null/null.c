// SPDX-License-Identifier: Apache-2.0
/* Nowhere: a copy to it reads, unpacks and checks everything and writes nothing. */
#include "core/format.h"

#include "base/error.h"

#include <stdlib.h>

static int null_put(struct tranship_writer *w, uint64_t off, uint64_t len, const void *stored,
		    size_t stored_len, struct tranship_error *err)
{
	(void)w;
	(void)off;
	(void)len;
	(void)stored;
	(void)stored_len;
	(void)err;
	return 0;
}

static int null_zero(struct tranship_writer *w, uint64_t off, uint64_t len,
		     struct tranship_error *err)
{
	(void)w;
	(void)off;
	(void)len;
	(void)err;
	return 0;
}

static uint64_t null_full_size(const struct tranship_writer *w)
{
	(void)w;
	return 0;
}

static void null_close(struct tranship_writer *w)
{
	free(w);
}

static const struct writer_ops null_ops = {
	.put = null_put,
	.zero = null_zero,
	.full_size = null_full_size,
	.close = null_close,
};

static int null_create(const struct create_params *params, struct tranship_writer **out,
		       struct tranship_error *err)
{
	struct tranship_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return error_nomem(err, sizeof(*w));
	writer_init(w, &null_ops, params->size, 1);
	w->discards = true;
	*out = w;
	return 0;
}

static const struct tranship_option_info null_options[] = { { 0 } };

const struct format null_format = {
	.name = "null",
	.create = null_create,
	.create_options = null_options,
	.no_output = true,
};
