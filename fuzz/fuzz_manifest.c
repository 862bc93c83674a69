// SPDX-License-Identifier: Apache-2.0
/*
 * The input is a manifest of a plain store. It is read as it is, and with its parts sealed anew,
 * and as one of an encrypted store, so that what the seals guard is reached. What decodes keeps its
 * promises, and encodes to what decodes to the same.
 */
#include "harness.h"

#include "emit/manifest_ondisk.h"
#include "manifest_image.h"
#include "slot_image.h"

#include <stdlib.h>
#include <string.h>

static void expect_error(int rc, const struct tranship_error *err)
{
	fuzz_require(rc < 0 && walk_error(rc, err) == NULL, "a failure says what it is");
}

static void same_boot(const struct manifest_boot *a, const struct manifest_boot *b)
{
	fuzz_require(!a == !b, "there is a boot plan, or none");
	fuzz_require(!a || (strcmp(a->target, b->target) == 0 && a->count == b->count &&
			    memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
			    memcmp(a->extents, b->extents, a->count * sizeof(a->extents[0])) == 0),
		     "the boot plan is the same");
}

static void same(const struct manifest *a, const struct manifest *b)
{
	fuzz_require(strcmp(a->id, b->id) == 0 && strcmp(a->name, b->name) == 0 &&
			     strcmp(a->disk, b->disk) == 0 && strcmp(a->version, b->version) == 0 &&
			     strcmp(a->predecessor, b->predecessor) == 0 &&
			     strcmp(a->source_format, b->source_format) == 0,
		     "texts are the same");
	fuzz_require(a->time_us == b->time_us && a->size == b->size && a->data == b->data &&
			     a->changed == b->changed && a->stored == b->stored &&
			     a->sector_size == b->sector_size && a->root.level == b->root.level,
		     "numbers are the same");
	fuzz_require(memcmp(a->predecessor_digest, b->predecessor_digest, 32) == 0 &&
			     memcmp(&a->seed, &b->seed, sizeof(a->seed)) == 0 &&
			     a->root.page.there == b->root.page.there &&
			     memcmp(&a->root.page.at, &b->root.page.at, sizeof(a->root.page.at)) ==
				     0 &&
			     memcmp(a->root.page.pin, b->root.page.pin, 16) == 0,
		     "bytes are the same");
	same_boot(a->boot, b->boot);
}

static void promises(const struct manifest *m)
{
	size_t i;

	fuzz_require(m->size <= INT64_MAX && (m->sector_size == 512 || m->sector_size == 4096),
		     "a disk has a size");
	fuzz_require(manifest_id_parse(m->id, NULL), "it has an id");
	fuzz_require(m->name[0] && m->disk[0], "it has a name and a disk");
	fuzz_require(m->root.level < TABLE_LEVELS_MAX, "the table has a root");
	fuzz_require(!m->boot || !manifest_boot_fault(m->boot, m->size), "a boot plan fits");
	for (i = 0; i < m->slot_count; i++)
		fuzz_require(m->slots[i].uses > 0 &&
				     (i == 0 || memcmp(&m->slots[i - 1].id, &m->slots[i].id,
						       sizeof(m->slots[i].id)) < 0),
			     "slots ascend, and are used");
}

static void write_again(const struct store_keys *keys, const struct manifest *m)
{
	unsigned char *bytes, digest[32];
	struct tranship_error err = { 0 };
	struct manifest again;
	size_t len;

	if (manifest_encode(m, keys, &bytes, &len, digest, &err)) {
		fuzz_require(err.code == TRANSHIP_ENOMEM, "what was read can be written");
		return;
	}
	fuzz_require(manifest_decode(keys, m->id, bytes, len, true, &again, &err) == 0,
		     "what was written can be read");
	same(m, &again);
	fuzz_require(m->slot_count == again.slot_count &&
			     (m->slot_count == 0 || memcmp(m->slots, again.slots,
							   m->slot_count * sizeof(*m->slots)) == 0),
		     "slots are the same");
	manifest_free(&again);
	free(bytes);
}

static void read_manifest(const struct store_keys *keys, const char *id, const unsigned char *bytes,
			  size_t size)
{
	struct tranship_error err = { 0 };
	struct manifest m, front;
	int rc = manifest_decode(keys, id, bytes, size, true, &m, &err);

	if (rc) {
		expect_error(rc, &err);
		fuzz_require(!m.slots && m.slot_count == 0 && !m.boot, "nothing is left");
		return;
	}
	promises(&m);
	fuzz_require(manifest_decode(keys, id, bytes, size, false, &front, &err) == 0 &&
			     !front.slots,
		     "its front can be read alone");
	same(&m, &front);
	manifest_free(&front);
	write_again(keys, &m);
	manifest_free(&m);
}

/* The id that the head and the text have, or that of the image. */
static void find_id(const uint8_t *data, size_t size, char id[POINT_ID_TEXT])
{
	static const char member[] = "\"id\":\"";
	const uint8_t *at = memmem(data, size, member, sizeof(member) - 1);

	strcpy(id, "20231114T221320123456Z-abababababababababababababababab");
	if (at && (size_t)(data + size - at) > sizeof(member) + POINT_ID_TEXT) {
		char found[POINT_ID_TEXT] = "";

		memcpy(found, at + sizeof(member) - 1, POINT_ID_TEXT - 1);
		if (manifest_id_parse(found, NULL))
			strcpy(id, found);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *bytes = malloc(size ? size : 1);
	char id[POINT_ID_TEXT];
	struct store_keys keys;

	find_id(data, size, id);
	if (bytes && slot_image_keys(false, &keys, NULL) == 0) {
		memcpy(bytes, data, size);
		read_manifest(&keys, id, bytes, size);
		manifest_image_close(&keys, bytes, size);
		read_manifest(&keys, id, bytes, size);
	}
	if (bytes && size > MANIFEST_OFF_FLAGS && slot_image_keys(true, &keys, NULL) == 0) {
		memcpy(bytes, data, size);
		bytes[MANIFEST_OFF_FLAGS] ^= MANIFEST_FLAG_ENCRYPTED;
		manifest_image_close(&keys, bytes, size);
		read_manifest(&keys, id, bytes, size);
	}
	free(bytes);
	return 0;
}
