// SPDX-License-Identifier: Apache-2.0
/*
 * Keys, names and seals. They stand in stores that outlive this build, so they are pinned to values
 * that tests/golden_seal.py computes on its own.
 */
#include "support.h"

#include "emit/seal.h"
#include "store_keys.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define PART "a part of an object"
#define PART_LEN (sizeof(PART) - 1)

static void assert_hex(const unsigned char *bytes, size_t len, const char *want)
{
	char text[129];
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(text, want);
}

static struct sealer sealer_of(bool encrypted, enum seal_purpose purpose)
{
	struct store_keys keys = store_keys_of(encrypted);
	unsigned char id[OBJECT_ID_SIZE], salt[SEAL_SALT];
	struct tranship_error err;
	struct sealer s;
	unsigned char i;

	for (i = 0; i < OBJECT_ID_SIZE; i++)
		id[i] = i;
	memset(salt, 0x5A, sizeof(salt));
	assert_ok(sealer_init(&s, &keys, purpose, id, salt, &err), &err);
	return s;
}

static void test_name_of__known(void **state)
{
	struct store_keys keys = store_keys_of(true);
	unsigned char name[NAME_SIZE];
	struct tranship_error err;

	(void)state;
	assert_hex(keys.name_key, 32,
		   "a6074f736735bc774e1a18338511755fae5a2386151d3b49b32746fe267c8bb2");
	assert_ok(name_of(&keys, "a block", 7, name, &err), &err);
	assert_hex(name, 32, "e8763a0a92bdf483274a124275d4fa95034151168f8614039b1b695996a1bf40");
	keys = store_keys_of(false);
	assert_ok(name_of(&keys, "a block", 7, name, &err), &err);
	assert_hex(name, 32, "92c89d9853a2f5716d2a23633e86835afaa5d4213580dbee0844f53767d293c8");
}

/* RFC 4231, test case 2, has a short key; HMAC pads it with zeros, so here it is 32 bytes. */
static void test_name_of__rfc_4231(void **state)
{
	struct store_keys keys = { .encrypted = true };
	unsigned char name[NAME_SIZE];
	struct tranship_error err;

	(void)state;
	memcpy(keys.name_key, "Jefe", 4);
	assert_ok(name_of(&keys, "what do ya want for nothing?", 28, name, &err), &err);
	assert_hex(name, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_seal_part__known(void **state)
{
	static const struct {
		bool encrypted;
		enum seal_purpose purpose;
		uint32_t number;
		const char *sealed, *tag;
	} cases[] = {
		{ true, SEAL_SLOT, 7, "cfadc103a40c7938f9705960fada8aa6274a7f",
		  "2ddda6525ce88caf6472d7ed25972570" },
		{ true, SEAL_SLOT, UINT32_MAX, "ca0ef7d347fbf1baed6b7fcacf5b0126a0adc6",
		  "cee16a5c94e778679ca53bd225d81c91" },
		{ true, SEAL_POINT, 7, "7ab45d554987f2e16bd7f78f3b04053f92ba79",
		  "6dc85ff24ea67b5292a589cce2d3bd8e" },
		{ true, SEAL_TAGS, 7, "9eca80e63c825ea55002e67d836bb6c75aaaa6",
		  "3bc4981674fe642ccc3acd16e6738416" },
		{ true, SEAL_LEASE, 7, "f230a04e2dbd111cc77b1d2c2fd88aa9da7ca6",
		  "9a3f2d53eb31082105e61ab03b61ca42" },
		{ false, SEAL_SLOT, 7, "612070617274206f6620616e206f626a656374",
		  "f1f1918341e8e31cfd4678105ac15e50" },
		{ false, SEAL_LEASE, UINT32_MAX, "612070617274206f6620616e206f626a656374",
		  "476c726d8c37a4c33aea0c26f8ff1809" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct sealer s = sealer_of(cases[i].encrypted, cases[i].purpose);
		unsigned char part[PART_LEN], tag[SEAL_TAG];
		struct tranship_error err;

		memcpy(part, PART, PART_LEN);
		assert_ok(seal_part(&s, cases[i].number, part, PART_LEN, tag, &err), &err);
		assert_hex(part, PART_LEN, cases[i].sealed);
		assert_hex(tag, SEAL_TAG, cases[i].tag);
		assert_ok(unseal_part(&s, cases[i].number, part, PART_LEN, tag, &err), &err);
		assert_memory_equal(part, PART, PART_LEN);
	}
}

/* Another number, object, store, purpose or salt: it is not what was sealed. */
static void test_unseal_part__not_in_anothers_place(void **state)
{
	static const struct {
		const char *what;
		size_t at;
	} fields[] = {
		{ "store", offsetof(struct sealer, store_id) + 3 },
		{ "object", offsetof(struct sealer, object_id) + 15 },
		{ "key", offsetof(struct sealer, key) },
	};
	int encrypted;
	size_t i;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++) {
		struct sealer s = sealer_of(encrypted, SEAL_SLOT), other;
		unsigned char part[PART_LEN], copy[PART_LEN], tag[SEAL_TAG];
		struct tranship_error err;

		memcpy(part, PART, PART_LEN);
		assert_ok(seal_part(&s, 7, part, PART_LEN, tag, &err), &err);
		memcpy(copy, part, PART_LEN);
		assert_int_equal(unseal_part(&s, 8, copy, PART_LEN, tag, &err), TRANSHIP_ECORRUPT);
		for (i = 0; i < COUNT_OF(fields); i++) {
			if (!encrypted && strcmp(fields[i].what, "key") == 0)
				continue;
			other = s;
			((unsigned char *)&other)[fields[i].at] ^= 1;
			memcpy(copy, part, PART_LEN);
			assert_int_equal(unseal_part(&other, 7, copy, PART_LEN, tag, &err),
					 TRANSHIP_ECORRUPT);
		}
		assert_int_equal(unseal_part(&s, 7, part, PART_LEN, tag, &err), 0);
	}
}

static void test_unseal_part__flipped_bits(void **state)
{
	int encrypted;
	size_t bit;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++) {
		struct sealer s = sealer_of(encrypted, SEAL_SLOT);
		unsigned char good[PART_LEN + SEAL_TAG], bad[PART_LEN + SEAL_TAG];
		struct tranship_error err;

		memcpy(good, PART, PART_LEN);
		assert_ok(seal_part(&s, 0, good, PART_LEN, good + PART_LEN, &err), &err);
		for (bit = 0; bit < 8 * sizeof(good); bit++) {
			memcpy(bad, good, sizeof(good));
			bad[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_int_equal(unseal_part(&s, 0, bad, PART_LEN, bad + PART_LEN, &err),
					 TRANSHIP_ECORRUPT);
		}
		assert_int_equal(unseal_part(&s, 0, good, PART_LEN - 1, good + PART_LEN, &err),
				 TRANSHIP_ECORRUPT);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_seal_part__empty(void **state)
{
	int encrypted;

	(void)state;
	for (encrypted = 0; encrypted < 2; encrypted++) {
		struct sealer s = sealer_of(encrypted, SEAL_TAGS);
		unsigned char tag[SEAL_TAG], none[1];
		struct tranship_error err;

		assert_ok(seal_part(&s, 3, none, 0, tag, &err), &err);
		assert_ok(unseal_part(&s, 3, none, 0, tag, &err), &err);
		tag[0] ^= 1;
		assert_int_equal(unseal_part(&s, 3, none, 0, tag, &err), TRANSHIP_ECORRUPT);
	}
}

/* Every object has a key of its own, even of one id. */
static void test_sealer_init__salt(void **state)
{
	struct store_keys keys = store_keys_of(true);
	unsigned char id[OBJECT_ID_SIZE] = { 0 }, salt[SEAL_SALT];
	struct tranship_error err;
	struct sealer a, b;

	(void)state;
	assert_ok(random_bytes(salt, sizeof(salt), &err), &err);
	assert_ok(sealer_init(&a, &keys, SEAL_SLOT, id, salt, &err), &err);
	salt[31] ^= 0x80;
	assert_ok(sealer_init(&b, &keys, SEAL_SLOT, id, salt, &err), &err);
	assert_memory_not_equal(a.key, b.key, 32);
	assert_fails(sealer_init(&b, &keys, (enum seal_purpose)9, id, salt, &err), TRANSHIP_EINVAL,
		     &err, "sealed as 9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_of__known),
		cmocka_unit_test(test_name_of__rfc_4231),
		cmocka_unit_test(test_seal_part__known),
		cmocka_unit_test(test_unseal_part__not_in_anothers_place),
		cmocka_unit_test(test_unseal_part__flipped_bits),
		cmocka_unit_test(test_seal_part__empty),
		cmocka_unit_test(test_sealer_init__salt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
