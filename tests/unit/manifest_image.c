// SPDX-License-Identifier: Apache-2.0
#include "manifest_image.h"

#include "base/bytes.h"
#include "base/error.h"
#include "emit/manifest_ondisk.h"

#include <stdlib.h>
#include <string.h>

/* Of 2023-11-14. */
int manifest_image(size_t slots, struct manifest *m, struct tranship_error *err)
{
	unsigned char id[OBJECT_ID_SIZE];
	size_t i;

	*m = (struct manifest){
		.time_us = INT64_C(1700000000123456),
		.name = "nightly",
		.disk = "vm-7/disk 0",
		.version = "52 de c0 d9/4",
		.predecessor = "20231113T221320000000Z-00112233445566778899aabbccddeeff",
		.source_format = "vmdk",
		.size = UINT64_C(1) << 40,
		.sector_size = 512,
		.root = { 2, { true, { { "slot of the root" }, 77 }, "pin of the root!" } },
		.data = 123,
		.changed = 45,
		.stored = 6,
		.slot_count = slots,
	};
	memset(id, 0xAB, sizeof(id));
	memset(m->predecessor_digest, 0xD1, sizeof(m->predecessor_digest));
	memset(m->seed.bytes, 0x5E, sizeof(m->seed.bytes));
	m->slots = calloc(slots + 1, sizeof(*m->slots));
	if (!m->slots)
		return error_nomem(err, slots);
	for (i = 0; i < slots; i++) {
		put_be64(m->slots[i].id.bytes + 8, 3 * i + 1);
		m->slots[i].uses = UINT64_C(1) << (i % 64);
	}
	return manifest_id_format(m->time_us, id, m->id, err);
}

int manifest_image_boot(size_t extents, struct manifest *m, struct tranship_error *err)
{
	size_t i;
	int rc = manifest_boot_new(extents, &m->boot, err);

	if (rc)
		return rc;
	strcpy(m->boot->target, "bios-gpt");
	memset(m->boot->digest, 0xB0, sizeof(m->boot->digest));
	for (i = 0; i < extents; i++) {
		m->boot->extents[i].off = 512 + 4096 * i;
		m->boot->extents[i].len = 1000;
		memset(m->boot->extents[i].digest, (int)i, sizeof(m->boot->extents[i].digest));
	}
	return 0;
}

static void part(const struct sealer *s, uint32_t number, unsigned char *at, size_t len, bool seal)
{
	if (seal)
		seal_part(s, number, at, len, at + len, NULL);
	else
		unseal_part(s, number, at, len, at + len, NULL);
}

static void all_parts(const struct store_keys *keys, unsigned char *bytes, size_t len, bool seal)
{
	uint64_t slots, this_len;
	size_t at = MANIFEST_HEAD_SIZE;
	struct sealer s;
	uint32_t number;

	if (len < MANIFEST_HEAD_SIZE || sealer_init(&s, keys, SEAL_POINT, bytes + MANIFEST_OFF_ID,
						    bytes + MANIFEST_OFF_SALT, NULL))
		return;
	slots = get_le32(bytes + MANIFEST_OFF_SLOTS);
	this_len = get_le32(bytes + MANIFEST_OFF_JSON_LEN);
	for (number = 0; this_len > 0 && this_len + SEAL_TAG <= len - at; number++) {
		uint64_t count = slots < MANIFEST_PART_SLOTS ? slots : MANIFEST_PART_SLOTS;

		part(&s, number, bytes + at, (size_t)this_len, seal);
		at += (size_t)this_len + SEAL_TAG;
		this_len = count * MANIFEST_SLOT_SIZE;
		slots -= count;
	}
}

void manifest_image_open(const struct store_keys *keys, unsigned char *bytes, size_t len)
{
	if (keys->encrypted)
		all_parts(keys, bytes, len, false);
}

void manifest_image_close(const struct store_keys *keys, unsigned char *bytes, size_t len)
{
	all_parts(keys, bytes, len, true);
}
