// SPDX-License-Identifier: Apache-2.0
/* Lists of changes of every product: the examples in tests/data/changes, and hostile ones. */
#include "support.h"

#include "base/buffer.h"
#include "faulty.h"
#include "heap.h"
#include "io/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB ((uint64_t)1 << 30)

static const char *data_path(const char *name)
{
	return path_in(TEST_DATA "/changes", name);
}

static int read_text(const void *text, size_t len, const struct tranship_changes_options *options,
		     struct tranship_changes **out, struct tranship_error *err)
{
	struct tranship_file *file = file_of(text, len);
	int rc = tranship_changes_read(file, options, out, err);

	assert_true((rc == 0) == (*out != NULL));
	tranship_file_close(file);
	return rc;
}

/* "off+len off+lenz": zeros are marked with z. malloc'ed. */
static char *text_of(const struct tranship_changes *set)
{
	struct buffer b = { 0 };
	size_t i;

	for (i = 0; i < tranship_changes_count(set); i++) {
		struct tranship_change c = tranship_changes_at(set, i);

		assert_int_equal(buffer_printf(&b, NULL, "%s%" PRIu64 "+%" PRIu64 "%s",
					       i ? " " : "", c.off, c.len, c.zero ? "z" : ""),
				 0);
	}
	assert_int_equal(buffer_append(&b, "", 1, NULL), 0);
	return (char *)b.bytes;
}

static void check_set(struct tranship_changes *set, const char *want)
{
	char *got = text_of(set);

	assert_string_equal(got, want);
	free(got);
}

/* What an example becomes. */
static const struct example {
	const char *file, *format;
	uint64_t size, block; /* options */
	uint64_t disk;        /* the size that the set has */
	const char *set;
} good[] = {
	{ "azure-diff.xml", "azure", 4096, 0, 4096,
	  "0+512 512+512z 1024+512 1536+512z 2048+512 2560+512z 3072+512 3584+512z" },
	{ "azure-pages.xml", "azure", 4096, 0, 4096,
	  "0+512 512+512z 1024+512 1536+512z 2048+512 2560+512z 3072+512 3584+512z" },
	{ "azure-ranges.xml", "azure", 4096, 0, 4096, "0+512 1024+512 2048+512 3072+512" },
	/* The last 512 bytes are a footer: the disk ends before it, or in it. */
	{ "azure-diff.xml", "azure", 3584, 0, 3584,
	  "0+512 512+512z 1024+512 1536+512z 2048+512 2560+512z 3072+512" },
	{ "azure-diff.xml", "azure", 3600, 0, 3600,
	  "0+512 512+512z 1024+512 1536+512z 2048+512 2560+512z 3072+512 3584+16z" },
	{ "ebs-changed.json", "ebs", 0, 0, 3 * GIB,
	  "0+524288 1610612736+524288 3146776576+1048576z" },
	{ "ebs-changed.json", "ebs", 3 * GIB, 0, 3 * GIB,
	  "0+524288 1610612736+524288 3146776576+1048576z" },
	{ "ebs-pages.json", "ebs", 0, 0, 30 * GIB,
	  "0+524288 3145728000+524288 3146252288+524288z 32211730432+524288" },
	{ "ebs-blocks.json", "ebs", 0, 0, GIB, "524812288+1048576" },
	{ "era-blocks.xml", "era", 160 * 65536, 65536, 160 * 65536,
	  "1048576+2097152 6356992+65536 10420224+65536" },
	/* The last block is cut short. */
	{ "era-blocks.xml", "era", 160 * 65536 - 512, 65536, 160 * 65536 - 512,
	  "1048576+2097152 6356992+65536 10420224+65024" },
	{ "era-none.xml", "era", 160 * 65536, 65536, 160 * 65536, "" },
	{ "nbd-bitmap.json", "nbd", 0, 0, 1048576, "524288+131072" },
	{ "nbd-bitmap.json", "nbd", 1048576, 0, 1048576, "524288+131072" },
	{ "qemu-overlay.json", "qemu", 0, 0, 1048576,
	  "65536+65536 131072+65536z 524288+131072 983040+65536" },
	{ "qemu-single.json", "qemu", 0, 0, 1048576, "0+262144" },
	{ "qemu-old.json", "qemu", 0, 0, 1048576, "65536+65536 131072+65536z" },
	{ "rbd-diff.json", "rbd", GIB, 0, GIB, "0+4194304 8388608+65536z" },
	{ "rbd-none.json", "rbd", GIB, 0, GIB, "" },
	{ "rbd-unsorted.json", "rbd", GIB, 0, GIB, "0+65536z 4194304+8388608" },
	{ "rbd-recorded-since.json", "rbd", 24 << 20, 0, 24 << 20,
	  "12288+4096 4194304+4194304z 13697024+65536 16384000+8192" },
	{ "rbd-recorded-objects.json", "rbd", 24 << 20, 0, 24 << 20,
	  "0+4194304 4194304+4194304z 12582912+4194304" },
	{ "rbd-recorded-all.json", "rbd", 24 << 20, 0, 24 << 20,
	  "0+4194304 8388608+1048576 12582912+8388608" },
	{ "rbd-recorded-none.json", "rbd", 24 << 20, 0, 24 << 20, "" },
	{ "rct-pages.json", "rct", 10 * GIB, 0, 10 * GIB,
	  "1048576+65536 8388608+2097152 10737352704+65536" },
	{ "rct-none.json", "rct", 10 * GIB, 0, 10 * GIB, "" },
	{ "thin-delta.xml", "thin", GIB, 0, GIB, "262144+131072 1048576+262144 1966080+327680" },
	{ "thin-verbose.xml", "thin", GIB, 0, GIB, "262144+131072 1048576+262144 1966080+327680" },
	{ "thin-delta.xml", "thin", 35 * 65536 - 512, 0, 35 * 65536 - 512,
	  "262144+131072 1048576+262144 1966080+327168" },
	{ "tranship-list.json", NULL, 0, 0, GIB, "65536+131072 1048576+65536z" },
	{ "tranship-list.json", "tranship", GIB, 0, GIB, "65536+131072 1048576+65536z" },
	{ "vmware-api.json", "vmware", GIB, 0, GIB,
	  "65536+131072 1048576+65536 536870912+65536 1073676288+65536" },
	{ "vmware-array.json", "vmware", GIB, 0, GIB,
	  "65536+131072 1048576+65536 536870912+65536 1073676288+65536" },
	{ "vmware-soap.xml", "vmware", GIB, 0, GIB,
	  "65536+131072 1048576+65536 536870912+65536 1073676288+65536" },
	{ "vmware-empty.json", "vmware", GIB, 0, GIB, "" },
};

static struct tranship_changes_options options_of(const struct example *e)
{
	return (struct tranship_changes_options){ .format = e->format,
						  .size = e->size,
						  .block_size = e->block };
}

static void test_import__examples(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++) {
		struct tranship_changes_options options = options_of(&good[i]);
		struct tranship_changes *set;
		struct tranship_error err = { 0 };
		const char *origin = good[i].format;

		if (tranship_changes_open(data_path(good[i].file), &options, &set, &err))
			fail_msg("%s: %s", good[i].file, err.message);
		check_set(set, good[i].set);
		assert_int_equal(tranship_changes_size(set), good[i].disk);
		if (strcmp(good[i].file, "tranship-list.json") == 0)
			origin = "vmware";
		assert_string_equal(tranship_changes_origin(set), origin);
		tranship_changes_free(set);
	}
}

/* Why an example is refused. */
static const struct refusal {
	const char *file, *format;
	uint64_t size, block;
	int code;
	const char *piece;
} bad[] = {
	{ "azure-error.xml", "azure", 4096, 0, TRANSHIP_EUNSUPPORTED, "BlobOverwritten: The blob" },
	{ "azure-diff.xml", "azure", 3072, 0, TRANSHIP_ECORRUPT, "passes the end" },
	{ "azure-diff.xml", "azure", 0, 0, TRANSHIP_EINVAL, "how large the disk is" },
	{ "ebs-first-page.json", "ebs", 0, 0, TRANSHIP_ECORRUPT, "no page follows" },
	{ "ebs-error.json", "ebs", 0, 0, TRANSHIP_EUNSUPPORTED, "does not exist" },
	{ "ebs-changed.json", "ebs", 4 * GIB, 0, TRANSHIP_EMISMATCH, "4294967296" },
	{ "era-blocks.xml", "era", 160 * 65536, 0, TRANSHIP_EINVAL, "how large a block" },
	{ "era-blocks.xml", "era", 0, 65536, TRANSHIP_EINVAL, "how large the disk" },
	{ "era-blocks.xml", "era", 159 * 65536, 65536, TRANSHIP_ECORRUPT, "passes the end" },
	{ "nbd-allocation.json", "nbd", 0, 0, TRANSHIP_EUNSUPPORTED, "'data'" },
	{ "nbd-totals.json", "nbd", 0, 0, TRANSHIP_EUNSUPPORTED, "totals" },
	{ "nbd-bitmap.json", "nbd", GIB, 0, TRANSHIP_EMISMATCH, "1048576 bytes" },
	{ "qemu-dirty-bitmap.json", "qemu", 0, 0, TRANSHIP_EUNSUPPORTED, "neither data nor" },
	{ "qemu-overlay.json", "qemu", GIB, 0, TRANSHIP_EMISMATCH, "1048576 bytes" },
	{ "rbd-diff.json", "rbd", 0, 0, TRANSHIP_EINVAL, "how large the disk" },
	{ "rbd-diff.json", "rbd", 8388608, 0, TRANSHIP_ECORRUPT, "passes the end" },
	{ "rct-first-page.json", "rct", 10 * GIB, 0, TRANSHIP_ECORRUPT, "end at 4294967296" },
	{ "rct-pages.json", "rct", 11 * GIB, 0, TRANSHIP_ECORRUPT, "end at 10737418240" },
	{ "thin-delta.xml", "thin", 0, 0, TRANSHIP_EINVAL, "how large the disk" },
	{ "thin-delta.xml", "thin", 34 * 65536, 0, TRANSHIP_ECORRUPT, "passes the end" },
	{ "tranship-list.json", NULL, 2 * GIB, 0, TRANSHIP_EMISMATCH, "1073741824" },
	{ "vmware-soap-first.xml", "vmware", GIB, 0, TRANSHIP_ECORRUPT, "end at 536870912" },
	{ "vmware-fault.xml", "vmware", GIB, 0, TRANSHIP_EUNSUPPORTED, "Error caused by file" },
	{ "vmware-fault.json", "vmware", GIB, 0, TRANSHIP_EUNSUPPORTED, "FileFault" },
	{ "vmware-api.json", "vmware", 2 * GIB, 0, TRANSHIP_ECORRUPT, "end at 1073741824" },
	{ "vmware-api.json", "vmware", GIB - 512, 0, TRANSHIP_ECORRUPT, "passes the end" },
	{ "rbd-diff.json", "cbt", GIB, 0, TRANSHIP_EINVAL, "'cbt' is unknown" },
	{ "no-such-file", "rbd", GIB, 0, TRANSHIP_EIO, "could not be opened" },
};

static void test_import__refused_examples(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++) {
		struct tranship_changes_options options = { .format = bad[i].format,
							    .size = bad[i].size,
							    .block_size = bad[i].block };
		struct tranship_changes *set;
		struct tranship_error err = { 0 };
		int rc = tranship_changes_open(data_path(bad[i].file), &options, &set, &err);

		if (rc == 0)
			fail_msg("%s was taken", bad[i].file);
		assert_fails(rc, bad[i].code, &err, bad[i].piece);
		assert_null(set);
	}
}

/* A list that is cut anywhere is refused, or was whole already. */
static void test_import__cut_anywhere(void **state)
{
	size_t i, at, len;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++) {
		struct tranship_changes_options options = options_of(&good[i]);
		unsigned char *text = read_path(data_path(good[i].file), &len);
		bool whole = false;

		for (at = 0; at <= len; at++) {
			struct tranship_changes *set;
			struct tranship_error err;
			int rc = read_text(text, at, &options, &set, &err);

			/* Once it is whole only white space follows. */
			assert_false(whole && rc);
			whole = rc == 0;
			if (rc == 0)
				check_set(set, good[i].set);
			tranship_changes_free(set);
		}
		assert_true(whole);
		free(text);
	}
}

/* Any byte is another one: no crash, and what is taken lies in the disk. */
static void test_import__flipped_anywhere(void **state)
{
	static const unsigned char values[] = { 0, ' ', '"', '<', '9', '}', 0xFF };
	size_t i, at, len, v, c;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++) {
		struct tranship_changes_options options = options_of(&good[i]);
		unsigned char *text = read_path(data_path(good[i].file), &len), old;

		for (at = 0; at < len; at++)
			for (v = 0, old = text[at]; v < COUNT_OF(values); v++) {
				struct tranship_changes *set;
				struct tranship_error err = { 0 };
				int rc;

				text[at] = values[v];
				rc = read_text(text, len, &options, &set, &err);
				text[at] = old;
				assert_true(rc == 0 || strlen(err.message) > 0);
				for (c = 0; rc == 0 && c < tranship_changes_count(set); c++) {
					struct tranship_change r = tranship_changes_at(set, c);

					assert_true(r.off + r.len <= tranship_changes_size(set));
				}
				tranship_changes_free(set);
			}
		free(text);
	}
}

/* Lists of a disk of 10000 bytes with blocks of 512, as text; `set` is what it becomes, or NULL. */
static const struct hostile {
	const char *format, *text;
	int code;
	const char *piece; /* of the message, or the set */
} hostile[] = {
	/* JSON in general. */
	{ "rbd", "", TRANSHIP_ECORRUPT, "ends behind element 0" },
	{ "rbd", "  \n", TRANSHIP_ECORRUPT, "ends behind element 0" },
	{ "rbd", "{}", TRANSHIP_ECORRUPT, "'{' stands behind element 0" },
	{ "rbd", "[]", 0, "" },
	{ "rbd", "\xEF\xBB\xBF[]", 0, "" },
	{ "rbd", "\xFF\xFE[", TRANSHIP_EUNSUPPORTED, "UTF-16" },
	{ "rbd", "[] []", TRANSHIP_ECORRUPT, "the end of the file should" },
	{ "rbd", "[],", TRANSHIP_ECORRUPT, "the end of the file should" },
	{ "rbd", "[[]]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[1]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[null]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[,]", TRANSHIP_ECORRUPT, "an object should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"},]", TRANSHIP_ECORRUPT,
	  "an object should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"} {}]", TRANSHIP_ECORRUPT,
	  "',' or ']' should" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"true\"}", TRANSHIP_ECORRUPT,
	  "ends behind element 1" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"length\":2,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "duplicate" },
	{ "rbd", "[{\"offset\":0,\"length\":1e3,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'length' is not" },
	{ "rbd", "[{\"offset\":0,\"length\":1.0,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'length' is not" },
	{ "rbd", "[{\"offset\":\"0\",\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'offset' is not" },
	{ "rbd", "[{\"offset\":-1,\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "'offset' is not" },
	{ "rbd", "[{\"length\":1,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT, "'offset' is missing" },
	{ "rbd", "[{\"offset\":9223372036854775808,\"length\":1,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "too big" },
	{ "rbd", "[{\"offset\":9223372036854775807,\"length\":1,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "rbd",
	  "[{\"offset\":9223372036854775807,\"length\":9223372036854775807,\"exists\":\"true\"}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "rbd", "[{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]",
	  TRANSHIP_ECORRUPT, "nested" },
	{ "rbd", "[{\"a\":\"}]\\\"}\",\"offset\":0,\"length\":1,\"exists\":\"true\"}]", 0, "0+1" },
	/* rbd */
	{ "rbd", "[{\"offset\":0,\"length\":0,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "is empty" },
	{ "rbd", "[{\"offset\":0,\"length\":10001,\"exists\":\"true\"}]", TRANSHIP_ECORRUPT,
	  "passes the end" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":\"maybe\"}]", TRANSHIP_ECORRUPT,
	  "exists" },
	{ "rbd", "[{\"offset\":0,\"length\":1,\"exists\":1}]", TRANSHIP_ECORRUPT, "exists" },
	{ "rbd", "[{\"offset\":0,\"length\":1}]", TRANSHIP_ECORRUPT, "exists" },
	/* qemu */
	{ "qemu", "[]", TRANSHIP_ECORRUPT, "no extents" },
	{ "qemu", "[{\"start\":0,\"length\":9999,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_EMISMATCH, "9999 bytes" },
	{ "qemu", "[{\"start\":1,\"length\":9999,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "begins at 1" },
	{ "qemu", "[{\"start\":0,\"length\":0,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "length of 0" },
	{ "qemu", "[{\"start\":0,\"length\":10001,\"depth\":0,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "qemu", "[{\"start\":0,\"length\":10001,\"depth\":1,\"zero\":false,\"data\":true}]",
	  TRANSHIP_EMISMATCH, "10001" },
	{ "qemu",
	  "[{\"start\":0,\"length\":10000,\"depth\":0,\"present\":1,\"zero\":true,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "'present'" },
	{ "qemu", "[{\"start\":0,\"length\":10000,\"zero\":false,\"data\":true}]",
	  TRANSHIP_ECORRUPT, "'depth' is missing" },
	/* Data that is known to be zeros is read. */
	{ "qemu", "[{\"start\":0,\"length\":10000,\"depth\":0,\"zero\":true,\"data\":true}]", 0,
	  "0+10000" },
	/* nbd */
	{ "nbd", "[]", TRANSHIP_ECORRUPT, "no extents" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":1}]", 0, "0+10000" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":2}]", TRANSHIP_EUNSUPPORTED, "type 2" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":1,\"description\":\"hole\"}]",
	  TRANSHIP_EUNSUPPORTED, "'hole'" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":0,\"description\":\"dirty\"}]",
	  TRANSHIP_EUNSUPPORTED, "'dirty'" },
	{ "nbd", "[{\"offset\":0,\"length\":10000,\"type\":0,\"description\":7}]",
	  TRANSHIP_EUNSUPPORTED, "''" },
	{ "nbd", "[{\"offset\":0,\"length\":0,\"type\":0}]", TRANSHIP_ECORRUPT, "go on" },
	{ "nbd",
	  "[{\"offset\":0,\"length\":5000,\"type\":0},{\"offset\":4000,\"length\":6000,"
	  "\"type\":0}]",
	  TRANSHIP_ECORRUPT, "go on" },
	/* rct */
	{ "rct", "[]", TRANSHIP_ECORRUPT, "empty" },
	{ "rct", "", TRANSHIP_ECORRUPT, "empty" },
	{ "rct", "{\"ReturnValue\":4096}", TRANSHIP_EUNSUPPORTED, "waited for" },
	{ "rct", "{\"ReturnValue\":32775}", TRANSHIP_EUNSUPPORTED, "32775" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[0,1],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "2 offsets and 1 lengths" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[0]}",
	  TRANSHIP_ECORRUPT, "lacks" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":0,\"ChangedByteLengths\":1}",
	  TRANSHIP_ECORRUPT, "no array" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[\"0\"],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "two numbers" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":0,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "window at 0 is empty" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":9999,\"ProcessedByteLength\":10000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "were asked for" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[0],\"ChangedByteLengths\":[1]}",
	  TRANSHIP_ECORRUPT, "has a range at 0" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "beginning" },
	{ "rct",
	  "{\"ByteOffset\":5000,\"ByteLength\":5000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[6000],\"ChangedByteLengths\":[8]}"
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[4999],\"ChangedByteLengths\":[2]}",
	  0, "4999+2 6000+8" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}"
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "end at 5000" },
	{ "rct",
	  "{\"ByteOffset\":0,\"ByteLength\":10000,\"ProcessedByteLength\":5000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}"
	  "{\"ByteOffset\":4000,\"ByteLength\":10000,\"ProcessedByteLength\":6000,"
	  "\"ChangedByteOffsets\":[],\"ChangedByteLengths\":[]}",
	  TRANSHIP_ECORRUPT, "too" },
	/* vmware */
	{ "vmware", "", TRANSHIP_ECORRUPT, "empty" },
	{ "vmware", "{}", TRANSHIP_ECORRUPT, "'startOffset' is missing" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}", 0, "" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":null}", 0, "" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":{}}", TRANSHIP_ECORRUPT,
	  "no array" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000,\"changedArea\":[7]}", TRANSHIP_ECORRUPT,
	  "'start' is missing" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}{\"startOffset\":10000,\"length\":0}",
	  TRANSHIP_ECORRUPT, "empty" },
	{ "vmware", "{\"startOffset\":0,\"length\":10000}{\"startOffset\":0,\"length\":10000}",
	  TRANSHIP_ECORRUPT, "too" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":10000}]}",
	  0, "0+10000" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":0,\"length\":0}]}",
	  TRANSHIP_ECORRUPT, "is empty" },
	{ "vmware",
	  "{\"startOffset\":0,\"length\":10000,\"changedArea\":[{\"start\":9999,\"length\":2}]}",
	  TRANSHIP_ECORRUPT, "passes the end" },
	{ "vmware", "{\"fault\":{},\"localizedMessage\":\"no \\u001bepoch\"}",
	  TRANSHIP_EUNSUPPORTED, "no \\x1bepoch" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>10000</length></returnval></a>", 0,
	  "" },
	{ "vmware",
	  "<DiskChangeInfo><startOffset> 0 </startOffset><length>10000</length><changedArea><start>"
	  "7</start><length>8</length></changedArea></DiskChangeInfo>",
	  0, "7+8" },
	{ "vmware", "<a/>", TRANSHIP_ECORRUPT, "no reply" },
	{ "vmware", "<a><returnval/></a>", TRANSHIP_ECORRUPT, "lacks" },
	{ "vmware", "<a><returnval><startOffset>0</startOffset></returnval></a>", TRANSHIP_ECORRUPT,
	  "lacks" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><startOffset>0</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "twice" },
	{ "vmware", "<a><returnval><startOffset>0x0</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><startOffset/></returnval></a>", TRANSHIP_ECORRUPT,
	  "no number" },
	{ "vmware", "<a><returnval><startOffset>-1</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><startOffset>9223372036854775808</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "no number" },
	{ "vmware", "<a><returnval><returnval/></returnval></a>", TRANSHIP_ECORRUPT, "another" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><changedArea><start>1</start></changedArea>"
	  "</returnval></a>",
	  TRANSHIP_ECORRUPT, "lacks its start or its length" },
	{ "vmware",
	  "<a><returnval><changedArea><start>1</start><length>1</length></changedArea>"
	  "<startOffset>5000</startOffset><length>5000</length></returnval></a>",
	  TRANSHIP_ECORRUPT, "has an area at 1" },
	{ "vmware",
	  "<a><returnval><startOffset>0</startOffset><length>5000</length><changedArea><start>6000"
	  "</start><length>1</length></changedArea><changedArea><start>1</start><length>1</length>"
	  "</changedArea></returnval></a>",
	  TRANSHIP_ECORRUPT, "has an area at 6000" },
	{ "vmware",
	  "<e:E xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Fault><e:Reason><e:Text>"
	  "gone</e:Text></e:Reason></e:Fault></e:E>",
	  TRANSHIP_EUNSUPPORTED, "'gone'" },
	{ "vmware",
	  "<!DOCTYPE a [<!ENTITY x \"1\">]><a><returnval><startOffset>&x;</startOffset></returnval>"
	  "</a>",
	  TRANSHIP_ECORRUPT, "document type" },
	{ "vmware", "<a><returnval><startOffset>&x;</startOffset></returnval></a>",
	  TRANSHIP_ECORRUPT, "x" },
	{ "vmware", "<a><b></a></b>", TRANSHIP_ECORRUPT, "mismatch" },
	{ "vmware", "hello", TRANSHIP_ECORRUPT, "line 1" },
	{ "vmware",
	  "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
	  "<a><a><a><a><a>",
	  TRANSHIP_ECORRUPT, "nested" },
	/* azure */
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
	/* ebs */
	{ "ebs", "{}", TRANSHIP_ECORRUPT, "none of" },
	{ "ebs", "{\"Blocks\":[],\"ChangedBlocks\":[]}", TRANSHIP_ECORRUPT, "both" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":0,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "blocks of 0" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":1000,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "blocks of 1000" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":1}", TRANSHIP_EMISMATCH,
	  "1073741824" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":65537}", TRANSHIP_ECORRUPT,
	  "VolumeSize" },
	{ "ebs", "{\"Blocks\":[],\"BlockSize\":512,\"VolumeSize\":9223372036854775807}",
	  TRANSHIP_ECORRUPT, "VolumeSize" },
	{ "ebs", "{\"Blocks\":null,\"BlockSize\":512,\"VolumeSize\":1}", TRANSHIP_ECORRUPT,
	  "no array" },
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
	/* tranship */
	{ "tranship", "[]", TRANSHIP_ECORRUPT, "no end" },
	{ "tranship", "[{}]", TRANSHIP_ECORRUPT, "no head" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":2,\"size\":10000}]",
	  TRANSHIP_EUNSUPPORTED, "version 2" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":1}]", TRANSHIP_ECORRUPT,
	  "'size'" },
	{ "tranship", "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000}]",
	  TRANSHIP_ECORRUPT, "no end" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000,"
	  "\"base-id\":7}]",
	  TRANSHIP_ECORRUPT, "'base-id'" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":0,\"bytes\":0}]",
	  0, "" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":false,\"ranges\":0,\"bytes\":0}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":1,\"bytes\":0}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},{\"start\":1,"
	  "\"length\":5},{\"end\":true,\"ranges\":1,\"bytes\":4}]",
	  TRANSHIP_ECORRUPT, "the end counts" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},{\"start\":5,"
	  "\"length\":5},{\"start\":1,\"length\":5,\"zero\":true},"
	  "{\"end\":true,\"ranges\":2,\"bytes\":10}]",
	  0, "1+4z 5+5" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"end\":true,\"ranges\":0,\"bytes\":0},{\"start\":1,\"length\":5}]",
	  TRANSHIP_ECORRUPT, "behind the end" },
	{ "tranship",
	  "[{\"format\":\"tranship-changes\",\"version\":1,\"size\":10000},"
	  "{\"start\":9223372036854775807,\"length\":9223372036854775807}]",
	  TRANSHIP_ECORRUPT, "passes the end" },
};

static void test_import__hostile(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(hostile); i++) {
		const struct hostile *h = &hostile[i];
		struct tranship_changes_options options = { .format = h->format,
							    .size = 10000,
							    .block_size = 512 };
		struct tranship_changes *set;
		struct tranship_error err = { 0 };
		int rc = read_text(h->text, strlen(h->text), &options, &set, &err);

		if (rc != h->code || (rc && !strstr(err.message, h->piece)))
			print_error("%s: %s\n", h->format, h->text);
		if (h->code == 0) {
			assert_ok(rc, &err);
			check_set(set, h->piece);
			tranship_changes_free(set);
		} else {
			assert_fails(rc, h->code, &err, h->piece);
		}
	}
}

/* Blocks of a volume of 1 GiB. */
static int read_ebs(const char *text, struct tranship_changes **set, struct tranship_error *err)
{
	struct tranship_changes_options options = { .format = "ebs" };

	return read_text(text, strlen(text), &options, set, err);
}

#define EBS_TAIL "],\"BlockSize\":524288,\"VolumeSize\":1"

static void test_ebs__pages(void **state)
{
	static const struct {
		const char *text, *piece;
	} cases[] = {
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":2048,\"SecondBlockToken\":\"a\"}" EBS_TAIL
		  "}",
		  "passes the end" },
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":1}" EBS_TAIL "}", "has no token" },
		{ "{\"ChangedBlocks\":[{\"BlockIndex\":1,\"FirstBlockToken\":null}" EBS_TAIL "}",
		  "has no token" },
		{ "{\"Blocks\":[{\"BlockIndex\":1},{\"BlockIndex\":1}" EBS_TAIL "}",
		  "does not come behind" },
		{ "{\"Blocks\":[{\"BlockIndex\":1}" EBS_TAIL ",\"NextToken\":\"x\"}"
		  "{\"Blocks\":[{\"BlockIndex\":0}" EBS_TAIL "}",
		  "does not come behind" },
		{ "{\"Blocks\":[" EBS_TAIL "}{\"Blocks\":[" EBS_TAIL "}", "was the last" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}{\"ChangedBlocks\":[" EBS_TAIL "}",
		  "another list" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":1}", "NextToken is no text" },
		{ "{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}"
		  "{\"Blocks\":[],\"BlockSize\":4096,\"VolumeSize\":1}",
		  "blocks of 4096" },
		{ "{\"Blocks\":[7" EBS_TAIL "}", "'BlockIndex' is missing" },
	};
	struct tranship_changes *set;
	struct tranship_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_fails(read_ebs(cases[i].text, &set, &err), TRANSHIP_ECORRUPT, &err,
			     cases[i].piece);
	assert_fails(read_ebs("{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"}"
			      "{\"Blocks\":[],\"BlockSize\":524288,\"VolumeSize\":2}",
			      &set, &err),
		     TRANSHIP_EMISMATCH, &err, "2147483648");
	assert_ok(read_ebs("[{\"Blocks\":[" EBS_TAIL ",\"NextToken\":\"x\"},"
			   "{\"Blocks\":[{\"BlockIndex\":2047}" EBS_TAIL ",\"NextToken\":\"\"}]",
			   &set, &err),
		  &err);
	check_set(set, "1073217536+524288");
	tranship_changes_free(set);
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
		assert_ok(read_text(text, strlen(text), &options, &set, &err), &err);
		check_set(set, "0+512z");
		tranship_changes_free(set);
	}
	free(text);
}

/* What would take a parser that looks again and again hours. */
static void test_xml__long_comment(void **state)
{
	static const char *const heads[] = { "<PageList><!--", "<!--", "<PageList a=\"" };
	struct tranship_changes_options options = { .format = "azure", .size = 4096 };
	size_t len = (size_t)32 << 20, i, k;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	for (i = 0; i < COUNT_OF(heads); i++) {
		struct tranship_changes *set;
		struct tranship_error err;

		for (k = 0; k < len; k++)
			text[k] = k % 2 ? '>' : ' ';
		memcpy(text, heads[i], strlen(heads[i]));
		assert_fails(read_text(text, len, &options, &set, &err), TRANSHIP_ECORRUPT, &err,
			     "line 1");
	}
	free(text);
}

static int read_ids(const char *base, const char *target, struct tranship_changes **set,
		    struct tranship_error *err)
{
	static const char text[] =
		"[{\"format\":\"tranship-changes\",\"version\":1,\"size\":7,\"base-id\":\"A\"},"
		"{\"end\":true,\"ranges\":0,\"bytes\":0}]";
	struct tranship_changes_options options = { .base_id = base, .target_id = target };

	return read_text(text, sizeof(text) - 1, &options, set, err);
}

static void test_import__ids(void **state)
{
	char id[TRANSHIP_ID_MAX + 2];
	struct tranship_changes *set;
	struct tranship_error err;

	(void)state;
	assert_ok(read_ids(NULL, "B", &set, &err), &err);
	assert_string_equal(tranship_changes_base_id(set), "A");
	assert_string_equal(tranship_changes_target_id(set), "B");
	tranship_changes_free(set);
	assert_ok(read_ids("A", "", &set, &err), &err);
	assert_string_equal(tranship_changes_target_id(set), "");
	tranship_changes_free(set);
	assert_fails(read_ids("a", NULL, &set, &err), TRANSHIP_EMISMATCH, &err, "'A', not 'a'");
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	assert_fails(read_ids(NULL, id, &set, &err), TRANSHIP_EINVAL, &err, "longer");
}

static int put_buffer(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	return buffer_append(ctx, text, len, err);
}

static int put_none(void *ctx, const char *text, size_t len, struct tranship_error *err)
{
	(void)ctx, (void)text, (void)len, (void)err;
	return TRANSHIP_ECANCELED;
}

/* What is written is read as the same. */
static void test_write__reads_back(void **state)
{
	struct rng rng = { 11 };
	int i, n;

	(void)state;
	for (i = 0; i < 200; i++) {
		struct tranship_changes *set, *back;
		struct tranship_changes_options own = { 0 };
		struct buffer text = { 0 };
		struct tranship_error err;
		char *want, id[40];

		assert_ok(tranship_changes_new(INT64_MAX, &set, &err), &err);
		for (n = i * 5; n > 0; n--)
			assert_ok(tranship_changes_add(set, rng_next(&rng) >> 2,
						       rng_below(&rng, 1 << 30) + 1, n % 2, &err),
				  &err);
		snprintf(id, sizeof(id), "id \"%d\" \\ \t \xC3\xA9", i);
		assert_ok(tranship_changes_set_ids(set, i % 3 ? "A/1" : "", "B/2", &err), &err);
		assert_ok(tranship_changes_set_origin(set, i % 2 ? "x" : "tranship", &err), &err);
		assert_ok(tranship_changes_write(set, put_buffer, &text, &err), &err);
		assert_ok(read_text(text.bytes, text.len, &own, &back, &err), &err);
		want = text_of(set);
		check_set(back, want);
		assert_int_equal(tranship_changes_size(back), INT64_MAX);
		assert_string_equal(tranship_changes_origin(back), tranship_changes_origin(set));
		assert_string_equal(tranship_changes_base_id(back), tranship_changes_base_id(set));
		assert_string_equal(tranship_changes_target_id(back), "B/2");
		assert_int_equal(tranship_changes_write(set, put_none, NULL, &err),
				 TRANSHIP_ECANCELED);
		free(want);
		buffer_free(&text);
		tranship_changes_free(set);
		tranship_changes_free(back);
	}
}

static void test_write__odd_ids(void **state)
{
	struct tranship_changes *set, *back;
	struct tranship_changes_options own = { 0 };
	struct buffer text = { 0 };
	struct tranship_error err;

	(void)state;
	assert_ok(tranship_changes_new(5, &set, &err), &err);
	assert_ok(tranship_changes_set_ids(set, "a\"b\\c\n\xC3\xA9", "", &err), &err);
	assert_ok(tranship_changes_write(set, put_buffer, &text, &err), &err);
	assert_ok(read_text(text.bytes, text.len, &own, &back, &err), &err);
	assert_string_equal(tranship_changes_base_id(back), "a\"b\\c\n\xC3\xA9");
	tranship_changes_free(back);
	assert_ok(tranship_changes_set_ids(set, "\xFF", "", &err), &err);
	assert_fails(tranship_changes_write(set, put_buffer, &text, &err), TRANSHIP_EINVAL, &err,
		     "no UTF-8");
	buffer_free(&text);
	tranship_changes_free(set);
}

/* A list of a few MiB that is in no order, and the memory that it takes. */
static void test_import__long_list(void **state)
{
	struct tranship_changes_options options = { .format = "rbd", .size = (uint64_t)1 << 40 };
	struct buffer text = { 0 };
	struct tranship_changes *set;
	struct tranship_error err;
	struct tranship_file *file;
	struct heap_seen seen;
	unsigned i, n = 100000;
	int rc;

	(void)state;
	for (i = 0; i < n; i++)
		assert_ok(buffer_printf(&text, &err,
					"%s{\"offset\":%u,\"length\":4096,\"exists\":\"true\"}",
					i ? "," : "[", (i * 7919U % n) * 8192U),
			  &err);
	assert_ok(buffer_printf(&text, &err, "]"), &err);
	file = file_of(text.bytes, text.len);
	buffer_free(&text);
	heap_watch(0, false);
	rc = tranship_changes_read(file, &options, &set, &err);
	seen = heap_unwatch();
	assert_ok(rc, &err);
	assert_int_equal(tranship_changes_count(set), n);
	assert_int_equal(tranship_changes_bytes(set), n * 4096);
	assert_true(seen.largest <= (4U << 20));
	tranship_changes_free(set);
	tranship_file_close(file);
}

/* One object of more than may be held. */
static void test_import__long_object(void **state)
{
	struct tranship_changes_options options = { .format = "rct", .size = 100 };
	size_t len = ((size_t)8 << 20) + 100;
	char *text = malloc(len);
	struct tranship_changes *set;
	struct tranship_error err;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	text[0] = '{';
	assert_fails(read_text(text, len, &options, &set, &err), TRANSHIP_ELIMIT, &err,
		     "longer than 8 MiB");
	free(text);
}

/* A file of zeros without end. */
static int read_spaces(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	(void)ctx, (void)off, (void)err;
	memset(buf, ' ', len);
	return 0;
}

static void test_import__long_file(void **state)
{
	static const struct tranship_file_ops ops = { .read = read_spaces };
	static const char *const formats[] = { "tranship", "vmware", "azure", "rct" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(formats); i++) {
		struct tranship_changes_options options = { .format = formats[i], .size = 100 };
		struct tranship_changes *set;
		struct tranship_error err;
		struct tranship_file *file;

		assert_ok(tranship_file_new(&ops, NULL, (uint64_t)1 << 40, &file, &err), &err);
		assert_fails(tranship_changes_read(file, &options, &set, &err), TRANSHIP_ELIMIT,
			     &err, "longer than 256 MiB");
		tranship_file_close(file);
	}
}

static void test_open__pipe(void **state)
{
	static const char text[] = "[{\"offset\":0,\"length\":1,\"exists\":\"true\"}]";
	struct tranship_changes_options options = { .format = "rbd", .size = 100 };
	struct tranship_changes *set;
	struct tranship_error err;
	int ends[2], saved = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	assert_ok(tranship_changes_open("-", &options, &set, &err), &err);
	check_set(set, "0+1");
	tranship_changes_free(set);
	/* Standard input is still open, and at its end. */
	assert_fails(tranship_changes_open("-", &options, &set, &err), TRANSHIP_ECORRUPT, &err,
		     "ends behind element 0");
	assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	close(saved);
}

#if HEAP_WATCHED
void *__libc_malloc(size_t size);
void __libc_free(void *p);
/*
 * jansson 2.14 passes over it where the text of a token cannot grow (lex_save in its load.c), and
 * then reads behind its end: so its memory never runs out here.
 */
static void spare_jansson(void)
{
	json_set_alloc_funcs(__libc_malloc, __libc_free);
}
#else
static void spare_jansson(void)
{
}
#endif

/* Whatever allocation fails: a code, nothing leaks, and never a set that lacks something. */
static void sweep_memory(const struct example *e)
{
	struct tranship_changes_options options = options_of(e);
	size_t len;
	unsigned char *text = read_path(data_path(e->file), &len);
	struct tranship_file *file = file_of(text, len);
	unsigned long nth;

	free(text);
	for (nth = 1; HEAP_WATCHED; nth++) {
		struct tranship_changes *set = NULL;
		struct tranship_error err;
		struct heap_seen seen;
		int rc;

		heap_watch(nth, nth % 2);
		rc = tranship_changes_read(file, &options, &set, &err);
		seen = heap_unwatch();
		if (rc == 0)
			check_set(set, e->set);
		else
			assert_int_equal(seen.held, 0);
		tranship_changes_free(set);
		if (!seen.failed) {
			assert_ok(rc, &err);
			break;
		}
		if (rc && rc != TRANSHIP_ENOMEM)
			fail_msg("%s, allocation %lu: %s", e->file, nth, err.message);
	}
	tranship_file_close(file);
}

static void test_import__no_memory(void **state)
{
	size_t i;

	(void)state;
	spare_jansson();
	for (i = 0; i < COUNT_OF(good); i++)
		sweep_memory(&good[i]);
}

static void test_import__no_reading(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++) {
		struct tranship_changes_options options = options_of(&good[i]);
		unsigned char *text = read_path(data_path(good[i].file), &len);
		struct faults faults = { .fail_read = 1 };
		struct tranship_file *file = faulty_over(file_of(text, len), &faults);
		struct tranship_changes *set;
		struct tranship_error err;

		assert_fails(tranship_changes_read(file, &options, &set, &err), TRANSHIP_EIO, &err,
			     FAULT_MESSAGE);
		tranship_file_close(file);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import__examples),
		cmocka_unit_test(test_import__refused_examples),
		cmocka_unit_test(test_import__cut_anywhere),
		cmocka_unit_test(test_import__flipped_anywhere),
		cmocka_unit_test(test_import__hostile),
		cmocka_unit_test(test_ebs__pages),
		cmocka_unit_test(test_xml__documents_across_buffers),
		cmocka_unit_test(test_xml__long_comment),
		cmocka_unit_test(test_import__ids),
		cmocka_unit_test(test_write__reads_back),
		cmocka_unit_test(test_write__odd_ids),
		cmocka_unit_test(test_import__long_list),
		cmocka_unit_test(test_import__long_object),
		cmocka_unit_test(test_import__long_file),
		cmocka_unit_test(test_open__pipe),
		cmocka_unit_test(test_import__no_memory),
		cmocka_unit_test(test_import__no_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
