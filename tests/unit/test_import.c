// SPDX-License-Identifier: Apache-2.0
/* Lists of changes: the examples in tests/data/changes, whole, cut and broken, and what they have
 * in common. */
#include "change_list.h"

#include "faulty.h"
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
		list_check(set, good[i].set);
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
			int rc = list_read(text, at, &options, &set, &err);

			/* Once it is whole only white space follows. */
			assert_false(whole && rc);
			whole = rc == 0;
			if (rc == 0)
				list_check(set, good[i].set);
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
				rc = list_read(text, len, &options, &set, &err);
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

static int read_ids(const char *base, const char *target, struct tranship_changes **set,
		    struct tranship_error *err)
{
	static const char text[] =
		"[{\"format\":\"tranship-changes\",\"version\":1,\"size\":7,\"base-id\":\"A\"},"
		"{\"end\":true,\"ranges\":0,\"bytes\":0}]";
	struct tranship_changes_options options = { .base_id = base, .target_id = target };

	return list_read(text, sizeof(text) - 1, &options, set, err);
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
	list_check(set, "0+1");
	tranship_changes_free(set);
	/* Standard input is still open, and at its end. */
	assert_fails(tranship_changes_open("-", &options, &set, &err), TRANSHIP_ECORRUPT, &err,
		     "before element 1");
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
			list_check(set, e->set);
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
		cmocka_unit_test(test_import__ids),
		cmocka_unit_test(test_import__long_list),
		cmocka_unit_test(test_import__long_file),
		cmocka_unit_test(test_open__pipe),
		cmocka_unit_test(test_import__no_memory),
		cmocka_unit_test(test_import__no_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
