// SPDX-License-Identifier: Apache-2.0
/* Lists of changes as XML: how it is read, azure, era, thin. */
#include "change_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct list_case azure[] = {
	{ "azure", "<PageList/>", 0, "" },
	{ "azure", "<a/>", TRANSHIP_ECORRUPT, "no PageList" },
	{ "azure", "<a><PageList/><PageList><NextMarker> </NextMarker></PageList></a>", 0, "" },
	{ "azure", "<a><PageList/><PageList><NextMarker> x</NextMarker></PageList></a>",
	  TRANSHIP_ECORRUPT, "no list follows" },
	{ "azure", "<PageList><NextMarker>x</NextMarker></PageList><PageList/>", 0, "" },
	{ "azure", "<PageList><PageRange><Start>0</Start><End>512</End></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "whole pages" },
	{ "azure", "<PageList><PageRange><Start>1</Start><End>511</End></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "whole pages" },
	{ "azure", "<PageList><PageRange><Start>512</Start><End>511</End></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "whole pages" },
	{ "azure", "<PageList><PageRange><Start>0</Start></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "lacks" },
	{ "azure", "<PageList><PageRange><Start>0</Start><Start>0</Start></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "twice" },
	{ "azure", "<PageList><Range><Start>0</Start><End>511</End></Range></PageList>",
	  TRANSHIP_EUNSUPPORTED, "not known" },
	{ "azure", "<a><PageList/><PageRange><Start>0</Start><End>511</End></PageRange></a>",
	  TRANSHIP_EUNSUPPORTED, "'PageRange' is not known in 'a'" },
	{ "azure", "<a><b><PageList/></b></a>", TRANSHIP_EUNSUPPORTED, "'b' is not known in 'a'" },
	{ "azure", "<PageList><NextMarker>abc<x/></NextMarker></PageList>", TRANSHIP_EUNSUPPORTED,
	  "'x' is not known in 'NextMarker'" },
	{ "azure", "<PageList><NextMarker><x>abc</x></NextMarker></PageList>",
	  TRANSHIP_EUNSUPPORTED, "'x' is not known in 'NextMarker'" },
	{ "azure",
	  "<PageList><PageRange><Start>51<q/>0</Start><End>511</End></PageRange></P"
	  "ageList>",
	  TRANSHIP_EUNSUPPORTED, "'q' is not known in 'Start'" },
	{ "azure",
	  "<PageList><PageRange><Start>0</Start><End>511</End><Next>1023</Next></Pa"
	  "geRange></PageList>",
	  TRANSHIP_EUNSUPPORTED, "'Next' is not known in 'PageRange'" },
	{ "azure", "<PageList><PageList/></PageList>", TRANSHIP_ECORRUPT, "another one" },
	/* The disk ends at 10000, in the page from 9728; a footer would end at 10512. */
	{ "azure",
	  "<PageList><PageRange><Start>9728</Start><End>10239</End></PageRange></PageList>", 0,
	  "9728+272" },
	{ "azure",
	  "<PageList><PageRange><Start>10240</Start><End>10751</End></PageRange></PageList>",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "azure",
	  "<PageList><PageRange><Start>0</Start><End>9223372036854775807</End></PageRange>"
	  "</PageList>",
	  TRANSHIP_ECORRUPT, "passes the end" },
	/* Written is more than cleared, whatever comes first. */
	{ "azure",
	  "<PageList><ClearRange><Start>0</Start><End>1535</End></ClearRange><PageRange><Start>512"
	  "</Start><End>1023</End></PageRange></PageList>",
	  0, "0+512z 512+512 1024+512z" },
	{ "azure", "<?xml version=\"1.0\"?><Error><Code>X</Code></Error>", TRANSHIP_EUNSUPPORTED,
	  "'X: '" },
};

static void test_azure__hostile(void **state)
{
	(void)state;
	list_check_cases(azure, COUNT_OF(azure));
}

static const struct list_case blocks[] = {
	/* era */
	{ "era", "<blocks/>", 0, "" },
	{ "era", "<superblock/>", TRANSHIP_ECORRUPT, "no list of blocks" },
	{ "era", "<blocks><range begin=\"0\"/></blocks>", TRANSHIP_ECORRUPT, "lacks" },
	{ "era", "<blocks><range begin=\"1\" end=\"1\"/></blocks>", TRANSHIP_ECORRUPT, "empty" },
	{ "era", "<blocks><range begin=\"2\" end=\"1\"/></blocks>", TRANSHIP_ECORRUPT, "empty" },
	{ "era", "<blocks><range begin=\"0\" end=\"20\"/></blocks>", 0, "0+10000" },
	{ "era", "<blocks><range begin=\"0\" end=\"21\"/></blocks>", TRANSHIP_ECORRUPT,
	  "passes the end" },
	{ "era", "<blocks><block block=\"19\"/></blocks>", 0, "9728+272" },
	{ "era", "<blocks><block block=\"20\"/></blocks>", TRANSHIP_ECORRUPT, "passes the end" },
	{ "era", "<blocks><block block=\"9223372036854775807\"/></blocks>", TRANSHIP_ECORRUPT,
	  "passes the end" },
	{ "era", "<blocks><block/></blocks>", TRANSHIP_ECORRUPT, "names no block" },
	{ "era", "<blocks><era block=\"0\"/></blocks>", TRANSHIP_EUNSUPPORTED, "not known" },
	{ "era", "<blocks><block block=\"0\"><block block=\"1\"/></block></blocks>",
	  TRANSHIP_ECORRUPT, "no list of blocks" },
	{ "era", "<blocks/><blocks/>", TRANSHIP_ECORRUPT, "" },
	{ "era", "<blocks></blocks><blocks></blocks>", TRANSHIP_ECORRUPT, "no list of blocks" },
	/* thin */
	{ "thin", "<superblock data_block_size=\"1\"><diff/></superblock>", 0, "" },
	{ "thin", "<superblock data_block_size=\"1\"></superblock>", TRANSHIP_ECORRUPT, "no diff" },
	{ "thin", "<superblock><diff/></superblock>", TRANSHIP_ECORRUPT, "missing" },
	{ "thin", "<superblock data_block_size=\"0\"><diff/></superblock>", TRANSHIP_ECORRUPT,
	  "out of range" },
	{ "thin", "<superblock data_block_size=\"2097153\"><diff/></superblock>", TRANSHIP_ECORRUPT,
	  "out of range" },
	{ "thin", "<superblock data_block_size=\"1\"><diff/><diff/></superblock>",
	  TRANSHIP_ECORRUPT, "no output" },
	{ "thin", "<superblock data_block_size=\"1\"><diff><same begin=\"0\"/></diff></superblock>",
	  TRANSHIP_ECORRUPT, "lacks" },
	{ "thin", "<superblock data_block_size=\"1\"><diff><different/></diff></superblock>",
	  TRANSHIP_ECORRUPT, "of nothing" },
	{ "thin",
	  "<superblock data_block_size=\"1\"><diff><different begin=\"0\" length=\"0\"/></diff>"
	  "</superblock>",
	  TRANSHIP_ECORRUPT, "empty" },
	{ "thin",
	  "<superblock data_block_size=\"1\"><diff><moved begin=\"0\" length=\"1\"/></diff>"
	  "</superblock>",
	  TRANSHIP_EUNSUPPORTED, "not known" },
	{ "thin",
	  "<superblock data_block_size=\"1\"><diff><same begin=\"0\" length=\"99\"/><left_only "
	  "begin=\"2\" length=\"1\"/></diff></superblock>",
	  0, "1024+512" },
};

static void test_blocks__hostile(void **state)
{
	(void)state;
	list_check_cases(blocks, COUNT_OF(blocks));
}

/* Where a document ends, and the buffer with it. */
static void test_xml__documents_across_buffers(void **state)
{
	static const char end[] = "</e:List >\n",
			  next[] = "<x><PageList><ClearRange><Start>0</Start>"
				   "<End>511</End></ClearRange></PageList></x>";
	struct tranship_changes_options options = { .format = "azure", .size = 4096 };
	size_t buffer = 65536, room = 40 + sizeof(end) + sizeof(next), at;
	char *text = malloc(buffer + room);

	(void)state;
	assert_non_null(text);
	for (at = buffer - 40; at < buffer + 20; at++) {
		struct tranship_changes *set;
		struct tranship_error err;
		int head = snprintf(text, buffer, "<e:List xmlns:e=\"urn:e\"><PageList/>");

		memset(text + head, ' ', at - (size_t)head);
		snprintf(text + at, buffer + room - at, "%s%s", end, next);
		assert_ok(list_read(text, strlen(text), &options, &set, &err), &err);
		list_check(set, "0+512z");
		tranship_changes_free(set);
	}
	free(text);
}

/* A head, and much more behind it, each with a number in its middle: refused as too much. */
static void check_much(const char *format, const char *head, unsigned count, const char *before,
		       const char *behind, const char *piece)
{
	struct tranship_changes_options options = { .format = format,
						    .size = 10000,
						    .block_size = 512 };
	struct buffer b = { 0 };
	struct tranship_changes *set;
	struct tranship_error err;
	struct heap_seen seen;
	unsigned i;
	int rc;

	assert_ok(buffer_printf(&b, NULL, "%s", head), NULL);
	for (i = 0; i < count; i++)
		assert_ok(buffer_printf(&b, NULL, "%s%u%s", before, i, behind), NULL);
	seen = list_read_watched(&b, &options, &rc, &set, &err);
	assert_fails(rc, TRANSHIP_ELIMIT, &err, piece);
	assert_true(seen.peak < 16 << 20);
}

/* What takes libxml2 the square of its length, or memory. */
static void test_xml__too_much(void **state)
{
	static const char longer[] = "longer than 64 KiB", names[] = "longer than 1024 KiB in sum";

	(void)state;
	check_much("azure", "<PageList ", 60000, " a", "=\"\"", longer);
	check_much("azure", "<PageList ", 60000, " xmlns:a", "=\"u\"", longer);
	check_much("azure", "<PageList a=\"", 60000, "x", "x", longer);
	check_much("azure", "<PageList><!--", 60000, " >", " <", longer);
	check_much("azure", "<!--", 60000, " >", " <", longer);
	check_much("vmware", "<a><Header>", 300000, "<e", "/>", names);
	check_much("era", "<blocks>", 300000, "<block block=\"1\" a", "=\"\"/>", names);
	check_much("azure", "", 65537, "<PageList a=\"", "\"/>", "more than 65536 documents");
}

/* As many as can be, and one more. */
static void test_xml__attributes(void **state)
{
	static const char *const parts[] = { "a", "xmlns:a" };
	static const char *const pieces[] = { "has 33 attributes, at most 32",
					      "more than 32 namespaces" };
	struct tranship_changes_options options = { .format = "azure", .size = 10000 };
	struct tranship_changes *set;
	struct tranship_error err;
	int i, n, count, rc;

	(void)state;
	for (i = 0; i < 2; i++)
		for (count = 32; count <= 33; count++) {
			struct buffer b = { 0 };

			assert_ok(buffer_printf(&b, NULL, "<PageList"), NULL);
			for (n = 0; n < count; n++)
				assert_ok(buffer_printf(&b, NULL, " %s%d=\"u\"", parts[i], n),
					  NULL);
			assert_ok(buffer_printf(&b, NULL, "/>"), NULL);
			rc = list_read(b.bytes, b.len, &options, &set, &err);
			buffer_free(&b);
			if (count == 32)
				assert_ok(rc, &err);
			else
				assert_fails(rc, TRANSHIP_ELIMIT, &err, pieces[i]);
			tranship_changes_free(set);
		}
}

/* White space in front of a marker, more of it than is kept of a text. */
static void test_azure__late_marker(void **state)
{
	struct tranship_changes_options options = { .format = "azure", .size = 10000 };
	struct buffer b = { 0 };
	struct tranship_changes *set;
	struct tranship_error err;

	(void)state;
	assert_ok(buffer_printf(&b, NULL, "<PageList><NextMarker>%2000s</NextMarker></PageList>",
				"abc"),
		  NULL);
	assert_fails(list_read(b.bytes, b.len, &options, &set, &err), TRANSHIP_ECORRUPT, &err,
		     "no list follows");
	buffer_free(&b);
}

/* Bytes that are not of the encoding: libxml2 says so on standard error, unless it is kept from. */
static void test_xml__quiet(void **state)
{
	static const char text[] = "<?xml version=\"1.0\" encoding=\"EUC-JP\"?><PageList>"
				   "                                                  \x8F\xFF";
	struct tranship_changes_options options = { .format = "azure", .size = 10000 };
	struct tranship_changes *set;
	struct tranship_error err;
	FILE *said = tmpfile();
	int saved = dup(STDERR_FILENO), rc;

	(void)state;
	assert_non_null(said);
	assert_int_equal(dup2(fileno(said), STDERR_FILENO), STDERR_FILENO);
	rc = list_read(text, sizeof(text) - 1, &options, &set, &err);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	assert_fails(rc, TRANSHIP_ECORRUPT, &err, "this is no XML");
	assert_int_equal(lseek(fileno(said), 0, SEEK_END), 0);
	fclose(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_azure__hostile),
		cmocka_unit_test(test_blocks__hostile),
		cmocka_unit_test(test_xml__documents_across_buffers),
		cmocka_unit_test(test_xml__too_much),
		cmocka_unit_test(test_xml__attributes),
		cmocka_unit_test(test_azure__late_marker),
		cmocka_unit_test(test_xml__quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
