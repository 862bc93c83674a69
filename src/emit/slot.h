/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: the immutable objects that hold blocks and pages. A head, records one behind the other, an
 * index (name, place and size of each record), a trailer with the SHA-256 of all before it.
 * docs/formats/store.md, "Slots". A slot's id is the 8 bytes of the writer that makes it and a
 * number, big-endian, that counts up from 1; its key is slots/XX/ID, XX the last two digits of the
 * id in hexadecimal.
 */
#ifndef EMIT_SLOT_H
#define EMIT_SLOT_H

#include "base/buffer.h"
#include "emit/seal.h"
#include "emit/target.h"

/* The most that a record holds, uncompressed; and records of a slot. */
#define RECORD_RAW_MAX (1U << 20)
#define SLOT_RECORDS_MAX 16384U
#define SLOT_SIZE_MIN (1U << 20)
#define SLOT_SIZE_MAX (256U << 20)
#define SLOT_SIZE_DEFAULT (25U << 20)

struct slot_id {
	unsigned char bytes[OBJECT_ID_SIZE];
};

static inline bool slot_id_equal(const struct slot_id *a, const struct slot_id *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

/* out: TARGET_KEY_MAX + 1. */
void slot_key(const struct slot_id *id, char *out);
/* trash/ID: the mark that the slot is to be deleted. */
void slot_trash_key(const struct slot_id *id, char *out);
/* The id that a key under slots/ or trash/ has; false: it is none. */
bool slot_id_of_key(const char *key, struct slot_id *out);

/* Where a record is. A record number of a slot. */
struct record_ref {
	struct slot_id slot;
	uint32_t record;
};

enum record_kind { RECORD_BLOCK = 1, RECORD_PAGE = 2 };
enum record_codec { CODEC_NONE = 0, CODEC_ZSTD = 1 };

struct slot_entry {
	unsigned char name[NAME_SIZE];
	uint32_t off;    /* of its stored bytes in the slot */
	uint32_t stored; /* without the tag that follows it in an encrypted store */
	uint32_t raw;    /* 1 to RECORD_RAW_MAX */
	enum record_kind kind;
	enum record_codec codec;
};

/*
 * Building. Records are added as they are (compressed, not encrypted) and sealed all at once, which
 * may be on another thread; then the object is `bytes`.
 */
struct slot_builder;
/* limit: the size in bytes that the slot is not to pass by much. */
int slot_builder_new(size_t limit, struct slot_builder **out, struct tranship_error *err);
void slot_builder_free(struct slot_builder *b);
/* Makes it empty, for a slot of this id. */
void slot_builder_begin(struct slot_builder *b, const struct slot_id *id);
const struct slot_id *slot_builder_id(const struct slot_builder *b);
uint32_t slot_builder_count(const struct slot_builder *b);
/* Whether a record of this many stored bytes has no more room. An empty slot takes any. */
bool slot_builder_is_full(const struct slot_builder *b, size_t stored);
/* The bytes of it so far. */
size_t slot_builder_size(const struct slot_builder *b);
/* *record: its number, from 0 on. entry->off is ignored. */
int slot_builder_add(struct slot_builder *b, const struct slot_entry *entry, const void *stored,
		     uint32_t *record, struct tranship_error *err);
/* Seals it: the object and its SHA-256. The bytes live until the next begin. */
int slot_builder_seal(struct slot_builder *b, const struct store_keys *keys,
		      const unsigned char **bytes, size_t *len, unsigned char sha256[32],
		      struct tranship_error *err);

/* An index, read and checked. */
struct slot_index {
	struct slot_id id;
	uint64_t size; /* of the object */
	uint32_t count;
	struct slot_entry *entries;
	struct sealer sealer;
};

/* From the object's head and tail; `tail` is its last tail_len bytes and `size` its length. Where
 * the tail is too short for the index *wanted says how much of it is needed and 1 is returned. */
int slot_index_decode(const struct store_keys *keys, const struct slot_id *id,
		      const unsigned char *head, const unsigned char *tail, size_t tail_len,
		      uint64_t size, struct slot_index *out, size_t *wanted,
		      struct tranship_error *err);
void slot_index_fini(struct slot_index *index);
#define SLOT_HEAD_SIZE 96U
#define SLOT_TRAILER_SIZE 96U

/* Reads an index from the target. TRANSHIP_ENOTFOUND: the slot is not there. */
int slot_index_read(struct target *t, const struct store_keys *keys, const struct slot_id *id,
		    struct slot_index *out, struct tranship_error *err);

/* Stored bytes (with the tag, in an encrypted store) to the record's raw bytes, name checked.
 * `stored` is overwritten. raw: entry->raw bytes. `unpacker` is a ZSTD_DCtx of the thread's. */
struct ZSTD_DCtx_s;
int slot_record_open(const struct slot_index *index, const struct store_keys *keys, uint32_t record,
		     unsigned char *stored, struct ZSTD_DCtx_s *unpacker, void *raw,
		     struct tranship_error *err);
/* Bytes that a record takes in the slot. */
static inline size_t slot_entry_space(const struct store_keys *keys, const struct slot_entry *e)
{
	return e->stored + (keys->encrypted ? SEAL_TAG : 0);
}

/* Checks all of a slot that was read whole: the SHA-256, the index, and (`deep`) every record.
 * `bytes` is overwritten. */
int slot_check(const struct store_keys *keys, const struct slot_id *id, unsigned char *bytes,
	       size_t len, bool deep, struct tranship_error *err);

/*
 * Slots for reading: a bounded number of indexes is kept. Target and keys must outlive them. Any
 * number of threads, each with a
 * scratch.
 */
struct slots;
int slots_new(struct target *t, const struct store_keys *keys, struct slots **out,
	      struct tranship_error *err);
void slots_free(struct slots *s);
struct slots_scratch;
int slots_scratch_new(struct slots_scratch **out, struct tranship_error *err);
void slots_scratch_free(struct slots_scratch *scratch);
/* What the index says of a record. */
int slots_entry(struct slots *s, const struct record_ref *ref, struct slot_entry *out,
		struct tranship_error *err);
/* The record's raw bytes, checked by its name; they live in the scratch until its next use. A
 * scratch keeps the last few records, so neighbouring reads cost one unpacking. Damage is
 * TRANSHIP_ECORRUPT, a missing slot TRANSHIP_ENOTFOUND; the message names the slot. */
int slots_read(struct slots *s, struct slots_scratch *scratch, const struct record_ref *ref,
	       const unsigned char **raw, size_t *len, struct tranship_error *err);

#endif
