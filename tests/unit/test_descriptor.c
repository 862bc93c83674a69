// SPDX-License-Identifier: Apache-2.0
/* The text that describes a VMDK, as many hands write it, and as no hand should. */
#include "support.h"

#include "vmdk/vmdk_descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"

static bool recognised(const char *text)
{
	return vmdk_descriptor_recognise((const unsigned char *)text, strlen(text));
}

static void test_recognise__what_is_one(void **state)
{
	static const char *const texts[] = {
		"# Disk DescriptorFile",
		"# Disk DescriptorFile\r\nversion=1",
		"# disk descriptorfile\n",
		"\n\n\r\n  # Disk DescriptorFile\n",
		"# a comment\n# Disk DescriptorFile\n",
		"# a comment\n\nversion=1\n",
		"version=1",
		"version = 1",
		"Version\t=1",
		"  version=1",
		"#\n#\nversion=1\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(texts); i++)
		if (!recognised(texts[i]))
			fail_msg("'%s' was not recognised", texts[i]);
}

static void test_recognise__what_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"#",
		"# Disk Descriptor",
		"version",
		"version2=1",
		"versions=1",
		"x\nversion=1",
		"KDMV",
		"# only a comment\n",
		"\xEB\x3C\x90MSDOS5.0",
		"CID=1\nversion=1",
	};
	static const unsigned char nul[] = "# com\0ment\nversion=1\n";
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(texts); i++)
		if (recognised(texts[i]))
			fail_msg("'%s' was taken", texts[i]);
	assert_false(vmdk_descriptor_recognise(nul, sizeof(nul)));
}

/* No byte behind the given ones is looked at. */
static void test_recognise__stays_inside(void **state)
{
	const char *text = "# comment\n \r\t# Disk DescriptorFile\n";
	size_t len;

	(void)state;
	for (len = 0; len <= strlen(text); len++) {
		unsigned char *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		memcpy(exact, text, len);
		assert_int_equal(vmdk_descriptor_recognise(exact, len), len >= strlen(text) - 1);
		free(exact);
	}
}

static struct vmdk_descriptor parse(const char *text)
{
	struct vmdk_descriptor d;
	struct tranship_error err;

	assert_ok(vmdk_descriptor_parse(text, strlen(text), &d, &err), &err);
	return d;
}

static void test_parse__what_vmware_writes(void **state)
{
	struct vmdk_descriptor d = parse(
		HEAD "createType=\"twoGbMaxExtentSparse\"\n\n# Extent description\n"
		     "RW 4192256 SPARSE \"disk-s001.vmdk\"\nRW 2048 SPARSE \"disk-s002.vmdk\"\n\n"
		     "# The Disk Data Base\n#DDB\n\nddb.adapterType = \"lsilogic\"\n");

	(void)state;
	assert_int_equal(d.cid, 0xFFFFFFFE);
	assert_int_equal(d.parent_cid, VMDK_NO_PARENT);
	assert_string_equal(d.create_type, "twoGbMaxExtentSparse");
	assert_null(d.parent_hint);
	assert_false(d.encrypted);
	assert_int_equal(d.extent_count, 2);
	assert_int_equal(d.extents[0].access, VMDK_RW);
	assert_int_equal(d.extents[0].sectors, 4192256);
	assert_string_equal(d.extents[0].type, "SPARSE");
	assert_string_equal(d.extents[0].name, "disk-s001.vmdk");
	assert_string_equal(d.extents[1].name, "disk-s002.vmdk");
	vmdk_descriptor_free(&d);
}

/* One extent line in a descriptor, and what must come of it. */
static void test_parse__extent_lines(void **state)
{
	static const struct {
		const char *line;
		enum vmdk_access access;
		uint64_t sectors, offset;
		const char *type, *name;
	} cases[] = {
		{ "RW 100 FLAT \"a.vmdk\" 0", VMDK_RW, 100, 0, "FLAT", "a.vmdk" },
		{ "RW 100 FLAT \"a.vmdk\" 63\r", VMDK_RW, 100, 63, "FLAT", "a.vmdk" },
		{ "  RW\t100\tFLAT\t\"a.vmdk\"\t63", VMDK_RW, 100, 63, "FLAT", "a.vmdk" },
		{ "rw 100 sparse \"a.vmdk\"", VMDK_RW, 100, 0, "sparse", "a.vmdk" },
		{ "RDONLY 100 ZERO", VMDK_RDONLY, 100, 0, "ZERO", NULL },
		{ "RW 100 ZERO\r", VMDK_RW, 100, 0, "ZERO", NULL },
		{ "NOACCESS 0 FLAT \"a\"", VMDK_NOACCESS, 0, 0, "FLAT", "a" },
		{ "RW 1 FLAT \"na\xc3\xafve name (2) [x]=#'.vmdk\"", VMDK_RW, 1, 0, "FLAT",
		  "na\xc3\xafve name (2) [x]=#'.vmdk" },
		{ "RW 1 FLAT \"C:\\vm\\a b.vmdk\" 7", VMDK_RW, 1, 7, "FLAT", "C:\\vm\\a b.vmdk" },
		{ "RW 1 FLAT \"\" 7", VMDK_RW, 1, 7, "FLAT", "" },
		{ "RW 1 VMFS \"a\" 0 partitionUUID=x extra values", VMDK_RW, 1, 0, "VMFS", "a" },
		{ "RW 1 FLAT \"a\"7", VMDK_RW, 1, 7, "FLAT", "a" },
		{ "RW 18014398509481983 FLAT \"a\" 18014398509481983", VMDK_RW, 18014398509481983,
		  18014398509481983, "FLAT", "a" },
		{ "RW 1 FLAT a.vmdk 0", VMDK_RW, 1, 0, "FLAT", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		char text[300];
		struct vmdk_descriptor d;

		snprintf(text, sizeof(text), HEAD "%s\n", cases[i].line);
		d = parse(text);
		if (d.extent_count != 1)
			fail_msg("'%s' gave %zu extents", cases[i].line, d.extent_count);
		assert_int_equal(d.extents->access, cases[i].access);
		assert_true(d.extents->sectors == cases[i].sectors);
		assert_true(d.extents->offset == cases[i].offset);
		assert_string_equal(d.extents->type, cases[i].type);
		assert_int_equal(d.extents->name == NULL, cases[i].name == NULL);
		if (cases[i].name)
			assert_string_equal(d.extents->name, cases[i].name);
		vmdk_descriptor_free(&d);
	}
}

static void test_parse__lines_that_are_refused(void **state)
{
	static const struct {
		const char *line, *piece;
	} cases[] = {
		{ "RW ", "its size is no number" },
		{ "RW -1 FLAT \"a\"", "its size is no number" },
		{ "RW 1k FLAT \"a\"", "its size is no number" },
		{ "RW 0x10 FLAT \"a\"", "its size is no number" },
		{ "RW 18014398509481984 FLAT \"a\"", "its size is no number" },
		{ "RW 18446744073709551615 FLAT \"a\"", "its size is no number" },
		{ "RW 99999999999999999999999999 FLAT \"a\"", "its size is no number" },
		{ "RW 1", "no type" },
		{ "RW 1 ", "no type" },
		{ "RW 1 ATYPETHATISTOOLONG \"a\"", "no type" },
		{ "RW 1 FLAT \"a", "no closing quote" },
		{ "RW 1 FLAT \"", "no closing quote" },
		{ "RW 1 FLAT \"a\" -1", "its offset is no number" },
		{ "RW 1 FLAT \"a\" x", "its offset is no number" },
		{ "RW 1 FLAT \"a\" 18446744073709551615", "its offset is no number" },
		{ "CID=xyz", "CID 'xyz'" },
		{ "CID=100000000", "no 32-bit number" },
		{ "CID=", "no 32-bit number" },
		{ "CID=-1", "no 32-bit number" },
		{ "parentCID=\x1b[0m", "parentCID '\\x1b[0m'" },
		{ "createType=\"0123456789012345678901234567890123\"", "createType is longer" },
	};
	struct vmdk_descriptor d;
	struct tranship_error err;
	char text[300];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		int rc;

		snprintf(text, sizeof(text), HEAD "%s", cases[i].line);
		rc = vmdk_descriptor_parse(text, strlen(text), &d, &err);
		if (rc == 0 || !strstr(err.message, cases[i].piece))
			fail_msg("'%s': %s, %s", cases[i].line, tranship_code_name(rc),
				 err.message);
		assert_null(d.text);
	}
}

static void test_parse__what_is_passed_over(void **state)
{
	struct vmdk_descriptor d = parse(
		"\n\r\n \t \n# Disk DescriptorFile\r\nversion=1\r\nCID = 1234abcd\r\n"
		"parentCID=FFFFFFFF\r\nisNativeSnapshot=\"no\"\r\n"
		"createType = \"vmfs\" \r\nno setting at all\r\nRWX 5 FLAT \"a\"\r\n"
		"RW=5\r\n= = =\r\n#RW 5 FLAT \"commented\"\r\nRW 5 VMFS \"disk-flat.vmdk\"\r\n"
		"changeTrackPath=\"disk-ctk.vmdk\"\r\nddb.uuid = \"60 00\"\r\n");

	(void)state;
	assert_int_equal(d.cid, 0x1234ABCD);
	assert_string_equal(d.create_type, "vmfs");
	assert_int_equal(d.extent_count, 1);
	assert_string_equal(d.extents->name, "disk-flat.vmdk");
	vmdk_descriptor_free(&d);
}

static void test_parse__parents_and_keys(void **state)
{
	struct vmdk_descriptor d = parse(HEAD "parentCID=12\nparentFileNameHint=\"base.vmdk\"\n"
					      "encryption.keySafe = \"x\"\n");

	(void)state;
	assert_int_equal(d.parent_cid, 0x12);
	assert_string_equal(d.parent_hint, "base.vmdk");
	assert_true(d.encrypted);
	assert_int_equal(d.extent_count, 0);
	vmdk_descriptor_free(&d);
}

static void test_parse__ends_at_its_first_nul(void **state)
{
	static const char text[] = HEAD "RW 1 ZERO\n\0RW 2 ZERO\n";
	struct vmdk_descriptor d;
	struct tranship_error err;

	(void)state;
	assert_ok(vmdk_descriptor_parse(text, sizeof(text), &d, &err), &err);
	assert_int_equal(d.extent_count, 1);
	vmdk_descriptor_free(&d);
	assert_ok(vmdk_descriptor_parse("", 0, &d, &err), &err);
	assert_int_equal(d.extent_count, 0);
	vmdk_descriptor_free(&d);
}

static void test_parse__many_extents(void **state)
{
	size_t count = 20000, line = strlen("RW 1 ZERO\n"), i;
	char *text = malloc(count * line + 1);
	struct vmdk_descriptor d;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < count; i++)
		memcpy(text + i * line, "RW 1 ZERO\n", line + 1);
	d = parse(text);
	assert_int_equal(d.extent_count, count);
	vmdk_descriptor_free(&d);
	free(text);
}

/* Whatever stands there, it is parsed or refused. Every byte of a good one takes many values. */
static void test_parse__any_byte(void **state)
{
	const char *good =
		HEAD "createType=\"x\"\nparentFileNameHint=\"p\"\nRW 12 FLAT \"a b\" 34 5\n";
	size_t len = strlen(good), at, cut;
	char *text = malloc(len + 1);
	struct vmdk_descriptor d;
	struct tranship_error err;
	int value;

	(void)state;
	assert_non_null(text);
	for (at = 0; at < len; at++)
		for (value = 0; value < 256; value += value < 64 ? 1 : 17) {
			strcpy(text, good);
			text[at] = (char)value;
			if (vmdk_descriptor_parse(text, len, &d, &err) == 0)
				vmdk_descriptor_free(&d);
			else
				assert_true(err.message[0] != '\0');
		}
	for (cut = 0; cut < len; cut++) {
		char *exact = malloc(cut ? cut : 1);

		assert_non_null(exact);
		memcpy(exact, good, cut);
		if (vmdk_descriptor_parse(exact, cut, &d, &err) == 0)
			vmdk_descriptor_free(&d);
		free(exact);
	}
	free(text);
}

static void test_descriptor__reads_back_what_it_writes(void **state)
{
	struct vmdk_descriptor_new new = { .create_type = "monolithicFlat",
					   .capacity = (uint64_t)1 << 37,
					   .adapter_type = "lsilogic",
					   .hw_version = "4",
					   .tools_version = "2147483647" };
	struct buffer text = { 0 };
	struct vmdk_descriptor d;
	struct tranship_error err;
	struct idgen ids;

	(void)state;
	assert_ok(idgen_init(&ids, "1", &err), &err);
	assert_ok(vmdk_descriptor_identify(&new, &ids, &err), &err);
	assert_ok(vmdk_descriptor_begin(&new, &text, &err), &err);
	assert_ok(vmdk_descriptor_extent(7, "FLAT", "a b.vmdk", true, &text, &err), &err);
	assert_ok(vmdk_descriptor_end(&new, &text, &err), &err);
	assert_true(vmdk_descriptor_recognise(text.bytes, text.len));
	assert_ok(vmdk_descriptor_parse(text.bytes, text.len, &d, &err), &err);
	assert_int_equal(d.cid, new.cid);
	assert_int_equal(d.parent_cid, VMDK_NO_PARENT);
	assert_string_equal(d.create_type, "monolithicFlat");
	assert_int_equal(d.extent_count, 1);
	assert_true(d.extents->sectors == 7 && d.extents->offset == 0);
	assert_string_equal(d.extents->name, "a b.vmdk");
	vmdk_descriptor_free(&d);
	buffer_free(&text);
}

/* Opens a descriptor from memory, where no other file can be beside it. */
static int open_text(const char *format, const char *text, size_t len, unsigned flags,
		     struct tranship_error *err)
{
	return exercise(file_of(text, len), NULL, format, flags, err);
}

static void test_open__descriptors_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *piece;
	} cases[] = {
		{ "version=1\n", TRANSHIP_ECORRUPT, "lists no extents" },
		{ HEAD "RW 1 FLAT \"/etc/passwd\"\n", TRANSHIP_EDENIED, "allows no other files" },
		{ HEAD "RW 1 SPARSE \"x\x1b\"\n", TRANSHIP_EDENIED, "'x\\x1b'" },
		{ HEAD "RW 1 FLAT\n", TRANSHIP_ECORRUPT, "has no file name" },
		{ HEAD "RW 1 VMFSRDM \"x\"\n", TRANSHIP_EUNSUPPORTED, "the type VMFSRDM" },
		{ HEAD "RW 1 VMFSRAW \"x\"\n", TRANSHIP_EUNSUPPORTED, "the type VMFSRAW" },
		{ HEAD "RW 1 A\x1b \"x\"\n", TRANSHIP_EUNSUPPORTED, "unknown type A\\x1b" },
		{ HEAD "RW 1 ZERO\nencryption.data=\"x\"\n", TRANSHIP_EUNSUPPORTED, "encrypted" },
		{ HEAD "createType=\"fullDevice\"\nRW 1 FLAT \"/dev/sda\" 0\n",
		  TRANSHIP_EUNSUPPORTED, "stands for a device" },
		{ HEAD "createType=\"VMFSRDM\"\nRW 1 VMFSRDM \"x\"\n", TRANSHIP_EUNSUPPORTED,
		  "stands for a device" },
		{ HEAD "RW 137438953473 ZERO\n", TRANSHIP_ELIMIT, "past 137438953472 sectors" },
		{ HEAD "RW 137438953472 ZERO\nRW 1 ZERO\n", TRANSHIP_ELIMIT, "extent 2 takes" },
		{ HEAD "RW 18014398509481983 ZERO\nRW 18014398509481983 ZERO\n", TRANSHIP_ELIMIT,
		  "extent 1 takes" },
		{ HEAD "NOACCESS 8 FLAT \"x\"\n", TRANSHIP_EUNSUPPORTED, "NOACCESS" },
	};
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_fails(open_text("vmdk", cases[i].text, strlen(cases[i].text), 0, &err),
			     cases[i].code, &err, cases[i].piece);
}

/* What is recognised is also read: comments may be longer than a sector. */
static void test_open__a_descriptor_behind_long_comments(void **state)
{
	char text[4096] = "";
	struct tranship_error err;

	(void)state;
	while (strlen(text) < 3000)
		strcat(text, "# a tool that likes to talk about itself\n\n");
	strcat(text, HEAD "RW 8 ZERO\n");
	assert_true(recognised(text));
	assert_ok(open_text(NULL, text, strlen(text), 0, &err), &err);
	assert_ok(open_text("vmdk", text, strlen(text), 0, &err), &err);
}

/* In a file that is larger than any descriptor such a text is a guest's, and names nothing. */
static void test_probe__a_large_file_is_no_descriptor(void **state)
{
	size_t size = VMDK_DESCRIPTOR_MAX + 512;
	char *text = calloc(1, size);
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_non_null(text);
	strcpy(text, HEAD "RW 1 FLAT \"/etc/passwd\"\n");
	assert_ok(tranship_open_file(file_of(text, size), NULL, &disk, &err), &err);
	assert_string_equal(tranship_disk_format(disk), "raw");
	tranship_disk_close(disk);
	assert_fails(open_text("vmdk", text, size, 0, &err), TRANSHIP_ECORRUPT, &err,
		     "a descriptor of at most 65536 bytes");
	free(text);
}

static void test_open__strict_probing_refuses_other_files(void **state)
{
	static const struct tranship_policy anywhere = { .kind = TRANSHIP_POLICY_ANYWHERE };
	struct tranship_open_options open = { .policy = &anywhere, .flags = TRANSHIP_OPEN_STRICT };
	const char *text = HEAD "RW 1 FLAT \"/etc/passwd\"\n";
	struct tranship_file *file = file_of(text, strlen(text));
	struct tranship_disk *disk;
	struct tranship_error err;

	(void)state;
	assert_fails(tranship_open_file(file, &open, &disk, &err), TRANSHIP_EDENIED, &err,
		     "strict");
	tranship_file_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recognise__what_is_one),
		cmocka_unit_test(test_recognise__what_is_none),
		cmocka_unit_test(test_recognise__stays_inside),
		cmocka_unit_test(test_parse__what_vmware_writes),
		cmocka_unit_test(test_parse__extent_lines),
		cmocka_unit_test(test_parse__lines_that_are_refused),
		cmocka_unit_test(test_parse__what_is_passed_over),
		cmocka_unit_test(test_parse__parents_and_keys),
		cmocka_unit_test(test_parse__ends_at_its_first_nul),
		cmocka_unit_test(test_parse__many_extents),
		cmocka_unit_test(test_parse__any_byte),
		cmocka_unit_test(test_descriptor__reads_back_what_it_writes),
		cmocka_unit_test(test_open__descriptors_that_are_refused),
		cmocka_unit_test(test_open__a_descriptor_behind_long_comments),
		cmocka_unit_test(test_probe__a_large_file_is_no_descriptor),
		cmocka_unit_test(test_open__strict_probing_refuses_other_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
