// SPDX-License-Identifier: Apache-2.0
/* Keys, and the lists of their subkeys. */
#include "mbr-gpt/regf.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/regf_inside.h"

#include <inttypes.h>
#include <string.h>

enum { NAME_CHARACTERS = 256 };

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_name(const char *a, const char *b, size_t b_len)
{
	size_t i;

	for (i = 0; i < b_len; i++)
		if (a[i] == '\0' || lower(a[i]) != lower(b[i]))
			return false;
	return a[b_len] == '\0';
}

bool regf_name_equal(const char *a, const char *b)
{
	return same_name(a, b, strlen(b));
}

/* "Compressed" names are the low bytes of UTF-16, which is Latin-1. */
static void from_latin(char *out, const unsigned char *raw, size_t len)
{
	size_t i;

	for (i = 0; i < len && raw[i]; i++) {
		if (raw[i] < 0x80) {
			*out++ = (char)raw[i];
		} else {
			*out++ = (char)(0xC0 | raw[i] >> 6);
			*out++ = (char)(0x80 | (raw[i] & 0x3F));
		}
	}
	*out = '\0';
}

int regf_name(struct regf *hive, const struct regf_cell *cell, uint32_t off, uint32_t len,
	      bool latin, char out[REGF_NAME_TEXT], struct tranship_error *err)
{
	unsigned char raw[2 * NAME_CHARACTERS];
	int rc;

	if (len > (latin ? NAME_CHARACTERS : 2 * NAME_CHARACTERS))
		return error_set(err, TRANSHIP_ELIMIT,
				 "regf: the name at 0x%" PRIx32 " has %" PRIu32
				 " bytes, %d characters are taken",
				 cell->at, len, NAME_CHARACTERS);
	if (!latin && len % 2 != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the name at 0x%" PRIx32 " has %" PRIu32
				 " bytes, which is no UTF-16",
				 cell->at, len);
	rc = regf_cell_read(hive, cell, off, raw, len, err);
	if (rc)
		return rc;
	if (latin)
		from_latin(out, raw, len);
	else
		text_from_utf16le(out, REGF_NAME_TEXT, raw, len / 2);
	return 0;
}

int regf_key_at(struct regf *hive, uint32_t at, struct regf_key *out, struct tranship_error *err)
{
	unsigned char raw[NK_SIZE];
	struct regf_key key = { .cell = at };
	struct regf_cell cell;
	int rc = regf_record(hive, at, "nk", NK_SIZE, "a key", &cell, raw, err);

	if (rc)
		return rc;
	key.parent = get_le32(raw + NK_OFF_PARENT);
	key.subkeys = get_le32(raw + NK_OFF_SUBKEYS);
	key.subkey_list = get_le32(raw + NK_OFF_SUBKEY_LIST);
	key.values = get_le32(raw + NK_OFF_VALUES);
	key.value_list = get_le32(raw + NK_OFF_VALUE_LIST);
	/* Each of them has a cell: no loop over them is longer than the hive. */
	if (key.subkeys > hive->bins_size / NK_SIZE || key.values > hive->bins_size / VK_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the key at 0x%" PRIx32 " has %" PRIu32
				 " subkeys and %" PRIu32
				 " values, more than fit into a hive of %" PRIu32 " bytes",
				 at, key.subkeys, key.values, hive->bins_size);
	rc = regf_name(hive, &cell, NK_SIZE, get_le16(raw + NK_OFF_NAME_LEN),
		       get_le16(raw + NK_OFF_FLAGS) & NK_FLAG_LATIN, key.name, err);
	if (rc == 0)
		*out = key;
	return rc;
}

int regf_root(struct regf *hive, struct regf_key *out, struct tranship_error *err)
{
	return regf_key_at(hive, hive->root, out, err);
}

/* Opens a list of subkeys ("li", "lf", "lh"); its first bytes were read. */
static int open_leaf(struct regf_list *list, const struct regf_cell *cell, const unsigned char *raw,
		     struct tranship_error *err)
{
	list->leaf = *cell;
	list->leaf_at = 0;
	list->leaf_count = get_le16(raw + LIST_OFF_COUNT);
	if (memcmp(raw, "li", 2) == 0)
		list->entry = 4;
	else if (memcmp(raw, "lf", 2) == 0 || memcmp(raw, "lh", 2) == 0)
		list->entry = 8;
	else
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the list of subkeys at 0x%" PRIx32
				 " begins with 0x%02x%02x, not with 'li', 'lf' or 'lh'",
				 cell->at, raw[0], raw[1]);
	if (list->leaf_count > (cell->len - LIST_HEAD) / list->entry)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the list of subkeys at 0x%" PRIx32 " has %" PRIu32
				 " entries, more than fit into its %" PRIu32 " bytes",
				 cell->at, list->leaf_count, cell->len);
	return 0;
}

static int list_head(struct regf *hive, uint32_t at, struct regf_cell *cell,
		     unsigned char raw[LIST_HEAD], struct tranship_error *err)
{
	int rc = regf_cell_open(hive, at, LIST_HEAD, "a list of subkeys", cell, err);

	return rc ? rc : regf_cell_read(hive, cell, 0, raw, LIST_HEAD, err);
}

int regf_list_begin(struct regf *hive, const struct regf_key *key, struct regf_list *list,
		    struct tranship_error *err)
{
	unsigned char raw[LIST_HEAD];
	struct regf_cell cell;
	int rc;

	*list = (struct regf_list){ .left = key->subkeys };
	if (key->subkeys == 0)
		return 0;
	rc = list_head(hive, key->subkey_list, &cell, raw, err);
	if (rc)
		return rc;
	if (memcmp(raw, "ri", 2) != 0)
		return open_leaf(list, &cell, raw, err);
	list->root = cell;
	list->root_count = get_le16(raw + LIST_OFF_COUNT);
	if (list->root_count > (cell.len - LIST_HEAD) / 4)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the index of subkeys at 0x%" PRIx32 " has %" PRIu32
				 " lists, more than fit into its %" PRIu32 " bytes",
				 cell.at, list->root_count, cell.len);
	return 0;
}

/* Goes on to a list that has a subkey to come. An "ri" below another is none. */
static int next_leaf(struct regf *hive, struct regf_list *list, struct tranship_error *err)
{
	unsigned char raw[LIST_HEAD];
	struct regf_cell cell;
	int rc = 0;

	while (rc == 0 && list->leaf_at == list->leaf_count) {
		if (list->root_at == list->root_count)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "regf: the lists of a key at 0x%" PRIx32
					 " end before %" PRIu32 " of its subkeys",
					 list->root_count ? list->root.at : list->leaf.at,
					 list->left);
		rc = regf_cell_read(hive, &list->root, LIST_HEAD + 4 * list->root_at++, raw, 4,
				    err);
		if (rc == 0)
			rc = list_head(hive, get_le32(raw), &cell, raw, err);
		if (rc == 0)
			rc = open_leaf(list, &cell, raw, err);
	}
	return rc;
}

int regf_list_next(struct regf *hive, struct regf_list *list, uint32_t *at,
		   struct tranship_error *err)
{
	unsigned char raw[4];
	int rc = next_leaf(hive, list, err);

	if (rc == 0)
		rc = regf_cell_read(hive, &list->leaf, LIST_HEAD + list->entry * list->leaf_at, raw,
				    sizeof(raw), err);
	if (rc)
		return rc;
	*at = get_le32(raw);
	list->leaf_at++;
	list->left--;
	return 0;
}

int regf_list_skip(struct regf *hive, struct regf_list *list, uint32_t count,
		   struct tranship_error *err)
{
	int rc = 0;

	while (rc == 0 && count > 0) {
		uint32_t step;

		rc = next_leaf(hive, list, err);
		if (rc)
			break;
		step = list->leaf_count - list->leaf_at;
		step = step < count ? step : count;
		list->leaf_at += step;
		list->left -= step;
		count -= step;
	}
	return rc;
}

int regf_subkey(struct regf *hive, const struct regf_key *key, uint32_t index, struct regf_key *out,
		struct tranship_error *err)
{
	struct regf_list list;
	uint32_t at = REGF_NONE;
	int rc;

	if (index >= key->subkeys)
		return error_set(err, TRANSHIP_EINVAL,
				 "regf: subkey %" PRIu32 " of a key that has %" PRIu32, index,
				 key->subkeys);
	rc = regf_list_begin(hive, key, &list, err);
	if (rc == 0)
		rc = regf_list_skip(hive, &list, index, err);
	if (rc == 0)
		rc = regf_list_next(hive, &list, &at, err);
	return rc ? rc : regf_key_at(hive, at, out, err);
}

/* The subkey with this name. */
static int find_subkey(struct regf *hive, const struct regf_key *key, const char *name, size_t len,
		       bool *found, struct regf_key *out, struct tranship_error *err)
{
	struct regf_list list;
	uint32_t at = REGF_NONE;
	int rc = regf_list_begin(hive, key, &list, err);

	*found = false;
	while (rc == 0 && !*found && list.left > 0) {
		rc = regf_list_next(hive, &list, &at, err);
		if (rc == 0)
			rc = regf_key_at(hive, at, out, err);
		*found = rc == 0 && same_name(out->name, name, len);
	}
	return rc;
}

int regf_find(struct regf *hive, const struct regf_key *from, const char *path, bool *found,
	      struct regf_key *out, struct tranship_error *err)
{
	struct regf_key key = *from;
	int rc = 0;

	*found = true;
	while (rc == 0 && *found && *path) {
		size_t len = strcspn(path, "\\");
		struct regf_key next;

		rc = find_subkey(hive, &key, path, len, found, &next, err);
		if (rc == 0 && *found)
			key = next;
		path += len + (path[len] == '\\');
	}
	if (rc == 0 && *found)
		*out = key;
	return rc;
}
