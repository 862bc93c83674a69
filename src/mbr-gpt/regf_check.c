// SPDX-License-Identifier: Apache-2.0
/*
 * A census of a hive's cells. First all of them by their sizes, bin for bin; then what the keys
 * need, each of which must be one of the first, and no other's. Only security descriptors are
 * shared; as many keys must have one as it counts, or it would be freed too early.
 */
#include "mbr-gpt/regf.h"

#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/regf_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_MAX (64U << 20)
#define CELL_UNIT 8U

/* Windows allows 512 levels of keys, and counts them from outside of the hive. */
enum { DEPTH_MAX = 512, SECURITY_MAX = 256 };

struct security_use {
	uint32_t at, next, previous;
	uint32_t left; /* of the references that it counts */
};

struct census {
	struct regf *hive;
	struct bitmap cells, used; /* a bit for each place where a cell can start */
	struct security_use security[SECURITY_MAX];
	uint32_t security_count;
	struct regf_list stack[DEPTH_MAX];
	uint32_t depth;
};

/* All cells of a bin, allocated or free, up to its end. */
static int count_bin(struct census *c, uint32_t at, uint32_t end, struct tranship_error *err)
{
	struct regf *hive = c->hive;
	unsigned char raw[4];
	uint32_t size;
	int rc = 0;

	for (at += BIN_HEADER; at < end && rc == 0; at += size) {
		rc = hive->store.read(hive->store.ctx, (uint64_t)REGF_HEADER + at, raw, sizeof(raw),
				      err);
		if (rc)
			return rc;
		size = get_le32(raw);
		if (size > INT32_MAX) {
			size = 0U - size;
			bitmap_set(&c->cells, at / CELL_UNIT, 1);
		}
		if (size == 0 || size % CELL_UNIT != 0 || size > end - at)
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "regf: the cell at 0x%" PRIx32 " has %" PRIu32
				       " bytes, its bin has %" PRIu32 " more",
				       at, size, end - at);
	}
	return rc;
}

static int count_cells(struct census *c, struct tranship_error *err)
{
	uint32_t at = 0, end = 0;
	int rc = 0;

	while (rc == 0 && at < c->hive->bins_size) {
		rc = regf_bin_read(c->hive, at, &end, err);
		if (rc == 0)
			rc = count_bin(c, at, end, err);
		at = end;
	}
	return rc;
}

static bool is_cell(const struct census *c, uint32_t at)
{
	return at % CELL_UNIT == 0 && at < c->hive->bins_size &&
	       bitmap_get(&c->cells, at / CELL_UNIT);
}

static int take(void *ctx, uint32_t at, struct tranship_error *err)
{
	struct census *c = ctx;

	if (!is_cell(c, at))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: no cell starts at 0x%" PRIx32 ", where a key has something",
				 at);
	if (bitmap_set(&c->used, at / CELL_UNIT, 1) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the cell at 0x%" PRIx32 " is used twice", at);
	return 0;
}

static int take_values(struct census *c, const struct regf_key *key, struct tranship_error *err)
{
	struct regf_value value;
	struct regf_place place;
	uint32_t i;
	int rc = 0;

	if (key->values > 0)
		rc = take(c, key->value_list, err);
	for (i = 0; i < key->values && rc == 0; i++) {
		rc = regf_value(c->hive, key, i, &value, err);
		if (rc == 0)
			rc = take(c, value.cell, err);
		if (rc == 0)
			rc = regf_data_place(c->hive, value.cell, &place, err);
		if (rc == 0)
			rc = regf_data_cells(c->hive, &place, take, c, err);
	}
	return rc;
}

static struct security_use *find_security(struct census *c, uint32_t at)
{
	uint32_t i;

	for (i = 0; i < c->security_count; i++)
		if (c->security[i].at == at)
			return &c->security[i];
	return NULL;
}

static int add_security(struct census *c, uint32_t at, struct tranship_error *err)
{
	unsigned char raw[SK_SIZE];
	struct regf_cell cell;
	int rc = take(c, at, err);

	if (rc == 0 && c->security_count == SECURITY_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT,
			       "regf: the hive has more than %d security descriptors",
			       SECURITY_MAX);
	if (rc == 0)
		rc = regf_record(c->hive, at, "sk", SK_SIZE, "a security descriptor", &cell, raw,
				 err);
	if (rc == 0)
		c->security[c->security_count++] =
			(struct security_use){ at, get_le32(raw + SK_OFF_NEXT),
					       get_le32(raw + SK_OFF_PREVIOUS),
					       get_le32(raw + SK_OFF_REFERENCES) };
	return rc;
}

static int take_security(struct census *c, uint32_t at, struct tranship_error *err)
{
	int rc = find_security(c, at) ? 0 : add_security(c, at, err);

	if (rc)
		return rc;
	if (find_security(c, at)->left-- == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: more keys have the security descriptor at 0x%" PRIx32
				 " than it counts",
				 at);
	return 0;
}

/* Where the neighbours of a descriptor are: of one that a key has, or of one that none has, whose
 * cell nothing else has either. */
static int read_links(struct census *c, uint32_t at, struct security_use *out,
		      struct tranship_error *err)
{
	const struct security_use *known = find_security(c, at);
	unsigned char raw[SK_SIZE];
	struct regf_cell cell;
	int rc = 0;

	if (known) {
		*out = *known;
		return 0;
	}
	if (!is_cell(c, at) || bitmap_get(&c->used, at / CELL_UNIT))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: no security descriptor is at 0x%" PRIx32
				 ", where another one's neighbour should be",
				 at);
	rc = regf_record(c->hive, at, "sk", SK_SIZE, "a security descriptor", &cell, raw, err);
	if (rc == 0)
		*out = (struct security_use){ at, get_le32(raw + SK_OFF_NEXT),
					      get_le32(raw + SK_OFF_PREVIOUS), 0 };
	return rc;
}

/* All descriptors stand in a ring: deleting one writes to its neighbours. */
static int check_ring(struct census *c, struct tranship_error *err)
{
	struct security_use next, previous;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < c->security_count && rc == 0; i++) {
		const struct security_use *sk = &c->security[i];

		rc = read_links(c, sk->next, &next, err);
		if (rc == 0)
			rc = read_links(c, sk->previous, &previous, err);
		if (rc == 0 && (next.previous != sk->at || previous.next != sk->at))
			rc = error_set(err, TRANSHIP_ECORRUPT,
				       "regf: the security descriptor at 0x%" PRIx32
				       " stands between 0x%" PRIx32 " and 0x%" PRIx32
				       ", which have other neighbours",
				       sk->at, sk->previous, sk->next);
	}
	return rc;
}

/* A key with all that it has but its subkeys, whose list goes to the stack. */
static int take_key(struct census *c, uint32_t at, struct tranship_error *err)
{
	unsigned char nk[NK_SIZE];
	struct regf_cell cell;
	struct regf_key key;
	int rc = take(c, at, err);

	if (rc == 0)
		rc = regf_key_at(c->hive, at, &key, err);
	if (rc == 0)
		rc = regf_record(c->hive, at, "nk", NK_SIZE, "a key", &cell, nk, err);
	if (rc == 0 && get_le16(nk + NK_OFF_CLASS_LEN) > 0 &&
	    get_le32(nk + NK_OFF_CLASS) != REGF_NONE)
		rc = take(c, get_le32(nk + NK_OFF_CLASS), err);
	if (rc == 0)
		rc = take_values(c, &key, err);
	if (rc == 0)
		rc = take_security(c, get_le32(nk + NK_OFF_SECURITY), err);
	if (rc == 0 && c->depth == DEPTH_MAX)
		rc = error_set(err, TRANSHIP_ELIMIT, "regf: keys nest deeper than %d levels",
			       DEPTH_MAX);
	if (rc == 0)
		rc = regf_list_begin(c->hive, &key, &c->stack[c->depth], err);
	if (rc == 0 && key.subkeys > 0)
		rc = take(c, key.subkey_list, err);
	c->depth += rc == 0;
	return rc;
}

static int take_keys(struct census *c, struct tranship_error *err)
{
	int rc = take_key(c, c->hive->root, err);

	while (rc == 0 && c->depth > 0) {
		struct regf_list *list = &c->stack[c->depth - 1];
		uint32_t leaf = list->leaf.at, at;

		if (list->left == 0) {
			c->depth--;
			continue;
		}
		rc = regf_list_next(c->hive, list, &at, err);
		if (rc == 0 && list->root_count > 0 && list->leaf.at != leaf)
			rc = take(c, list->leaf.at, err);
		if (rc == 0)
			rc = take_key(c, at, err);
	}
	return rc;
}

int regf_check(struct regf *hive, struct tranship_error *err)
{
	struct census *c;
	int rc = 0;

	if (hive->bins_size > CHECK_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "regf: the hive has %" PRIu32 " bytes, %u are checked",
				 hive->bins_size, CHECK_MAX);
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_nomem(err, sizeof(*c));
	c->hive = hive;
	rc = bitmap_init(&c->cells, hive->bins_size / CELL_UNIT, err);
	if (rc == 0)
		rc = bitmap_init(&c->used, hive->bins_size / CELL_UNIT, err);
	if (rc == 0)
		rc = count_cells(c, err);
	if (rc == 0)
		rc = take_keys(c, err);
	if (rc == 0)
		rc = check_ring(c, err);
	bitmap_free(&c->cells);
	bitmap_free(&c->used);
	free(c);
	return rc;
}
