// SPDX-License-Identifier: Apache-2.0
/* What is saved where only a part of a chain, of a block or of an extent is there. */
#include "support.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"
#include "chain_files.h"
#include "image_vhdx.h"
#include "image_vmdk.h"
#include "vhdx/vhdx_ondisk.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 8
#define MIB ((size_t)1 << 20)

struct losses {
	size_t count;
	struct {
		uint64_t off, len;
	} range[RANGES_MAX];
	char why[RANGES_MAX][500];
};

static void lose(void *ctx, uint64_t off, uint64_t len, const char *why)
{
	struct losses *l = ctx;

	assert_true(len > 0 && *why && l->count < RANGES_MAX);
	l->range[l->count].off = off;
	l->range[l->count].len = len;
	strcpy(l->why[l->count++], why);
}

static const struct tranship_policy beside = { .kind = TRANSHIP_POLICY_BESIDE };

/* Saves it as raw on so many threads. malloc'ed. */
static unsigned char *save(const char *path, unsigned flags, unsigned threads, size_t *size,
			   struct losses *l)
{
	struct tranship_open_options how = { .policy = &beside,
					     .flags = flags | TRANSHIP_OPEN_SALVAGE };
	struct tranship_create_options create = { .format = "raw" };
	struct tranship_copy_options options = { .threads = threads, .lost = lose, .lost_ctx = l };
	struct tranship_file *out = file_of(NULL, 0);
	struct tranship_writer *writer;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char *back;

	*l = (struct losses){ 0 };
	assert_ok(tranship_open(path, &how, &disk, &err), &err);
	create.size = tranship_disk_size(disk);
	assert_ok(tranship_create_file(out, &create, &writer, &err), &err);
	assert_ok(tranship_copy(disk, writer, &options, &err), &err);
	assert_ok(tranship_writer_finish(writer, &err), &err);
	tranship_writer_close(writer);
	tranship_disk_close(disk);
	back = content_of(out, "raw", size);
	tranship_file_close(out);
	return back;
}

/* Saves it on one thread and on four: zeros in these ranges (the last one has no length), the
 * content everywhere else, the same words. */
static void assert_saves(const char *path, unsigned flags, const unsigned char *content,
			 size_t size, const uint64_t ranges[][2], const char *why)
{
	struct losses l[2];
	size_t i, sizes[2], at = 0;
	unsigned char *back[2];

	back[0] = save(path, flags, 1, &sizes[0], &l[0]);
	back[1] = save(path, flags, 4, &sizes[1], &l[1]);
	assert_int_equal(sizes[0], size);
	assert_int_equal(sizes[1], size);
	assert_memory_equal(back[0], back[1], size);
	assert_memory_equal(&l[0], &l[1], sizeof(l[0]));
	for (i = 0; i < l[0].count; i++) {
		size_t off = (size_t)l[0].range[i].off, len = (size_t)l[0].range[i].len;

		assert_int_equal(off, ranges[i][0]);
		assert_int_equal(len, ranges[i][1]);
		if (!strstr(l[0].why[i], why))
			fail_msg("'%s' is not in '%s'", why, l[0].why[i]);
		assert_memory_equal(back[0] + at, content + at, off - at);
		assert_true(bytes_are_zero(back[0] + off, len));
		at = off + len;
	}
	assert_int_equal(ranges[i][1], 0);
	assert_memory_equal(back[0] + at, content + at, size - at);
	free(back[0]);
	free(back[1]);
}

/* Without salvage it is refused, or cannot be read. */
static void assert_fails_without(const char *path, unsigned flags)
{
	struct tranship_open_options how = { .policy = &beside, .flags = flags };
	struct tranship_disk *disk;
	unsigned char *bytes;
	size_t size;
	int rc = tranship_open(path, &how, &disk, NULL);

	if (rc == 0) {
		size = (size_t)tranship_disk_size(disk);
		bytes = malloc(size);
		assert_non_null(bytes);
		rc = tranship_disk_read(disk, NULL, 0, bytes, size, NULL);
		free(bytes);
		tranship_disk_close(disk);
	}
	assert_int_not_equal(rc, 0);
}

static void patch(const char *path, size_t at, const void *bytes, size_t len)
{
	size_t size;
	unsigned char *image = read_path(path, &size);

	assert_true(range_ok(at, len, size));
	memcpy(image + at, bytes, len);
	write_path(path, image, size);
	free(image);
}

/* A child over a parent of the same format, of random bytes, but for what the child changed. */
static void make_chain(const char *folder, const char *format, unsigned char *content, size_t size,
		       size_t from, size_t to)
{
	struct chain_image image = { .format = format, .content = content, .size = size };
	struct rng rng = { 21 };

	rng_fill(&rng, content, size);
	image.path = path_in(folder, "base");
	chain_make(&image);
	rng_fill(&rng, content + from, to - from);
	image.base = image.path;
	image.hint = "base";
	image.path = path_in(folder, "child");
	chain_make(&image);
}

/* What a child has of a stretch that its parent lost is kept. */
static void test_salvage__child_of_a_damaged_vhd(void **state)
{
	static const uint64_t lost[][2] = { { 0, 1024 }, { 2048, 2048 }, { 20480, 4096 }, { 0 } };
	static unsigned char content[40960];
	size_t len, table;
	unsigned char *bytes;

	make_chain(*state, "vpc", content, sizeof(content), 1024, 2048);
	bytes = read_path(path_in(*state, "base"), &len);
	table = (size_t)get_be64(bytes + 512 + 16);
	free(bytes);
	patch(path_in(*state, "base"), table, "\x7f\xff\xff\xff", 4);
	patch(path_in(*state, "base"), table + 5 * 4, "\x7f\xff\xff\xff", 4);
	assert_saves(path_in(*state, "child"), 0, content, sizeof(content), lost, "vhd: BAT[");
	assert_fails_without(path_in(*state, "child"), 0);
}

static void test_salvage__child_of_a_damaged_vhdx(void **state)
{
	const size_t size = 3 * MIB;
	const uint64_t lost[][2] = { { 0, 4096 }, { 8192, MIB - 8192 }, { 0 } };
	unsigned char *content = malloc(size);
	unsigned char *bytes;
	size_t len, bat;

	assert_non_null(content);
	make_chain(*state, "vhdx", content, size, 4096, 8192);
	bytes = read_path(path_in(*state, "base"), &len);
	/* The first region of the first table. */
	bat = (size_t)get_le64(bytes + VHDX_REGION_TABLE_1 + VHDX_REGION_BAT + 16);
	free(bytes);
	patch(path_in(*state, "base"), bat + 4, "\xff\xff\xff\x7f", 4);
	assert_saves(path_in(*state, "child"), 0, content, size, lost, "vhdx: block 0 is said");
	assert_fails_without(path_in(*state, "child"), 0);
	free(content);
}

/* A child's grain is all or nothing, and smaller than what a table of its parent stands for. */
static void test_salvage__child_of_a_damaged_vmdk(void **state)
{
	static const uint64_t lost[][2] = { { 0, 65536 }, { 131072, 3 * 65536 - 1024 }, { 0 } };
	const size_t size = 5 * 65536 - 1024;
	unsigned char *content = malloc(size), *bytes;
	size_t len, gd, rgd;

	assert_non_null(content);
	make_chain(*state, "vmdk", content, size, 65536, 131072);
	bytes = read_path(path_in(*state, "base"), &len);
	rgd = (size_t)get_le64(bytes + 48) * 512;
	gd = (size_t)get_le64(bytes + 56) * 512;
	free(bytes);
	patch(path_in(*state, "base"), rgd, "\x7f\x7f\x7f\x7f", 4);
	patch(path_in(*state, "base"), gd, "\x7f\x7f\x7f\x7f", 4);
	assert_saves(path_in(*state, "child"), 0, content, size, lost, "grain directory[0]");
	free(content);
}

/* What a parent does not have any more behind its end is no loss. */
static void test_salvage__child_of_a_damaged_shorter_parent(void **state)
{
	static const uint64_t lost[][2] = { { 0, 2048 }, { 0 } };
	static unsigned char content[12288];
	struct chain_image image = { .format = "vpc", .content = content };
	struct rng rng = { 22 };
	size_t len, table;
	unsigned char *bytes;

	rng_fill(&rng, content, 2048);
	image.size = 2048;
	image.path = path_in(*state, "base");
	chain_make(&image);
	image.size = sizeof(content);
	image.base = image.path;
	image.hint = "base";
	image.path = path_in(*state, "child");
	chain_make(&image);
	bytes = read_path(path_in(*state, "base"), &len);
	table = (size_t)get_be64(bytes + 512 + 16);
	free(bytes);
	patch(path_in(*state, "base"), table, "\x7f\xff\xff\xff", 4);
	assert_saves(path_in(*state, "child"), 0, content, sizeof(content), lost, "vhd: BAT[0]");
}

static void make_cut(const char *path, const char *format, const char *options,
		     const unsigned char *content, size_t size, size_t cut)
{
	struct tranship_file *file = image_of(format, options, content, size, 1);
	unsigned char *bytes;
	size_t len;

	bytes = file_bytes(file, &len);
	tranship_file_close(file);
	assert_true(cut < len);
	write_path(path, bytes, cut);
	free(bytes);
}

/* The block in which the file ends is there up to that. */
static void test_salvage__vhd_that_is_cut(void **state)
{
	const size_t size = 5 * MIB;
	static const size_t kept[] = { 1, 511, 512, 513, 70000, 2 * MIB - 1 };
	unsigned char *content = malloc(size), *bytes;
	struct rng rng = { 23 };
	size_t i, len, second;

	assert_non_null(content);
	rng_fill(&rng, content, size);
	make_cut(path_in(*state, "cut"), "vpc", "force_size=on", content, size, size);
	bytes = read_path(path_in(*state, "cut"), &len);
	second = (size_t)get_be32(bytes + 1536 + 4) * 512;
	free(bytes);
	for (i = 0; i < COUNT_OF(kept); i++) {
		uint64_t end = 2 * MIB + round_down(kept[i], 512);
		const uint64_t lost[][2] = { { end, size - end }, { 0 } };

		make_cut(path_in(*state, "cut"), "vpc", "force_size=on", content, size,
			 second + 512 + kept[i]);
		assert_saves(path_in(*state, "cut"), 0, content, size, lost, "vhd: ");
		assert_fails_without(path_in(*state, "cut"), 0);
	}
	free(content);
}

/* Behind the cut only what the bitmap says was there is lost. */
static void test_salvage__vhd_child_that_is_cut(void **state)
{
	static const uint64_t lost[][2] = { { 10240, 512 }, { 0 } };
	static unsigned char content[16384];
	unsigned char *bytes;
	size_t len;

	make_chain(*state, "vpc", content, sizeof(content), 9216, 10752);
	bytes = read_path(path_in(*state, "child"), &len);
	/* Its only block and the footer stand last. */
	write_path(path_in(*state, "child"), bytes, len - 512 - 4096 + 2048);
	free(bytes);
	assert_saves(path_in(*state, "child"), 0, content, sizeof(content), lost,
		     "vhd: block 2 passes the end of the file");
}

static void test_salvage__vhdx_that_is_cut(void **state)
{
	static const unsigned states[] = { VHDX_BLOCK_FULLY_PRESENT, VHDX_BLOCK_FULLY_PRESENT,
					   VHDX_BLOCK_FULLY_PRESENT };
	static const size_t kept[] = { 1, 512, 70001, MIB - 1 };
	struct image_vhdx image = image_vhdx_defaults();
	unsigned char *content = malloc(3 * MIB);
	struct buffer out = { 0 };
	size_t i;

	assert_non_null(content);
	image.blocks = COUNT_OF(states);
	image.states = states;
	image.fill = (const unsigned char *)"abc";
	image.disk_size = 3 * MIB;
	assert_int_equal(image_vhdx(&image, &out), 0);
	for (i = 0; i < 3; i++)
		memset(content + i * MIB, "abc"[i], MIB);
	for (i = 0; i < COUNT_OF(kept); i++) {
		uint64_t end = MIB + round_down(kept[i], 512);
		const uint64_t lost[][2] = { { end, 3 * MIB - end }, { 0 } };

		write_path(path_in(*state, "cut"), out.bytes, IMAGE_VHDX_BLOCKS + MIB + kept[i]);
		assert_saves(path_in(*state, "cut"), 0, content, 3 * MIB, lost,
			     "vhdx: block 1 passes the end of the file");
		assert_fails_without(path_in(*state, "cut"), 0);
	}
	buffer_free(&out);
	free(content);
}

static void test_salvage__vmdk_that_is_cut(void **state)
{
	const size_t size = 5 * 65536;
	unsigned char *content = malloc(size);
	struct rng rng = { 24 };
	struct tranship_file *file;
	size_t back;

	assert_non_null(content);
	rng_fill(&rng, content, size);
	file = image_of("vmdk", NULL, content, size, 1);
	for (back = 1; back < 2 * 65536; back += 20011) {
		uint64_t end = round_down(size - back, 512);
		const uint64_t lost[][2] = { { end, size - end }, { 0 } };

		make_cut(path_in(*state, "cut"), "vmdk", NULL, content, size,
			 (size_t)tranship_file_size(file) - back);
		assert_saves(path_in(*state, "cut"), 0, content, size, lost, "vmdk: ");
		assert_fails_without(path_in(*state, "cut"), 0);
	}
	tranship_file_close(file);
	free(content);
}

#define DESCRIPTOR(lines)                                                      \
	"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n" \
	"createType=\"twoGbMaxExtentFlat\"\n" lines

static void write_text(const char *path, const char *text)
{
	write_path(path, text, strlen(text));
}

/* Each extent of a disk is lost, or short, for itself; its name is said. */
static void test_salvage__vmdk_extents_that_are_short_or_gone(void **state)
{
	static const uint64_t sparse[][2] = { { 0, 8192 }, { 20480, 4096 }, { 0 } };
	static const uint64_t flat[][2] = { { 2 * 8192 + 2560, 8192 - 2560 }, { 0 } };
	static const uint64_t none[][2] = { { 0 } };
	static unsigned char content[3 * 8192];
	struct image_vmdk image = image_vmdk_defaults();
	struct buffer out = { 0 };
	struct rng rng = { 25 };

	rng_fill(&rng, content, sizeof(content));
	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 FLAT \"a\" 0\nRW 16 FLAT \"b\" 1\n"
						       "RW 16 FLAT \"c\" 0\n"));
	write_path(path_in(*state, "a"), content, 8192);
	write_path(path_in(*state, "b"), content + 8192 - 512, 8192 + 512);
	write_path(path_in(*state, "c"), content + 2 * 8192, 8192);
	assert_saves(path_in(*state, "disk"), 0, content, sizeof(content), none, "");
	write_path(path_in(*state, "c"), content + 2 * 8192, 3071);
	assert_saves(path_in(*state, "disk"), 0, content, sizeof(content), flat, "'c': vmdk: the");
	assert_fails_without(path_in(*state, "disk"), 0);

	/* One that is gone, and a sparse one that is shorter than the descriptor says. */
	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 FLAT \"x\" 0\nRW 16 FLAT \"b\" 1\n"
						       "RW 16 SPARSE \"s\"\n"));
	assert_int_equal(image_vmdk(&image, content + 2 * 8192, 4096, &out), 0);
	write_path(path_in(*state, "s"), out.bytes, out.len);
	buffer_free(&out);
	assert_saves(path_in(*state, "disk"), 0, content, sizeof(content), sparse, "'");
	assert_fails_without(path_in(*state, "disk"), 0);

	/* One that is no sparse extent is gone, too. */
	write_path(path_in(*state, "x"), content, 8192);
	write_path(path_in(*state, "s"), "nothing", 7);
	assert_saves(path_in(*state, "disk"), 0, content, sizeof(content),
		     (const uint64_t[][2]){ { 2 * 8192, 8192 }, { 0 } }, "'s': vmdk: ");
}

/* A disk of lost extents can be asked for everything. */
static void test_salvage__vmdk_extents_that_are_gone_are_not_touched(void **state)
{
	struct tranship_open_options how = { .policy = &beside, .flags = TRANSHIP_OPEN_SALVAGE };
	struct tranship_check_result result;
	struct tranship_extent extent;
	struct tranship_disk *disk;
	struct tranship_error err;
	unsigned char byte;

	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 FLAT \"x\" 0\nRW 16 SPARSE \"y\"\n"));
	assert_ok(tranship_open(path_in(*state, "disk"), &how, &disk, &err), &err);
	assert_ok(tranship_disk_map(disk, 8193, &extent, &err), &err);
	assert_int_equal(extent.kind, TRANSHIP_LOST);
	assert_int_equal(extent.len, 8191);
	assert_fails(tranship_disk_read(disk, NULL, 8193, &byte, 1, &err), TRANSHIP_ECORRUPT, &err,
		     "'y'");
	assert_ok(tranship_check(disk, NULL, NULL, &result, &err), &err);
	tranship_disk_close(disk);
}

/* What the policy forbids is no damage. */
static void test_salvage__refusals_stay(void **state)
{
	struct tranship_open_options how = { .policy = &beside, .flags = TRANSHIP_OPEN_SALVAGE };
	struct tranship_disk *disk;
	struct tranship_error err;

	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 FLAT \"../x/y\" 0\n"));
	assert_fails(tranship_open(path_in(*state, "disk"), &how, &disk, &err), TRANSHIP_EDENIED,
		     &err, "leads out");
	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 FLAT \"disk\" 0\n"));
	how.policy = NULL;
	assert_fails(tranship_open(path_in(*state, "disk"), &how, &disk, &err), TRANSHIP_EDENIED,
		     &err, "no other files");
	write_text(path_in(*state, "disk"), DESCRIPTOR("RW 16 ODD \"x\" 0\n"));
	assert_fails(tranship_open(path_in(*state, "disk"), &how, &disk, &err),
		     TRANSHIP_EUNSUPPORTED, &err, "ODD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_salvage__child_of_a_damaged_vhd),
		IN_FOLDER(test_salvage__child_of_a_damaged_vhdx),
		IN_FOLDER(test_salvage__child_of_a_damaged_vmdk),
		IN_FOLDER(test_salvage__child_of_a_damaged_shorter_parent),
		IN_FOLDER(test_salvage__vhd_that_is_cut),
		IN_FOLDER(test_salvage__vhd_child_that_is_cut),
		IN_FOLDER(test_salvage__vhdx_that_is_cut),
		IN_FOLDER(test_salvage__vmdk_that_is_cut),
		IN_FOLDER(test_salvage__vmdk_extents_that_are_short_or_gone),
		IN_FOLDER(test_salvage__vmdk_extents_that_are_gone_are_not_touched),
		IN_FOLDER(test_salvage__refusals_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
