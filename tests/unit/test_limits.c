// SPDX-License-Identifier: Apache-2.0
/* Where formats end: the write that would pass the end is refused before it is made, and what fits
 * still fits. */
#include "support.h"

#include "core/format.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define TIB ((uint64_t)1 << 40)

static struct tranship_writer *counted(const char *format, const char *options, uint64_t size)
{
	struct tranship_create_options create = {
		.format = format, .options = options, .size = size, .time = 1
	};
	struct tranship_writer *writer;
	struct tranship_error err;

	assert_ok(create_counted(&create, &writer, &err), &err);
	return writer;
}

/* Puts the same MiB until the writer refuses; returns how large the file was then. */
static uint64_t fill(struct tranship_writer *writer, const void *stored, size_t stored_len,
		     struct tranship_error *err)
{
	uint64_t off;
	int rc = 0;

	for (off = 0; off < writer->size && rc == 0; off += MIB)
		rc = writer_put_encoded(writer, off, MIB, stored, stored_len, err);
	assert_fails(rc, TRANSHIP_ELIMIT, err, "2 TiB");
	return output_total(writer->output);
}

static void test_put__sparse_vmdk_ends_at_2_tib(void **state)
{
	struct tranship_writer *writer = counted("vmdk", NULL, 3 * TIB);
	unsigned char *data = calloc(1, MIB);
	struct tranship_error err;
	uint64_t size = fill(writer, data, MIB, &err);

	(void)state;
	assert_true(size <= 2 * TIB);
	assert_true(size > 2 * TIB - 2 * MIB);
	assert_fails(tranship_writer_finish(writer, &err), TRANSHIP_EINVAL, &err, "failed");
	tranship_writer_close(writer);
	free(data);
}

/* Grains that do not compress at all: each takes 64 KiB and a bit more. */
static void test_put__stream_vmdk_ends_at_2_tib(void **state)
{
	struct tranship_writer *writer =
		counted("vmdk", "subformat=streamOptimized,compression_level=0", 3 * TIB);
	unsigned char *data = calloc(1, MIB);
	struct buffer encoded = { 0 };
	struct tranship_error err;
	void *scratch;
	uint64_t size;

	(void)state;
	assert_ok(writer_scratch_new(writer, &scratch, &err), &err);
	assert_ok(writer_encode(writer, scratch, 0, data, MIB, &encoded, &err), &err);
	size = fill(writer, encoded.bytes, encoded.len, &err);
	assert_true(size <= 2 * TIB);
	assert_true(size > 2 * TIB - 2 * MIB);
	writer_scratch_free(writer, scratch);
	buffer_free(&encoded);
	tranship_writer_close(writer);
	free(data);
}

/* A disk of 62 TiB with data at both ends is small, in every format that is large enough. */
static void test_put__large_disks_with_little_data(void **state)
{
	static const struct {
		const char *format, *options;
		uint64_t size, file_max;
	} cases[] = {
		{ "vmdk", NULL, 62 * TIB, 9 * TIB / 1024 },
		{ "vmdk", "subformat=streamOptimized", 62 * TIB, 16 * MIB },
		{ "vhdx", NULL, 64 * TIB, 512 * MIB },
		{ "vpc", NULL, (uint64_t)2040 << 30, 16 * MIB },
	};
	unsigned char *data = malloc(MIB);
	struct tranship_error err;
	size_t i;

	(void)state;
	memset(data, 7, MIB);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tranship_writer *w =
			counted(cases[i].format, cases[i].options, cases[i].size);

		assert_ok(tranship_writer_put(w, 0, data, MIB, &err), &err);
		assert_ok(tranship_writer_zero(w, MIB, cases[i].size - 2 * MIB, &err), &err);
		assert_ok(tranship_writer_put(w, cases[i].size - MIB, data, MIB, &err), &err);
		assert_ok(tranship_writer_finish(w, &err), &err);
		assert_true(output_total(w->output) <= cases[i].file_max);
		tranship_writer_close(w);
	}
	free(data);
}

static void test_create__too_large_names_the_format_to_use(void **state)
{
	static const struct {
		const char *format, *options, *piece;
		uint64_t size;
	} cases[] = {
		{ "vpc", NULL, "vhdx", ((uint64_t)2040 << 30) + 512 },
		{ "azure", NULL, "vhdx", ((uint64_t)2040 << 30) + 512 },
		{ "vmdk", NULL, "vhdx", 62 * TIB + 512 },
		{ "vhdx", NULL, "64 TiB", 64 * TIB + 512 },
		{ "vmdk", "subformat=twoGbMaxExtentSparse", "monolithic", 40 * TIB },
		{ "vmdk", "subformat=twoGbMaxExtentFlat", "monolithic", 40 * TIB },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tranship_create_options create = { .format = cases[i].format,
							  .options = cases[i].options,
							  .size = cases[i].size };
		struct tranship_writer *writer;
		struct tranship_error err;

		assert_fails(create_counted(&create, &writer, &err), TRANSHIP_ELIMIT, &err,
			     cases[i].piece);
		assert_null(writer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put__sparse_vmdk_ends_at_2_tib),
		cmocka_unit_test(test_put__stream_vmdk_ends_at_2_tib),
		cmocka_unit_test(test_put__large_disks_with_little_data),
		cmocka_unit_test(test_create__too_large_names_the_format_to_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
