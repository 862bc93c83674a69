/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry hives (regf 1.3 to 1.6): walked, and edited in place so far as sizes stay or shrink.
 * Only the hive's bytes are known here: they are read through a function, so that a large hive is
 * not held in memory, and edits are noted as replaced bytes.
 */
#ifndef MBR_GPT_REGF_H
#define MBR_GPT_REGF_H

#include "base/buffer.h"
#include "tranship/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads and replaces bytes of the hive; ranges that pass `size` are never asked for. What was
 * written must be read back. `write` NULL: it is only read. */
struct regf_store {
	uint64_t size; /* bytes; at most 2 GiB are looked at */
	void *ctx;
	int (*read)(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err);
	int (*write)(void *ctx, uint64_t off, const void *buf, size_t len,
		     struct tranship_error *err);
};
/* A hive in memory, read and written. */
struct regf_memory {
	unsigned char *bytes;
	size_t size;
};
struct regf_store regf_store_memory(struct regf_memory *memory);

/* Cells and blocks that may be looked at while a hive is open: seconds of work. A hive that was
 * made to be slow (lists that name one cell a million times, bins far from each other) gets
 * TRANSHIP_ELIMIT; what is asked of a real one takes thousands. */
#define REGF_WORK_MAX (2U << 20)

struct regf {
	struct regf_store store;
	uint32_t root; /* cell offsets count from 0x1000 */
	uint32_t bins_size;
	uint32_t minor;        /* of the version 1.x */
	uint32_t bin, bin_end; /* the hive bin that the last cell was found in */
	bool dirty;            /* its two sequence numbers differ: the logs have more */
	uint32_t work;         /* what look-ups have cost, see REGF_WORK_MAX */
};

/* TRANSHIP_ECORRUPT: signature, checksum or sizes are wrong. A dirty hive opens. */
int regf_open(const struct regf_store *store, struct regf *out, struct tranship_error *err);

enum { REGF_NAME_TEXT = 256 * 3 + 1 };

struct regf_key {
	uint32_t cell;
	uint32_t parent;
	char name[REGF_NAME_TEXT];
	uint32_t subkeys, subkey_list;
	uint32_t values, value_list;
};

struct regf_value {
	uint32_t cell;
	char name[REGF_NAME_TEXT]; /* "": the default value */
	uint32_t type;             /* 1 SZ, 3 BINARY, 4 DWORD, 7 MULTI_SZ */
	uint32_t len;              /* bytes of data */
};

int regf_root(struct regf *hive, struct regf_key *out, struct tranship_error *err);
/* A path "Objects\{9dea862c-...}\Elements" from `from`; case does not count, in ASCII. */
int regf_find(struct regf *hive, const struct regf_key *from, const char *path, bool *found,
	      struct regf_key *out, struct tranship_error *err);
/* Subkeys and values by their index; 0 <= index < subkeys, values. TRANSHIP_ELIMIT: a name of more
 * than 256 characters. */
int regf_subkey(struct regf *hive, const struct regf_key *key, uint32_t index, struct regf_key *out,
		struct tranship_error *err);
int regf_value(struct regf *hive, const struct regf_key *key, uint32_t index,
	       struct regf_value *out, struct tranship_error *err);
int regf_find_value(struct regf *hive, const struct regf_key *key, const char *name, bool *found,
		    struct regf_value *out, struct tranship_error *err);
/* The data of a value, appended to `out`; big data (db cells) too. TRANSHIP_ELIMIT: longer than
 * max. */
int regf_data(struct regf *hive, const struct regf_value *value, size_t max, struct buffer *out,
	      struct tranship_error *err);

/*
 * Walks all of a small hive (64 MiB at most): bins and cells lie side by side, and each cell that a
 * key needs is there, and is used once. What was checked can be edited, and walked again, whatever
 * else it holds. TRANSHIP_ECORRUPT, TRANSHIP_ELIMIT.
 */
int regf_check(struct regf *hive, struct tranship_error *err);

/* Says that the hive is whole as it stands, whatever logs have: for a copy that leaves them behind.
 * To be called for what regf_check found sound. */
int regf_set_clean(struct regf *hive, struct tranship_error *err);

/* Replaces a value's data by as many bytes or fewer, in place; what remains of the old becomes
 * zeros. TRANSHIP_EINVAL: more; TRANSHIP_EUNSUPPORTED: big data that would need fewer segments. */
int regf_set_data(struct regf *hive, const struct regf_value *value, const void *data, size_t len,
		  struct tranship_error *err);
/* Deletes a subkey that has no subkeys itself, with its values: its cells are freed, the list of
 * its parent gets shorter. Keys and values that were read before are no longer valid. */
int regf_delete_subkey(struct regf *hive, const struct regf_key *key, uint32_t index,
		       struct tranship_error *err);

#endif
