// SPDX-License-Identifier: Apache-2.0
/* The ground floor: bytes, checked arithmetic, text, errors, identifiers, bitmaps, buffers. */
#include "support.h"

#include "base/bitmap.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/cpus.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/idgen.h"
#include "base/text.h"
#include "base/zero.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_bytes__both_orders_at_any_alignment(void **state)
{
	static const unsigned char raw[9] = { 0xFF, 1, 2, 3, 4, 5, 6, 7, 0x88 };
	unsigned char back[9] = { 0xFF };

	(void)state;
	assert_int_equal(get_le16(raw + 1), 0x0201);
	assert_int_equal(get_be16(raw + 1), 0x0102);
	assert_int_equal(get_le32(raw + 1), 0x04030201);
	assert_int_equal(get_be32(raw + 1), 0x01020304);
	assert_true(get_le64(raw + 1) == 0x8807060504030201U);
	assert_true(get_be64(raw + 1) == 0x0102030405060788U);
	put_le64(back + 1, 0x8807060504030201U);
	assert_memory_equal(back, raw, sizeof(raw));
	put_be64(back + 1, 0x0102030405060788U);
	assert_memory_equal(back, raw, sizeof(raw));
	put_be16(back + 1, 0x0201);
	put_le16(back + 3, 0x0201);
	assert_memory_equal(back + 1, "\2\1\1\2", 4);
}

static void test_range_ok__never_wraps(void **state)
{
	(void)state;
	assert_true(range_ok(0, 0, 0));
	assert_true(range_ok(5, 5, 10));
	assert_true(range_ok(10, 0, 10));
	assert_false(range_ok(11, 0, 10));
	assert_false(range_ok(5, 6, 10));
	assert_false(range_ok(UINT64_MAX, 2, 10));
	assert_false(range_ok(5, UINT64_MAX, 10));
	assert_true(range_ok(0, UINT64_MAX, UINT64_MAX));
}

static void test_checked__says_what_does_not_fit(void **state)
{
	uint64_t v;
	uint32_t n;

	(void)state;
	assert_true(add_ok(1, UINT64_MAX - 1, &v) && v == UINT64_MAX);
	assert_false(add_ok(1, UINT64_MAX, &v));
	assert_true(mul_ok(1U << 31, 1U << 31, &v));
	assert_false(mul_ok((uint64_t)1 << 55, 512, &v));
	assert_true(round_up_ok(513, 512, &v) && v == 1024);
	assert_true(round_up_ok(0, 512, &v) && v == 0);
	assert_false(round_up_ok(UINT64_MAX - 100, 512, &v));
	assert_true(narrow32_ok(UINT32_MAX, &n) && n == UINT32_MAX);
	assert_false(narrow32_ok((uint64_t)UINT32_MAX + 1, &n));
	assert_true(div_up(UINT64_MAX, 2) == (uint64_t)1 << 63);
	assert_int_equal(div_up(0, 7), 0);
	assert_false(is_pow2(0));
	assert_true(is_pow2((uint64_t)1 << 63));
	assert_false(is_pow2(3));
}

static void test_crc32c__the_check_value(void **state)
{
	/* The catalogue's check value, and a sum in two parts. */
	uint32_t part = crc32c(0, "1234", 4);

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
	assert_int_equal(crc32c(part, "56789", 5), 0xE3069283);
	assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void test_bytes_are_zero__finds_one_byte_anywhere(void **state)
{
	static unsigned char bytes[1000];
	size_t len, at;

	(void)state;
	for (len = 0; len <= sizeof(bytes); len += len < 300 ? 1 : 37) {
		assert_true(bytes_are_zero(bytes, len));
		for (at = 0; at < len; at += 1 + at / 16) {
			bytes[at] = 1;
			assert_false(bytes_are_zero(bytes, len));
			bytes[at] = 0;
		}
		bytes[len < sizeof(bytes) ? len : 0] = len < sizeof(bytes);
		assert_true(bytes_are_zero(bytes, len));
		memset(bytes, 0, sizeof(bytes));
	}
}

static void assert_escaped(const char *src, size_t len, const char *want)
{
	char out[100];

	text_escape(out, sizeof(out), src, len);
	assert_string_equal(out, want);
}

static void test_text_escape__what_a_terminal_must_not_get(void **state)
{
	(void)state;
	assert_escaped("plain", 5, "plain");
	assert_escaped("\x1b[2J\n", 5, "\\x1b[2J\\x0a");
	assert_escaped("'\"\\", 3, "\\x27\\x22\\x5c");
	assert_escaped("\0\x7f", 2, "\\x00\\x7f");
	assert_escaped("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		       "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_escaped("\xc2\x9b", 2, "\\xc2\\x9b");          /* a C1 control */
	assert_escaped("\xc0\xaf", 2, "\\xc0\\xaf");          /* overlong */
	assert_escaped("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf"); /* overlong */
	assert_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* a surrogate */
	assert_escaped("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	assert_escaped("\xe2\x82", 2, "\\xe2\\x82"); /* cut off */
}

static void test_text_show__leaves_what_may_be_read(void **state)
{
	char out[60];

	(void)state;
	text_show(out, sizeof(out), "'a' \"b\" \\ \x1b[31m\n\x7f\xff\xc3\xa4", 20);
	assert_string_equal(out, "'a' \"b\" \\ \\x1b[31m\\x0a\\x7f\\xff\xc3\xa4");
}

static void test_text_escape__cuts_between_characters(void **state)
{
	char out[8];

	(void)state;
	text_escape(out, sizeof(out), "abc\n\n", 5);
	assert_string_equal(out, "abc\\x0a");
	text_escape(out, sizeof(out), "abcd\n", 5);
	assert_string_equal(out, "abcd");
	text_escape(out, 4, "ab\xc3\xa4", 4);
	assert_string_equal(out, "ab");
	memset(out, 'x', sizeof(out));
	text_escape(out, 1, "abc", 3);
	assert_int_equal(out[0], 0);
	text_escape(out, 0, "abc", 3);
}

static void test_text_from_utf16__both_orders(void **state)
{
	static const unsigned char le[] = { 'a',  0,    0xE4, 0, 0xAC, 0x20, 0x3D,
					    0xD8, 0x00, 0xDE, 0, 0,    'z',  0 };
	static const unsigned char be[] = { 0, 'a', 0xD8, 0x3D, 0, 'b', 0xDC, 0x00 };
	char out[32];

	(void)state;
	text_from_utf16le(out, sizeof(out), le, sizeof(le) / 2);
	assert_string_equal(out, "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	text_from_utf16be(out, sizeof(out), be, sizeof(be) / 2); /* both surrogates are alone */
	assert_string_equal(out, "a\xef\xbf\xbd"
				 "b\xef\xbf\xbd");
	text_from_utf16le(out, 4, le, sizeof(le) / 2);
	assert_string_equal(out, "a\xc3\xa4");
	text_from_utf16le(out, 1, le, sizeof(le) / 2);
	assert_string_equal(out, "");
}

static void test_text_to_utf16le__fills_up_with_zeros(void **state)
{
	unsigned char out[8];

	(void)state;
	text_to_utf16le(out, 4, "ab");
	assert_memory_equal(out, "a\0b\0\0\0\0\0", 8);
	text_to_utf16le(out, 4, "abcdef");
	assert_memory_equal(out, "a\0b\0c\0d\0", 8);
}

static void test_error__code_text_and_system(void **state)
{
	struct tranship_error err;
	char name[600];

	(void)state;
	assert_int_equal(error_set(&err, TRANSHIP_ECORRUPT, "x %d", 5), TRANSHIP_ECORRUPT);
	assert_string_equal(err.message, "x 5");
	assert_int_equal(error_in_file(&err, TRANSHIP_ECORRUPT, "a\nb"), TRANSHIP_ECORRUPT);
	assert_string_equal(err.message, "'a\\x0ab': x 5");
	assert_int_equal(error_sys(&err, ENOSPC, "writing"), TRANSHIP_EIO);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_string_equal(err.message, "writing: No space left on device");
	assert_int_equal(error_sys(&err, ENOMEM, "x"), TRANSHIP_ENOMEM);
	assert_int_equal(error_set(NULL, TRANSHIP_EIO, "x"), TRANSHIP_EIO);
	assert_int_equal(error_sys(NULL, EIO, "x"), TRANSHIP_EIO);
	assert_int_equal(error_in_file(NULL, TRANSHIP_EDENIED, "x"), TRANSHIP_EDENIED);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	error_set(&err, TRANSHIP_EIO, "%s", name);
	error_in_file(&err, TRANSHIP_EIO, name);
	assert_true(strlen(err.message) < sizeof(err.message));
}

static void test_code_name__every_code(void **state)
{
	int code;

	(void)state;
	for (code = TRANSHIP_ETRACKING; code <= 0; code++)
		assert_string_not_equal(tranship_code_name(code), "unknown");
	assert_string_equal(tranship_code_name(TRANSHIP_ETRACKING - 1), "unknown");
	assert_string_equal(tranship_code_name(1), "unknown");
	assert_string_equal(tranship_code_name(TRANSHIP_ECORRUPT), "ECORRUPT");
}

static void test_warn_send__nobody_listens(void **state)
{
	struct warnings w = { 0 };

	(void)state;
	warn_send(NULL, NULL, "%s", "unheard");
	warn_send(warnings_take, &w, "%s %d", "heard", 1);
	assert_int_equal(w.count, 1);
	assert_string_equal(w.last, "heard 1");
}

static void test_guid_parse__what_is_printed(void **state)
{
	static const char *const bad[] = { "",
					   "1",
					   "01020304-0506-0708-090a-0b0c0d0e0f1",
					   "01020304-0506-0708-090a-0b0c0d0e0f100",
					   "01020304-0506-0708-090a_0b0c0d0e0f10",
					   "0102030x-0506-0708-090a-0b0c0d0e0f10",
					   "{1020304-0506-0708-090a-0b0c0d0e0f10" };
	struct guid g = { { 0 } };
	char text[GUID_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(guid_parse_be(bad[i], &g));
	assert_true(guid_is_zero(&g));
	assert_true(guid_parse_be("fa020304-0506-0708-090A-0b0c0d0e0f10", &g));
	guid_text_be(&g, text);
	assert_string_equal(text, "fa020304-0506-0708-090a-0b0c0d0e0f10");
}

static void test_text_to_utf16__what_comes_back(void **state)
{
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
	static const uint16_t want[] = { 'a', 0xE4, 0x20AC, 0xD83D, 0xDE00 };
	static const char *const bad[] = { "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80" };
	uint16_t out[8];
	size_t i;

	(void)state;
	assert_int_equal(text_to_utf16(out, 8, ""), 0);
	assert_int_equal(text_to_utf16(out, 5, text), 5);
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(text_to_utf16(out, 4, text), -1); /* half a pair is none */
	assert_int_equal(text_to_utf16(out, 0, "a"), -1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_to_utf16(out, 8, bad[i]), -1);
}

static void test_guid_text__both_orders(void **state)
{
	static const struct guid g =
		GUID_LE(0x2DC27766, 0xF623, 0x4200, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08);
	static const struct guid zero;
	char text[GUID_TEXT_SIZE];

	(void)state;
	guid_text_le(&g, text);
	assert_string_equal(text, "2dc27766-f623-4200-9d64-115e9bfd4a08");
	guid_text_be(&g, text);
	assert_string_equal(text, "6677c22d-23f6-0042-9d64-115e9bfd4a08");
	assert_true(guid_is_zero(&zero));
	assert_false(guid_is_zero(&g));
	assert_false(guid_equal(&g, &zero));
}

static void test_idgen__a_seed_repeats(void **state)
{
	struct idgen a, b, c;
	struct guid x, y, z;
	struct tranship_error err;

	(void)state;
	assert_ok(idgen_init(&a, "5eed", &err), &err);
	assert_ok(idgen_init(&b, "5EED", &err), &err);
	assert_ok(idgen_init(&c, "5eee", &err), &err);
	assert_ok(idgen_guid_le(&a, &x, &err), &err);
	assert_ok(idgen_guid_le(&b, &y, &err), &err);
	assert_ok(idgen_guid_be(&c, &z, &err), &err);
	assert_true(guid_equal(&x, &y));
	assert_false(guid_equal(&x, &z));
	assert_int_equal(x.bytes[7] >> 4, 4); /* version and variant of RFC 4122 */
	assert_int_equal(z.bytes[6] >> 4, 4);
	assert_int_equal(x.bytes[8] >> 6, 2);
	assert_ok(idgen_guid_le(&a, &y, &err), &err);
	assert_false(guid_equal(&x, &y));
}

static void test_idgen__without_a_seed_no_two_are_alike(void **state)
{
	struct tranship_error err;
	struct idgen a;
	struct guid x, y;

	(void)state;
	assert_ok(idgen_init(&a, NULL, &err), &err);
	assert_ok(idgen_guid_le(&a, &x, &err), &err);
	assert_ok(idgen_guid_le(&a, &y, &err), &err);
	assert_false(guid_equal(&x, &y));
}

static void test_idgen__bad_seeds(void **state)
{
	char longer[66] = { 0 };
	struct tranship_error err;
	struct idgen gen;

	(void)state;
	memset(longer, 'a', 65);
	assert_fails(idgen_init(&gen, "", &err), TRANSHIP_EINVAL, &err, "0 digits");
	assert_fails(idgen_init(&gen, "5g", &err), TRANSHIP_EINVAL, &err, "no hexadecimal");
	assert_fails(idgen_init(&gen, longer, &err), TRANSHIP_EINVAL, &err, "65 digits");
	longer[64] = '\0';
	assert_ok(idgen_init(&gen, longer, &err), &err);
}

static void test_bitmap__sets_and_finds(void **state)
{
	struct tranship_error err;
	struct bitmap map;

	(void)state;
	assert_ok(bitmap_init(&map, 200, &err), &err);
	assert_int_equal(bitmap_next(&map, 0, true), 200);
	assert_int_equal(bitmap_set(&map, 60, 70), 0);
	assert_int_equal(bitmap_set(&map, 129, 2), 1);
	assert_int_equal(bitmap_set(&map, 199, 1), 0);
	assert_false(bitmap_get(&map, 59));
	assert_true(bitmap_get(&map, 60) && bitmap_get(&map, 130));
	assert_false(bitmap_get(&map, 131));
	assert_int_equal(bitmap_next(&map, 0, true), 60);
	assert_int_equal(bitmap_next(&map, 60, false), 131);
	assert_int_equal(bitmap_next(&map, 131, true), 199);
	assert_int_equal(bitmap_next(&map, 199, false), 200);
	assert_int_equal(bitmap_next(&map, 500, true), 200);
	bitmap_free(&map);
	assert_ok(bitmap_init(&map, 0, &err), &err);
	assert_int_equal(bitmap_next(&map, 0, false), 0);
	bitmap_free(&map);
	assert_fails(bitmap_init(&map, ((uint64_t)1 << 32) + 1, &err), TRANSHIP_ELIMIT, &err,
		     "too large");
	bitmap_free(&map);
}

static void test_buffer__grows(void **state)
{
	struct buffer buf = { 0 };
	struct tranship_error err;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_ok(buffer_printf(&buf, &err, "%03d,", i), &err);
	assert_int_equal(buf.len, 4000);
	assert_memory_equal(buf.bytes + 3996, "999,", 4);
	assert_ok(buffer_append(&buf, NULL, 0, &err), &err);
	assert_fails(buffer_reserve(&buf, SIZE_MAX - 10, &err), TRANSHIP_ENOMEM, &err, "memory");
	assert_int_equal(buf.len, 4000);
	buffer_free(&buf);
	assert_null(buf.bytes);
}

static void test_cpus_usable__is_a_number_of_threads(void **state)
{
	(void)state;
	assert_in_range(cpus_usable(), 1, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes__both_orders_at_any_alignment),
		cmocka_unit_test(test_range_ok__never_wraps),
		cmocka_unit_test(test_checked__says_what_does_not_fit),
		cmocka_unit_test(test_crc32c__the_check_value),
		cmocka_unit_test(test_bytes_are_zero__finds_one_byte_anywhere),
		cmocka_unit_test(test_text_escape__what_a_terminal_must_not_get),
		cmocka_unit_test(test_text_show__leaves_what_may_be_read),
		cmocka_unit_test(test_text_escape__cuts_between_characters),
		cmocka_unit_test(test_text_from_utf16__both_orders),
		cmocka_unit_test(test_text_to_utf16le__fills_up_with_zeros),
		cmocka_unit_test(test_error__code_text_and_system),
		cmocka_unit_test(test_code_name__every_code),
		cmocka_unit_test(test_warn_send__nobody_listens),
		cmocka_unit_test(test_guid_text__both_orders),
		cmocka_unit_test(test_guid_parse__what_is_printed),
		cmocka_unit_test(test_text_to_utf16__what_comes_back),
		cmocka_unit_test(test_idgen__a_seed_repeats),
		cmocka_unit_test(test_idgen__without_a_seed_no_two_are_alike),
		cmocka_unit_test(test_idgen__bad_seeds),
		cmocka_unit_test(test_bitmap__sets_and_finds),
		cmocka_unit_test(test_buffer__grows),
		cmocka_unit_test(test_cpus_usable__is_a_number_of_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
