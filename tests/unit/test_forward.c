// SPDX-License-Identifier: Apache-2.0
/* What a forward disk holds of its pipe: chunks, gaps between them, and what was read already. */
#include "support.h"

#include "core/forward.h"

#include <stdlib.h>
#include <string.h>

static void push(struct forward *fw, uint64_t off, uint64_t len)
{
	unsigned char *stored = malloc(8);
	struct tranship_error err;

	assert_non_null(stored);
	memset(stored, (int)(off & 0xFF), 8);
	assert_ok(forward_push(fw, off, len, stored, 8, &err), &err);
}

static void assert_place(struct forward *fw, uint64_t off, enum forward_kind kind, uint64_t end)
{
	struct forward_place place;

	forward_find(fw, off, &place);
	assert_int_equal(place.kind, kind);
	assert_true(place.end == end);
	if (kind == FORWARD_CHUNK)
		assert_int_equal(place.chunk->stored[0], place.chunk->off & 0xFF);
}

/* Reads [off, off + len) of the chunk there. */
static void take(struct forward *fw, uint64_t off, uint64_t len)
{
	struct forward_place place;

	forward_find(fw, off, &place);
	assert_int_equal(place.kind, FORWARD_CHUNK);
	forward_take(fw, place.chunk, len);
}

static void test_forward__chunks_and_gaps(void **state)
{
	struct forward fw;

	(void)state;
	forward_init(&fw);
	assert_place(&fw, 0, FORWARD_GAP, UINT64_MAX);
	push(&fw, 100, 50);
	push(&fw, 150, 50);
	push(&fw, 300, 10);
	assert_place(&fw, 0, FORWARD_GAP, 100);
	assert_place(&fw, 99, FORWARD_GAP, 100);
	assert_place(&fw, 100, FORWARD_CHUNK, 150);
	assert_place(&fw, 149, FORWARD_CHUNK, 150);
	assert_place(&fw, 150, FORWARD_CHUNK, 200);
	assert_place(&fw, 200, FORWARD_GAP, 300);
	assert_place(&fw, 309, FORWARD_CHUNK, 310);
	assert_place(&fw, 310, FORWARD_GAP, UINT64_MAX);
	assert_place(&fw, UINT64_MAX, FORWARD_GAP, UINT64_MAX);
	forward_fini(&fw);
}

static void test_forward__what_was_read_is_gone_and_no_gap(void **state)
{
	struct forward fw;

	(void)state;
	forward_init(&fw);
	push(&fw, 0, 100);
	push(&fw, 100, 100);
	take(&fw, 0, 60);
	assert_place(&fw, 0, FORWARD_CHUNK, 100); /* the rest was not read yet */
	take(&fw, 60, 40);
	assert_place(&fw, 0, FORWARD_GONE, 100);
	assert_place(&fw, 99, FORWARD_GONE, 100);
	assert_place(&fw, 100, FORWARD_CHUNK, 200);
	take(&fw, 100, 1000); /* more than there is */
	assert_place(&fw, 150, FORWARD_GONE, 200);
	assert_place(&fw, 200, FORWARD_GAP, UINT64_MAX);
	forward_fini(&fw);
}

static void test_forward__a_long_stream_is_forgotten_but_not_mistaken(void **state)
{
	enum { CHUNKS = 100000, KEPT = 50000 };
	struct forward fw;
	uint64_t i;

	(void)state;
	forward_init(&fw);
	for (i = 0; i < CHUNKS; i++) {
		push(&fw, 10 * i, 5);
		if (i != KEPT)
			take(&fw, 10 * i, 5);
	}
	assert_place(&fw, 10 * KEPT, FORWARD_CHUNK, 10 * KEPT + 5);
	for (i = 0; i < CHUNKS; i++)
		if (i != KEPT) {
			struct forward_place place;

			forward_find(&fw, 10 * i, &place);
			assert_int_equal(place.kind, FORWARD_GONE);
		}
	assert_true(fw.cap < CHUNKS);
	forward_fini(&fw);
}

static void test_forward__memory_is_bounded_when_all_is_read(void **state)
{
	struct forward fw;
	uint64_t i;

	(void)state;
	forward_init(&fw);
	for (i = 0; i < 100000; i++) {
		push(&fw, i, 1);
		take(&fw, i, 1);
	}
	assert_in_range(fw.count, 1, 8192);
	assert_in_range(fw.cap, 1, 16384);
	assert_place(&fw, 0, FORWARD_GONE, fw.chunks[0]->off);
	assert_place(&fw, 99999, FORWARD_GONE, 100000);
	forward_fini(&fw);
}

static void test_forward_gone__says_what_a_stream_is(void **state)
{
	struct tranship_error err;

	(void)state;
	assert_fails(forward_gone("vmdk", 77, &err), TRANSHIP_EINVAL, &err,
		     "vmdk: a stream is read once and in order, offset 77 is gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward__chunks_and_gaps),
		cmocka_unit_test(test_forward__what_was_read_is_gone_and_no_gap),
		cmocka_unit_test(test_forward__a_long_stream_is_forgotten_but_not_mistaken),
		cmocka_unit_test(test_forward__memory_is_bounded_when_all_is_read),
		cmocka_unit_test(test_forward_gone__says_what_a_stream_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
