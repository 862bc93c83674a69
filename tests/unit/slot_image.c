// SPDX-License-Identifier: Apache-2.0
#include "slot_image.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "emit/slot_ondisk.h"

#include <openssl/sha.h>
#include <string.h>
#include <zstd.h>

struct slot_id slot_image_id(void)
{
	return (struct slot_id){ "writer 1\0\0\0\0\0\0\0\7" };
}

int slot_image_keys(bool encrypted, struct store_keys *keys, struct tranship_error *err)
{
	memset(keys, 0, sizeof(*keys));
	keys->encrypted = encrypted;
	memset(keys->store_id, 0x51, sizeof(keys->store_id));
	if (encrypted)
		memset(keys->data_key, 0xD7, sizeof(keys->data_key));
	return store_keys_derive(keys, err);
}

size_t slot_image_record(uint32_t n, unsigned char raw[SLOT_IMAGE_RAW_MAX])
{
	static const size_t lengths[SLOT_IMAGE_RECORDS] = { 5000, 100, SLOT_IMAGE_RAW_MAX, 2 };
	size_t i;

	for (i = 0; i < lengths[n]; i++)
		raw[i] = (unsigned char)(n == 1 ? i * 7 : 'a' + i / 500 + n);
	return lengths[n];
}

static int add(struct slot_builder *b, const struct store_keys *keys, uint32_t n,
	       struct tranship_error *err)
{
	unsigned char raw[SLOT_IMAGE_RAW_MAX], packed[2 * SLOT_IMAGE_RAW_MAX];
	struct slot_entry e = { .raw = (uint32_t)slot_image_record(n, raw) };
	bool pack = n % 2 == 0;
	uint32_t record;
	int rc = name_of(keys, raw, e.raw, e.name, err);

	e.kind = n == 2 ? RECORD_PAGE : RECORD_BLOCK;
	e.codec = pack ? CODEC_ZSTD : CODEC_NONE;
	e.stored = pack ? (uint32_t)ZSTD_compress(packed, sizeof(packed), raw, e.raw, 1) : e.raw;
	return rc ? rc : slot_builder_add(b, &e, pack ? packed : raw, &record, err);
}

int slot_image(const struct store_keys *keys, struct buffer *out, struct tranship_error *err)
{
	struct slot_id id = slot_image_id();
	struct slot_builder *b = NULL;
	const unsigned char *bytes;
	unsigned char sha256[32];
	uint32_t n;
	size_t len;
	int rc = slot_builder_new(SLOT_SIZE_MIN, &b, err);

	if (rc == 0)
		slot_builder_begin(b, &id);
	for (n = 0; n < SLOT_IMAGE_RECORDS && rc == 0; n++)
		rc = add(b, keys, n, err);
	if (rc == 0)
		rc = slot_builder_seal(b, keys, &bytes, &len, sha256, err);
	if (rc == 0)
		rc = buffer_append(out, bytes, len, err);
	slot_builder_free(b);
	return rc;
}

/* The index by what the trailer says, and who sealed it. */
static bool find_index(const struct store_keys *keys, unsigned char *bytes, size_t len,
		       unsigned char **index, size_t *index_len, struct sealer *sealer)
{
	const unsigned char *end = bytes + len - SLOT_TRAILER_SIZE;
	uint64_t off;

	if (len < SLOT_HEAD_SIZE + SLOT_TRAILER_SIZE)
		return false;
	off = get_le64(end + SLOT_END_OFF_INDEX_OFF);
	*index_len = get_le32(end + SLOT_END_OFF_INDEX_LEN);
	if (off < SLOT_HEAD_SIZE || off > len || len - off <= SEAL_TAG + SLOT_TRAILER_SIZE ||
	    *index_len != len - off - SEAL_TAG - SLOT_TRAILER_SIZE)
		return false;
	*index = bytes + off;
	return sealer_init(sealer, keys, SEAL_SLOT, bytes + SLOT_OFF_ID, bytes + SLOT_OFF_SALT,
			   NULL) == 0;
}

void slot_image_open(const struct store_keys *keys, unsigned char *bytes, size_t len)
{
	unsigned char *index;
	struct sealer sealer;
	size_t index_len;

	if (keys->encrypted && find_index(keys, bytes, len, &index, &index_len, &sealer))
		unseal_part(&sealer, SLOT_INDEX_PART, index, index_len, index + index_len, NULL);
}

void slot_image_close(const struct store_keys *keys, unsigned char *bytes, size_t len)
{
	unsigned char *index, *end = bytes + len - SLOT_TRAILER_SIZE;
	struct sealer sealer;
	size_t index_len;

	if (find_index(keys, bytes, len, &index, &index_len, &sealer))
		seal_part(&sealer, SLOT_INDEX_PART, index, index_len, index + index_len, NULL);
	if (len < SLOT_TRAILER_SIZE)
		return;
	SHA256(bytes, len - SLOT_TRAILER_SIZE, end + SLOT_END_OFF_SHA256);
	put_le64(end + SLOT_END_OFF_CHECK, check64(end, SLOT_END_OFF_CHECK, 0));
}
