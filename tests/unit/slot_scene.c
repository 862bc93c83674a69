// SPDX-License-Identifier: Apache-2.0
#include "slot_scene.h"

#include "base/bytes.h"
#include "support.h"

#include <openssl/sha.h>
#include <string.h>
#include <zstd.h>

struct slot_id slot_id_of(uint32_t n)
{
	struct slot_id id = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

	put_be64(id.bytes + 8, n);
	return id;
}

size_t scene_record(uint32_t n, unsigned char *raw)
{
	size_t len = 1 + (size_t)n * 977 % SCENE_RECORD_MAX;
	struct rng rng = { n + 1 };

	if (n % 2)
		rng_fill(&rng, raw, len);
	else
		memset(raw, 'a' + (int)(n % 26), len);
	return len;
}

void scene_add(struct slot_builder *b, const struct store_keys *keys, uint32_t n)
{
	static unsigned char raw[SCENE_RECORD_MAX], packed[2 * SCENE_RECORD_MAX];
	struct slot_entry e = { .kind = n % 3 ? RECORD_BLOCK : RECORD_PAGE };
	struct tranship_error err;
	const void *stored = raw;
	uint32_t record;

	e.raw = e.stored = (uint32_t)scene_record(n, raw);
	if (n % 2 == 0) {
		e.codec = CODEC_ZSTD;
		e.stored = (uint32_t)ZSTD_compress(packed, sizeof(packed), raw, e.raw, 1);
		stored = packed;
	}
	assert_ok(name_of(keys, raw, e.raw, e.name, &err), &err);
	assert_ok(slot_builder_add(b, &e, stored, &record, &err), &err);
	assert_int_equal(record, n);
}

void scene_put(struct target *t, const struct store_keys *keys, const struct slot_id *id,
	       uint32_t count)
{
	unsigned char sha256[32], hash[32];
	char key[TARGET_KEY_MAX + 1];
	const unsigned char *bytes;
	struct tranship_error err;
	struct slot_builder *b;
	uint32_t n;
	size_t len;

	assert_ok(slot_builder_new(64U << 20, &b, &err), &err);
	slot_builder_begin(b, id);
	for (n = 0; n < count; n++)
		scene_add(b, keys, n);
	assert_ok(slot_builder_seal(b, keys, &bytes, &len, sha256, &err), &err);
	SHA256(bytes, len, hash);
	assert_memory_equal(hash, sha256, 32);
	slot_key(id, key);
	assert_ok(target_put(t, key, bytes, len, sha256, &err), &err);
	slot_builder_free(b);
}
