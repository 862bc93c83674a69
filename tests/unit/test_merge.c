// SPDX-License-Identifier: Apache-2.0
/*
 * Deltas of a disk's versions, merged: what comes of it is the delta between the first and the last
 * one, to the block, whatever happened in between; and deltas that do not follow each other are
 * refused. The system's calls are replaced in this executable by ones that count.
 */
#include "support.h"

#include "base/checked.h"
#include "heap.h"
#include "image_delta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VERSIONS_MAX 40
#define BLOCK 4096U

/* What the replaced calls do: number fail_at fails. */
static struct {
	unsigned calls, fail_at;
	bool failed;
} os;

static bool refused(void)
{
	if (++os.calls != os.fail_at)
		return false;
	os.failed = true;
	errno = EIO;
	return true;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return refused() ? -1 : syscall(SYS_pwrite64, fd, buf, len, off);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return refused() ? -1 : syscall(SYS_pread64, fd, buf, len, off);
}

int fsync(int fd)
{
	return refused() ? -1 : (int)syscall(SYS_fsync, fd);
}

/* Versions of a disk, and the delta that leads to each from the one before, in files. */
struct history {
	const char *folder;
	unsigned char *disks[VERSIONS_MAX];
	size_t sizes[VERSIONS_MAX];
	struct image_delta made[VERSIONS_MAX];
	char *deltas[VERSIONS_MAX]; /* deltas[i] leads from version i to i + 1 */
	size_t count;               /* of versions */
};

static void history_free(struct history *h)
{
	size_t i;

	for (i = 0; i < h->count; i++) {
		free(h->disks[i]);
		free(h->deltas[i]);
	}
}

static unsigned char *copy_of(const unsigned char *bytes, size_t size, size_t new_size)
{
	unsigned char *copy = calloc(1, new_size + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, min_u64(size, new_size));
	return copy;
}

/* The delta between two versions, described by `made`, to the file of deltas[i]. */
static void write_delta(struct history *h, size_t i, const struct image_delta *made,
			const unsigned char *base, const unsigned char *target)
{
	struct buffer bytes = { 0 };
	char name[20];

	snprintf(name, sizeof(name), "d%zu", i);
	free(h->deltas[i]);
	h->deltas[i] = strdup(path_in(h->folder, name));
	assert_non_null(h->deltas[i]);
	assert_int_equal(image_delta(made, base, target, &bytes), 0);
	write_path(h->deltas[i], bytes.bytes, bytes.len);
	buffer_free(&bytes);
}

static void history_begin(struct history *h, const char *folder, unsigned char *disk, size_t size)
{
	*h = (struct history){ .folder = folder, .count = 1 };
	h->disks[0] = disk;
	h->sizes[0] = size;
}

/* Adds a version, which is taken over. Lineages: as many, the first with this number, and so on. */
static void history_add(struct history *h, unsigned char *disk, size_t size, enum digest_kind kind,
			unsigned lineage, unsigned lineages)
{
	size_t i = h->count - 1, n;
	struct image_delta *made = &h->made[i];

	*made = image_delta_defaults(h->sizes[i], size);
	made->head.file_id += i;
	made->head.kind = kind;
	snprintf(made->head.base_id, sizeof(made->head.base_id), "v%zu", i);
	snprintf(made->head.target_id, sizeof(made->head.target_id), "v%zu", i + 1);
	made->head.lineages = lineages;
	memset(made->head.seeds, 0, sizeof(made->head.seeds));
	for (n = 0; n < lineages && kind == DIGEST_XXH3; n++)
		made->head.seeds[n].bytes[0] = (unsigned char)(1 + lineage + n);
	h->disks[h->count] = disk;
	h->sizes[h->count++] = size;
	write_delta(h, i, made, h->disks[i], disk);
}

/* What happens to a disk: fresh bytes, zeros, and what an older version had there. */
static unsigned char *edited(struct rng *rng, const struct history *h, size_t new_size)
{
	size_t last = h->count - 1, old, at, len, n;
	unsigned char *disk = copy_of(h->disks[last], h->sizes[last], new_size);

	for (n = 1 + rng_below(rng, 12); n > 0 && new_size > 0; n--) {
		at = (size_t)rng_below(rng, new_size);
		len = (size_t)min_u64(new_size - at, 1 + rng_below(rng, 60000));
		if (rng_below(rng, 2)) { /* often the same blocks */
			at = (size_t)min_u64(round_down(at, 8 * BLOCK), new_size);
			len = (size_t)min_u64(new_size - at, 2 * BLOCK);
		}
		old = (size_t)rng_below(rng, h->count);
		switch (rng_below(rng, 4)) {
		case 0: memset(disk + at, 0, len); break;
		case 1:
			if (at < h->sizes[old])
				memcpy(disk + at, h->disks[old] + at,
				       min_u64(len, h->sizes[old] - at));
			break;
		default: rng_fill(rng, disk + at, len); break;
		}
	}
	return disk;
}

/* A block of a disk, with zeros behind its end. */
static void block_of(const unsigned char *disk, size_t size, uint64_t off, unsigned char *block)
{
	memset(block, 0, BLOCK);
	if (off < size)
		memcpy(block, disk + off, min_u64(BLOCK, size - off));
}

/* Its digests are those of the two disks, whatever their lineage. Returns the next data. */
static const unsigned char *check_block(struct delta *d, const struct record *r, uint32_t index,
					uint32_t data_index, enum record_piece_kind kind,
					const unsigned char *old_block,
					const unsigned char *new_block, const unsigned char *data)
{
	const struct digester *digester = delta_digester(d, r->head.lineage);
	unsigned char digest[DIGEST_SIZE_MAX];

	assert_int_equal(digest_blocks(digester, old_block, 1, digest, NULL), 0);
	assert_memory_equal(digest, r->old_digests + index * digester->size, digester->size);
	assert_int_equal(digest_blocks(digester, new_block, 1, digest, NULL), 0);
	if (kind == RECORD_ZERO) {
		assert_true(digest_is_zero(digester, digest));
		return data;
	}
	assert_memory_equal(digest, r->new_digests + data_index * digester->size, digester->size);
	assert_memory_equal(data, new_block, BLOCK);
	return data + BLOCK;
}

/* All blocks of a record; *at: the first block that was not looked at yet. */
static void check_record(struct delta *d, const struct record *r, const struct history *h,
			 size_t from, size_t to, uint64_t *at)
{
	unsigned char old_block[BLOCK], new_block[BLOCK];
	const unsigned char *data = r->data;
	uint32_t p, b, index = 0, data_index = 0;

	for (p = 0; p < r->head.pieces; p++)
		for (b = 0; b < r->pieces[p].blocks; b++, index++) {
			uint64_t off = r->pieces[p].off + (uint64_t)b * BLOCK;

			for (; *at <= off; *at += BLOCK) {
				block_of(h->disks[from], h->sizes[from], *at, old_block);
				block_of(h->disks[to], h->sizes[to], *at, new_block);
				/* What is not named did not change, and what is did. */
				assert_int_equal(memcmp(old_block, new_block, BLOCK) == 0,
						 *at < off);
			}
			data = check_block(d, r, index, data_index, r->pieces[p].kind, old_block,
					   new_block, data);
			data_index += r->pieces[p].kind == RECORD_DATA;
		}
}

/* Fails unless the delta is that from one version to the other, to the block. */
static void check_delta(const char *path, const struct history *h, size_t from, size_t to)
{
	struct record r = { 0 };
	struct tranship_file *file;
	struct unpacker *u;
	struct delta *d;
	struct tranship_error err;
	uint64_t at = 0, record_off, rest;
	bool small = false;
	uint8_t lineage = 0;
	int rc;

	assert_ok(tranship_file_open(path, 0, &file, &err), &err);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_ok(delta_verify(d, NULL, NULL, &err), &err);
	assert_ok(unpacker_new(&u, &err), &err);
	assert_int_equal(delta_head(d)->base_size, h->sizes[from]);
	assert_int_equal(delta_head(d)->target_size, h->sizes[to]);
	assert_string_equal(delta_head(d)->base_id, h->made[from].head.base_id);
	assert_string_equal(delta_head(d)->target_id, h->made[to - 1].head.target_id);
	while ((rc = delta_find(d, at, &r, &record_off, &err)) == 1) {
		assert_ok(delta_read_data(d, u, record_off, &r, &err), &err);
		/* Only the last record of a lineage in a row is small. */
		assert_true(!small || lineage != r.head.lineage);
		small = r.head.data_blocks * BLOCK < RECORD_DATA_MIN &&
			r.head.blocks < RECORD_BLOCKS_MAX;
		lineage = r.head.lineage;
		check_record(d, &r, h, from, to, &at);
	}
	assert_int_equal(rc, 0);
	for (rest = max_u64(h->sizes[from], h->sizes[to]); at < rest; at += BLOCK) {
		unsigned char blocks[2][BLOCK];

		block_of(h->disks[from], h->sizes[from], at, blocks[0]);
		block_of(h->disks[to], h->sizes[to], at, blocks[1]);
		assert_memory_equal(blocks[0], blocks[1], BLOCK);
	}
	record_free(&r);
	unpacker_free(u);
	delta_close(d);
	tranship_file_close(file);
}

static int merge(char *const *deltas, size_t count, const char *path,
		 const struct tranship_merge_options *options, struct tranship_error *err)
{
	return tranship_delta_merge((const char *const *)deltas, count, path, options, NULL, err);
}

static void check_merge(const struct history *h)
{
	const char *out = path_in(h->folder, "out");
	size_t from, to;
	struct tranship_error err;

	for (from = 0; from + 1 < h->count; from++)
		for (to = from + 1; to < h->count; to++) {
			assert_ok(merge(h->deltas + from, to - from, out, NULL, &err), &err);
			check_delta(out, h, from, to);
		}
}

/* Each case: one lineage for all, one each, several that overlap; SHA-256. */
static void test_merge__is_the_delta_from_the_first_to_the_last(void **state)
{
	static const struct {
		enum digest_kind kind;
		unsigned step, lineages;
	} cases[] = { { DIGEST_XXH3, 0, 1 },
		      { DIGEST_XXH3, 1, 1 },
		      { DIGEST_XXH3, 1, 3 },
		      { DIGEST_SHA256, 0, 1 } };
	static const size_t sizes[] = { 400000, 0, 1, 4096, 262144 + 512, 700000 };
	struct rng rng = { 501 };
	size_t c, round, i;

	for (c = 0; c < COUNT_OF(cases); c++)
		for (round = 0; round < 8; round++) {
			size_t size = sizes[rng_below(&rng, COUNT_OF(sizes))];
			struct history h;

			history_begin(&h, *state, random_disk(&rng, size), size);
			for (i = 0; i < 5; i++) {
				if (round % 2)
					size = sizes[rng_below(&rng, COUNT_OF(sizes))];
				history_add(&h, edited(&rng, &h, size), size, cases[c].kind,
					    (unsigned)i * cases[c].step, cases[c].lineages);
			}
			check_merge(&h);
			history_free(&h);
		}
}

/* In whatever order it is done, the same bytes come of it. */
static void test_merge__is_associative(void **state)
{
	static const struct tranship_merge_options options = { .options = "seed=5eed,level=3" };
	struct rng rng = { 502 };
	struct history h;
	char *pair[2], *left, *right, *a = strdup(path_in(*state, "a"));
	size_t i, size = 600000, sizes[3];
	unsigned char *bytes[3];
	struct tranship_error err;

	history_begin(&h, *state, random_disk(&rng, size), size);
	for (i = 0; i < 3; i++)
		history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	left = strdup(path_in(*state, "left"));
	right = strdup(path_in(*state, "right"));
	assert_ok(merge(h.deltas, 3, a, &options, &err), &err);
	bytes[0] = read_path(a, &sizes[0]);
	assert_ok(merge(h.deltas, 2, left, &options, &err), &err);
	pair[0] = left;
	pair[1] = h.deltas[2];
	assert_ok(merge(pair, 2, a, &options, &err), &err);
	bytes[1] = read_path(a, &sizes[1]);
	assert_ok(merge(h.deltas + 1, 2, right, &options, &err), &err);
	pair[0] = h.deltas[0];
	pair[1] = right;
	assert_ok(merge(pair, 2, a, &options, &err), &err);
	bytes[2] = read_path(a, &sizes[2]);
	for (i = 1; i < 3; i++) {
		assert_int_equal(sizes[i], sizes[0]);
		assert_memory_equal(bytes[i], bytes[0], sizes[0]);
	}
	for (i = 0; i < 3; i++)
		free(bytes[i]);
	free(a);
	free(left);
	free(right);
	history_free(&h);
}

static void test_merge__there_and_back_is_nothing(void **state)
{
	struct rng rng = { 503 };
	struct tranship_diff_result result;
	struct tranship_delta_info info;
	struct history h;
	size_t size = 300000;
	struct tranship_error err;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, copy_of(h.disks[0], 70001, 70001), 70001, DIGEST_XXH3, 1, 2);
	history_add(&h, copy_of(h.disks[0], size, size), size, DIGEST_XXH3, 2, 2);
	assert_ok(tranship_delta_merge((const char *const *)h.deltas, 3, path_in(*state, "out"),
				       NULL, &result, &err),
		  &err);
	assert_ok(tranship_delta_inspect(path_in(*state, "out"), true, &info, &err), &err);
	assert_int_equal(info.records, 0);
	assert_int_equal(result.pieces + result.changed + result.zeroed, 0);
	assert_string_equal(result.target_id, "v3");
	assert_int_equal(result.written, info.file_size);
	history_free(&h);
}

/* A record of a MiB is full; what follows begins another. */
static void test_merge__result_says_what_there_is(void **state)
{
	struct rng rng = { 504 };
	struct tranship_diff_result result;
	struct tranship_delta_info info;
	struct history h;
	size_t size = 5 << 20;
	unsigned char *disk = calloc(1, size);
	const char *out = path_in(*state, "out");
	struct tranship_error err;
	struct stat st;

	assert_non_null(disk);
	memset(disk + (4 << 20), 1, 1 << 20);
	history_begin(&h, *state, disk, size);
	disk = copy_of(disk, size, size);
	rng_fill(&rng, disk, 2 << 20);
	history_add(&h, disk, size, DIGEST_XXH3, 0, 1);
	disk = copy_of(disk, size, size - 100);
	memset(disk + (4 << 20), 0, (1 << 20) - 100);
	rng_fill(&rng, disk, 100);
	history_add(&h, disk, size - 100, DIGEST_XXH3, 0, 1);
	assert_ok(tranship_delta_merge((const char *const *)h.deltas, 2, out, NULL, &result, &err),
		  &err);
	assert_int_equal(result.pieces, 2);
	assert_int_equal(result.changed, 2 << 20);
	assert_int_equal(result.zeroed, 1 << 20);
	assert_ok(tranship_delta_inspect(out, true, &info, &err), &err);
	assert_int_equal(info.records, 2);
	assert_string_equal(info.base_format, "raw");
	check_delta(out, &h, 0, 2);
	assert_int_equal(stat(out, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	history_free(&h);
}

/* A delta that follows in its head; what it says of the blocks is another matter. */
static void pretend(struct history *h, const unsigned char *base, const unsigned char *target)
{
	write_delta(h, h->count - 2, &h->made[h->count - 2], base, target);
}

static void assert_refused(const struct history *h, size_t count, int code, const char *piece)
{
	unsigned before = count_entries(h->folder);
	struct tranship_error err;

	assert_fails(merge(h->deltas, count, path_in(h->folder, "out"), NULL, &err), code, &err,
		     piece);
	assert_int_equal(count_entries(h->folder), before);
}

static void test_merge__heads_that_do_not_follow(void **state)
{
	struct rng rng = { 505 };
	struct history h;
	struct image_delta good;
	size_t size = 100000;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	good = h.made[1];
	h.made[1].head.base_size = size - 1;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "d1': it is for a disk of 99999 bytes");
	h.made[1] = good;
	strcpy(h.made[1].head.base_id, "another");
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "version 'another'");
	h.made[1] = good;
	h.made[1].head.block_size = 8192;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EUNSUPPORTED, "blocks of 8192 bytes and the hash xxh3");
	h.made[1] = good;
	h.made[1].head.kind = DIGEST_SHA256;
	pretend(&h, h.disks[1], h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EUNSUPPORTED, "the hash sha256");
	h.made[1] = good;
	h.made[1].head.base_id[0] = '\0'; /* it does not know: the digests say it */
	pretend(&h, h.disks[1], h.disks[2]);
	check_merge(&h);
	history_free(&h);
}

/* The second delta found something else than the first left: in one lineage, and in two. */
static void test_merge__blocks_that_do_not_follow(void **state)
{
	struct rng rng = { 506 };
	size_t size = 10 * BLOCK, c;

	for (c = 0; c < 3; c++) {
		struct history h;
		unsigned char *wrong;

		history_begin(&h, *state, random_disk(&rng, size), size);
		h.disks[0][5 * BLOCK] = 1;
		history_add(&h, copy_of(h.disks[0], size, size), size, DIGEST_XXH3, 0, 1);
		h.disks[1][5 * BLOCK] = 2;
		if (c == 2)
			memset(h.disks[1] + 5 * BLOCK, 0, BLOCK);
		pretend(&h, h.disks[0], h.disks[1]);
		history_add(&h, copy_of(h.disks[0], size, size), size, DIGEST_XXH3, c > 0, 1);
		h.disks[2][5 * BLOCK] = 3;
		wrong = copy_of(h.disks[1], size, size);
		wrong[6 * BLOCK - 1] ^= 1;
		pretend(&h, wrong, h.disks[2]);
		assert_refused(&h, 2, TRANSHIP_EMISMATCH,
			       "another version of the disk has [20480, 24576)");
		pretend(&h, h.disks[1], h.disks[2]);
		check_merge(&h);
		free(wrong);
		history_free(&h);
	}
}

/* A smaller disk cuts off what its delta does not name; a larger one finds something in what was
 * added. */
static void test_merge__ends_that_do_not_follow(void **state)
{
	static const size_t cuts[] = { 6 * BLOCK, 6 * BLOCK + 100 };
	struct rng rng = { 507 };
	size_t size = 10 * BLOCK, c;
	unsigned char *wrong;
	struct history h;

	for (c = 0; c < COUNT_OF(cuts); c++) {
		history_begin(&h, *state, calloc(1, size), size);
		history_add(&h, copy_of(h.disks[0], size, size), size, DIGEST_XXH3, 0, 1);
		rng_fill(&rng, h.disks[1] + 6 * BLOCK, 2 * BLOCK);
		pretend(&h, h.disks[0], h.disks[1]);
		history_add(&h, copy_of(h.disks[1], cuts[c], cuts[c]), cuts[c], DIGEST_XXH3, 0, 1);
		wrong = copy_of(h.disks[1], cuts[c], size);
		pretend(&h, wrong, h.disks[2]);
		assert_refused(&h, 2, TRANSHIP_EMISMATCH, "cuts off, and does not name, [24576, ");
		free(wrong);
		history_free(&h);
	}
	history_begin(&h, *state, calloc(1, 100), 100);
	history_add(&h, calloc(1, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, calloc(1, size), size, DIGEST_XXH3, 0, 1);
	wrong = calloc(1, size);
	wrong[8 * BLOCK] = 1;
	pretend(&h, wrong, h.disks[2]);
	assert_refused(&h, 2, TRANSHIP_EMISMATCH, "behind the end of the disk, at [32768, 36864)");
	free(wrong);
	history_free(&h);
}

static void test_merge__damaged_ones_are_refused_before_the_output(void **state)
{
	struct rng rng = { 508 };
	struct history h;
	unsigned char *bytes;
	size_t size = 200000, len, at;

	history_begin(&h, *state, random_disk(&rng, size), size);
	history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	history_add(&h, edited(&rng, &h, size), size, DIGEST_XXH3, 0, 1);
	bytes = read_path(h.deltas[1], &len);
	for (at = 0; at < len; at += 1 + rng_below(&rng, 3000)) {
		bytes[at] ^= 4;
		write_path(h.deltas[1], bytes, len);
		assert_refused(&h, 2, TRANSHIP_ECORRUPT, "d1': tsd: ");
		bytes[at] ^= 4;
	}
	write_path(h.deltas[1], bytes, len - 1);
	assert_refused(&h, 2, TRANSHIP_ECORRUPT, "d1': tsd: ");
	free(bytes);
	history_free(&h);
}

static void test_merge__how_many(void **state)
{
	struct rng rng = { 509 };
	struct history h;
	struct tranship_error err;
	size_t i, c;
	int rc;

	history_begin(&h, *state, random_disk(&rng, 30000), 30000);
	for (i = 0; i < 34; i++)
		history_add(&h, edited(&rng, &h, 30000), 30000, DIGEST_XXH3, (unsigned)i, 1);
	assert_refused(&h, 0, TRANSHIP_EINVAL, "0 deltas");
	assert_refused(&h, 33, TRANSHIP_ELIMIT, "1 to 32");
	assert_ok(merge(h.deltas, 32, path_in(*state, "out"), NULL, &err), &err);
	check_delta(path_in(*state, "out"), &h, 0, 32);
	/* One that has 32 lineages already, whose last one the next delta shares; and one that
	 * does not. */
	for (c = 0; c < 2; c++) {
		h.made[33].head.lineages = 32;
		for (i = 0; i < 32; i++)
			h.made[33].head.seeds[i].bytes[0] = (unsigned char)(2 + i + 32 * c);
		write_delta(&h, 33, &h.made[33], h.disks[33], h.disks[34]);
		rc = merge(h.deltas + 32, 2, path_in(*state, "out"), NULL, &err);
		if (c == 0)
			assert_ok(rc, &err);
		else
			assert_fails(rc, TRANSHIP_ELIMIT, &err, "more than 32 lineages");
	}
	history_free(&h);
}

static void test_merge__output_is_none_of_them(void **state)
{
	static const struct tranship_merge_options keep = { .create_flags =
								    TRANSHIP_CREATE_NO_CLOBBER };
	static const struct tranship_merge_options level = { .options = "level=20" };
	struct rng rng = { 510 };
	struct history h;
	struct tranship_error err;
	size_t len, now_len;
	unsigned char *bytes, *now;

	history_begin(&h, *state, random_disk(&rng, 30000), 30000);
	history_add(&h, edited(&rng, &h, 30000), 30000, DIGEST_XXH3, 0, 1);
	history_add(&h, edited(&rng, &h, 30000), 30000, DIGEST_XXH3, 0, 1);
	bytes = read_path(h.deltas[1], &len);
	assert_fails(merge(h.deltas, 2, h.deltas[1], NULL, &err), TRANSHIP_EINVAL, &err,
		     "would be overwritten");
	assert_fails(merge(h.deltas, 1, h.deltas[1], &keep, &err), TRANSHIP_EIO, &err, "exists");
	assert_fails(merge(h.deltas, 1, h.deltas[1], &level, &err), TRANSHIP_EINVAL, &err,
		     "level 20");
	now = read_path(h.deltas[1], &now_len);
	assert_int_equal(now_len, len);
	assert_memory_equal(now, bytes, len);
	assert_int_equal(count_entries(*state), 2);
	free(bytes);
	free(now);
	history_free(&h);
}

static int cancel(void *ctx, const struct tranship_progress *progress)
{
	return strcmp(progress->phase, ctx) == 0;
}

static void test_merge__is_canceled(void **state)
{
	static const char *const phases[] = { "verifying", "merging" };
	struct tranship_merge_options options = { .copy = { .progress = cancel } };
	struct rng rng = { 511 };
	struct history h;
	struct tranship_error err;
	size_t i;

	history_begin(&h, *state, random_disk(&rng, 100000), 100000);
	history_add(&h, edited(&rng, &h, 100000), 100000, DIGEST_XXH3, 0, 1);
	for (i = 0; i < COUNT_OF(phases); i++) {
		options.copy.progress_ctx = (void *)phases[i];
		assert_fails(merge(h.deltas, 1, path_in(*state, "out"), &options, &err),
			     TRANSHIP_ECANCELED, &err, "canceled");
		assert_int_equal(count_entries(*state), 1);
	}
	history_free(&h);
}

/* Two small deltas of two lineages, so that digests are made anew. */
static void sweep_begin(struct history *h, const char *folder)
{
	struct rng rng = { 512 };

	history_begin(h, folder, random_disk(&rng, 60000), 60000);
	history_add(h, edited(&rng, h, 60000), 60000, DIGEST_XXH3, 0, 1);
	history_add(h, edited(&rng, h, 60000), 60000, DIGEST_XXH3, 1, 1);
}

static void sweep_allocations(const struct history *h, const char *out, bool strict)
{
	struct heap_seen seen = { .failed = true };
	unsigned descriptors = count_descriptors();
	unsigned long n;

	for (n = 1; seen.failed; n++) {
		struct tranship_error err = { 0 };
		int rc;

		unlink(out);
		heap_watch(n, n % 2);
		rc = merge(h->deltas, 2, out, NULL, &err);
		seen = heap_unwatch();
		if (strict)
			assert_int_equal(seen.held, 0);
		assert_int_equal(count_descriptors(), descriptors);
		if (seen.failed && rc != 0) /* some can be done without */
			assert_int_equal(rc, TRANSHIP_ENOMEM);
		if (!seen.failed)
			assert_ok(rc, &err);
		assert_int_equal(count_entries(h->folder), rc ? 2 : 3);
	}
	assert_true(n > 30);
	check_delta(out, h, 0, 2);
}

static void test_sweep__allocations(void **state)
{
	struct history h;

	if (!HEAP_WATCHED)
		skip();
	sweep_begin(&h, *state);
	/* libcrypto takes memory for its first error in a thread, and keeps that. */
	sweep_allocations(&h, path_in(*state, "out"), false);
	sweep_allocations(&h, path_in(*state, "out"), true);
	history_free(&h);
}

static void test_sweep__calls_of_the_system(void **state)
{
	const char *out = path_in(*state, "out");
	unsigned descriptors = count_descriptors(), n;
	struct history h;

	sweep_begin(&h, *state);
	os.failed = true;
	for (n = 1; os.failed; n++) {
		struct tranship_error err = { 0 };
		int rc;

		unlink(out);
		os.calls = 0;
		os.failed = false;
		os.fail_at = n;
		rc = merge(h.deltas, 2, out, NULL, &err);
		os.fail_at = 0;
		assert_int_equal(count_descriptors(), descriptors);
		if (!os.failed)
			assert_ok(rc, &err);
		else
			assert_int_equal(rc, TRANSHIP_EIO);
		/* When it has its name it is whole: only the sync of the folder failed then. */
		if (count_entries(*state) == 3)
			check_delta(out, &h, 0, 2);
		else
			assert_true(rc && count_entries(*state) == 2);
	}
	assert_true(n > 10);
	history_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_merge__is_the_delta_from_the_first_to_the_last),
		IN_FOLDER(test_merge__is_associative),
		IN_FOLDER(test_merge__there_and_back_is_nothing),
		IN_FOLDER(test_merge__result_says_what_there_is),
		IN_FOLDER(test_merge__heads_that_do_not_follow),
		IN_FOLDER(test_merge__blocks_that_do_not_follow),
		IN_FOLDER(test_merge__ends_that_do_not_follow),
		IN_FOLDER(test_merge__damaged_ones_are_refused_before_the_output),
		IN_FOLDER(test_merge__how_many),
		IN_FOLDER(test_merge__output_is_none_of_them),
		IN_FOLDER(test_merge__is_canceled),
		IN_FOLDER(test_sweep__allocations),
		IN_FOLDER(test_sweep__calls_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
