// SPDX-License-Identifier: Apache-2.0
/* VMDKs that are changed where they stand: what they hold, their size, their parent. */
#include "changed_vmdk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "vmdk/vmdk_descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_write__reads_back(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++) {
		unsigned char *content = content_new(SIZE);
		const char *path = make(state, &kinds[k], content, SIZE);

		scribble(path, content, SIZE, 5);
		expect(path, &layer, content, SIZE, false);
		scribble(path, content, SIZE, 6);
		expect(path, &layer, content, SIZE, false);
		free(content);
	}
}

/* Up and down through odd sizes; what was written in between is there as long as it fits, and what
 * was cut does not come back. */
static void test_resize__keeps_the_content(void **state)
{
	static const size_t sizes[] = { SIZE + 512,  22 * GRAIN,        40 * GRAIN + 512,
					512 * GRAIN, 513 * GRAIN,       LARGE,
					512 * GRAIN, 30 * GRAIN + 1536, 31 * GRAIN,
					600 * GRAIN, 33 * GRAIN,        LARGE };
	size_t k, i, size;

	for (k = 0; k < COUNT_OF(kinds); k++) {
		unsigned char *content = content_new(SIZE);
		const char *path = make(state, &kinds[k], content, SIZE);
		struct tranship_check_result before, after;
		struct tranship_error err;

		for (i = 0, size = SIZE; i < COUNT_OF(sizes); i++) {
			bool smaller = sizes[i] < size;

			if (smaller) { /* it must be zeros */
				struct modified m;

				open_it(path, &m);
				assert_ok(m.disk->ops->modify->zero(m.disk, sizes[i],
								    size - sizes[i], &err),
					  &err);
				assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
				modify_close(&m);
				memset(content + sizes[i], 0, size - sizes[i]);
				assert_fails(tranship_resize(path, &layer, sizes[i], 0, &err),
					     TRANSHIP_EINVAL, &err, "must be asked for");
			}
			assert_ok(tranship_resize(path, &layer, sizes[i],
						  smaller ? TRANSHIP_RESIZE_SHRINK : 0, &err),
				  &err);
			size = sizes[i];
			expect(path, &layer, content, size, true);
			scribble(path, content, size, 100 + i);
			expect(path, &layer, content, size, true);
			if (i % 3 == 2) {
				assert_ok(tranship_repair(path, &layer, TRANSHIP_REPAIR_LEAKS, NULL,
							  NULL, &before, &after, NULL, &err),
					  &err);
				expect(path, &layer, content, size, false);
			}
		}
		free(content);
	}
}

/* What a file has behind the end of the disk, in its last grain or behind it, is not seen. */
static void test_resize__over_what_was_there(void **state)
{
	unsigned char *content = content_new(LARGE), *bytes;
	struct tranship_error err;
	const char *path, *file;
	size_t size, k;

	memset(content + SIZE - 512, 7, 512); /* the last grain is there */
	memset(content + SIZE, 0, LARGE - SIZE);
	for (k = 0; k < 2; k++) {
		path = make(state, &kinds[k ? 1 : 4], content, SIZE);
		file = k ? path_in(*state, "a-flat.vmdk") : path;
		bytes = read_path(file, &size);
		bytes = realloc(bytes, size + GRAIN);
		assert_non_null(bytes);
		memset(bytes + size - (k ? 0 : 512), 0xEE, GRAIN);
		write_path(file, bytes, k ? size + GRAIN : size);
		free(bytes);
		expect(path, &layer, content, SIZE, false);
		assert_ok(tranship_resize(path, &layer, LARGE, 0, &err), &err);
		expect(path, &layer, content, LARGE, false);
	}
	free(content);
}

/* The descriptor says the size, and the geometry that follows. */
static void test_resize__in_the_descriptor(void **state)
{
	unsigned char *content = content_new(SIZE), *bytes;
	const char *path = make(state, &kinds[4], content, SIZE), *text;
	struct tranship_error err;
	size_t size;

	assert_ok(tranship_resize(path, &layer, LARGE, 0, &err), &err);
	bytes = read_path(path, &size);
	text = (const char *)bytes + 512;
	assert_non_null(strstr(text, "\nRW 5601 SPARSE \"a.vmdk\"\n"));
	assert_non_null(strstr(text, "\nddb.geometry.cylinders = \"5\"\n"));
	assert_non_null(strstr(text, "\nCID=0a1b2c3d\n"));
	assert_int_equal(get_le64(bytes + 12), 5601);
	free(bytes);
	free(content);
}

static void test_resize__refuses(void **state)
{
	static const struct {
		const char *options;
		uint64_t size;
		int code;
		const char *piece;
	} rows[] = {
		{ "subformat=monolithicSparse", ((uint64_t)62 << 40) + 1, TRANSHIP_ELIMIT,
		  "vhdx goes to 64 TiB" },
		{ "subformat=monolithicFlat", ((uint64_t)62 << 40) + 1, TRANSHIP_ELIMIT, "62 TiB" },
		{ "subformat=twoGbMaxExtentSparse", (uint64_t)2 << 30, TRANSHIP_EUNSUPPORTED,
		  "twoGbMaxExtentSparse grows in place to the end of its last file, 2146435072" },
		{ "subformat=twoGbMaxExtentFlat", (uint64_t)2 << 30, TRANSHIP_EUNSUPPORTED,
		  "convert it instead" },
		{ "subformat=streamOptimized", 1 << 20, TRANSHIP_EUNSUPPORTED,
		  "cannot be changed in place" },
	};
	unsigned char *content = content_new(SIZE);
	struct tranship_error err;
	const char *path;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		struct changed_kind kind = { .options = rows[i].options };

		path = make(state, &kind, content, SIZE);
		assert_fails(tranship_resize(path, &layer, rows[i].size, 0, &err), rows[i].code,
			     &err, rows[i].piece);
		expect(path, &layer, content, SIZE, false);
	}
	path = make(state, &kinds[2], content, SIZE);
	assert_fails(tranship_resize(path_in(*state, "a-s001.vmdk"), &layer, LARGE, 0, &err),
		     TRANSHIP_EUNSUPPORTED, &err, "it is one extent of a disk");
	free(content);
}

/* Over two files: only the last one changes. */
static void test_resize__of_the_last_extent(void **state)
{
	static const char *const options[] = { "subformat=twoGbMaxExtentSparse",
					       "subformat=twoGbMaxExtentFlat" };
	uint64_t piece = (uint64_t)4192256 * 512;
	struct tranship_disk *disk;
	struct tranship_error err;
	size_t i;

	for (i = 0; i < COUNT_OF(options); i++) {
		struct tranship_create_options create = { .format = "vmdk",
							  .size = piece + 4096,
							  .options = options[i] };
		const char *path = path_in(*state, "a.vmdk");
		struct tranship_writer *writer;

		assert_ok(tranship_create(path, &create, &writer, &err), &err);
		assert_ok(tranship_writer_zero(writer, 0, piece + 4096, &err), &err);
		assert_ok(tranship_writer_finish(writer, &err), &err);
		tranship_writer_close(writer);
		assert_ok(tranship_resize(path, &layer, 2 * piece, 0, &err), &err);
		assert_ok(tranship_resize(path, &layer, piece + 512, TRANSHIP_RESIZE_SHRINK, &err),
			  &err);
		assert_fails(tranship_resize(path, &layer, piece, TRANSHIP_RESIZE_SHRINK, &err),
			     TRANSHIP_EUNSUPPORTED, &err, "only the last of 2 extents");
		assert_ok(tranship_open(path, &layer, &disk, &err), &err);
		assert_int_equal(tranship_disk_size(disk), piece + 512);
		tranship_disk_close(disk);
	}
}

static void assert_ids(const char *path, const char *identity, const char *parent, const char *hint)
{
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	if (identity)
		assert_string_equal(tranship_disk_identity(disk), identity);
	if (parent)
		assert_string_equal(tranship_disk_parent_identity(disk), parent);
	else
		assert_null(tranship_disk_parent_identity(disk));
	if (hint)
		assert_string_equal(tranship_disk_parent_hint(disk, 0), hint);
	tranship_disk_close(disk);
}

static void test_renew_and_relink(void **state)
{
	static const size_t which[] = { 0, 2, 4 };
	size_t k;

	for (k = 0; k < COUNT_OF(which); k++) {
		struct base_info base = { .identity = "89abcdef", .relative = "up/b.vmdk" };
		unsigned char *content = content_new(SIZE);
		const char *path = make(state, &kinds[which[k]], content, SIZE);
		const struct modify_ops *ops;
		char identity[DISK_IDENTITY_SIZE];
		struct tranship_error err;
		struct modified m;
		struct idgen ids;

		assert_ok(idgen_init(&ids, "77", &err), &err);
		open_it(path, &m);
		ops = m.disk->ops->modify;
		strcpy(identity, m.disk->identity);
		assert_ok(ops->renew(m.disk, &ids, &err), &err);
		assert_string_not_equal(m.disk->identity, identity);
		strcpy(identity, m.disk->identity);
		assert_ok(ops->relink(m.disk, &base, &err), &err);
		modify_close(&m);
		assert_ids(path, identity, "89abcdef", "up/b.vmdk");

		open_it(path, &m);
		base = (struct base_info){ .identity = "01234567" };
		assert_ok(ops->relink(m.disk, &base, &err), &err);
		modify_close(&m);
		assert_ids(path, identity, "01234567", "up/b.vmdk");

		open_it(path, &m);
		base.identity = "xyz";
		assert_fails(ops->relink(m.disk, &base, &err), TRANSHIP_EMISMATCH, &err, "no CID");
		assert_ok(ops->relink(m.disk, NULL, &err), &err);
		modify_close(&m);
		assert_ids(path, identity, NULL, NULL);
		expect(path, &layer, content, SIZE, false);
		free(content);
	}
}

static void test_relink__what_does_not_fit(void **state)
{
	static char path_text[4000];
	struct base_info base = { .identity = "89abcdef", .relative = path_text };
	unsigned char *content = content_new(SIZE);
	const char *path = make(state, &kinds[4], content, SIZE);
	struct tranship_error err;
	struct modified m;

	memset(path_text, 'a', sizeof(path_text) - 1);
	open_it(path, &m);
	assert_fails(m.disk->ops->modify->relink(m.disk, &base, &err), TRANSHIP_ELIMIT, &err,
		     "there is room for");
	modify_close(&m);
	assert_ids(path, "0a1b2c3d", NULL, NULL);
	path = make(state, &kinds[1], content, SIZE);
	open_it(path, &m);
	base.relative = "b.vmdk";
	assert_fails(m.disk->ops->modify->relink(m.disk, &base, &err), TRANSHIP_EUNSUPPORTED, &err,
		     "a flat extent");
	modify_close(&m);
	free(content);
}

/* A child over a.vmdk, in which some grains are put and some are zeros; `content` becomes the
 * chain's. */
static const char *make_child(void **state, const char *parent, const char *options,
			      unsigned char *content, size_t size)
{
	const char *path = path_in(*state, "child.vmdk"), *slash = strrchr(parent, '/');
	struct tranship_create_options create = {
		.format = "vmdk", .size = size, .options = options, .base_hint = slash + 1
	};
	struct tranship_disk *base;
	struct tranship_writer *writer;
	struct tranship_error err;
	struct rng rng = { 9 };
	uint64_t at, n;

	assert_ok(tranship_open(parent, &chain, &base, &err), &err);
	create.base = base;
	assert_ok(tranship_create(path, &create, &writer, &err), &err);
	for (at = 0; at < size; at += n) {
		uint64_t what = (at >> 16) % 3;

		n = min_u64(65536, size - at);
		if (what == 0) {
			assert_ok(tranship_writer_skip(writer, at, n, &err), &err);
			continue;
		}
		memset(content + at, 0, n);
		if (what == 1)
			rng_fill(&rng, content + at, n);
		assert_ok(what == 1 ? tranship_writer_put(writer, at, content + at, n, &err)
				    : tranship_writer_zero(writer, at, n, &err),
			  &err);
	}
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(base);
	return path;
}

#define CHAIN (10 * 65536 + 1536)

static const char *const children[] = { NULL, "subformat=twoGbMaxExtentSparse",
					"zeroed_grain=off" };

static void test_commit__into_each_kind(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(kinds); k++) {
		unsigned char *content = content_new(CHAIN);
		const char *parent = make(state, &kinds[k], content, CHAIN - 65536);
		struct tranship_error err;
		const char *child;

		memset(content + CHAIN - 65536, 0, 65536); /* the parent is shorter */
		child = make_child(state, parent, children[k % 3], content, CHAIN);
		expect(child, &chain, content, CHAIN, false);
		assert_ok(tranship_commit(child, &chain, NULL, 0, NULL, &err), &err);
		expect(parent, &chain, content, CHAIN, false);
		expect(child, &chain, content, CHAIN, false);
		free(content);
	}
}

/* A child of a child gets into its parent, which is a delta link, too: whole grains. */
static void test_commit__into_a_link(void **state)
{
	unsigned char *content = content_new(CHAIN);
	const char *base = make(state, &kinds[0], content, CHAIN), *child, *grandchild;
	struct tranship_error err;
	size_t size;
	unsigned char *bytes;

	child = make_child(state, base, "zeroed_grain=off", content, CHAIN);
	bytes = read_path(child, &size);
	write_path(path_in(*state, "middle.vmdk"), bytes, size);
	free(bytes);
	grandchild = make_child(state, path_in(*state, "middle.vmdk"), NULL, content, CHAIN);
	expect(grandchild, &chain, content, CHAIN, false);
	assert_ok(tranship_commit(grandchild, &chain, NULL, 0, NULL, &err), &err);
	expect(path_in(*state, "middle.vmdk"), &chain, content, CHAIN, false);
	expect(grandchild, &chain, content, CHAIN, false);
	free(content);
}

/* Lives until the next call. */
static const char *identity_of(const char *path)
{
	static char identity[DISK_IDENTITY_SIZE];
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path, &layer, &disk, &err), &err);
	strcpy(identity, tranship_disk_identity(disk));
	tranship_disk_close(disk);
	return identity;
}

/* To another parent, to none, and a disk that stood alone to a parent. */
static void test_rebase__keeps_the_content(void **state)
{
	size_t k;

	for (k = 0; k < COUNT_OF(children); k++) {
		unsigned char *content = content_new(CHAIN), *other = malloc(CHAIN), *bytes;
		const char *parent, *child;
		struct tranship_error err;
		size_t size;

		assert_non_null(other);
		memset(other, 0xFF, CHAIN);
		parent = make(state, &kinds[0], other, CHAIN);
		bytes = read_path(parent, &size);
		write_path(path_in(*state, "other.vmdk"), bytes, size);
		free(bytes);
		parent = make(state, &kinds[0], content, CHAIN);
		child = make_child(state, parent, children[k], content, CHAIN);
		assert_ok(tranship_rebase(child, &chain, "other.vmdk", 0, NULL, &err), &err);
		assert_ids(child, NULL, identity_of(path_in(*state, "other.vmdk")), "other.vmdk");
		expect(child, &chain, content, CHAIN, false);
		assert_ok(tranship_rebase(child, &chain, NULL, 0, NULL, &err), &err);
		assert_ids(child, NULL, NULL, NULL);
		expect(child, &chain, content, CHAIN, false);
		assert_ok(tranship_rebase(child, &chain, "other.vmdk", 0, NULL, &err), &err);
		expect(child, &chain, content, CHAIN, false);
		parent = make(state, &kinds[0], content, CHAIN);
		assert_ok(tranship_rebase(parent, &chain, "other.vmdk", 0, NULL, &err), &err);
		expect(parent, &chain, content, CHAIN, false);
		free(other);
		free(content);
	}
}

static void test_write__a_part_of_the_parents_grain(void **state)
{
	unsigned char *content = content_new(CHAIN), bytes[512] = { 1 };
	const char *parent = make(state, &kinds[0], content, CHAIN);
	const char *child = make_child(state, parent, NULL, content, CHAIN);
	struct tranship_error err;
	struct modified m;

	open_it(child, &m);
	assert_fails(m.disk->ops->modify->write(m.disk, 512, bytes, 512, &err), TRANSHIP_EINVAL,
		     &err, "a part of one cannot be written");
	assert_fails(m.disk->ops->modify->zero(m.disk, 512, 512, &err), TRANSHIP_EINVAL, &err,
		     "are the parent's");
	assert_ok(m.disk->ops->modify->write(m.disk, 65536 + 512, bytes, 512, &err), &err);
	memcpy(content + 65536 + 512, bytes, 512);
	assert_ok(m.disk->ops->modify->flush(m.disk, &err), &err);
	modify_close(&m);
	expect(child, &chain, content, CHAIN, false);
	free(content);
}

static void edit(const char *text, const struct vmdk_edits *edits, int code, const char *want)
{
	struct buffer out = { 0 };
	struct tranship_error err;
	int rc = vmdk_descriptor_edit(text, strlen(text), edits, &out, &err);

	if (code) {
		assert_fails(rc, code, &err, want);
	} else {
		assert_ok(rc, &err);
		assert_int_equal(buffer_append(&out, "", 1, &err), 0);
		assert_string_equal((char *)out.bytes, want);
	}
	buffer_free(&out);
}

static void test_descriptor_edit__lines(void **state)
{
	struct vmdk_edits cid = { .new_cid = true, .cid = 0xabc };
	struct vmdk_edits alone = { .new_parent = true, .parent_cid = VMDK_NO_PARENT, .hint = "" };
	struct vmdk_edits same_place = { .new_parent = true, .parent_cid = 7 };
	struct vmdk_edits moved = { .new_parent = true, .parent_cid = 7, .hint = "\xc3\xa4.vmdk" };
	struct vmdk_edits size = { .extent = 2, .sectors = 99, .capacity = 5000 };

	(void)state;
	edit("CID=1\r\n# CID=2\r\nx", &cid, 0, "CID=00000abc\r\n# CID=2\r\nx");
	edit(" cid = \"1\" \nddb.longContentID = \"1\"", &cid, 0,
	     " cid = \"00000abc\" \nddb.longContentID = \"1\"");
	edit("version=1\n", &cid, TRANSHIP_EUNSUPPORTED, "has no CID");
	edit("CID=1", &same_place, 0, "CID=1\nparentCID=00000007\n");
	edit("parentCID=5\nCID=1\r\nparentFileNameHint=\"a\"\n", &same_place, 0,
	     "CID=1\r\nparentCID=00000007\r\nparentFileNameHint=\"a\"\n");
	edit("CID=1\nparentCID=5\nparentFileNameHint=\"a\"\nz\n", &alone, 0,
	     "CID=1\nparentCID=ffffffff\nz\n");
	edit("CID=1\nparentFileNameHint=\"a\"\nencoding=\"utf-8\"", &moved, 0,
	     "CID=1\nparentCID=00000007\nparentFileNameHint=\"\xc3\xa4.vmdk\"\nencoding=\"utf-8\"");
	edit("CID=1\nencoding=\"windows-1252\"", &moved, TRANSHIP_EUNSUPPORTED, "not ASCII");
	edit("RW 5 FLAT \"a\" 0\n\trdonly  7 FLAT \"b\"\r\nRW 8 X", &size, 0,
	     "RW 5 FLAT \"a\" 0\n\trdonly  99 FLAT \"b\"\r\nRW 8 X");
	edit("ddb.geometry.cylinders=\"1\"\nddb.geometry.heads=\"5\"\nddb.geometry.sectors=\"10\"",
	     &size, 0,
	     "ddb.geometry.cylinders=\"100\"\nddb.geometry.heads=\"5\"\n"
	     "ddb.geometry.sectors=\"10\"");
	edit("ddb.geometry.cylinders=\"1\"\nddb.geometry.heads=\"0\"", &size, 0,
	     "ddb.geometry.cylinders=\"1\"\nddb.geometry.heads=\"0\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_write__reads_back),
		IN_FOLDER(test_resize__keeps_the_content),
		IN_FOLDER(test_resize__over_what_was_there),
		IN_FOLDER(test_resize__in_the_descriptor),
		IN_FOLDER(test_resize__refuses),
		IN_FOLDER(test_resize__of_the_last_extent),
		IN_FOLDER(test_renew_and_relink),
		IN_FOLDER(test_relink__what_does_not_fit),
		IN_FOLDER(test_commit__into_each_kind),
		IN_FOLDER(test_commit__into_a_link),
		IN_FOLDER(test_rebase__keeps_the_content),
		IN_FOLDER(test_write__a_part_of_the_parents_grain),
		cmocka_unit_test(test_descriptor_edit__lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
