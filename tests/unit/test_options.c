// SPDX-License-Identifier: Apache-2.0
/* Sizes and options, as people type them. */
#include "support.h"

#include "core/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_parse_size__what_is_taken(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512b", 512 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "8G", (uint64_t)8 << 30 },
		{ "1.5T", (uint64_t)3 << 39 },
		{ "0.5k", 512 },
		{ "2.25M", (9 << 20) / 4 },
		{ "64P", (uint64_t)64 << 50 },
		{ "7E", (uint64_t)7 << 60 },
		{ "9223372036854775807", INT64_MAX },
		{ "007", 7 },
		{ "1.0", 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		uint64_t got = 1;

		if (tranship_parse_size(cases[i].text, &got) || got != cases[i].want)
			fail_msg("'%s' gave %llu", cases[i].text, (unsigned long long)got);
	}
}

static void test_parse_size__what_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" 1",
		"-1",
		"+1",
		"1 ",
		"1kb",
		"1KiB",
		"k",
		".5k",
		"1.5",
		"1.5b",
		"1x",
		"0x10",
		"8E",
		"9223372036854775808",
		"16384P",
		"1e3",
		"1..5k",
		"1,5k",
		"1k5",
		"\xc3\xa4",
		"18446744073709551616k",
		"7.99999999999999999999999E",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		uint64_t got = 0;

		if (tranship_parse_size(cases[i], &got) != TRANSHIP_EINVAL)
			fail_msg("'%s' was taken as %llu", cases[i], (unsigned long long)got);
	}
}

static const struct tranship_option_info table[] = {
	{ "kind", "thin|thick", "" }, { "size", "size", "" }, { "level", "int", "" },
	{ "on", "bool", "" },         { "note", "text", "" }, { 0 },
};

static const struct tranship_option_info also[] = { { "seed", "text", "" }, { 0 } };

static struct options *parse(const char *text)
{
	struct options *o;
	struct tranship_error err;

	assert_ok(options_parse(text, table, also, &o, &err), &err);
	assert_non_null(o);
	return o;
}

static void test_options__values_of_each_type(void **state)
{
	struct options *o = parse("kind=thick,size=1.5k,level=12,on=yes,note=a b,seed=5");

	(void)state;
	assert_string_equal(options_text(o, "kind", "thin"), "thick");
	assert_int_equal(options_size(o, "size", 1), 1536);
	assert_string_equal(options_text(o, "level", ""), "12");
	assert_true(options_bool(o, "on", false));
	assert_string_equal(options_text(o, "note", ""), "a b");
	assert_string_equal(options_text(o, "seed", ""), "5");
	options_free(o);
}

static void test_options__what_was_not_given(void **state)
{
	struct options *o = parse("");

	(void)state;
	assert_string_equal(options_text(o, "kind", "thin"), "thin");
	assert_int_equal(options_size(o, "size", 77), 77);
	assert_true(options_bool(o, "on", true));
	options_free(o);
	o = parse(NULL);
	assert_null(options_text(o, "note", NULL));
	options_free(o);
	assert_int_equal(options_size(NULL, "size", 5), 5);
	assert_false(options_bool(NULL, "on", false));
	options_free(NULL);
}

static void test_options__commas(void **state)
{
	struct options *o = parse(",note=a,,b=c,,,kind=thin,");

	(void)state;
	assert_string_equal(options_text(o, "note", ""), "a,b=c,");
	assert_string_equal(options_text(o, "kind", ""), "thin");
	options_free(o);
	o = parse("note=,size=1");
	assert_string_equal(options_text(o, "note", "x"), "");
	options_free(o);
	o = parse("note=,,");
	assert_string_equal(options_text(o, "note", "x"), ",");
	options_free(o);
}

static void test_options__a_bare_name_switches_on_and_the_last_wins(void **state)
{
	struct options *o = parse("on=off,on,size=1,size=2");

	(void)state;
	assert_true(options_bool(o, "on", false));
	assert_int_equal(options_size(o, "size", 0), 2);
	options_free(o);
}

static void test_options__refusals(void **state)
{
	static const struct {
		const char *text, *piece;
	} cases[] = {
		{ "colour=red", "option 'colour' is unknown" },
		{ "=thin", "option '' is unknown" },
		{ "\x1b[0m=1", "option '\\x1b[0m' is unknown" },
		{ "Kind=thin", "unknown" },
		{ "kind=thi", "takes thin|thick, not 'thi'" },
		{ "kind=thin|thick", "takes thin|thick" },
		{ "kind=", "takes thin|thick" },
		{ "kind", "takes thin|thick, not 'on'" },
		{ "size=12q", "takes size" },
		{ "size=-5", "takes size" },
		{ "level=12a", "takes int" },
		{ "level=-1", "takes int" },
		{ "level=", "takes int" },
		{ "level=12345678901", "takes int" },
		{ "on=maybe", "takes bool" },
		{ "note=ok,kind=fat", "not 'fat'" },
	};
	struct tranship_error err;
	struct options *o;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_fails(options_parse(cases[i].text, table, also, &o, &err), TRANSHIP_EINVAL,
			     &err, cases[i].piece);
		assert_null(o);
	}
}

static void test_options__too_many(void **state)
{
	char text[65 * 7 + 1] = "";
	struct tranship_error err;
	struct options *o;
	int i;

	(void)state;
	for (i = 0; i < 65; i++)
		strcat(text, "note=x,");
	assert_fails(options_parse(text, table, NULL, &o, &err), TRANSHIP_ELIMIT, &err, "64");
	assert_null(o);
}

/* Creates an image with these options and says how that went. */
static int create_with(const char *format, const char *options, struct tranship_error *err)
{
	struct tranship_create_options create = { .format = format,
						  .size = 1 << 20,
						  .options = options };
	struct tranship_file *file = file_of(NULL, 0);
	struct tranship_writer *writer;
	int rc = tranship_create_file(file, &create, &writer, err);

	assert_true((rc == 0) == (writer != NULL));
	if (rc == 0)
		rc = tranship_writer_zero(writer, 0, tranship_writer_size(writer), err);
	if (rc == 0)
		rc = tranship_writer_finish(writer, err);
	tranship_writer_close(writer);
	tranship_file_close(file);
	return rc;
}

static void test_create__numbers_out_of_range(void **state)
{
	static const struct {
		const char *format, *options, *piece;
	} cases[] = {
		{ "vmdk", "subformat=streamOptimized,compression_level=13", "compression_level" },
		{ "vmdk", "subformat=streamOptimized,compression_level=2147483648",
		  "compression_level" },
		{ "vmdk", "subformat=streamOptimized,compression_level=4294967296",
		  "compression_level" },
		{ "vmdk", "subformat=streamOptimized,compression_level=9999999999",
		  "compression_level" },
		{ "vpc", "block_size=0", "block_size" },
		{ "vpc", "block_size=1000k", "block_size" },
		{ "vpc", "block_size=256k", "block_size" },
		{ "vpc", "block_size=512M", "block_size" },
		{ "vpc", "block_size=4294967296", "block_size" },
		{ "vhdx", "block_size=512k", "block_size" },
		{ "vhdx", "block_size=3M", "block_size" },
		{ "vhdx", "block_size=4G", "block_size" },
		{ "vhdx", "log_size=0", "log_size" },
		{ "vhdx", "logical_sector_size=1024", "logical_sector_size" },
		{ "vhdx", "log_size=1500k", "log_size" },
		{ "vhdx", "log_size=4097M", "log_size" },
		{ "raw", "seed=xyz", "hexadecimal" },
		{ "raw", "subformat=fixed", "unknown" },
		{ "nbd", NULL, "format 'nbd' is unknown" },
		{ "\x1b", NULL, "format '\\x1b' is unknown" },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_fails(create_with(cases[i].format, cases[i].options, &err), TRANSHIP_EINVAL,
			     &err, cases[i].piece);
}

static void test_create__edges_that_are_taken(void **state)
{
	static const char *const cases[][2] = {
		{ "vmdk", "subformat=streamOptimized,compression_level=0" },
		{ "vmdk", "subformat=streamOptimized,compression_level=12" },
		{ "vmdk", "adapter_type=ide,hwversion=21,toolsversion=0" },
		{ "vpc", "block_size=512k,force_size" },
		{ "vhd", "block_size=256M" },
		{ "vhdx", "block_size=256M,log_size=64M" },
		{ "vhdx", "block_size=0" },
		{ "null", NULL },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_ok(create_with(cases[i][0], cases[i][1], &err), &err);
}

static void test_format__names_and_tables(void **state)
{
	unsigned i, n;

	(void)state;
	for (i = 0; tranship_format_name(i); i++)
		assert_true(tranship_format_can_read(tranship_format_name(i)) ||
			    tranship_format_can_write(tranship_format_name(i)));
	assert_int_equal(i, 8);
	assert_null(tranship_format_name(i + 1000));
	assert_true(tranship_format_can_read("vhd"));
	assert_false(tranship_format_can_read("azure"));
	assert_true(tranship_format_can_write("azure"));
	assert_false(tranship_format_can_read("qcow2"));
	assert_string_equal(tranship_format_option("vmdk", 0)->name, "subformat");
	for (n = 0; tranship_format_option("vmdk", n); n++)
		;
	assert_true(n >= 3);
	assert_null(tranship_format_option("vmdk", n + 1000));
	assert_null(tranship_format_option("qcow2", 0));
	assert_null(tranship_format_option("raw", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_size__what_is_taken),
		cmocka_unit_test(test_parse_size__what_is_refused),
		cmocka_unit_test(test_options__values_of_each_type),
		cmocka_unit_test(test_options__what_was_not_given),
		cmocka_unit_test(test_options__commas),
		cmocka_unit_test(test_options__a_bare_name_switches_on_and_the_last_wins),
		cmocka_unit_test(test_options__refusals),
		cmocka_unit_test(test_options__too_many),
		cmocka_unit_test(test_create__numbers_out_of_range),
		cmocka_unit_test(test_create__edges_that_are_taken),
		cmocka_unit_test(test_format__names_and_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
