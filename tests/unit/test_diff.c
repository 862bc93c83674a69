// SPDX-License-Identifier: Apache-2.0
/* Random disks and random edits: what a diff writes turns the one into the other, by all ways to
 * compare, and nothing else does. */
#include "delta/delta_file.h"
#include "delta/fingerprint.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096U
#define DISK_MAX (7U << 20)

/* Two versions of a disk, in buffers of one size; what lies behind a version's end is zeros. */
struct versions {
	unsigned char *old, *new;
	size_t old_size, new_size, size; /* size: of the larger one, in whole MiB */
};

static struct tranship_disk *disk_of(const unsigned char *bytes, size_t size)
{
	struct tranship_open_options options = { .format = "raw" };
	struct tranship_error err;
	struct tranship_disk *disk;
	struct tranship_file *file = file_of(bytes, size);

	assert_ok(tranship_open_file(file, &options, &disk, &err), &err);
	return disk;
}

/* Sectors here, blocks there, stretches of zeros. */
static void edit(struct rng *rng, struct versions *v)
{
	unsigned n = (unsigned)rng_below(rng, 40);

	while (n-- > 0 && v->new_size > 0) {
		size_t at = (size_t)rng_below(rng, v->new_size);
		size_t len = (size_t)rng_below(rng, rng_below(rng, 4) == 0 ? 1 << 20 : 9000) + 1;

		if (len > v->new_size - at)
			len = v->new_size - at;
		if (rng_below(rng, 3) == 0)
			memset(v->new + at, 0, len);
		else
			rng_fill(rng, v->new + at, len);
	}
}

static struct versions make_versions(struct rng *rng)
{
	struct versions v = { 0 };
	unsigned char *content;

	v.old_size = (size_t)rng_below(rng, DISK_MAX);
	v.new_size = v.old_size;
	if (rng_below(rng, 3) == 0)
		v.new_size = (size_t)rng_below(rng, DISK_MAX);
	v.size = DISK_MAX + (1 << 20);
	v.old = calloc(1, v.size);
	v.new = calloc(1, v.size);
	content = random_disk(rng, v.old_size);
	memcpy(v.old, content, v.old_size);
	memcpy(v.new, content, v.old_size < v.new_size ? v.old_size : v.new_size);
	free(content);
	edit(rng, &v);
	return v;
}

static void free_versions(struct versions *v)
{
	free(v->old);
	free(v->new);
}

static void check_digests(struct delta *d, const struct record *r, const unsigned char *old)
{
	const struct digester *g = delta_digester(d, r->head.lineage);
	uint32_t i, n = 0, b;
	unsigned char digest[DIGEST_SIZE_MAX];
	struct tranship_error err;

	for (i = 0; i < r->head.pieces; i++)
		for (b = 0; b < r->pieces[i].blocks; b++, n++) {
			uint64_t at = r->pieces[i].off + (uint64_t)b * g->block_size;

			assert_ok(digest_blocks(g, old + at, 1, digest, &err), &err);
			assert_memory_equal(digest, r->old_digests + n * g->size, g->size);
		}
}

/* What the delta makes of the old disk; its old digests are those of the old disk. */
static void patch(const char *path, const struct versions *v, unsigned char *out)
{
	struct tranship_error err;
	struct tranship_file *file;
	struct unpacker *unpacker;
	struct record r = { 0 };
	struct delta *d;
	uint64_t at = 0, record_off;
	uint32_t i;
	int rc;

	assert_ok(tranship_file_open(path, 0, &file, &err), &err);
	assert_ok(delta_open(file, 0, &d, &err), &err);
	assert_ok(delta_verify(d, NULL, NULL, &err), &err);
	assert_ok(unpacker_new(&unpacker, &err), &err);
	memcpy(out, v->old, v->size);
	while ((rc = delta_find(d, at, &r, &record_off, &err)) == 1) {
		const unsigned char *data;

		check_digests(d, &r, v->old);
		assert_ok(delta_read_data(d, unpacker, record_off, &r, &err), &err);
		data = r.data;
		for (i = 0; i < r.head.pieces; i++) {
			size_t len = (size_t)r.pieces[i].blocks * delta_head(d)->block_size;

			if (r.pieces[i].kind == RECORD_DATA) {
				memcpy(out + r.pieces[i].off, data, len);
				data += len;
			} else {
				memset(out + r.pieces[i].off, 0, len);
			}
		}
		at = r.head.end;
	}
	assert_int_equal(rc, 0);
	record_free(&r);
	unpacker_free(unpacker);
	delta_close(d);
	tranship_file_close(file);
}

/* What was told of the disk. */
struct told {
	const struct versions *v;
	uint64_t end, changed, zeroed;
	bool digests; /* it is compared in large blocks: what is called changed may not be */
};

static void take_told(void *ctx, uint64_t off, uint64_t len, enum tranship_diff_kind kind)
{
	struct told *t = ctx;

	assert_int_equal(off, t->end);
	t->end += len;
	if (kind == TRANSHIP_DIFF_SAME)
		assert_memory_equal(t->v->old + off, t->v->new + off, len);
	else if (kind == TRANSHIP_DIFF_CHANGED)
		t->changed += len;
	else if (kind == TRANSHIP_DIFF_ZEROED)
		t->zeroed += len;
}

/* One way to compare. */
struct way {
	const char *hash;
	uint32_t block; /* of the fingerprint; 0: both disks are read */
	bool changes, verify;
	const char *options;
};

static const struct way ways[] = {
	{ NULL, 0, false, false, "level=1,seed=1" },
	{ "sha256", 0, false, false, "level=0,seed=1" },
	{ NULL, 4096, false, false, "level=3,seed=1" },
	{ NULL, 65536, false, false, "seed=1" },
	{ "sha256", 65536, false, false, "seed=1" },
	{ NULL, 1 << 20, false, false, "seed=1" },
	{ NULL, 0, true, false, "seed=1" },
	{ NULL, 65536, true, false, "seed=1" },
	{ NULL, 65536, true, true, "seed=1" },
	{ "sha256", 4096, true, true, "seed=1" },
};

static struct tranship_fingerprint *print_of(struct tranship_disk *disk, const char *path,
					     const struct way *way,
					     const struct tranship_fingerprint *like)
{
	struct tranship_fingerprint_options options = { .hash = like ? NULL : way->hash,
							.block_size = like ? 0 : way->block,
							.like = like,
							.seed = "abc",
							.id = like ? "new" : "old" };
	struct tranship_fingerprint *fp;
	struct tranship_error err;

	assert_ok(tranship_fingerprint_make(disk, path, &options, &err), &err);
	assert_ok(tranship_fingerprint_open(path, &fp, &err), &err);
	return fp;
}

/* All the blocks that differ, of some size, and some that do not. */
static struct tranship_changes *changes_of(struct rng *rng, const struct versions *v)
{
	struct tranship_changes *changes;
	struct tranship_error err;
	size_t at, step = 512U << rng_below(rng, 8);

	assert_ok(tranship_changes_new(v->new_size, &changes, &err), &err);
	for (at = 0; at < v->new_size; at += step) {
		size_t len = step < v->new_size - at ? step : v->new_size - at;

		if (memcmp(v->old + at, v->new + at, len) != 0 || rng_below(rng, 20) == 0)
			assert_ok(tranship_changes_add(changes, at, len, false, &err), &err);
	}
	return changes;
}

/* The fingerprint that the diff wrote is the one that reading the new disk gives. */
static void check_print(const char *folder, struct tranship_disk *new, const struct way *way,
			const struct tranship_fingerprint *like)
{
	struct tranship_fingerprint *made, *written;
	struct tranship_changes *differ;
	struct tranship_error err;

	assert_ok(tranship_fingerprint_open(path_in(folder, "new.fp"), &written, &err), &err);
	made = print_of(new, path_in(folder, "made.fp"), way, like);
	assert_ok(tranship_fingerprint_check(written, &err), &err);
	assert_ok(tranship_fingerprint_compare(made, written, &differ, &err), &err);
	assert_int_equal(tranship_changes_count(differ), 0);
	tranship_changes_free(differ);
	tranship_fingerprint_close(made);
	tranship_fingerprint_close(written);
}

static void check_way(const char *folder, struct rng *rng, const struct versions *v,
		      const struct way *way)
{
	struct tranship_disk *old = disk_of(v->old, v->old_size);
	struct tranship_disk *new = disk_of(v->new, v->new_size);
	struct tranship_fingerprint *fp =
		way->block ? print_of(old, path_in(folder, "old.fp"), way, NULL) : NULL;
	struct tranship_diff_base base = { .disk = fp ? NULL : old, .fingerprint = fp };
	struct tranship_changes *changes = way->changes ? changes_of(rng, v) : NULL;
	struct told told = { .v = v, .digests = way->block > 0 };
	struct tranship_diff_options options = { .options = way->options,
						 .hash = way->hash,
						 .target_id = "new",
						 .changes = changes,
						 .verify = way->verify ? fp : NULL,
						 .found = take_told,
						 .found_ctx = &told,
						 .copy.threads = 1 + (unsigned)rng_below(rng, 4) };
	struct tranship_diff_result result;
	struct tranship_error err;
	unsigned char *patched = malloc(v->size), *first, *second;
	size_t first_size, second_size;
	const char *path = path_in(folder, "d.tsd");

	if (fp || !changes)
		options.fingerprint_out = path_in(folder, "new.fp");
	assert_ok(tranship_diff(&base, new, path, &options, &result, &err), &err);
	assert_int_equal(told.end, v->old_size > v->new_size ? v->old_size : v->new_size);
	assert_int_equal(told.changed, result.changed);
	assert_int_equal(told.zeroed, result.zeroed);
	patch(path, v, patched);
	assert_memory_equal(patched, v->new, v->size);
	if (fp)
		check_print(folder, new, way, fp);
	/* The same bytes on any number of threads. */
	first = read_path(path, &first_size);
	options.found = NULL;
	options.copy.threads = 1 + options.copy.threads % 4;
	assert_int_equal(result.written, first_size);
	assert_ok(tranship_diff(&base, new, path, &options, &result, &err), &err);
	second = read_path(path, &second_size);
	assert_int_equal(first_size, second_size);
	assert_memory_equal(first, second, first_size);
	free(first);
	free(second);
	free(patched);
	tranship_changes_free(changes);
	tranship_fingerprint_close(fp);
	tranship_disk_close(old);
	tranship_disk_close(new);
}

static void test_diff__random_edits_in_every_way(void **state)
{
	struct rng rng = { 42 };
	unsigned round;

	for (round = 0; round < 12; round++) {
		struct versions v = make_versions(&rng);
		size_t w;

		for (w = 0; w < COUNT_OF(ways); w++)
			check_way(*state, &rng, &v, &ways[w]);
		free_versions(&v);
	}
}

/* Every kind of image that can be written, beside every other. */
static const struct {
	const char *format, *options, *read_as;
} kinds[] = {
	{ "raw", NULL, "raw" },
	{ "vmdk", NULL, NULL },
	{ "vmdk", "subformat=streamOptimized", NULL },
	{ "vpc", NULL, NULL },
	{ "vpc", "subformat=fixed", NULL },
	{ "azure", NULL, NULL },
	{ "vhdx", "block_size=1M", NULL },
	{ "vhdx", "subformat=fixed", NULL },
	{ "vhdx", "logical_sector_size=4096,block_size=1M", NULL },
};

static struct tranship_disk *disk_in(size_t kind, const unsigned char *bytes, size_t size)
{
	struct tranship_open_options options = { .format = kinds[kind].read_as };
	struct tranship_file *image =
		image_of(kinds[kind].format, kinds[kind].options, bytes, size, 2);
	struct tranship_disk *disk;
	struct tranship_error err;

	assert_ok(tranship_open_file(image, &options, &disk, &err), &err);
	return disk;
}

static void test_diff__every_pair_of_formats(void **state)
{
	struct rng rng = { 5 };
	const char *path = path_in(*state, "pair.tsd");
	struct versions v = make_versions(&rng);
	unsigned char *patched = malloc(v.size);
	struct tranship_error err;
	size_t i, j;

	for (i = 0; i < COUNT_OF(kinds); i++)
		for (j = 0; j < COUNT_OF(kinds); j++) {
			struct tranship_disk *old = disk_in(i, v.old, v.old_size);
			struct tranship_disk *new = disk_in(j, v.new, v.new_size);
			struct tranship_diff_base base = { .disk = old };

			assert_ok(tranship_diff(&base, new, path, NULL, NULL, &err), &err);
			patch(path, &v, patched);
			assert_memory_equal(patched, v.new, v.size);
			tranship_disk_close(old);
			tranship_disk_close(new);
		}
	free(patched);
	free_versions(&v);
}

/* Two disks of which one sector differs, and a fingerprint of the first. */
struct pair {
	unsigned char *bytes;
	struct tranship_disk *old, *new;
	struct tranship_fingerprint *fp;
	struct tranship_diff_base base;
};

static struct pair make_pair(const char *folder)
{
	static const struct way way = { NULL, 65536, false, false, NULL };
	struct rng rng = { 7 };
	struct pair p = { .bytes = malloc(1 << 20) };

	rng_fill(&rng, p.bytes, 1 << 20);
	p.old = disk_of(p.bytes, 1 << 20);
	p.bytes[700000] ^= 1;
	p.new = disk_of(p.bytes, 1 << 20);
	p.fp = print_of(p.old, path_in(folder, "old.fp"), &way, NULL);
	p.base.fingerprint = p.fp;
	return p;
}

static void free_pair(struct pair *p)
{
	tranship_fingerprint_close(p->fp);
	tranship_disk_close(p->old);
	tranship_disk_close(p->new);
	free(p->bytes);
}

static void test_diff__tracking_that_lies_is_found(void **state)
{
	struct pair p = make_pair(*state);
	struct tranship_changes *changes, *missed = NULL;
	struct tranship_diff_options options = { .verify = p.fp, .missed = &missed };
	struct tranship_error err;
	struct tranship_change c;

	assert_ok(tranship_changes_new(1 << 20, &changes, &err), &err);
	assert_ok(tranship_changes_add(changes, 0, 65536, false, &err), &err);
	options.changes = changes;
	assert_fails(tranship_diff(&p.base, p.new, path_in(*state, "d.tsd"), &options, NULL, &err),
		     TRANSHIP_EMISMATCH, &err, "[655360, 720896)");
	assert_non_null(missed);
	assert_int_equal(tranship_changes_count(missed), 1);
	c = tranship_changes_at(missed, 0);
	assert_int_equal(c.off, 655360);
	assert_int_equal(c.len, 65536);
	assert_int_equal(count_entries(*state), 1); /* the fingerprint: nothing was written */
	tranship_changes_free(missed);
	tranship_changes_free(changes);
	free_pair(&p);
}

static void test_diff__what_does_not_belong_together_is_refused(void **state)
{
	struct pair p = make_pair(*state);
	unsigned char *half = calloc(1, 1 << 19);
	struct tranship_disk *other = disk_of(half, 1 << 19);
	struct tranship_diff_base none = { 0 }, disks = { .disk = other };
	struct tranship_diff_options ids = { .base_id = "another" };
	struct tranship_diff_options hash = { .hash = "sha256" };
	struct tranship_diff_options print = { .base_fingerprint = p.fp };
	struct tranship_diff_options verify = { .verify = p.fp };
	struct tranship_diff_options level = { .options = "level=20" };
	struct tranship_changes *changes;
	struct tranship_diff_options list = { 0 };
	const char *path = path_in(*state, "d.tsd");
	struct tranship_error err;

	assert_ok(tranship_changes_new(1 << 19, &changes, &err), &err);
	list.changes = changes;
	assert_fails(tranship_diff(&none, p.new, path, NULL, NULL, &err), TRANSHIP_EINVAL, &err,
		     "nothing to compare");
	assert_fails(tranship_diff(&p.base, p.new, path, &ids, NULL, &err), TRANSHIP_EMISMATCH,
		     &err, "'another'");
	assert_fails(tranship_diff(&p.base, p.new, path, &hash, NULL, &err), TRANSHIP_EINVAL, &err,
		     "sha256");
	assert_fails(tranship_diff(&disks, p.new, path, &print, NULL, &err), TRANSHIP_EMISMATCH,
		     &err, "bytes");
	assert_fails(tranship_diff(&p.base, p.new, path, &verify, NULL, &err), TRANSHIP_EINVAL,
		     &err, "no changes");
	assert_fails(tranship_diff(&p.base, p.new, path, &level, NULL, &err), TRANSHIP_EINVAL, &err,
		     "level 20");
	assert_fails(tranship_diff(&p.base, p.new, path, &list, NULL, &err), TRANSHIP_EMISMATCH,
		     &err, "524288");
	assert_int_equal(count_entries(*state), 1);
	tranship_changes_free(changes);
	tranship_disk_close(other);
	free(half);
	free_pair(&p);
}

static void test_diff__ids_are_handed_on(void **state)
{
	struct pair p = make_pair(*state);
	struct tranship_diff_options options = { .fingerprint_out = path_in(*state, "new.fp") };
	struct tranship_diff_result result;
	struct tranship_fingerprint_info info;
	struct tranship_delta_info delta;
	struct tranship_fingerprint *fp;
	struct tranship_error err;
	const char *path = path_in(*state, "d.tsd");

	assert_ok(tranship_diff(&p.base, p.new, path, &options, &result, &err), &err);
	assert_ok(tranship_delta_inspect(path, true, &delta, &err), &err);
	assert_string_equal(delta.base_id, "old");
	assert_int_equal(strlen(result.target_id), 36);
	assert_string_equal(delta.target_id, result.target_id);
	assert_ok(tranship_fingerprint_open(path_in(*state, "new.fp"), &fp, &err), &err);
	tranship_fingerprint_get_info(fp, &info);
	assert_string_equal(info.id, result.target_id);
	tranship_fingerprint_close(fp);
	free_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_diff__random_edits_in_every_way),
		IN_FOLDER(test_diff__every_pair_of_formats),
		IN_FOLDER(test_diff__tracking_that_lies_is_found),
		IN_FOLDER(test_diff__what_does_not_belong_together_is_refused),
		IN_FOLDER(test_diff__ids_are_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
