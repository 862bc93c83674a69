// SPDX-License-Identifier: Apache-2.0
/* Values, and their data: in the record itself, in a cell, or in segments. */
#include "mbr-gpt/regf.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "mbr-gpt/regf_inside.h"

#include <inttypes.h>
#include <string.h>

int regf_value_cell(struct regf *hive, const struct regf_key *key, uint32_t index, uint32_t *at,
		    struct tranship_error *err)
{
	unsigned char raw[4];
	struct regf_cell list;
	int rc;

	if (index >= key->values)
		return error_set(err, TRANSHIP_EINVAL,
				 "regf: value %" PRIu32 " of a key that has %" PRIu32, index,
				 key->values);
	rc = regf_cell_open(hive, key->value_list, 4 * key->values, "a list of values", &list, err);
	if (rc == 0)
		rc = regf_cell_read(hive, &list, 4 * index, raw, sizeof(raw), err);
	if (rc == 0)
		*at = get_le32(raw);
	return rc;
}

/* The value but for its name, whose length is told. */
static int read_vk(struct regf *hive, uint32_t at, struct regf_value *out, struct regf_cell *cell,
		   uint32_t *name_len, bool *latin, struct tranship_error *err)
{
	unsigned char raw[VK_SIZE];
	int rc = regf_record(hive, at, "vk", VK_SIZE, "a value", cell, raw, err);

	if (rc)
		return rc;
	*out = (struct regf_value){ .cell = at,
				    .type = get_le32(raw + VK_OFF_TYPE),
				    .len = get_le32(raw + VK_OFF_DATA_LEN) & ~VK_INLINE_BIT };
	*name_len = get_le16(raw + VK_OFF_NAME_LEN);
	*latin = get_le16(raw + VK_OFF_FLAGS) & VK_FLAG_LATIN;
	return 0;
}

int regf_value(struct regf *hive, const struct regf_key *key, uint32_t index,
	       struct regf_value *out, struct tranship_error *err)
{
	struct regf_value value;
	struct regf_cell cell;
	uint32_t at, name_len;
	bool latin;
	int rc = regf_value_cell(hive, key, index, &at, err);

	if (rc == 0)
		rc = read_vk(hive, at, &value, &cell, &name_len, &latin, err);
	if (rc == 0)
		rc = regf_name(hive, &cell, VK_SIZE, name_len, latin, value.name, err);
	if (rc == 0)
		*out = value;
	return rc;
}

int regf_find_value(struct regf *hive, const struct regf_key *key, const char *name, bool *found,
		    struct regf_value *out, struct tranship_error *err)
{
	uint32_t i;
	int rc = 0;

	*found = false;
	for (i = 0; i < key->values && rc == 0 && !*found; i++) {
		rc = regf_value(hive, key, i, out, err);
		*found = rc == 0 && regf_name_equal(out->name, name);
	}
	return rc;
}

/* "db". That a value has one shows where its cell is too small for its data. */
static int big_place(struct regf *hive, struct regf_place *place, struct tranship_error *err)
{
	unsigned char raw[DB_SIZE];
	int rc = regf_record(hive, place->cell.at, "db", DB_SIZE, "big data", &place->cell, raw,
			     err);

	if (rc)
		return rc;
	place->segment_count = get_le16(raw + DB_OFF_COUNT);
	if (place->segment_count != div_up(place->len, REGF_SEGMENT))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the big data at 0x%" PRIx32 " has %" PRIu32
				 " segments of %u bytes for %" PRIu32 " bytes",
				 place->cell.at, place->segment_count, REGF_SEGMENT, place->len);
	return regf_cell_open(hive, get_le32(raw + DB_OFF_LIST), 4 * place->segment_count,
			      "a list of segments", &place->segments, err);
}

int regf_data_place(struct regf *hive, uint32_t vk, struct regf_place *out,
		    struct tranship_error *err)
{
	unsigned char raw[VK_SIZE];
	struct regf_place place = { .len = 0 };
	uint32_t len;
	int rc = regf_record(hive, vk, "vk", VK_SIZE, "a value", &place.vk, raw, err);

	if (rc)
		return rc;
	len = get_le32(raw + VK_OFF_DATA_LEN);
	place.len = len & ~VK_INLINE_BIT;
	place.in_vk = len & VK_INLINE_BIT;
	if (place.in_vk && place.len > VK_INLINE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the value at 0x%" PRIx32 " keeps %" PRIu32
				 " bytes where %d fit",
				 vk, place.len, VK_INLINE);
	if (!place.in_vk && place.len > 0) {
		bool may_be_big = hive->minor >= 4 && place.len > REGF_SEGMENT;

		rc = regf_cell_open(hive, get_le32(raw + VK_OFF_DATA),
				    may_be_big ? DB_SIZE : place.len, "data", &place.cell, err);
		if (rc == 0 && place.cell.len < place.len)
			rc = big_place(hive, &place, err);
	}
	if (rc == 0)
		*out = place;
	return rc;
}

int regf_segment(struct regf *hive, const struct regf_place *place, uint32_t index,
		 struct regf_cell *out, uint32_t *len, struct tranship_error *err)
{
	unsigned char raw[4];
	int rc = regf_cell_read(hive, &place->segments, 4 * index, raw, sizeof(raw), err);

	*len = (uint32_t)min_u64(REGF_SEGMENT, place->len - index * REGF_SEGMENT);
	if (rc == 0)
		rc = regf_cell_open(hive, get_le32(raw), *len, "a segment", out, err);
	return rc;
}

int regf_data_cells(struct regf *hive, const struct regf_place *place,
		    int (*fn)(void *ctx, uint32_t at, struct tranship_error *err), void *ctx,
		    struct tranship_error *err)
{
	struct regf_cell segment;
	uint32_t i, len;
	int rc;

	if (place->in_vk || place->len == 0)
		return 0;
	rc = fn(ctx, place->cell.at, err);
	if (rc == 0 && place->segment_count)
		rc = fn(ctx, place->segments.at, err);
	for (i = 0; i < place->segment_count && rc == 0; i++) {
		rc = regf_segment(hive, place, i, &segment, &len, err);
		if (rc == 0)
			rc = fn(ctx, segment.at, err);
	}
	return rc;
}

static int read_segments(struct regf *hive, const struct regf_place *place, unsigned char *to,
			 struct tranship_error *err)
{
	struct regf_cell segment;
	uint32_t i, len;
	int rc = 0;

	for (i = 0; i < place->segment_count && rc == 0; i++) {
		rc = regf_segment(hive, place, i, &segment, &len, err);
		if (rc == 0)
			rc = regf_cell_read(hive, &segment, 0, to + (size_t)i * REGF_SEGMENT, len,
					    err);
	}
	return rc;
}

int regf_data(struct regf *hive, const struct regf_value *value, size_t max, struct buffer *out,
	      struct tranship_error *err)
{
	struct regf_place place;
	int rc = regf_data_place(hive, value->cell, &place, err);

	if (rc)
		return rc;
	if (place.len > max)
		return error_set(err, TRANSHIP_ELIMIT,
				 "regf: the value at 0x%" PRIx32 " has %" PRIu32
				 " bytes, %zu are taken",
				 value->cell, place.len, max);
	rc = buffer_reserve(out, place.len, err);
	if (rc || place.len == 0)
		return rc;
	if (place.in_vk)
		rc = regf_cell_read(hive, &place.vk, VK_OFF_DATA, out->bytes + out->len, place.len,
				    err);
	else if (place.segment_count)
		rc = read_segments(hive, &place, out->bytes + out->len, err);
	else
		rc = regf_cell_read(hive, &place.cell, 0, out->bytes + out->len, place.len, err);
	if (rc == 0)
		out->len += place.len;
	return rc;
}
