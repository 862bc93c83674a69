// SPDX-License-Identifier: Apache-2.0
/* Walking tar archives, good ones of several dialects and hostile ones; opening a member as an
 * image. */
#include "support.h"

#include "base/buffer.h"
#include "io/tar.h"
#include "patched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, AT_SIZE = 124, AT_SUM = 148, AT_TYPE = 156, AT_MAGIC = 257, AT_PREFIX = 345 };

/* The checksum of a header: its bytes, with blanks where it stands itself. */
static void sum_header(unsigned char *h)
{
	unsigned sum = 0, i;

	memset(h + AT_SUM, ' ', 8);
	for (i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf((char *)h + AT_SUM, 8, "%06o", sum);
}

static void make_header(unsigned char *h, const char *name, char type, uint64_t size)
{
	size_t i;

	memset(h, 0, BLOCK);
	memcpy(h, name, strnlen(name, 100));
	for (i = 0; i < 11; i++, size >>= 3)
		h[AT_SIZE + 10 - i] = (unsigned char)('0' + (size & 7));
	h[AT_TYPE] = (unsigned char)type;
	memcpy(h + AT_MAGIC, "ustar\00000", 8);
	sum_header(h);
}

static void append(struct buffer *tar, const void *bytes, size_t len)
{
	static const unsigned char zeros[BLOCK];

	assert_int_equal(buffer_append(tar, bytes, len, NULL), 0);
	assert_int_equal(buffer_append(tar, zeros, (BLOCK - len % BLOCK) % BLOCK, NULL), 0);
}

static void add(struct buffer *tar, const char *name, char type, const void *content, size_t len)
{
	unsigned char h[BLOCK];

	make_header(h, name, type, len);
	append(tar, h, BLOCK);
	append(tar, content, len);
}

static void end(struct buffer *tar)
{
	static const unsigned char zeros[2 * BLOCK];

	append(tar, zeros, sizeof(zeros));
}

/* What a walk saw: "name@off+size;" of each member. */
struct seen {
	char text[3 * TAR_NAME_MAX];
	unsigned stop_after;
};

static int see(void *ctx, const struct tar_member *member)
{
	struct seen *seen = ctx;
	size_t used = strlen(seen->text);

	snprintf(seen->text + used, sizeof(seen->text) - used, "%s@%llu+%llu;", member->name,
		 (unsigned long long)member->off, (unsigned long long)member->size);
	return seen->stop_after > 0 && --seen->stop_after == 0 ? 7 : 0;
}

/* Walks and gives the buffer back. */
static int walk(struct buffer *tar, struct seen *seen, struct tranship_error *err)
{
	struct tranship_file *file = file_of(tar->bytes, tar->len);
	int rc = tar_walk(file, see, seen, err);

	tranship_file_close(file);
	buffer_free(tar);
	return rc;
}

static void assert_walks(struct buffer *tar, const char *want)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct tranship_error err;

	assert_non_null(seen);
	assert_ok(walk(tar, seen, &err), &err);
	assert_string_equal(seen->text, want);
	free(seen);
}

static void assert_walk_fails(struct buffer *tar, const char *piece)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct tranship_error err;

	assert_non_null(seen);
	assert_fails(walk(tar, seen, &err), TRANSHIP_ECORRUPT, &err, piece);
	free(seen);
}

static void test_tar_walk__plain_members(void **state)
{
	struct buffer tar = { 0 };

	(void)state;
	add(&tar, "a.ovf", '0', "12345", 5);
	add(&tar, "folder/", '5', "", 0);
	add(&tar, "empty", '0', "", 0);
	add(&tar, "old", '\0', "x", 1);
	end(&tar);
	add(&tar, "behind the end", '0', "", 0);
	assert_walks(&tar, "a.ovf@512+5;empty@2048+0;old@2560+1;");
}

static void test_tar_walk__stops_when_it_is_told(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct buffer tar = { 0 };
	struct tranship_error err;

	(void)state;
	assert_non_null(seen);
	seen->stop_after = 1;
	add(&tar, "a", '0', "", 0);
	add(&tar, "b", '0', "", 0);
	assert_int_equal(walk(&tar, seen, &err), 7);
	assert_string_equal(seen->text, "a@512+0;");
	free(seen);
}

static void test_tar_walk__names_of_full_length_and_with_a_prefix(void **state)
{
	char name[101], want[300];
	struct buffer tar = { 0 };
	unsigned char h[BLOCK];

	(void)state;
	memset(name, 'n', 100);
	name[100] = '\0';
	make_header(h, name, '0', 0);
	memcpy(h + AT_PREFIX, "pre/fix", 7);
	sum_header(h);
	append(&tar, h, BLOCK);
	snprintf(want, sizeof(want), "pre/fix/%s@512+0;", name);
	assert_walks(&tar, want);
}

static void test_tar_walk__gnu_headers_have_no_prefix(void **state)
{
	struct buffer tar = { 0 };
	unsigned char h[BLOCK];

	(void)state;
	make_header(h, "name", '0', 0);
	memcpy(h + AT_MAGIC, "ustar  ", 8);
	memcpy(h + AT_PREFIX, "1234567", 7); /* a time, there */
	sum_header(h);
	append(&tar, h, BLOCK);
	assert_walks(&tar, "name@512+0;");
}

static void test_tar_walk__gnu_long_name(void **state)
{
	char name[301], want[400];
	struct buffer tar = { 0 };

	(void)state;
	memset(name, 'l', 300);
	name[300] = '\0';
	add(&tar, "././@LongLink", 'K', "where a link leads", 18);
	add(&tar, "././@LongLink", 'L', name, 301);
	add(&tar, "llll", '0', "x", 1);
	add(&tar, "next", '0', "", 0);
	snprintf(want, sizeof(want), "%s@2560+1;next@3584+0;", name);
	assert_walks(&tar, want);
}

static void test_tar_walk__a_name_longer_than_any_is_cut(void **state)
{
	size_t len = TAR_NAME_MAX + 100;
	char *name = malloc(len), *want = malloc(len);
	struct buffer tar = { 0 };

	(void)state;
	assert_true(name && want);
	memset(name, 'c', len);
	name[len - 1] = '\0';
	add(&tar, "././@LongLink", 'L', name, len);
	add(&tar, "short", '0', "", 0);
	name[TAR_NAME_MAX - 1] = '\0';
	snprintf(want, len, "%s@5632+0;", name);
	assert_walks(&tar, want);
	free(name);
	free(want);
}

static void test_tar_walk__base_256_size(void **state)
{
	struct buffer tar = { 0 };
	unsigned char h[BLOCK];

	(void)state;
	make_header(h, "big", '0', 0);
	memcpy(h + AT_SIZE, "\x80\0\0\0\0\0\0\0\0\0\2\1", 12);
	sum_header(h);
	append(&tar, h, BLOCK);
	append(&tar, h, BLOCK); /* 513 bytes of content */
	append(&tar, h, 1);
	add(&tar, "next", '0', "", 0);
	assert_walks(&tar, "big@512+513;next@2048+0;");
}

static void test_tar_walk__pax_size_and_path(void **state)
{
	struct buffer tar = { 0 };

	(void)state;
	add(&tar, "pax", 'g', "10 size=9\n", 10); /* a global header says nothing of a member */
	add(&tar, "pax", 'x', "19 path=r\xc3\xa9sum\xc3\xa9/x\n10 size=3\n", 29);
	add(&tar, "resume", '0', "", 0);
	append(&tar, "abc", 3);
	add(&tar, "next", '0', "", 0);
	assert_walks(&tar, "r\xc3\xa9sum\xc3\xa9/x@2560+3;next@3584+0;");
}

/* Extended headers that make no sense are passed over or refused, never followed out of bounds. */
static void test_tar_walk__hostile_pax_headers(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"0 path=x\n",
		"99999 path=x\n",
		"-5 path=x\n",
		"9 path=x",
		"3 path=x\n",
		"2 \n",
		"3 =\n",
		"9 pathxx\n",
		"18446744073709551615 a=b\n",
		"18446744073709551617 a=b\n",
		" 9 path=x\n",
		"5 a=\n5 a=\n5 a=\n",
		"12 path=a\0b\n",
		"4 x=",
		"\xff\xff\xff",
	};
	struct seen *seen = calloc(1, sizeof(*seen));
	struct tranship_error err;
	size_t i;

	(void)state;
	assert_non_null(seen);
	for (i = 0; i < COUNT_OF(texts); i++) {
		struct buffer tar = { 0 };

		memset(seen, 0, sizeof(*seen));
		add(&tar, "pax", 'x', texts[i], strlen(texts[i]) + 1);
		add(&tar, "name", '0', "abc", 3);
		assert_ok(walk(&tar, seen, &err), &err);
		assert_non_null(strstr(seen->text, "@1536+3;"));
	}
	free(seen);
}

static void test_tar_walk__pax_sizes_that_pass_the_end(void **state)
{
	static const char *const sizes[] = { "10 size=1025\n", "31 size=18446744073709551615\n",
					     "31 size=18446744073709551104\n",
					     "40 size=99999999999999999999999999999\n",
					     "11 size=-1\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct buffer tar = { 0 };
		char text[64];

		snprintf(text, sizeof(text), "%zu%s", strlen(strchr(sizes[i], ' ')) + 2,
			 strchr(sizes[i], ' '));
		add(&tar, "pax", 'x', text, strlen(text));
		add(&tar, "name", '0', "", 0);
		assert_walk_fails(&tar, "pass the end of the archive");
	}
}

static void test_tar_walk__hostile_headers(void **state)
{
	static const struct {
		const char *what; /* for the reader */
		size_t at;
		const char *bytes;
		size_t len;
		const char *piece;
	} cases[] = {
		{ "size past the end", AT_SIZE, "00000002001", 12, "pass the end of the archive" },
		{ "size as large as it goes", AT_SIZE, "777777777777", 12, "pass the end" },
		{ "base-256 size of 2^63", AT_SIZE, "\x80\0\0\0\x80\0\0\0\0\0\0\0", 12,
		  "pass the" },
		{ "base-256 size of 2^64 - 1", AT_SIZE,
		  "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12, "pass the end" },
		{ "base-256 size past 2^64", AT_SIZE, "\x80\1\0\0\0\0\0\0\0\0\0\0", 12, "damaged" },
		{ "negative size", AT_SIZE, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
		  "damaged" },
		{ "size that is no number", AT_SIZE, "12x", 4, "damaged" },
		{ "size in decimal", AT_SIZE, "00000000008", 12, "damaged" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct buffer tar = { 0 };
		unsigned char h[BLOCK];

		make_header(h, "name", '0', 0);
		memcpy(h + cases[i].at, cases[i].bytes, cases[i].len);
		sum_header(h);
		append(&tar, h, BLOCK);
		end(&tar);
		assert_walk_fails(&tar, cases[i].piece);
	}
}

static void test_tar_walk__a_wrong_checksum(void **state)
{
	struct buffer tar = { 0 };

	(void)state;
	add(&tar, "name", '0', "", 0);
	tar.bytes[0]++;
	assert_walk_fails(&tar, "the header at 0 is damaged");
}

static void test_tar_walk__every_length_and_every_byte_of_a_header(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct buffer tar = { 0 };
	struct tranship_error err;
	size_t at;

	(void)state;
	assert_non_null(seen);
	add(&tar, "././@LongLink", 'L', "a longer name", 14);
	add(&tar, "pax", 'x', "10 size=3\n", 10);
	add(&tar, "name", '0', "abc", 3);
	for (at = 0; at <= tar.len; at++) {
		struct tranship_file *cut = patched_file(tar.bytes, tar.len, at, NULL, 0);
		unsigned char byte = at < tar.len ? (unsigned char)(tar.bytes[at] ^ 0x35) : 0;
		struct patch flip = { at, 1, &byte };
		struct tranship_file *bent = patched_file(tar.bytes, tar.len, tar.len, &flip, 1);

		assert_true(cut && bent);
		memset(seen, 0, sizeof(*seen));
		assert_in_range(-tar_walk(cut, see, seen, &err), 0, -TRANSHIP_EBUSY);
		assert_in_range(-tar_walk(bent, see, seen, &err), 0, -TRANSHIP_EBUSY);
		tranship_file_close(cut);
		tranship_file_close(bent);
	}
	free(seen);
	buffer_free(&tar);
}

/* Opens a member of the archive as a raw disk. */
static int open_member(struct buffer *tar, const char *member, uint64_t *size,
		       struct tranship_error *err)
{
	struct tranship_open_options options = { .format = "raw", .member = member };
	struct tranship_file *file = file_of(tar->bytes, tar->len);
	struct tranship_disk *disk;
	int rc = tranship_open_file(file, &options, &disk, err);

	if (rc) {
		assert_null(disk);
		assert_int_equal(tranship_file_size(file), tar->len); /* it is still ours */
		tranship_file_close(file);
		return rc;
	}
	*size = tranship_disk_size(disk);
	tranship_disk_close(disk);
	return 0;
}

static void test_open__a_member_by_its_name(void **state)
{
	struct buffer tar = { 0 };
	struct tranship_error err;
	uint64_t size = 0;

	(void)state;
	add(&tar, "a.ovf", '0', "<xml>", 5);
	add(&tar, "disk1.vmdk", '0', "0123456789", 10);
	add(&tar, "link.vmdk", '2', "", 0);
	end(&tar);
	assert_ok(open_member(&tar, "disk1.vmdk", &size, &err), &err);
	assert_int_equal(size, 10);
	assert_ok(open_member(&tar, "a.ovf", &size, &err), &err);
	assert_int_equal(size, 5);
	assert_fails(open_member(&tar, "link.vmdk", &size, &err), TRANSHIP_EINVAL, &err,
		     "no member 'link.vmdk'");
	assert_fails(open_member(&tar, "x\n", &size, &err), TRANSHIP_EINVAL, &err,
		     "no member 'x\\x0a'");
	tar.len = 100;
	assert_fails(open_member(&tar, "a.ovf", &size, &err), TRANSHIP_EINVAL, &err, "no member");
	buffer_free(&tar);
}

static int open_ova(const char *folder, const struct buffer *tar, const char *name,
		    struct tranship_disk **disk, struct tranship_error *err)
{
	const char *path = path_in(folder, name);

	write_path(path, tar->bytes, tar->len);
	return tranship_open(path, NULL, disk, err);
}

static void test_open__an_ova_stands_for_its_disk(void **state)
{
	struct buffer one = { 0 }, two = { 0 }, none = { 0 };
	struct tranship_disk *disk;
	struct tranship_error err;

	add(&one, "a.ovf", '0', "<xml>", 5);
	add(&one, "disk1.IMG", '0', "0123456789", 10);
	add(&two, "a.raw", '0', "0123456789", 10);
	add(&two, "b.vhdx", '0', "0123456789", 10);
	add(&none, "a.ovf", '0', "<xml>", 5);
	assert_ok(open_ova(*state, &one, "one.ova", &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), 10);
	tranship_disk_close(disk);
	assert_fails(open_ova(*state, &two, "two.Ova", &disk, &err), TRANSHIP_EINVAL, &err,
		     "several disk images, one must be named: a.raw, b.vhdx");
	assert_fails(open_ova(*state, &none, "none.ova", &disk, &err), TRANSHIP_EINVAL, &err,
		     "no disk image");
	/* Under another name it is a guest's disk that begins with a tar. */
	assert_ok(open_ova(*state, &one, "one.img", &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), one.len);
	tranship_disk_close(disk);
	buffer_free(&one);
	buffer_free(&two);
	buffer_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tar_walk__plain_members),
		cmocka_unit_test(test_tar_walk__stops_when_it_is_told),
		cmocka_unit_test(test_tar_walk__names_of_full_length_and_with_a_prefix),
		cmocka_unit_test(test_tar_walk__gnu_headers_have_no_prefix),
		cmocka_unit_test(test_tar_walk__gnu_long_name),
		cmocka_unit_test(test_tar_walk__a_name_longer_than_any_is_cut),
		cmocka_unit_test(test_tar_walk__base_256_size),
		cmocka_unit_test(test_tar_walk__pax_size_and_path),
		cmocka_unit_test(test_tar_walk__hostile_pax_headers),
		cmocka_unit_test(test_tar_walk__pax_sizes_that_pass_the_end),
		cmocka_unit_test(test_tar_walk__hostile_headers),
		cmocka_unit_test(test_tar_walk__a_wrong_checksum),
		cmocka_unit_test(test_tar_walk__every_length_and_every_byte_of_a_header),
		cmocka_unit_test(test_open__a_member_by_its_name),
		IN_FOLDER(test_open__an_ova_stands_for_its_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
