// SPDX-License-Identifier: Apache-2.0
/* Fingerprint files against a model: what is written is what is read, compared and checked; what
 * they cost; who may read them. */
#include "fingerprints.h"

#include "io/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL ".tranship-partial"

static size_t size_of(enum digest_kind kind)
{
	return kind == DIGEST_SHA256 ? 32 : 16;
}

static bool is_zero(const unsigned char *digest, size_t size)
{
	static const unsigned char zero[32];

	return memcmp(digest, zero, size) == 0;
}

/* fingerprint_next against the digests: never too late, and no earlier than the page begins. */
static void check_next(struct tranship_fingerprint *fp, const unsigned char *digests, size_t count,
		       uint64_t block)
{
	uint32_t per_page = fingerprint_per_page(fingerprint_head(fp));
	size_t size = size_of(fingerprint_head(fp)->kind), first = block;
	struct tranship_error err;
	uint64_t next;

	assert_ok(fingerprint_next(fp, block, &next, &err), &err);
	while (first < count && is_zero(digests + first * size, size))
		first++;
	if (next == UINT64_MAX) {
		assert_true(first >= count);
		return;
	}
	assert_true(next >= block && next <= first && next < count);
	assert_true(next / per_page == block / per_page ||
		    (first < count && next / per_page == first / per_page));
}

static void check_fingerprint(enum digest_kind kind, size_t count, size_t stretch)
{
	struct rng rng = { count * 7 + stretch + kind };
	struct fingerprint_head head = some_head(&rng, kind, count);
	unsigned char *digests = some_digests(&rng, kind, count, stretch), *got;
	struct tranship_fingerprint *fp = fingerprint_of(&head, digests, count);
	struct tranship_fingerprint_info info;
	struct tranship_error err;
	size_t size = size_of(kind), nonzero = 0, i;

	got = malloc((count + 100) * size);
	assert_non_null(got);
	for (i = 0; i < count; i++)
		nonzero += !is_zero(digests + i * size, size);
	tranship_fingerprint_get_info(fp, &info);
	assert_int_equal(info.size, head.size);
	assert_int_equal(info.blocks, nonzero);
	assert_string_equal(info.id, head.id);
	assert_string_equal(info.hash, kind == DIGEST_SHA256 ? "sha256" : "xxh3");
	assert_int_equal(strlen(info.lineage), kind == DIGEST_SHA256 ? 0 : 16);
	assert_ok(tranship_fingerprint_check(fp, &err), &err);
	for (i = 0; i < 200; i++) {
		uint64_t first = rng_below(&rng, count + 50);
		size_t n = rng_below(&rng, i % 2 ? 20 : count + 50), have;

		memset(got, 0xEE, n * size);
		assert_ok(fingerprint_read(fp, first, n, got, &err), &err);
		have = first >= count ? 0 : n < count - first ? n : count - first;
		assert_memory_equal(got, digests + first * size * (have > 0), have * size);
		for (; have < n; have++)
			assert_true(is_zero(got + have * size, size));
		check_next(fp, digests, count, first);
	}
	tranship_fingerprint_close(fp);
	free(digests);
	free(got);
}

static void test_fingerprint__what_is_written_is_read(void **state)
{
	static const size_t counts[] = { 1, 2, 126, 127, 128, 253, 254, 255, 508, 1000, 70000 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(counts); i++) {
		check_fingerprint(DIGEST_XXH3, counts[i], 1);
		check_fingerprint(DIGEST_XXH3, counts[i], 2000);
		check_fingerprint(DIGEST_SHA256, counts[i], 30);
		check_fingerprint(DIGEST_SHA256, counts[i], 600);
	}
}

static void test_fingerprint__empty_disks(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 512, 4096, 1 << 20, INT64_MAX };
	struct rng rng = { 1 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(sizes); i++) {
		struct fingerprint_head head = some_head(&rng, DIGEST_XXH3, 0);
		struct tranship_fingerprint *fp;
		struct tranship_error err;
		unsigned char digests[48];
		uint64_t next;

		head.size = sizes[i];
		fp = fingerprint_of(&head, NULL, 0);
		assert_ok(tranship_fingerprint_check(fp, &err), &err);
		assert_ok(fingerprint_read(fp, UINT64_MAX - 1, 3, digests, &err), &err);
		assert_true(is_zero(digests, 32) && is_zero(digests + 32, 16));
		assert_ok(fingerprint_next(fp, 0, &next, &err), &err);
		assert_true(next == UINT64_MAX);
		assert_ok(fingerprint_next(fp, UINT64_MAX, &next, &err), &err);
		assert_true(next == UINT64_MAX);
		tranship_fingerprint_close(fp);
	}
}

/* 2^51 blocks, of which some dozens are data. */
static void test_fingerprint__a_huge_sparse_disk_costs_nothing(void **state)
{
	struct rng rng = { 5 };
	struct fingerprint_head head = some_head(&rng, DIGEST_SHA256, 0);
	uint64_t blocks = 1ULL << 51, at[60], next = 0;
	unsigned char digest[60][32], got[32];
	struct tranship_fingerprint *fp;
	struct fingerprint_writer *w;
	struct tranship_file *file = file_of(NULL, 0);
	struct tranship_error err;
	unsigned i;

	(void)state;
	head.size = INT64_MAX;
	assert_ok(fingerprint_writer_new(file, &head, &w, &err), &err);
	for (i = 0; i < 60; i++) {
		at[i] = i == 59 ? blocks - 1 : blocks / 60 * i + rng_below(&rng, 1 << 30);
		rng_fill(&rng, digest[i], 32);
		assert_ok(fingerprint_writer_add(w, at[i], 1, digest[i], &err), &err);
	}
	assert_ok(fingerprint_writer_finish(w, &err), &err);
	fingerprint_writer_free(w);
	assert_int_equal(tranship_file_size(file), (1 + 60 + 1) * 4096 + 128);
	assert_ok(tranship_fingerprint_open_file(file, &fp, &err), &err);
	assert_ok(tranship_fingerprint_check(fp, &err), &err);
	for (i = 0; i < 60; i++) {
		assert_ok(fingerprint_next(fp, next, &next, &err), &err);
		assert_int_equal(next / 127, at[i] / 127);
		assert_ok(fingerprint_read(fp, at[i], 1, got, &err), &err);
		assert_memory_equal(got, digest[i], 32);
		assert_ok(fingerprint_read(fp, at[i] - 1, 1, got, &err), &err);
		assert_true(i == 0 || is_zero(got, 32));
		next = (at[i] / 127 + 1) * 127;
	}
	assert_ok(fingerprint_next(fp, next, &next, &err), &err);
	assert_true(next == UINT64_MAX);
	tranship_fingerprint_close(fp);
}

static void test_fingerprint_writer__what_is_refused(void **state)
{
	struct rng rng = { 9 };
	const struct fingerprint_head good = some_head(&rng, DIGEST_XXH3, 100);
	struct fingerprint_head head;
	struct tranship_file *file = file_of(NULL, 0);
	struct fingerprint_writer *w;
	unsigned char digests[16 * 10] = { 1 };
	struct tranship_error err;

	(void)state;
#define REFUSED(change, piece)                                                                     \
	head = good;                                                                               \
	change;                                                                                    \
	assert_fails(fingerprint_writer_new(file, &head, &w, &err), TRANSHIP_EINVAL, &err, piece); \
	assert_null(w)
	REFUSED(head.block_size = 2048, "block size 2048");
	REFUSED(head.block_size = 65535, "block size 65535");
	REFUSED(head.block_size = 2 << 20, "block size 2097152");
	REFUSED(head.block_size = 0, "block size 0");
	REFUSED(head.sector_size = 1024, "sector size 1024");
	REFUSED(head.size = 1ULL << 63, "passes 2^63 - 1");
	REFUSED(head.kind = 3, "hash 3");
	REFUSED(head.kind = DIGEST_SHA256, "no secret");
	REFUSED(head.id[0] = '\0', "version id");
	REFUSED(head.id[3] = '\n', "version id");
	REFUSED(head.id[3] = '\x7F', "version id");
	REFUSED(head.id[3] = '\xFF', "version id");
	assert_int_equal(tranship_file_size(file), 0);
	assert_ok(fingerprint_writer_new(file, &good, &w, &err), &err);
	assert_ok(fingerprint_writer_add(w, 10, 10, digests, &err), &err);
	assert_fails(fingerprint_writer_add(w, 19, 1, digests, &err), TRANSHIP_EINVAL, &err,
		     "1 blocks at block 19");
	assert_fails(fingerprint_writer_add(w, 91, 10, digests, &err), TRANSHIP_EINVAL, &err,
		     "10 blocks at block 91");
	assert_fails(fingerprint_writer_add(w, UINT64_MAX, 2, digests, &err), TRANSHIP_EINVAL, &err,
		     "not among those");
	fingerprint_writer_free(w);
	tranship_file_close(file);
}

/* ---- Comparing ---- */

static void change_some(struct rng *rng, unsigned char *digests, size_t size, size_t count)
{
	size_t i, n;

	for (i = 0; i < count; i += 1 + rng_below(rng, count / 3 + 1))
		for (n = rng_below(rng, 5); n > 0 && i < count; n--, i++)
			if (rng_below(rng, 2))
				rng_fill(rng, digests + i * size, size);
			else
				memset(digests + i * size, 0, size);
}

/* The set has each block that differs and no other one. */
static void compare_model(const struct tranship_changes *set, const struct fingerprint_head *head,
			  const unsigned char *old, size_t old_count, const unsigned char *now,
			  size_t count)
{
	size_t size = size_of(head->kind), i, range = 0;
	uint64_t block = head->block_size, sum = 0;

	for (i = 0; i < count; i++) {
		static const unsigned char zero[32];
		const unsigned char *was = i < old_count ? old + i * size : zero;
		uint64_t off = i * block, len = head->size - off < block ? head->size - off : block;
		struct tranship_change c;

		if (memcmp(was, now + i * size, size) == 0)
			continue;
		range = tranship_changes_find(set, off);
		assert_true(range < tranship_changes_count(set));
		c = tranship_changes_at(set, range);
		assert_true(c.off <= off && off + len <= c.off + c.len);
		assert_int_equal(c.zero, is_zero(now + i * size, size));
		sum += len;
	}
	assert_int_equal(tranship_changes_bytes(set), sum);
}

static void check_compare(enum digest_kind kind, size_t old_count, size_t count, uint64_t cut)
{
	struct rng rng = { old_count + count * 3 };
	struct fingerprint_head head = some_head(&rng, kind, old_count), next = head;
	size_t size = size_of(kind), most = old_count > count ? old_count : count;
	unsigned char *old = some_digests(&rng, kind, most, 400), *now = malloc((most + 1) * size);
	struct tranship_fingerprint *a, *b;
	struct tranship_changes *set;
	struct tranship_error err;

	assert_non_null(now);
	memcpy(now, old, most * size);
	change_some(&rng, now, size, count);
	now[count * size - 1] ^= 1; /* of the last block, which the end of the disk may cut */
	next.size = count * 4096 - cut;
	next.file_id++;
	strcpy(next.id, "another");
	a = fingerprint_of(&head, old, old_count);
	b = fingerprint_of(&next, now, count);
	assert_ok(tranship_fingerprint_compare(a, b, &set, &err), &err);
	assert_int_equal(tranship_changes_size(set), next.size);
	assert_string_equal(tranship_changes_base_id(set), head.id);
	assert_string_equal(tranship_changes_target_id(set), "another");
	assert_string_equal(tranship_changes_origin(set), "fingerprint");
	compare_model(set, &next, old, old_count, now, count);
	tranship_changes_free(set);
	assert_ok(tranship_fingerprint_compare(a, a, &set, &err), &err);
	assert_int_equal(tranship_changes_count(set), 0);
	tranship_changes_free(set);
	tranship_fingerprint_close(a);
	tranship_fingerprint_close(b);
	free(old);
	free(now);
}

static void test_fingerprint_compare__against_a_model(void **state)
{
	(void)state;
	check_compare(DIGEST_XXH3, 1, 1, 0);
	check_compare(DIGEST_XXH3, 254, 254, 1);
	check_compare(DIGEST_XXH3, 5000, 5000, 4095);
	check_compare(DIGEST_XXH3, 5000, 3000, 512);
	check_compare(DIGEST_XXH3, 300, 5000, 0);
	check_compare(DIGEST_SHA256, 5000, 5001, 3584);
	check_compare(DIGEST_SHA256, 128, 127, 0);
}

static void test_fingerprint_compare__of_another_lineage(void **state)
{
	struct rng rng = { 77 };
	struct fingerprint_head heads[4] = { some_head(&rng, DIGEST_XXH3, 10),
					     some_head(&rng, DIGEST_XXH3, 10),
					     some_head(&rng, DIGEST_SHA256, 10) };
	static const char *const pieces[] = { NULL, "their secrets differ", "by sha256",
					      "blocks of 4096 bytes, the other one of 8192" };
	struct tranship_fingerprint *fps[4];
	struct tranship_changes *set;
	struct tranship_error err;
	unsigned i;

	(void)state;
	heads[3] = heads[0];
	heads[3].block_size = 8192;
	for (i = 0; i < 4; i++)
		fps[i] = fingerprint_of(&heads[i], NULL, 0);
	for (i = 1; i < 4; i++) {
		assert_fails(tranship_fingerprint_compare(fps[0], fps[i], &set, &err),
			     TRANSHIP_EMISMATCH, &err, pieces[i]);
		assert_null(set);
	}
	/* One bit of the secret is enough. */
	heads[1] = heads[0];
	heads[1].seed.bytes[31] ^= 1;
	tranship_fingerprint_close(fps[1]);
	fps[1] = fingerprint_of(&heads[1], NULL, 0);
	assert_fails(tranship_fingerprint_compare(fps[0], fps[1], &set, &err), TRANSHIP_EMISMATCH,
		     &err, "only those of one lineage");
	for (i = 0; i < 4; i++)
		tranship_fingerprint_close(fps[i]);
}

/* ---- Threads ---- */

#define SHARED 20000U

struct shared {
	struct tranship_fingerprint *fp;
	const unsigned char *digests;
	uint64_t seed;
	bool wrong;
};

static void *read_some(void *ctx)
{
	struct shared *s = ctx;
	struct rng rng = { s->seed };
	unsigned char got[300 * 16];
	unsigned i;

	for (i = 0; i < 2000; i++) {
		uint64_t first = rng_below(&rng, SHARED - 300), next;

		if (fingerprint_read(s->fp, first, 300, got, NULL) != 0 ||
		    memcmp(got, s->digests + first * 16, sizeof(got)) != 0 ||
		    fingerprint_next(s->fp, first, &next, NULL) != 0)
			s->wrong = true;
	}
	return NULL;
}

static void test_fingerprint__threads(void **state)
{
	struct rng rng = { 3 };
	struct fingerprint_head head = some_head(&rng, DIGEST_XXH3, SHARED);
	unsigned char *digests = some_digests(&rng, DIGEST_XXH3, SHARED, 500);
	struct tranship_fingerprint *fp = fingerprint_of(&head, digests, SHARED);
	struct shared shared[4];
	pthread_t threads[4];
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		shared[i] = (struct shared){ fp, digests, i + 1, false };
		assert_int_equal(pthread_create(&threads[i], NULL, read_some, &shared[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_false(shared[i].wrong);
	}
	tranship_fingerprint_close(fp);
	free(digests);
}

/* ---- Files ---- */

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_secret_output__nobody_else_reads_it(void **state)
{
	const char *path = path_in(*state, "fp"), *partial = path_in(*state, "fp" PARTIAL);
	struct tranship_error err;
	struct output *o;
	mode_t was = umask(0);
	unsigned i;

	for (i = 0; i < 2; i++) { /* a new one; one that everybody could read and write */
		assert_ok(secret_output_open(path, 0, NULL, 0, &o, &err), &err);
		assert_mode(partial, 0600);
		assert_ok(file_write(output_main(o), 0, "secret", 6, &err), &err);
		assert_ok(output_finish(o, &err), &err);
		output_close(o);
		assert_mode(path, 0600);
		assert_int_equal(chmod(path, 0666), 0);
	}
	assert_fails(secret_output_open(path, TRANSHIP_CREATE_NO_CLOBBER, NULL, 0, &o, &err),
		     TRANSHIP_EIO, &err, "not replaced");
	assert_null(o);
	umask(was);
	assert_int_equal(count_entries(*state), 1);
}

static void test_is_fingerprint__other_things(void **state)
{
	struct rng rng = { 4 };
	struct fingerprint_head head = some_head(&rng, DIGEST_XXH3, 10);
	struct tranship_file *file = fingerprint_file_of(&head, NULL, 0);
	struct tranship_fingerprint *fp;
	struct tranship_error err;
	size_t size;
	unsigned char *bytes = file_bytes(file, &size);

	write_path(path_in(*state, "fp"), bytes, size);
	write_path(path_in(*state, "short"), bytes, 7);
	write_path(path_in(*state, "raw"), bytes + 1, size - 1);
	assert_int_equal(mkfifo(path_in(*state, "pipe"), 0600), 0);
	assert_true(tranship_is_fingerprint(path_in(*state, "fp")));
	assert_false(tranship_is_fingerprint(path_in(*state, "short")));
	assert_false(tranship_is_fingerprint(path_in(*state, "raw")));
	assert_false(tranship_is_fingerprint(path_in(*state, "pipe")));
	assert_false(tranship_is_fingerprint(path_in(*state, "missing")));
	assert_false(tranship_is_fingerprint(*state));
	assert_ok(tranship_fingerprint_open(path_in(*state, "fp"), &fp, &err), &err);
	tranship_fingerprint_close(fp);
	assert_fails(tranship_fingerprint_open(path_in(*state, "raw"), &fp, &err),
		     TRANSHIP_ECORRUPT, &err, "no fingerprint");
	assert_null(fp);
	assert_fails(tranship_fingerprint_open(path_in(*state, "missing"), &fp, &err), TRANSHIP_EIO,
		     &err, "");
	assert_null(fp);
	tranship_fingerprint_close(NULL);
	tranship_file_close(file);
	free(bytes);
}

static void test_new_version_id__is_a_uuid(void **state)
{
	char a[TRANSHIP_ID_MAX + 1], b[TRANSHIP_ID_MAX + 1];
	struct tranship_error err;
	struct idgen ids;
	struct guid guid;

	(void)state;
	assert_ok(idgen_init(&ids, NULL, &err), &err);
	assert_ok(new_version_id(&ids, a, &err), &err);
	assert_ok(new_version_id(&ids, b, &err), &err);
	assert_string_not_equal(a, b);
	assert_true(guid_parse_be(a, &guid));
	assert_int_equal(a[14], '4');
	assert_ok(idgen_init(&ids, "abc", &err), &err);
	assert_ok(new_version_id(&ids, a, &err), &err);
	assert_ok(idgen_init(&ids, "abc", &err), &err);
	assert_ok(new_version_id(&ids, b, &err), &err);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fingerprint__what_is_written_is_read),
		cmocka_unit_test(test_fingerprint__empty_disks),
		cmocka_unit_test(test_fingerprint__a_huge_sparse_disk_costs_nothing),
		cmocka_unit_test(test_fingerprint_writer__what_is_refused),
		cmocka_unit_test(test_fingerprint_compare__against_a_model),
		cmocka_unit_test(test_fingerprint_compare__of_another_lineage),
		cmocka_unit_test(test_fingerprint__threads),
		IN_FOLDER(test_secret_output__nobody_else_reads_it),
		IN_FOLDER(test_is_fingerprint__other_things),
		cmocka_unit_test(test_new_version_id__is_a_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
