// SPDX-License-Identifier: Apache-2.0
/* Leases: what a writer promises gc, and when it must give up. */
#include "support.h"

#include "base/buffer.h"
#include "emit/lease.h"
#include "made_stores.h"
#include "memory_target.h"

#include <stdio.h>
#include <string.h>

#define HOUR 3600U

static int take(void *ctx, const struct lease_info *info, struct tranship_error *err)
{
	return buffer_printf(ctx, err, "%02x base=%s at %lld;", info->writer[0], info->base,
			     (long long)info->renewed - 1700000000);
}

static void assert_leases(struct tranship_store *store, const char *want)
{
	struct buffer text = { 0 };
	struct tranship_error err;

	assert_ok(lease_list(store, take, &text, &err), &err);
	assert_ok(buffer_append(&text, "", 1, &err), &err);
	assert_string_equal((char *)text.bytes, want);
	buffer_free(&text);
}

static void lease_of(struct tranship_store *store, unsigned char first, const char *base,
		     struct lease *out)
{
	const unsigned char writer[WRITER_ID_SIZE] = { first };
	struct tranship_error err;

	assert_ok(lease_take(store, writer, base, HOUR, out, &err), &err);
}

static void check_listing(bool encrypted)
{
	struct tranship_store *store = store_make(encrypted);
	struct tranship_error err;
	struct lease a, b;

	assert_leases(store, "");
	lease_of(store, 0xAA, "", &a);
	memory_target_set_time(store->target, 1700000005);
	lease_of(store, 0xBB, "20231113T221320000000Z-00112233445566778899aabbccddeeff", &b);
	assert_leases(store,
		      "aa base= at 0;"
		      "bb base=20231113T221320000000Z-00112233445566778899aabbccddeeff at 5;");
	assert_int_equal(b.renewed, 1700000005);
	assert_ok(lease_drop(&a, &err), &err);
	assert_ok(lease_drop(&a, &err), &err);
	assert_ok(lease_drop(&b, &err), &err);
	assert_leases(store, "");
	tranship_store_close(store);
}

static void test_lease__is_listed_until_it_is_dropped(void **state)
{
	(void)state;
	check_listing(false);
	check_listing(true);
}

static void test_lease__says_nothing_in_an_encrypted_store(void **state)
{
	struct tranship_store *store = store_make(true);
	const unsigned char *bytes;
	struct lease l;
	size_t len;

	(void)state;
	lease_of(store, 0xAA, "the base point", &l);
	bytes = memory_target_bytes(store->target, "leases/aa00000000000000", &len);
	assert_non_null(bytes);
	assert_null(memmem(bytes, len, "base", 4));
	tranship_store_close(store);
}

static void test_lease__a_new_writer_is_another_one(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	struct lease a, b;

	(void)state;
	assert_ok(lease_take(store, NULL, "", 0, &a, &err), &err);
	assert_ok(lease_take(store, NULL, "", 0, &b, &err), &err);
	assert_memory_not_equal(a.writer, b.writer, WRITER_ID_SIZE);
	assert_int_equal(a.grace, TRANSHIP_GRACE_DEFAULT);
	tranship_store_close(store);
}

static void test_keep__renews_when_it_is_time(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	struct lease l;
	double first;

	(void)state;
	lease_of(store, 0xAA, "", &l);
	first = l.renewed_here;
	memory_target_set_time(store->target, 1700000100);
	assert_ok(lease_keep(&l, &err), &err);
	assert_true(l.renewed_here == first);
	assert_leases(store, "aa base= at 0;");
	l.renewed_here -= HOUR / 16.0 + 1;
	assert_ok(lease_keep(&l, &err), &err);
	assert_true(l.renewed_here >= first);
	assert_leases(store, "aa base= at 100;");
	/* With a long grace it is ten minutes. */
	l.grace = 72 * HOUR;
	memory_target_set_time(store->target, 1700000200);
	l.renewed_here -= 590;
	assert_ok(lease_keep(&l, &err), &err);
	assert_leases(store, "aa base= at 100;");
	l.renewed_here -= 20;
	assert_ok(lease_keep(&l, &err), &err);
	assert_leases(store, "aa base= at 200;");
	tranship_store_close(store);
}

/* Renewing it would hide that gc may have acted while it was dead. */
static void test_keep__does_not_revive_a_lost_lease(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	struct lease l;

	(void)state;
	lease_of(store, 0xAA, "", &l);
	assert_ok(lease_check(&l, &err), &err);
	l.renewed_here -= HOUR / 2.0 - 10;
	assert_ok(lease_check(&l, &err), &err);
	l.renewed_here -= 20;
	assert_fails(lease_check(&l, &err), TRANSHIP_ECANCELED, &err, "half the grace");
	memory_target_set_time(store->target, 1700009999);
	assert_fails(lease_keep(&l, &err), TRANSHIP_ECANCELED, &err, "half the grace");
	assert_leases(store, "aa base= at 0;");
	tranship_store_close(store);
}

/* gc would take what an unreadable lease protects for unused. */
static void test_list__fails_on_what_it_cannot_read(void **state)
{
	struct tranship_store *store = store_make(true);
	struct tranship_error err;
	struct buffer text = { 0 };
	unsigned char *bytes;
	struct lease l;
	size_t len, i;

	(void)state;
	lease_of(store, 0xAA, "", &l);
	bytes = memory_target_bytes(store->target, "leases/aa00000000000000", &len);
	for (i = 0; i < len; i++) {
		bytes[i] ^= 1;
		assert_fails(lease_list(store, take, &text, &err), TRANSHIP_ECORRUPT, &err,
			     "leases/aa00000000000000 is damaged");
		bytes[i] ^= 1;
	}
	assert_int_equal(text.len, 0);
	/* Under another writer's name */
	assert_ok(target_put(store->target, "leases/bb00000000000000", bytes, len, NULL, &err),
		  &err);
	assert_fails(lease_list(store, take, &text, &err), TRANSHIP_ECORRUPT, &err,
		     "leases/bb00000000000000 is damaged");
	assert_ok(target_remove(store->target, "leases/bb00000000000000", &err), &err);
	assert_ok(target_put(store->target, "leases/x", "{}", 2, NULL, &err), &err);
	assert_fails(lease_list(store, take, &text, &err), TRANSHIP_ECORRUPT, &err,
		     "leases/x is no lease");
	buffer_free(&text);
	tranship_store_close(store);
}

static void test_take__refuses_what_gc_could_not_read(void **state)
{
	struct tranship_store *store = store_make(false);
	struct tranship_error err;
	struct lease l;
	char base[65];

	(void)state;
	memset(base, 'x', sizeof(base));
	base[64] = '\0';
	assert_fails(lease_take(store, NULL, base, 0, &l, &err), TRANSHIP_EINVAL, &err, "lease");
	assert_fails(lease_take(store, NULL, "a\nb", 0, &l, &err), TRANSHIP_EINVAL, &err, "lease");
	assert_leases(store, "");
	tranship_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease__is_listed_until_it_is_dropped),
		cmocka_unit_test(test_lease__says_nothing_in_an_encrypted_store),
		cmocka_unit_test(test_lease__a_new_writer_is_another_one),
		cmocka_unit_test(test_keep__renews_when_it_is_time),
		cmocka_unit_test(test_keep__does_not_revive_a_lost_lease),
		cmocka_unit_test(test_list__fails_on_what_it_cannot_read),
		cmocka_unit_test(test_take__refuses_what_gc_could_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
