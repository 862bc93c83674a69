/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the hive reader share: cells, and the records in them, as in M. Suhanov's
 * "Windows registry file format specification" (2019). Cells are known by their offset behind the
 * header; fields count from behind a cell's size.
 */
#ifndef MBR_GPT_REGF_INSIDE_H
#define MBR_GPT_REGF_INSIDE_H

#include "mbr-gpt/regf.h"

#include <stddef.h>

#define REGF_HEADER 0x1000U
#define REGF_NONE UINT32_MAX
/* Data of more bytes stands in segments of as many ("Big data"; since 1.4). */
#define REGF_SEGMENT 16344U

enum {
	BIN_HEADER = 32,

	NK_OFF_FLAGS = 2,
	NK_OFF_PARENT = 16,
	NK_OFF_SUBKEYS = 20,
	NK_OFF_SUBKEY_LIST = 28,
	NK_OFF_VALUES = 36,
	NK_OFF_VALUE_LIST = 40,
	NK_OFF_SECURITY = 44,
	NK_OFF_CLASS = 48,
	NK_OFF_NAME_LEN = 72,
	NK_OFF_CLASS_LEN = 74,
	NK_SIZE = 76,
	NK_FLAG_LATIN = 0x20,

	VK_OFF_NAME_LEN = 2,
	VK_OFF_DATA_LEN = 4,
	VK_OFF_DATA = 8,
	VK_OFF_TYPE = 12,
	VK_OFF_FLAGS = 16,
	VK_SIZE = 20,
	VK_FLAG_LATIN = 1,
	VK_INLINE = 4, /* bytes of data that need no cell */

	LIST_OFF_COUNT = 2,
	LIST_HEAD = 4,

	SK_OFF_NEXT = 4,
	SK_OFF_PREVIOUS = 8,
	SK_OFF_REFERENCES = 12,
	SK_SIZE = 20,

	DB_OFF_COUNT = 2,
	DB_OFF_LIST = 4,
	DB_SIZE = 8,
};
#define VK_INLINE_BIT 0x80000000U

struct regf_cell {
	uint32_t at;
	uint32_t len; /* bytes of content */
};

/* Finds an allocated cell with `need` bytes at least. `what` is for messages: "a key". */
int regf_cell_open(struct regf *hive, uint32_t at, uint32_t need, const char *what,
		   struct regf_cell *out, struct tranship_error *err);
/* Bytes of its content. TRANSHIP_ECORRUPT: they pass its end. */
int regf_cell_read(struct regf *hive, const struct regf_cell *cell, uint32_t off, void *buf,
		   size_t len, struct tranship_error *err);
int regf_cell_write(struct regf *hive, const struct regf_cell *cell, uint32_t off, const void *buf,
		    size_t len, struct tranship_error *err);
int regf_cell_write32(struct regf *hive, const struct regf_cell *cell, uint32_t off,
		      uint32_t number, struct tranship_error *err);
int regf_cell_free(struct regf *hive, uint32_t at, struct tranship_error *err);

/* The bin at `at`, which starts there: [at, *end). */
int regf_bin_read(struct regf *hive, uint32_t at, uint32_t *end, struct tranship_error *err);

/* A cell of at least `need` bytes that starts with these two letters; its first `need` bytes go to
 * raw. */
int regf_record(struct regf *hive, uint32_t at, const char *letters, uint32_t need,
		const char *what, struct regf_cell *cell, unsigned char *raw,
		struct tranship_error *err);

/* A key by its cell. */
int regf_key_at(struct regf *hive, uint32_t at, struct regf_key *out, struct tranship_error *err);
/* A name behind a record; 256 characters at most. */
int regf_name(struct regf *hive, const struct regf_cell *cell, uint32_t off, uint32_t len,
	      bool latin, char out[REGF_NAME_TEXT], struct tranship_error *err);
bool regf_name_equal(const char *a, const char *b);

/* Where one stands among the subkeys of a key. */
struct regf_list {
	uint32_t left;                /* subkeys that are still to come */
	struct regf_cell root;        /* "ri" */
	uint32_t root_at, root_count; /* 0, 0: there is none */
	struct regf_cell leaf;
	uint32_t leaf_at, leaf_count;
	uint32_t entry; /* bytes in the leaf */
};
int regf_list_begin(struct regf *hive, const struct regf_key *key, struct regf_list *list,
		    struct tranship_error *err);
/* The next subkey's cell; list->left must not be 0. */
int regf_list_next(struct regf *hive, struct regf_list *list, uint32_t *at,
		   struct tranship_error *err);
/* Passes over so many, of list->left at most. */
int regf_list_skip(struct regf *hive, struct regf_list *list, uint32_t count,
		   struct tranship_error *err);

/* The cell of a value by its index. */
int regf_value_cell(struct regf *hive, const struct regf_key *key, uint32_t index, uint32_t *at,
		    struct tranship_error *err);

/* Where a value's data stands. */
struct regf_place {
	struct regf_cell vk;
	uint32_t len;
	bool in_vk;
	struct regf_cell cell;     /* of all of it, or "db"; none where len is 0 or in_vk */
	struct regf_cell segments; /* the list of a "db" */
	uint32_t segment_count;    /* 0: no big data */
};
int regf_data_place(struct regf *hive, uint32_t vk, struct regf_place *out,
		    struct tranship_error *err);
int regf_segment(struct regf *hive, const struct regf_place *place, uint32_t index,
		 struct regf_cell *out, uint32_t *len, struct tranship_error *err);

/* Calls fn with each cell that a value's data takes. */
int regf_data_cells(struct regf *hive, const struct regf_place *place,
		    int (*fn)(void *ctx, uint32_t at, struct tranship_error *err), void *ctx,
		    struct tranship_error *err);

#endif
