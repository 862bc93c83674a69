// SPDX-License-Identifier: Apache-2.0
/*
 * Edits that need no room: a value's data that does not grow, and a subkey that goes. The header
 * stays as it is: its checksum does not cover what changes, and equal sequence numbers say that no
 * log is to be replayed. Everything that an edit needs is read, and found good, before the first
 * byte is written.
 */
#include "mbr-gpt/regf.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/regf_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes, and zeros behind them up to `old` bytes. */
static int write_over(struct regf *hive, const struct regf_cell *cell, const unsigned char *data,
		      uint32_t len, uint32_t old, struct tranship_error *err)
{
	static const unsigned char zeros[256];
	int rc = regf_cell_write(hive, cell, 0, data, len, err);

	while (rc == 0 && len < old) {
		uint32_t step = (uint32_t)min_u64(sizeof(zeros), old - len);

		rc = regf_cell_write(hive, cell, len, zeros, step, err);
		len += step;
	}
	return rc;
}

static int write_segments(struct regf *hive, const struct regf_place *place,
			  const unsigned char *data, uint32_t len, struct tranship_error *err)
{
	struct regf_cell segment;
	uint32_t i, old;
	int rc = 0;

	if (len <= REGF_SEGMENT || div_up(len, REGF_SEGMENT) != place->segment_count)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "regf: big data of %" PRIu32 " bytes in place of %" PRIu32
				 " would need other cells",
				 len, place->len);
	for (i = 0; i < place->segment_count && rc == 0; i++) /* all are there */
		rc = regf_segment(hive, place, i, &segment, &old, err);
	for (i = 0; i < place->segment_count && rc == 0; i++) {
		uint32_t part = (uint32_t)min_u64(REGF_SEGMENT, len - i * REGF_SEGMENT);

		rc = regf_segment(hive, place, i, &segment, &old, err);
		if (rc == 0)
			rc = write_over(hive, &segment, data + (size_t)i * REGF_SEGMENT, part, old,
					err);
	}
	return rc ? rc : regf_cell_write32(hive, &place->vk, VK_OFF_DATA_LEN, len, err);
}

/* Up to four bytes stand in the value itself; a cell that it had is free then. */
static int write_inline(struct regf *hive, const struct regf_place *place,
			const unsigned char *data, uint32_t len, struct tranship_error *err)
{
	unsigned char raw[8] = { 0 };
	int rc;

	put_le32(raw, len | VK_INLINE_BIT);
	if (len > 0)
		memcpy(raw + 4, data, len);
	rc = regf_cell_write(hive, &place->vk, VK_OFF_DATA_LEN, raw, sizeof(raw), err);
	if (rc == 0 && !place->in_vk && place->len > 0)
		rc = regf_cell_free(hive, place->cell.at, err);
	return rc;
}

int regf_set_data(struct regf *hive, const struct regf_value *value, const void *data, size_t len,
		  struct tranship_error *err)
{
	struct regf_place place;
	int rc = regf_data_place(hive, value->cell, &place, err);

	if (rc)
		return rc;
	if (len > place.len)
		return error_set(err, TRANSHIP_EINVAL,
				 "regf: %zu bytes in place of the %" PRIu32
				 " of the value at 0x%" PRIx32,
				 len, place.len, value->cell);
	if (place.segment_count)
		return write_segments(hive, &place, data, (uint32_t)len, err);
	if (len <= VK_INLINE)
		return write_inline(hive, &place, data, (uint32_t)len, err);
	rc = write_over(hive, &place.cell, data, (uint32_t)len, place.len, err);
	if (rc == 0 && len < place.len)
		rc = regf_cell_write32(hive, &place.vk, VK_OFF_DATA_LEN, (uint32_t)len, err);
	return rc;
}

/* Cells that become free. */
struct doomed {
	uint32_t *at;
	size_t count, cap;
};

static int doom(void *ctx, uint32_t at, struct tranship_error *err)
{
	struct doomed *d = ctx;

	if (d->count == d->cap) {
		size_t cap = 2 * d->cap + 16;
		uint32_t *more = realloc(d->at, cap * sizeof(*more));

		if (!more)
			return error_nomem(err, cap * sizeof(*more));
		d->at = more;
		d->cap = cap;
	}
	d->at[d->count++] = at;
	return 0;
}

static int doom_values(struct regf *hive, const struct regf_key *key, struct doomed *d,
		       struct tranship_error *err)
{
	struct regf_place place;
	uint32_t i, at;
	int rc = 0;

	if (key->values > 0)
		rc = doom(d, key->value_list, err);
	for (i = 0; i < key->values && rc == 0; i++) {
		rc = regf_value_cell(hive, key, i, &at, err);
		if (rc == 0)
			rc = regf_data_place(hive, at, &place, err);
		if (rc == 0)
			rc = doom(d, at, err);
		if (rc == 0)
			rc = regf_data_cells(hive, &place, doom, d, err);
	}
	return rc;
}

/* All cells that a key alone has. */
static int doom_key(struct regf *hive, const struct regf_key *key, const unsigned char *nk,
		    struct doomed *d, struct tranship_error *err)
{
	uint32_t class = get_le32(nk + NK_OFF_CLASS);
	struct regf_cell cell;
	size_t i;
	int rc = doom(d, key->cell, err);

	if (rc == 0 && class != REGF_NONE && get_le16(nk + NK_OFF_CLASS_LEN) > 0)
		rc = doom(d, class, err);
	if (rc == 0)
		rc = doom_values(hive, key, d, err);
	for (i = 0; i < d->count && rc == 0; i++)
		rc = regf_cell_open(hive, d->at[i], 0, "a cell to free", &cell, err);
	return rc;
}

/* A security descriptor, and its neighbours in the ring of all of them. */
struct security {
	struct regf_cell cell, next, previous;
	uint32_t references;
};

static int read_security(struct regf *hive, uint32_t at, struct security *out,
			 struct tranship_error *err)
{
	unsigned char raw[SK_SIZE], other[SK_SIZE];
	int rc =
		regf_record(hive, at, "sk", SK_SIZE, "a security descriptor", &out->cell, raw, err);

	if (rc)
		return rc;
	out->references = get_le32(raw + SK_OFF_REFERENCES);
	if (out->references == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the security descriptor at 0x%" PRIx32
				 " of a key says that no key has it",
				 at);
	rc = regf_record(hive, get_le32(raw + SK_OFF_NEXT), "sk", SK_SIZE, "a security descriptor",
			 &out->next, other, err);
	if (rc == 0)
		rc = regf_record(hive, get_le32(raw + SK_OFF_PREVIOUS), "sk", SK_SIZE,
				 "a security descriptor", &out->previous, other, err);
	return rc;
}

static int leave_security(struct regf *hive, const struct security *sk, struct tranship_error *err)
{
	int rc;

	if (sk->references > 1)
		return regf_cell_write32(hive, &sk->cell, SK_OFF_REFERENCES, sk->references - 1,
					 err);
	rc = regf_cell_write32(hive, &sk->previous, SK_OFF_NEXT, sk->next.at, err);
	if (rc == 0)
		rc = regf_cell_write32(hive, &sk->next, SK_OFF_PREVIOUS, sk->previous.at, err);
	return rc ? rc : regf_cell_free(hive, sk->cell.at, err);
}

/* Takes entry `index` out of a list in place. The list is freed where it was the last one. */
static int cut_entry(struct regf *hive, const struct regf_cell *list, uint32_t entry,
		     uint32_t index, uint32_t count, struct tranship_error *err)
{
	unsigned char raw[8] = { 0 };
	uint32_t i;
	int rc = 0;

	if (count == 1)
		return regf_cell_free(hive, list->at, err);
	for (i = index; i + 1 < count && rc == 0; i++) {
		rc = regf_cell_read(hive, list, LIST_HEAD + entry * (i + 1), raw, entry, err);
		if (rc == 0)
			rc = regf_cell_write(hive, list, LIST_HEAD + entry * i, raw, entry, err);
	}
	memset(raw, 0, sizeof(raw));
	if (rc == 0)
		rc = regf_cell_write(hive, list, LIST_HEAD + entry * (count - 1), raw, entry, err);
	put_le16(raw, (uint16_t)(count - 1));
	return rc ? rc : regf_cell_write(hive, list, LIST_OFF_COUNT, raw, 2, err);
}

/* Takes the subkey that `list` has just passed out of its parent's lists. */
static int unlist(struct regf *hive, const struct regf_key *key, const struct regf_list *list,
		  struct tranship_error *err)
{
	unsigned char raw[NK_SIZE];
	struct regf_cell parent;
	int rc = regf_record(hive, key->cell, "nk", NK_SIZE, "a key", &parent, raw, err);

	if (rc == 0)
		rc = cut_entry(hive, &list->leaf, list->entry, list->leaf_at - 1, list->leaf_count,
			       err);
	if (rc == 0 && list->leaf_count == 1 && list->root_count > 0)
		rc = cut_entry(hive, &list->root, 4, list->root_at - 1, list->root_count, err);
	if (rc == 0 && list->leaf_count == 1 && list->root_count <= 1)
		rc = regf_cell_write32(hive, &parent, NK_OFF_SUBKEY_LIST, REGF_NONE, err);
	if (rc == 0)
		rc = regf_cell_write32(hive, &parent, NK_OFF_SUBKEYS, key->subkeys - 1, err);
	return rc;
}

/* Finds the subkey, and what will be free without it. */
static int prepare(struct regf *hive, const struct regf_key *key, uint32_t index,
		   struct regf_list *list, struct doomed *d, struct security *sk,
		   struct tranship_error *err)
{
	unsigned char nk[NK_SIZE];
	struct regf_cell cell;
	struct regf_key child;
	uint32_t at = REGF_NONE;
	int rc = regf_list_begin(hive, key, list, err);

	if (rc == 0)
		rc = regf_list_skip(hive, list, index, err);
	if (rc == 0)
		rc = regf_list_next(hive, list, &at, err);
	if (rc == 0)
		rc = regf_record(hive, at, "nk", NK_SIZE, "a key", &cell, nk, err);
	if (rc == 0)
		rc = regf_key_at(hive, at, &child, err);
	if (rc)
		return rc;
	if (child.subkeys > 0 || at == key->cell)
		return error_set(err, TRANSHIP_EINVAL,
				 "regf: the key at 0x%" PRIx32 " has %" PRIu32
				 " subkeys and cannot be deleted alone",
				 at, child.subkeys);
	rc = doom_key(hive, &child, nk, d, err);
	return rc ? rc : read_security(hive, get_le32(nk + NK_OFF_SECURITY), sk, err);
}

int regf_delete_subkey(struct regf *hive, const struct regf_key *key, uint32_t index,
		       struct tranship_error *err)
{
	struct doomed d = { 0 };
	struct regf_list list;
	struct security sk;
	size_t i;
	int rc;

	if (index >= key->subkeys)
		return error_set(err, TRANSHIP_EINVAL,
				 "regf: subkey %" PRIu32 " of a key that has %" PRIu32, index,
				 key->subkeys);
	rc = prepare(hive, key, index, &list, &d, &sk, err);
	if (rc == 0)
		rc = unlist(hive, key, &list, err);
	if (rc == 0)
		rc = leave_security(hive, &sk, err);
	for (i = 0; i < d.count && rc == 0; i++)
		rc = regf_cell_free(hive, d.at[i], err);
	free(d.at);
	return rc;
}
