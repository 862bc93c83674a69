// SPDX-License-Identifier: Apache-2.0
/* Streams of rbd export-diff that are written, taken apart and applied by a parser of its own. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "core/format.h"
#include "faulty.h"
#include "heap.h"

#include <stdlib.h>
#include <string.h>

/* What a stream says, applied to what the image was. */
struct applied {
	char from[300], to[300]; /* "": not there */
	uint64_t size;
	unsigned char *content;
	unsigned writes, zeros;
	uint64_t written, zeroed;
};

struct reader {
	const unsigned char *at;
	size_t left;
};

static const unsigned char *take(struct reader *r, uint64_t len)
{
	const unsigned char *at = r->at;

	assert_true(len <= r->left);
	r->at += len;
	r->left -= (size_t)len;
	return at;
}

static void take_name(struct reader *r, char *out, size_t cap)
{
	uint32_t len = get_le32(take(r, 4));

	assert_true(len > 0 && len < cap);
	assert_string_equal(out, "");
	memcpy(out, take(r, len), len);
}

/* An image that grows has zeros there, one that shrinks loses its end. */
static void resize(struct applied *a, uint64_t size, const unsigned char *base, size_t base_size)
{
	assert_null(a->content);
	a->size = size;
	a->content = calloc(1, (size_t)size + 1);
	assert_non_null(a->content);
	if (base)
		memcpy(a->content, base, (size_t)min_u64(base_size, size));
}

/* Returns where the extent ends. */
static uint64_t take_extent(struct reader *r, struct applied *a, bool zero, uint64_t behind)
{
	const unsigned char *raw = take(r, 16);
	uint64_t off = get_le64(raw), len = get_le64(raw + 8);

	assert_non_null(a->content);
	assert_true(len > 0 && off >= behind && range_ok(off, len, a->size));
	if (zero) {
		memset(a->content + off, 0, (size_t)len);
		a->zeros++;
		a->zeroed += len;
	} else {
		assert_true(len <= 1 << 20);
		memcpy(a->content + off, take(r, len), (size_t)len);
		a->writes++;
		a->written += len;
	}
	return off + len;
}

/* Fails unless the file is a whole stream, in order, without two records where one would do. */
static struct applied apply(struct tranship_file *file, const unsigned char *base, size_t base_size)
{
	struct applied a = { 0 };
	size_t size;
	unsigned char *bytes = file_bytes(file, &size);
	struct reader r = { bytes, size };
	uint64_t behind = 0, zeros_end = UINT64_MAX;

	assert_memory_equal(take(&r, 12), "rbd diff v1\n", 12);
	for (;;) {
		char tag = (char)*take(&r, 1);

		if (tag == 'e')
			break;
		if (tag == 'f' || tag == 't')
			take_name(&r, tag == 'f' ? a.from : a.to, sizeof(a.from));
		else if (tag == 's')
			resize(&a, get_le64(take(&r, 8)), base, base_size);
		else if (tag == 'w' || tag == 'z')
			behind = take_extent(&r, &a, tag == 'z', behind);
		else
			fail_msg("tag %d", tag);
		if (tag == 'z') {
			assert_true(zeros_end == UINT64_MAX || get_le64(r.at - 16) != zeros_end);
			zeros_end = behind;
		}
	}
	assert_int_equal(r.left, 0);
	assert_non_null(a.content);
	free(bytes);
	return a;
}

static void assert_same(struct tranship_file *file, const unsigned char *want, size_t size)
{
	size_t got_size, want_size;
	unsigned char *got = file_bytes(file, &got_size);

	want_size = size;
	assert_int_equal(got_size, want_size);
	assert_memory_equal(got, want, size);
	free(got);
}

static void test_alone__is_the_disk(void **state)
{
	static const size_t sizes[] = {
		0, 1, 512, 1000, (1 << 20) - 512, 1 << 20, (3 << 20) + 512, (5 << 20) + 77,
	};
	struct rng rng = { 401 };
	size_t i, size;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		unsigned char *content = random_disk(&rng, sizes[i]), *bytes;
		struct tranship_file *one = image_of("rbd", "to_snap=s", content, sizes[i], 1);
		struct tranship_file *many = image_of("rbd", "to_snap=s", content, sizes[i], 7);
		struct applied a = apply(one, NULL, 0);

		assert_int_equal(a.size, sizes[i]);
		assert_memory_equal(a.content, content, sizes[i]);
		assert_int_equal(a.zeros, 0); /* it begins as zeros */
		assert_string_equal(a.from, "");
		assert_string_equal(a.to, "s");
		bytes = file_bytes(many, &size);
		assert_same(one, bytes, size);
		free(bytes);
		free(a.content);
		free(content);
		tranship_file_close(one);
		tranship_file_close(many);
	}
}

/* Takes over the image. */
static struct tranship_disk *open_as(struct tranship_file *image, const char *format)
{
	struct tranship_open_options open = { .format = format };
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(image, &open, &disk, &err), &err);
	return disk;
}

static struct tranship_file *difference(struct tranship_disk *base, struct tranship_disk *disk,
					const char *options)
{
	struct tranship_create_options create = { .format = "rbd",
						  .size = tranship_disk_size(disk),
						  .options = options,
						  .source = disk,
						  .base = base };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_error err;

	assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, NULL, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	return out;
}

/* What the disk becomes: some stretches other bytes, some zeros, the rest as it was. */
static unsigned char *edit(struct rng *rng, const unsigned char *content, size_t size,
			   size_t new_size)
{
	unsigned char *now = calloc(1, new_size + 1);
	unsigned i;

	assert_non_null(now);
	memcpy(now, content, size < new_size ? size : new_size);
	for (i = 0; i < 12 && new_size > 0; i++) {
		size_t at = (size_t)rng_below(rng, new_size);
		size_t len = (size_t)min_u64(new_size - at, 1 + rng_below(rng, 150000));

		if (i % 3)
			rng_fill(rng, now + at, len);
		else
			memset(now + at, 0, len);
	}
	return now;
}

static void check_over(struct rng *rng, const char *format, size_t size, size_t new_size)
{
	unsigned char *content = random_disk(rng, size);
	unsigned char *now = edit(rng, content, size, new_size);
	struct tranship_file *base_image = image_of(format, NULL, content, size, 1);
	struct tranship_disk *base = open_as(base_image, format);
	struct tranship_disk *disk = open_as(file_of(now, new_size), "raw");
	struct tranship_file *out = difference(base, disk, "from_snap=one,,two,to_snap=three");
	struct applied a = apply(out, content, size);
	uint64_t differ = 0, at;

	assert_int_equal(a.size, new_size);
	assert_memory_equal(a.content, now, new_size);
	assert_string_equal(a.from, "one,two");
	assert_string_equal(a.to, "three");
	for (at = 0; at < new_size; at += 512) {
		size_t len = (size_t)min_u64(512, new_size - at), i;
		bool same = true;

		for (i = 0; i < len; i++)
			same = same && now[at + i] == (at + i < size ? content[at + i] : 0);
		differ += same ? 0 : len;
	}
	assert_int_equal(a.written + a.zeroed, differ);
	free(a.content);
	free(content);
	free(now);
	tranship_disk_close(base);
	tranship_disk_close(disk);
	tranship_file_close(out);
}

static void test_over_a_base__holds_what_differs(void **state)
{
	struct rng rng = { 402 };

	(void)state;
	check_over(&rng, "raw", 3 << 20, 3 << 20);
	check_over(&rng, "raw", (2 << 20) + 77, (3 << 20) + 1001); /* grows */
	check_over(&rng, "raw", 3 << 20, (1 << 20) + 513);         /* shrinks */
	check_over(&rng, "vhdx", 3 << 20, 3 << 20);
	check_over(&rng, "vmdk", 3 << 20, (3 << 20) + 5);
	check_over(&rng, "raw", 1 << 20, 0);
}

static void test_over_a_base__that_is_the_same(void **state)
{
	struct rng rng = { 403 };
	unsigned char *content = random_disk(&rng, 100000);
	struct tranship_disk *base = open_as(file_of(content, 100000), "raw");
	struct tranship_disk *disk = open_as(file_of(content, 100000), "raw");
	struct tranship_file *out = difference(base, disk, NULL);

	(void)state;
	assert_same(out, (const unsigned char *)"rbd diff v1\ns\xa0\x86\1\0\0\0\0\0e", 22);
	free(content);
	tranship_disk_close(base);
	tranship_disk_close(disk);
	tranship_file_close(out);
}

#define SIZE 4096

/* With no base at hand every step says what it is. Takes over the file. */
static int write_steps(struct tranship_file *out, struct tranship_error *err)
{
	static const unsigned char data[1024] = { 0xaa };
	struct tranship_create_options create = { .format = "rbd",
						  .size = SIZE,
						  .options = "from_snap=a,to_snap=bc",
						  .flags = CREATE_OVER_ANY };
	struct tranship_writer *w;
	int rc = tranship_create_file(out, &create, &w, err);

	if (rc == 0)
		rc = tranship_writer_skip(w, 0, 512, err);
	if (rc == 0)
		rc = tranship_writer_put(w, 512, data, 1024, err);
	if (rc == 0)
		rc = tranship_writer_zero(w, 1536, 512, err);
	if (rc == 0)
		rc = tranship_writer_zero(w, 2048, 512, err);
	if (rc == 0)
		rc = tranship_writer_skip(w, 2560, 512, err);
	if (rc == 0)
		rc = tranship_writer_zero(w, 3072, 1024, err);
	if (rc == 0)
		rc = tranship_writer_finish(w, err);
	tranship_writer_close(w);
	return rc;
}

static void test_over_any__no_base_at_hand(void **state)
{
	unsigned char want[12 + 6 + 7 + 9 + 17 + 1024 + 2 * 17 + 1] =
		"rbd diff v1\nf\1\0\0\0at\2\0\0\0bcs\0\x10\0\0\0\0\0\0"
		"w\0\2\0\0\0\0\0\0\0\4\0\0\0\0\0\0\xaa";
	unsigned char *end = want + 12 + 6 + 7 + 9 + 17 + 1024;
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_error err;

	(void)state;
	memcpy(end, "z\0\6\0\0\0\0\0\0\0\4\0\0\0\0\0\0", 17);
	memcpy(end + 17, "z\0\x0c\0\0\0\0\0\0\0\4\0\0\0\0\0\0e", 18);
	assert_ok(write_steps(out, &err), &err);
	assert_same(out, want, sizeof(want));
	tranship_file_close(out);
}

static void test_create__what_is_refused(void **state)
{
	static const struct {
		const char *format, *options;
		unsigned flags;
		int code;
		const char *piece;
	} rows[] = {
		{ "rbd", "from_snap=a", 0, TRANSHIP_EINVAL, "there is no base" },
		{ "rbd", "from_snap=", CREATE_OVER_ANY, TRANSHIP_EINVAL, "from_snap ''" },
		{ "rbd", "to_snap=a/b", 0, TRANSHIP_EINVAL, "to_snap 'a/b'" },
		{ "rbd", "to_snap=a@b", 0, TRANSHIP_EINVAL, "without '/' and '@'" },
		{ "rbd", "snap=a", 0, TRANSHIP_EINVAL, "'snap' is unknown" },
		{ "raw", NULL, CREATE_OVER_ANY, TRANSHIP_EUNSUPPORTED, "over a base" },
		{ "vpc", NULL, CREATE_OVER_ANY, TRANSHIP_EUNSUPPORTED, "over a base" },
		{ "vhdx", NULL, CREATE_OVER_ANY, TRANSHIP_EUNSUPPORTED, "over a base" },
		{ "null", NULL, CREATE_OVER_ANY, TRANSHIP_EUNSUPPORTED, "over a base" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		struct tranship_create_options create = { .format = rows[i].format,
							  .size = SIZE,
							  .options = rows[i].options,
							  .flags = rows[i].flags };
		struct tranship_file *out = file_of(NULL, 0);
		struct tranship_writer *writer;
		struct tranship_error err;

		assert_fails(tranship_create_file(out, &create, &writer, &err), rows[i].code, &err,
			     rows[i].piece);
		assert_null(writer);
		tranship_file_close(out);
	}
}

static void test_create__names_end_at_4096_bytes(void **state)
{
	struct tranship_create_options create = { .format = "rbd", .size = SIZE };
	char options[5000] = "to_snap=";
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_error err;

	(void)state;
	memset(options + 8, 'n', 4097);
	create.options = options;
	assert_fails(tranship_create_file(out, &create, &writer, &err), TRANSHIP_EINVAL, &err,
		     "1 to 4096 bytes");
	options[8 + 4096] = '\0';
	assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
	tranship_writer_close(writer);
	tranship_file_close(out);
}

static void test_skip__alone_is_refused(void **state)
{
	struct tranship_create_options create = { .format = "rbd", .size = SIZE };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
	assert_fails(tranship_writer_skip(writer, 0, 512, &err), TRANSHIP_EINVAL, &err,
		     "the disk has no base");
	tranship_writer_close(writer);
	tranship_file_close(out);
}

static void test_measure__is_what_is_written(void **state)
{
	struct tranship_create_options create = { .format = "rbd", .options = "to_snap=now" };
	size_t size = (3 << 20) + 77;
	struct rng rng = { 404 };
	unsigned char *content = random_disk(&rng, size);
	struct tranship_file *out = image_of("rbd", create.options, content, size, 1);
	struct tranship_disk *disk = open_as(file_of(content, size), "raw");
	struct tranship_measure measure;
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_measure(disk, &create, &measure, &err), &err);
	assert_int_equal(measure.required, tranship_file_size(out));
	tranship_file_close(out);
	rng_fill(&rng, content, size);
	out = image_of("rbd", create.options, content, size, 1);
	assert_int_equal(measure.fully_allocated, tranship_file_size(out));
	tranship_file_close(out);
	tranship_disk_close(disk);
	free(content);
}

static void test_sweep__allocations(void **state)
{
	struct heap_seen seen = { .failed = true };
	unsigned long n;

	(void)state;
	if (!HEAP_WATCHED)
		skip();
	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		struct tranship_file *out;
		int rc;

		heap_watch(n, n % 2);
		rc = tranship_file_memory(NULL, 0, &out, &err);
		if (rc == 0) {
			rc = write_steps(out, &err);
			tranship_file_close(out);
		}
		seen = heap_unwatch();
		assert_int_equal(seen.held, 0);
		if (seen.failed)
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		else
			assert_ok(rc, &err);
	}
	assert_true(n > 5);
}

static void test_sweep__writes(void **state)
{
	size_t size = 3 << 20;
	struct rng rng = { 405 };
	unsigned char *content = random_disk(&rng, size);
	struct faults faults = { .failed = true };
	struct tranship_create_options create = { .format = "rbd", .size = size };
	unsigned n;

	(void)state;
	for (n = 1; faults.failed; n++) {
		struct tranship_disk *disk = open_as(file_of(content, size), "raw");
		struct tranship_writer *writer;
		struct tranship_file *out;
		struct tranship_error err;
		int rc;

		faults = (struct faults){ .fail_write = n };
		out = faulty_over(file_of(NULL, 0), &faults);
		assert_non_null(out);
		assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
		rc = tranship_copy(disk, writer, NULL, &err);
		if (rc == 0)
			rc = tranship_writer_finish(writer, &err);
		tranship_writer_close(writer);
		if (!faults.failed)
			assert_ok(rc, &err);
		else
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		tranship_file_close(out);
		tranship_disk_close(disk);
	}
	assert_true(n > 3);
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone__is_the_disk),
		cmocka_unit_test(test_over_a_base__holds_what_differs),
		cmocka_unit_test(test_over_a_base__that_is_the_same),
		cmocka_unit_test(test_over_any__no_base_at_hand),
		cmocka_unit_test(test_create__what_is_refused),
		cmocka_unit_test(test_create__names_end_at_4096_bytes),
		cmocka_unit_test(test_skip__alone_is_refused),
		cmocka_unit_test(test_measure__is_what_is_written),
		cmocka_unit_test(test_sweep__allocations),
		cmocka_unit_test(test_sweep__writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
