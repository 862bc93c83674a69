// SPDX-License-Identifier: Apache-2.0
/*
 * Delta files with one field that is wrong, every check over it made right again, so that it is the
 * field itself that is refused; and files in which everything fails once.
 */
#include "support.h"

#include "base/bytes.h"
#include "delta/record_ondisk.h"
#include "faulty.h"
#include "heap.h"
#include "image_delta.h"
#include "io/file.h"
#include "patched.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096U
#define DISK (12 * BLOCK)

static struct buffer good;

/* Records for block 1, 4 and 5, 6 (zeros), 9. */
static int make_good(void **state)
{
	static unsigned char base[DISK], target[DISK];
	struct image_delta image = image_delta_defaults(DISK, DISK);

	(void)state;
	memset(base, 'b', DISK);
	memcpy(target, base, DISK);
	memset(target + BLOCK, 'x', BLOCK);
	memset(target + 4 * BLOCK, 'y', 2 * BLOCK);
	memset(target + 6 * BLOCK, 0, BLOCK);
	memset(target + 9 * BLOCK, 'z', BLOCK);
	image.record_data = 2 * BLOCK;
	image.record_blocks = 2;
	image.head.lineages = 2;
	return image_delta(&image, base, target, &good);
}

static int free_good(void **state)
{
	(void)state;
	buffer_free(&good);
	return 0;
}

/* Opens a file, finds and unpacks every record of it, and verifies it. */
static int use(struct tranship_file *file, struct tranship_error *err)
{
	struct record r = { 0 };
	struct unpacker *u = NULL;
	struct delta *d = NULL;
	uint64_t off = 0, at;
	int rc = delta_open(file, 0, &d, err);

	if (rc == 0)
		rc = unpacker_new(&u, err);
	while (rc == 0 && (rc = delta_find(d, off, &r, &at, err)) == 1) {
		rc = delta_read_data(d, u, at, &r, err);
		off = r.head.end;
	}
	if (rc == 0)
		rc = delta_verify(d, NULL, NULL, err);
	record_free(&r);
	unpacker_free(u);
	delta_close(d);
	return rc;
}

/* What a row changes: an offset counts from there. */
enum place { HEAD, END, RECORD0, RECORD1, PAGE };

#define BAD TRANSHIP_ECORRUPT
#define NOT_OURS TRANSHIP_EUNSUPPORTED
#define ENTRY(n, field) (PAGE_HEAD + (n)*DELTA_ENTRY_SIZE + (field))

static const struct row {
	const char *what;
	enum place place;
	size_t off, width;
	uint64_t value;
	int code;
	const char *piece;
} rows[] = {
	{ "magic", HEAD, 7, 1, 'X', BAD, "does not begin as a delta does" },
	{ "a later version", HEAD, 8, 4, 2, NOT_OURS, "version 2, known is 1" },
	{ "version 0", HEAD, 8, 4, 0, NOT_OURS, "version 0" },
	{ "a feature", HEAD, 12, 4, 0x80, NOT_OURS, "needs the features 0x80" },
	{ "no hash", HEAD, 16, 4, 0, NOT_OURS, "the hash 0 is not known" },
	{ "another hash", HEAD, 16, 4, 3, NOT_OURS, "the hash 3 is not known" },
	{ "a longer hash", HEAD, 16, 4, 2, BAD, "its counts need" },
	{ "small blocks", HEAD, 20, 4, 2048, BAD, "blocks of 2048 bytes" },
	{ "odd blocks", HEAD, 20, 4, 5000, BAD, "blocks of 5000 bytes" },
	{ "huge blocks", HEAD, 20, 4, 1U << 21, BAD, "blocks of 2097152 bytes" },
	{ "other blocks", HEAD, 20, 4, 8192, BAD, "of 2 blocks covers 4096 to 20480" },
	{ "sectors", HEAD, 24, 4, 1024, BAD, "sectors of 1024 bytes" },
	{ "no lineage", HEAD, 28, 4, 0, BAD, "0 lineages" },
	{ "many lineages", HEAD, 28, 4, 33, BAD, "33 lineages, allowed are 1 to 32" },
	{ "fewer lineages", HEAD, 28, 4, 1, BAD, "is of lineage 1, the file has 1" },
	{ "a huge base", HEAD, 32, 8, UINT64_MAX, BAD, "18446744073709551615 and 49152 bytes" },
	{ "a huge target", HEAD, 40, 8, DELTA_SIZE_MAX + 1, BAD, "4611686018427387905 bytes" },
	{ "a smaller target", HEAD, 40, 8, 9 * BLOCK, BAD, "and 36864" },
	{ "another file", HEAD, 48, 8, 1, BAD, "belongs to another file" },
	{ "a long base id", HEAD, 64, 2, 256, BAD, "base id is no text of at most 255" },
	{ "a longer base id", HEAD, 64, 2, 7, BAD, "base id is no text" },
	{ "a long target id", HEAD, 328, 2, 65535, BAD, "target id is no text" },
	{ "a long format", HEAD, 592, 2, 16, BAD, "format of the base is no text" },
	{ "a long hint", HEAD, 640, 2, 1024, BAD, "path of the base is no text" },
	{ "another secret", HEAD, 2048, 1, 0xEE, BAD, "the data for the block at 4096" },
	{ "magic of the end", END, 0, 1, 'X', BAD, "does not end as a delta does" },
	{ "a root behind the end", END, 8, 8, UINT64_MAX - 4095, BAD, "cannot be in" },
	{ "a root elsewhere", END, 8, 8, DELTA_HEAD_SIZE, BAD, "the index page at 4096 is none" },
	{ "no root", END, 8, 8, 0, BAD, "cannot be in a file" },
	{ "entries", END, 16, 8, 4, BAD, "3 records in" },
	{ "a high tree", END, 24, 4, 8, BAD, "cannot be in a file" },
	{ "a higher tree", END, 24, 4, 1, BAD, "is of another level" },
	{ "fewer records", END, 32, 8, 2, BAD, "an index of 3" },
	{ "more data", END, 40, 8, 5 * BLOCK, BAD, "0 records more, 4096 bytes of data and 0" },
	{ "less data", END, 40, 8, 3 * BLOCK, BAD, "more than its end counts" },
	{ "more zeros", END, 48, 8, 2 * BLOCK, BAD, "0 bytes of data and 4096 of zeros" },
	{ "fewer zeros", END, 48, 8, 0, BAD, "more than its end counts" },
	{ "a longer file", END, 56, 8, 1 << 20, BAD, "its end says 1048576" },
	{ "a record's magic", RECORD1, 0, 1, 'X', BAD, "there is no record" },
	{ "a record for elsewhere", RECORD1, RECORD_OFF_OFF, 8, 3 * BLOCK, BAD,
	  "the index says 20480 to 28672" },
	{ "a longer record", RECORD0, RECORD_OFF_STORED_LEN, 4, 60, BAD, "the index says" },
	{ "an entry that is empty", PAGE, ENTRY(0, 8), 8, BLOCK, BAD, "for 4096 to 4096" },
	{ "an entry for more", PAGE, ENTRY(0, 8), 8, 6 * BLOCK, BAD, "overlap it" },
	{ "an entry for less", PAGE, ENTRY(0, 8), 8, 2 * BLOCK, BAD,
	  "the index says 4096 to 8192" },
	{ "entries that do not ascend", PAGE, ENTRY(1, 0), 8, BLOCK, BAD,
	  "keys that do not ascend" },
	{ "an entry in the head", PAGE, ENTRY(0, 16), 8, 0, BAD, "bytes at 0 of a file" },
	{ "an entry behind the end", PAGE, ENTRY(0, 16), 8, 1 << 20, BAD, "bytes at 1048576 of" },
	{ "an entry at a page", PAGE, ENTRY(0, 16), 8, 4097, BAD, "there is no record" },
	{ "an entry of another length", PAGE, ENTRY(0, 24), 4, 70, BAD, "the index says" },
	{ "an entry too short", PAGE, ENTRY(0, 24), 4, 63, BAD, "63 bytes at" },
	{ "an entry less", PAGE, 6, 2, 2, BAD, "does not have the record" },
};

static unsigned char *place_of(unsigned char *bytes, size_t len, enum place place)
{
	switch (place) {
	case HEAD: return bytes;
	case END: return bytes + len - DELTA_END_SIZE;
	case RECORD0: return bytes + image_delta_record(bytes, len, 0);
	case RECORD1: return bytes + image_delta_record(bytes, len, 1);
	default: return bytes + image_delta_page(bytes, len, 0);
	}
}

static void test_hostile__fields(void **state)
{
	struct tranship_error err;
	struct tranship_file *file = file_of(good.bytes, good.len);
	size_t i, j;

	(void)state;
	assert_ok(use(file, &err), &err);
	tranship_file_close(file);
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		unsigned char *bytes = malloc(good.len), *at;

		memcpy(bytes, good.bytes, good.len);
		at = place_of(bytes, good.len, row->place) + row->off;
		for (j = 0; j < row->width; j++)
			at[j] = (unsigned char)(row->value >> 8 * j);
		image_delta_repair(bytes, good.len);
		file = file_of(bytes, good.len);
		if (use(file, &err) == 0)
			fail_msg("accepted: %s", row->what);
		if (err.code != row->code || !strstr(err.message, row->piece))
			fail_msg("%s: wanted '%s', got %d '%s'", row->what, row->piece, err.code,
				 err.message);
		tranship_file_close(file);
		free(bytes);
	}
}

/* Both counts say one more: only reading all of it finds that there is none. */
static void test_hostile__more_records_than_there_are(void **state)
{
	unsigned char *bytes = malloc(good.len);
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	memcpy(bytes, good.bytes, good.len);
	put_le64(bytes + good.len - DELTA_END_SIZE + 16, 4);
	put_le64(bytes + good.len - DELTA_END_SIZE + 32, 4);
	image_delta_repair(bytes, good.len);
	file = file_of(bytes, good.len);
	assert_fails(use(file, &err), BAD, &err, "1 records more");
	tranship_file_close(file);
	free(bytes);
}

/* The second record, and its entry, begin in the block where the first one ends: whoever reads at
 * random finds that by the entries, whoever reads it all by the records. */
static void test_hostile__records_that_overlap(void **state)
{
	unsigned char *bytes = malloc(good.len), *record;
	struct tranship_file *file;
	struct tranship_error err;
	struct delta *d;

	(void)state;
	memcpy(bytes, good.bytes, good.len);
	record = place_of(bytes, good.len, RECORD1);
	put_le64(record + RECORD_OFF_OFF, 4 * BLOCK);
	put_le64(record + RECORD_HEAD + PIECE_OFF_OFF, 4 * BLOCK);
	put_le64(place_of(bytes, good.len, PAGE) + ENTRY(1, 0), 4 * BLOCK);
	image_delta_repair(bytes, good.len);
	file = file_of(bytes, good.len);
	assert_fails(use(file, &err), BAD, &err, "overlap it");
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_fails(delta_verify(d, NULL, NULL, &err), BAD, &err,
		     "the one before it ends at 20480");
	delta_close(d);
	tranship_file_close(file);
	free(bytes);
}

/* Bytes between the parts that belong to nothing. */
static void test_hostile__bytes_of_nobody(void **state)
{
	size_t at = image_delta_page(good.bytes, good.len, 0);
	unsigned char *bytes = calloc(1, good.len + 64);
	struct tranship_file *file;
	struct tranship_error err;

	(void)state;
	memcpy(bytes, good.bytes, at + PAGE_SIZE_BYTES);
	memcpy(bytes + good.len + 64 - DELTA_END_SIZE, good.bytes + good.len - DELTA_END_SIZE,
	       DELTA_END_SIZE);
	put_le64(bytes + good.len + 64 - DELTA_END_SIZE + 56, good.len + 64);
	image_delta_repair(bytes, good.len + 64);
	file = file_of(bytes, good.len + 64);
	assert_fails(use(file, &err), BAD, &err, "there is no record where one was expected");
	tranship_file_close(file);
	free(bytes);
}

/* ---- Everything fails once ---- */

static void test_sweep__reads(void **state)
{
	struct faults faults = { 0 };
	unsigned n;

	(void)state;
	for (n = 1; n == 1 || faults.failed; n++) {
		struct tranship_error err = { 0 };
		struct tranship_file *file;
		int rc;

		faults = (struct faults){ .fail_read = n };
		file = faulty_over(patched_file(good.bytes, good.len, good.len, NULL, 0), &faults);
		rc = use(file, &err);
		if (!faults.failed)
			assert_ok(rc, &err);
		else
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		tranship_file_close(file);
	}
	assert_true(n > 10);
}

/* How many of the allocations are refused when they fail. `held`: nothing may be kept. */
static unsigned long sweep_allocations(bool held)
{
	unsigned long n, refused = 0;
	bool failed = true;

	for (n = 1; failed; n++) {
		struct tranship_file *file = patched_file(good.bytes, good.len, good.len, NULL, 0);
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = use(file, NULL);
		ERR_clear_error(); /* where libcrypto keeps what it says */
		seen = heap_unwatch();
		failed = seen.failed;
		if (held)
			assert_int_equal(seen.held, 0);
		/* libcrypto does without some: then all is right. */
		if (rc != 0)
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		refused += rc != 0;
		assert_true(failed || rc == 0);
		tranship_file_close(file);
	}
	return refused;
}

static void test_sweep__allocations(void **state)
{
	(void)state;
	if (!HEAP_WATCHED)
		skip();
	sweep_allocations(false); /* the first error of a thread takes memory for all of them */
	assert_true(sweep_allocations(true) > 10);
}

/* Writes a delta of so many records that pages of the index stand between them. */
static int write_many(struct tranship_file *file, struct tranship_error *err)
{
	struct image_delta image = image_delta_defaults(DISK, DISK);
	struct record_span span = { .len = 64, .data = BLOCK };
	unsigned char stored[64] = { 0 };
	struct delta_writer *w;
	struct delta_end end;
	int rc = delta_writer_new(file, &image.head, &w, err);

	if (rc)
		return rc;
	for (; span.off < 300 * BLOCK && rc == 0; span.off += BLOCK) {
		span.end = span.off + BLOCK;
		rc = delta_writer_put(w, &span, stored, err);
	}
	if (rc == 0)
		rc = delta_writer_finish(w, &end, err);
	if (rc == 0)
		assert_int_equal(end.size, tranship_file_size(file));
	delta_writer_free(w);
	return rc;
}

static void test_sweep__writes(void **state)
{
	struct faults faults = { 0 };
	unsigned n;

	(void)state;
	for (n = 1; n == 1 || faults.failed; n++) {
		struct tranship_file *file = faulty_over(file_of(NULL, 0), &faults);
		struct tranship_error err = { 0 };
		int rc;

		faults = (struct faults){ .fail_write = n };
		rc = write_many(file, &err);
		if (faults.failed)
			assert_fails(rc, TRANSHIP_EIO, &err, FAULT_MESSAGE);
		else
			assert_ok(rc, &err);
		tranship_file_close(file);
	}
	assert_true(n > 300);
}

static void test_sweep__allocations_of_a_writer(void **state)
{
	bool failed = true;
	unsigned long n, refused = 0;

	(void)state;
	if (!HEAP_WATCHED)
		skip();
	for (n = 1; failed; n++) {
		struct tranship_file *file = file_of(NULL, 0);
		struct heap_seen seen;
		int rc;

		heap_watch(n, false);
		rc = write_many(file, NULL);
		seen = heap_unwatch();
		failed = seen.failed;
		if (rc != 0)
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		refused += rc != 0;
		assert_true(failed || rc == 0);
		tranship_file_close(file);
	}
	assert_true(refused > 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile__fields),
		cmocka_unit_test(test_hostile__more_records_than_there_are),
		cmocka_unit_test(test_hostile__records_that_overlap),
		cmocka_unit_test(test_hostile__bytes_of_nobody),
		cmocka_unit_test(test_sweep__reads),
		cmocka_unit_test(test_sweep__allocations),
		cmocka_unit_test(test_sweep__writes),
		cmocka_unit_test(test_sweep__allocations_of_a_writer),
	};

	return cmocka_run_group_tests(tests, make_good, free_good);
}
