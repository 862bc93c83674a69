// SPDX-License-Identifier: Apache-2.0
/* Delta links opened with their parents: what is read of which, and what is refused. */
#include "support.h"

#include "image_vmdk.h"
#include "image_vmfs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GRAIN 4096U
#define DISK (24 * GRAIN)
#define HALF (DISK / 2)

#define DESCRIPTOR(cid, parent) \
	"# Disk DescriptorFile\nversion=1\nCID=" cid "\nparentCID=" parent "\n"
#define BASE DESCRIPTOR("89abcdef", "ffffffff")
#define CHILD DESCRIPTOR("0a1b2c3d", "89abcdef") "parentFileNameHint=\"base.vmdk\"\n"
#define WHOLE "RW 192 SPARSE \"x.vmdk\"\n"

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

/* The base has other holes than the child; `both` is what the chain reads as. */
static unsigned char base[DISK], child[DISK], both[DISK];

static int make_content(void **state)
{
	struct rng rng = { 83 };
	size_t i;

	(void)state;
	for (i = 0; i < DISK / GRAIN; i++) {
		if (i % 3)
			rng_fill(&rng, base + i * GRAIN, GRAIN);
		if (i % 4 < 2)
			rng_fill(&rng, child + i * GRAIN, GRAIN);
		memcpy(both + i * GRAIN, (i % 4 < 2 ? child : base) + i * GRAIN, GRAIN);
	}
	return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
	write_path(path_in(folder, name), text, strlen(text));
}

static void write_out(const char *folder, const char *name, struct buffer *out, int rc)
{
	assert_int_equal(rc, 0);
	write_path(path_in(folder, name), out->bytes, out->len);
	buffer_free(out);
}

static void write_sparse(const char *folder, const char *name, const char *descriptor,
			 uint32_t flags, const unsigned char *content, size_t size)
{
	struct image_vmdk image = image_vmdk_defaults();
	struct buffer out = { 0 };

	image.descriptor = descriptor;
	image.flags |= flags;
	image.version = flags & VMDK_FLAG_COMPRESSED ? 3 : 1;
	image.footer = flags & VMDK_FLAG_COMPRESSED;
	write_out(folder, name, &out, image_vmdk(&image, content, size, &out));
}

static void write_cowd(const char *folder, const char *name, const unsigned char *content)
{
	struct image_cowd image = image_cowd_defaults();
	struct buffer out = { 0 };

	image.grain_sectors = 8;
	write_out(folder, name, &out, image_cowd(&image, content, DISK, &out));
}

static void write_sesparse(const char *folder, const char *name, enum vmdk_sesparse_grain hole,
			   const unsigned char *content)
{
	struct image_sesparse image = image_sesparse_defaults();
	struct buffer out = { 0 };

	image.hole = hole;
	write_out(folder, name, &out, image_sesparse(&image, content, DISK, &out));
}

/* Opens FOLDER/disk.vmdk, reads all of it and compares. */
static void assert_reads(const char *folder, unsigned flags, const char *const *parents,
			 uint32_t layers, const unsigned char *want)
{
	struct tranship_open_options options = { .policy = &beside,
						 .flags = flags,
						 .parents = parents,
						 .parent_count = parents ? 1 : 0 };
	static unsigned char back[DISK];
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open(path_in(folder, "disk.vmdk"), &options, &disk, &err), &err);
	assert_int_equal(tranship_disk_size(disk), DISK);
	assert_int_equal(tranship_disk_layer_count(disk), layers);
	assert_ok(tranship_disk_read(disk, NULL, 0, back, DISK, &err), &err);
	assert_memory_equal(back, want, DISK);
	tranship_disk_close(disk);
}

/* Fails with this code and says both. */
static void assert_refused(const char *folder, unsigned flags, const char *const *parents, int code,
			   const char *piece, const char *other)
{
	struct tranship_open_options options = { .policy = &beside,
						 .flags = flags,
						 .parents = parents,
						 .parent_count = parents ? 1 : 0 };
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned before = count_descriptors();

	assert_fails(tranship_open(path_in(folder, "disk.vmdk"), &options, &disk, &err), code, &err,
		     piece);
	assert_fails(code, code, &err, other);
	assert_null(disk);
	assert_int_equal(count_descriptors(), before);
}

static void test_chain__sparse_over_sparse(void **state)
{
	write_sparse(*state, "base.vmdk", BASE "createType=\"monolithicSparse\"\n" WHOLE, 0, base,
		     DISK);
	write_sparse(*state, "disk.vmdk", CHILD "createType=\"monolithicSparse\"\n" WHOLE, 0, child,
		     DISK);
	assert_reads(*state, 0, NULL, 2, both);
}

/* Its extents end where its parent's do not. */
static void test_chain__split_over_sparse(void **state)
{
	write_sparse(*state, "base.vmdk", BASE WHOLE, 0, base, DISK);
	write_sparse(*state, "disk-s001.vmdk", NULL, 0, child, HALF - GRAIN);
	write_sparse(*state, "disk-s002.vmdk", NULL, 0, child + HALF - GRAIN, HALF + GRAIN);
	write_text(*state, "disk.vmdk",
		   CHILD "createType=\"twoGbMaxExtentSparse\"\nRW 88 SPARSE \"disk-s001.vmdk\"\n"
			 "RW 104 SPARSE \"disk-s002.vmdk\"\n");
	assert_reads(*state, 0, NULL, 2, both);
}

static void test_chain__vmfs_sparse_over_flat(void **state)
{
	write_path(path_in(*state, "base-flat.vmdk"), base, DISK);
	write_text(*state, "base.vmdk",
		   BASE "createType=\"vmfs\"\nRW 192 VMFS \"base-flat.vmdk\"\n");
	write_cowd(*state, "disk-delta.vmdk", child);
	write_text(*state, "disk.vmdk",
		   CHILD "createType=\"vmfsSparse\"\nRW 192 VMFSSPARSE \"disk-delta.vmdk\"\n");
	assert_reads(*state, 0, NULL, 2, both);
}

/* A packed one, in place and by the walk over its markers. */
static void test_chain__stream_over_sparse(void **state)
{
	write_sparse(*state, "base.vmdk", BASE WHOLE, 0, base, DISK);
	write_sparse(*state, "disk.vmdk", CHILD "createType=\"streamOptimized\"\n" WHOLE,
		     VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS, child, DISK);
	assert_reads(*state, 0, NULL, 2, both);
	assert_reads(*state, TRANSHIP_OPEN_SALVAGE, NULL, 2, both);
}

/* What the guest unmapped hides what the parents have; a link over a link, each of another kind. */
static void test_chain__of_three(void **state)
{
	static unsigned char want[DISK];
	size_t i;

	for (i = 0; i < DISK; i += GRAIN)
		memcpy(want + i, (i / GRAIN % 3 ? base : both) + i, GRAIN);
	write_sparse(*state, "root.vmdk", DESCRIPTOR("00000001", "ffffffff") WHOLE, 0, base, DISK);
	write_cowd(*state, "base-delta.vmdk", child);
	write_text(*state, "base.vmdk",
		   DESCRIPTOR("89abcdef", "00000001") "parentFileNameHint=\"root.vmdk\"\n"
						      "RW 192 VMFSSPARSE \"base-delta.vmdk\"\n");
	write_sesparse(*state, "se", VMDK_SESPARSE_ABSENT, base);
	write_text(*state, "disk.vmdk", CHILD "RW 192 SESPARSE \"se\"\n");
	assert_reads(*state, 0, NULL, 3, want);
	write_sesparse(*state, "se", VMDK_SESPARSE_UNMAPPED, child);
	assert_reads(*state, 0, NULL, 3, child);
}

static void test_chain__with_the_wrong_parent(void **state)
{
	const char *parents[1];

	write_sparse(*state, "base.vmdk", DESCRIPTOR("12345678", "ffffffff") WHOLE, 0, base, DISK);
	write_sparse(*state, "other.vmdk", DESCRIPTOR("000000ab", "ffffffff") WHOLE, 0, base, DISK);
	write_sparse(*state, "disk.vmdk", CHILD WHOLE, 0, child, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_EMISMATCH, "wanted is 89abcdef", "is 12345678");
	parents[0] = path_in(*state, "other.vmdk");
	assert_refused(*state, 0, parents, TRANSHIP_EMISMATCH, "wanted is 89abcdef", "is 000000ab");
	/* A file without a descriptor, which has no CID. */
	write_sparse(*state, "base.vmdk", NULL, 0, base, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_EMISMATCH, "wanted is 89abcdef",
		       "without an identity");
}

static void test_chain__without_the_parent(void **state)
{
	write_sparse(*state, "disk.vmdk", CHILD WHOLE, 0, child, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_EIO, "the parent 89abcdef is needed", "base.vmdk");
	write_sparse(*state, "disk.vmdk", DESCRIPTOR("00000001", "89abcdef") WHOLE, 0, child, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_EMISMATCH, "the parent 89abcdef",
		       "does not say where");
	/* Above what the policy allows. */
	write_sparse(*state, "disk.vmdk",
		     DESCRIPTOR("1", "89abcdef") "parentFileNameHint=\"../base.vmdk\"\n" WHOLE, 0,
		     child, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_EDENIED, "the parent 89abcdef is needed",
		       "../base.vmdk");
}

static void test_chain__that_comes_back(void **state)
{
	write_sparse(*state, "disk.vmdk",
		     DESCRIPTOR("89abcdef", "89abcdef") "parentFileNameHint=\"disk.vmdk\"\n" WHOLE,
		     0, child, DISK);
	assert_refused(*state, 0, NULL, TRANSHIP_ECORRUPT, "comes back", "disk.vmdk");
}

/* In another folder; its extents are beside it, not beside the child. */
static void test_chain__with_a_named_parent(void **state)
{
	const char *folder = path_in(*state, "moved"), *flat = path_in(*state, "moved/flat"),
		   *parents[] = { path_in(*state, "moved/new.vmdk") };

	assert_int_equal(mkdir(folder, 0700), 0);
	write_path(flat, base, DISK);
	write_text(*state, "moved/new.vmdk", BASE "RW 192 FLAT \"flat\" 0\n");
	write_sparse(*state, "disk.vmdk", CHILD WHOLE, 0, child, DISK);
	assert_reads(*state, 0, parents, 2, both);
	assert_int_equal(remove(flat) | remove(parents[0]) | remove(folder), 0);
}

static void test_chain__hint_in_another_encoding(void **state)
{
	write_sparse(*state, "M\xc3\xbcller.vmdk", BASE WHOLE, 0, base, DISK);
	write_sparse(*state, "disk.vmdk",
		     DESCRIPTOR("1", "89abcdef") "encoding=\"windows-1252\"\n"
						 "parentFileNameHint=\"M\xfcller.vmdk\"\n" WHOLE,
		     0, child, DISK);
	assert_reads(*state, 0, NULL, 2, both);
}

static void test_chain__is_refused_by_strict_probing(void **state)
{
	write_sparse(*state, "base.vmdk", BASE WHOLE, 0, base, DISK);
	write_sparse(*state, "disk.vmdk", CHILD WHOLE, 0, child, DISK);
	assert_refused(*state, TRANSHIP_OPEN_STRICT, NULL, TRANSHIP_EDENIED, "'base.vmdk'",
		       "strict");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_chain__sparse_over_sparse),
		IN_FOLDER(test_chain__split_over_sparse),
		IN_FOLDER(test_chain__vmfs_sparse_over_flat),
		IN_FOLDER(test_chain__stream_over_sparse),
		IN_FOLDER(test_chain__of_three),
		IN_FOLDER(test_chain__with_the_wrong_parent),
		IN_FOLDER(test_chain__without_the_parent),
		IN_FOLDER(test_chain__that_comes_back),
		IN_FOLDER(test_chain__with_a_named_parent),
		IN_FOLDER(test_chain__hint_in_another_encoding),
		IN_FOLDER(test_chain__is_refused_by_strict_probing),
	};

	return cmocka_run_group_tests(tests, make_content, NULL);
}
