// SPDX-License-Identifier: Apache-2.0
/* What a point remembers of a boot plan: written, read again, and refused where it is wrong. */
#include "support.h"

#include "base/bytes.h"
#include "emit/manifest_ondisk.h"
#include "heap.h"
#include "manifest_image.h"
#include "store_keys.h"

#include <stdlib.h>
#include <string.h>

static struct manifest with_boot(size_t extents)
{
	struct tranship_error err;
	struct manifest m;

	assert_ok(manifest_image(3, &m, &err), &err);
	assert_ok(manifest_image_boot(extents, &m, &err), &err);
	return m;
}

static unsigned char *encoded(const struct manifest *m, const struct store_keys *keys, size_t *len)
{
	struct tranship_error err;
	unsigned char digest[32], *bytes;

	assert_ok(manifest_encode(m, keys, &bytes, len, digest, &err), &err);
	return bytes;
}

static void round_trip(struct manifest *m, bool encrypted)
{
	struct store_keys keys = store_keys_of(encrypted);
	struct tranship_error err;
	struct manifest got;
	size_t len, i;
	unsigned char *bytes = encoded(m, &keys, &len);

	for (i = 0; i < 2; i++) {
		assert_ok(manifest_decode(&keys, m->id, bytes, len, i, &got, &err), &err);
		assert_non_null(got.boot);
		assert_string_equal(got.boot->target, m->boot->target);
		assert_memory_equal(got.boot->digest, m->boot->digest, 32);
		assert_int_equal(got.boot->count, m->boot->count);
		assert_memory_equal(got.boot->extents, m->boot->extents,
				    m->boot->count * sizeof(m->boot->extents[0]));
		assert_true(manifest_boot_same(got.boot, m->boot));
		manifest_free(&got);
		assert_null(got.boot);
	}
	free(bytes);
}

static void test_manifest_boot__round_trip(void **state)
{
	static const size_t extents[] = { 0, 1, 9, MANIFEST_BOOT_EXTENTS_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(extents); i++) {
		struct manifest m = with_boot(extents[i / 2]);

		round_trip(&m, i % 2);
		manifest_free(&m);
	}
}

/* The most extents, of the largest numbers, and the longest names: it fits the text. */
static void test_manifest_boot__the_largest_fits(void **state)
{
	struct manifest m = with_boot(MANIFEST_BOOT_EXTENTS_MAX);
	size_t i;

	(void)state;
	m.size = INT64_MAX;
	for (i = 0; i < m.boot->count; i++) {
		m.boot->extents[i].off = UINT64_C(9000000000000000000) + i * 100000000000;
		m.boot->extents[i].len = 99999999999;
	}
	memset(m.name, '"', TRANSHIP_ID_MAX);
	memset(m.disk, '\\', TRANSHIP_ID_MAX);
	memset(m.version, '"', TRANSHIP_ID_MAX);
	memset(m.boot->target, '"', MANIFEST_BOOT_TARGET_MAX);
	round_trip(&m, true);
	manifest_free(&m);
}

/* What of a point without one does not change: no member, the same bytes as ever. */
static void test_manifest_boot__none(void **state)
{
	struct store_keys keys = store_keys_of(false);
	struct tranship_error err;
	struct manifest m, got;
	unsigned char *bytes;
	size_t len;

	(void)state;
	assert_ok(manifest_image(3, &m, &err), &err);
	bytes = encoded(&m, &keys, &len);
	assert_null(memmem(bytes, len, "boot", 4));
	assert_ok(manifest_decode(&keys, m.id, bytes, len, true, &got, &err), &err);
	assert_null(got.boot);
	manifest_free(&got);
	manifest_free(&m);
	free(bytes);
}

#define D32 "00000000000000000000000000000000"
#define DIGEST D32 D32

static const struct text_row {
	const char *old, *new;
	const char *piece;
} text_rows[] = {
	{ "\"boot\":{", "\"boot\":1,\"b\":{", "is not an object" },
	{ "\"boot\":{", "\"boot\":null,\"b\":{", "is not an object" },
	{ "\"extents\":", "\"e\":", "is not an object with a list" },
	{ "\"extents\":[[", "\"extents\":[7,[", "has an extent that is not offset" },
	{ "[512,1000,", "[512,", "has an extent that is not offset" },
	{ "[512,1000,", "[512,1000,1,", "has an extent that is not offset" },
	{ "[512,1000,", "[-1,1000,", "has an extent that is not offset" },
	{ "[512,1000,", "[\"512\",1000,", "has an extent that is not offset" },
	{ "[512,1000,", "[512,0,", "is empty" },
	{ "[512,1000,", "[512,1099511627776,", "passes the disk's end" },
	{ "[512,1000,", "[1099511627777,1,", "passes the disk's end" },
	{ "[512,1000,", "[512,4097,", "does not stand behind" },
	{ "[4608,1000,", "[512,1,", "does not stand behind" },
	{ "[512,1000,\"0", "[512,1000,\"", "64 hexadecimal digits" },
	{ "[512,1000,\"0", "[512,1000,\"G", "64 hexadecimal digits" },
	{ "\"digest\":\"b0", "\"digest\":\"B0", "has a digest that is not" },
	{ "\"digest\":\"b0", "\"digest\":0,\"x\":\"b0", "has a digest that is not" },
	{ "\"target\":\"bios-gpt\"", "\"target\":\"\"", "has a target" },
	{ "\"target\":\"bios-gpt\"", "\"target\":\"bi\\nos\"", "has a target" },
	{ "\"target\":\"bios-gpt\"", "\"target\":\"sixteen letters!\"", "has a target" },
	{ "\"target\":\"bios-gpt\"", "\"t\":1", "has a target" },
	{ "\"target\":\"bios-gpt\"", "\"target\":\"bios-gpt\",\"later\":[]", NULL },
};

/* The object with another text in it, sealed; malloc'ed. Takes over bytes. */
static unsigned char *with_text(const struct store_keys *keys, unsigned char *bytes, size_t *len,
				const char *old, const char *new)
{
	size_t json_len = get_le32(bytes + MANIFEST_OFF_JSON_LEN);
	size_t old_len = strlen(old), new_len = strlen(new), before, changed;
	unsigned char *at, *out;

	changed = *len - old_len + new_len;
	out = malloc(changed);
	assert_non_null(out);
	manifest_image_open(keys, bytes, *len);
	at = memmem(bytes + MANIFEST_HEAD_SIZE, json_len, old, old_len);
	if (!at)
		fail_msg("there is no %s", old);
	before = (size_t)(at - bytes);
	memcpy(out, bytes, before);
	memcpy(out + before, new, new_len);
	memcpy(out + before + new_len, at + old_len, *len - before - old_len);
	put_le32(out + MANIFEST_OFF_JSON_LEN, (uint32_t)(json_len - old_len + new_len));
	manifest_image_close(keys, out, changed);
	free(bytes);
	*len = changed;
	return out;
}

static void test_manifest_boot__texts_that_are_wrong(void **state)
{
	struct manifest m = with_boot(3), got;
	struct tranship_error err = { 0 };
	size_t i, len;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(text_rows); i++) {
		const struct text_row *row = &text_rows[i / 2];
		struct store_keys keys = store_keys_of(i % 2);
		unsigned char *bytes = encoded(&m, &keys, &len);
		int rc;

		bytes = with_text(&keys, bytes, &len, row->old, row->new);
		rc = manifest_decode(&keys, m.id, bytes, len, i % 2, &got, &err);
		if (row->piece ? rc != TRANSHIP_ECORRUPT || !strstr(err.message, row->piece) ||
					 !strstr(err.message, "'boot'")
			       : rc != 0)
			fail_msg("%s: %d \"%s\"", row->new, rc, err.message);
		assert_true(rc == 0 || !got.boot);
		manifest_free(&got);
		free(bytes);
	}
	manifest_free(&m);
}

static void test_manifest_boot__too_many(void **state)
{
	struct manifest m = with_boot(MANIFEST_BOOT_EXTENTS_MAX), got;
	struct store_keys keys = store_keys_of(false);
	struct tranship_error err;
	struct manifest_boot *more;
	unsigned char *bytes;
	size_t len;

	(void)state;
	assert_fails(manifest_boot_new(MANIFEST_BOOT_EXTENTS_MAX + 1, &more, &err), TRANSHIP_ELIMIT,
		     &err, "512");
	bytes = encoded(&m, &keys, &len);
	bytes = with_text(&keys, bytes, &len, "[[512,1000,", "[[0,1,\"" DIGEST "\"],[512,1000,");
	assert_fails(manifest_decode(&keys, m.id, bytes, len, true, &got, &err), TRANSHIP_ECORRUPT,
		     &err, "more than 512");
	free(bytes);
	manifest_free(&m);
}

static void test_manifest_boot_same(void **state)
{
	struct manifest a = with_boot(2), b = with_boot(2), none = with_boot(0);

	(void)state;
	assert_true(manifest_boot_same(NULL, NULL));
	assert_true(manifest_boot_same(a.boot, b.boot));
	assert_true(manifest_boot_same(NULL, none.boot) && manifest_boot_same(none.boot, NULL));
	assert_false(manifest_boot_same(a.boot, NULL) || manifest_boot_same(NULL, a.boot));
	b.boot->digest[31] ^= 1;
	assert_false(manifest_boot_same(a.boot, b.boot));
	manifest_free(&a);
	manifest_free(&b);
	manifest_free(&none);
}

/* What could not be read again is not written. */
static void test_manifest_boot__encode_refuses(void **state)
{
	struct manifest m = with_boot(2);
	struct store_keys keys = store_keys_of(false);
	unsigned char *bytes, digest[32];
	struct tranship_error err;
	size_t len;

	(void)state;
	m.boot->extents[1].off = 600;
	assert_fails(manifest_encode(&m, &keys, &bytes, &len, digest, &err), TRANSHIP_EINVAL, &err,
		     "'boot' has an extent that does not stand behind");
	m.boot->extents[1].off = UINT64_MAX;
	assert_fails(manifest_encode(&m, &keys, &bytes, &len, digest, &err), TRANSHIP_EINVAL, &err,
		     "passes the disk's end");
	m.boot->target[0] = '\0';
	assert_fails(manifest_encode(&m, &keys, &bytes, &len, digest, &err), TRANSHIP_EINVAL, &err,
		     "'boot' has a target");
	manifest_free(&m);
}

static void test_manifest_boot__no_memory(void **state)
{
	struct manifest m = with_boot(20), got;
	struct store_keys keys = store_keys_of(false);
	struct heap_seen seen = { .failed = true };
	unsigned char *bytes, digest[32];
	struct tranship_error err;
	unsigned long nth;
	size_t len;
	int rc;

	(void)state;
	for (nth = 1; HEAP_WATCHED && seen.failed; nth++) {
		heap_watch(nth, false);
		rc = manifest_encode(&m, &keys, &bytes, &len, digest, &err);
		if (rc == 0)
			rc = manifest_decode(&keys, m.id, bytes, len, true, &got, &err);
		if (rc == 0 && got.boot->count != 20)
			rc = TRANSHIP_ECORRUPT;
		if (rc == 0)
			manifest_free(&got);
		free(bytes);
		seen = heap_unwatch();
		if (rc != 0 && rc != TRANSHIP_ENOMEM)
			fail_msg("allocation %lu: %d \"%s\"", nth, rc, err.message);
		assert_int_equal(seen.held, 0);
	}
	manifest_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest_boot__round_trip),
		cmocka_unit_test(test_manifest_boot__the_largest_fits),
		cmocka_unit_test(test_manifest_boot__none),
		cmocka_unit_test(test_manifest_boot__texts_that_are_wrong),
		cmocka_unit_test(test_manifest_boot__too_many),
		cmocka_unit_test(test_manifest_boot_same),
		cmocka_unit_test(test_manifest_boot__encode_refuses),
		cmocka_unit_test(test_manifest_boot__no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
