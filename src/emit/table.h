/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block table of a point: for each unit (64 KiB) of the disk where its bytes are, and their
 * digest. It is a tree of pages, which are records in slots: a leaf says it of 512 blocks (256
 * MiB), a page above names 512 pages. Pages that did not change are those of the predecessor; what
 * is all zeros has no page. docs/formats/store.md, "The block table".
 */
#ifndef EMIT_TABLE_H
#define EMIT_TABLE_H

#include "base/digest.h"
#include "emit/slot.h"
#include "emit/store_inside.h"

#define LEAF_BLOCKS 512U
#define LEAF_UNITS (LEAF_BLOCKS * STORE_BLOCK_UNITS)
#define LEAF_BYTES ((uint64_t)LEAF_BLOCKS * STORE_BLOCK)
#define TABLE_FANOUT_BITS 9U
#define TABLE_FANOUT (1U << TABLE_FANOUT_BITS)
#define TABLE_LEVELS_MAX 5U /* the root of the largest disk, 2^63 bytes, has level 4 */
#define UNIT_DIGEST 16U
/* While a leaf is changed its list has slots that are no longer used beside those that are. */
#define LEAF_SLOTS_MAX (2 * LEAF_UNITS)

/* Packed pages: a head, the slots, and of a leaf a bit a block, at most one run a unit and a digest
 * each. */
#define PAGE_HEAD_SIZE 16U
#define LEAF_RUN_SIZE 5U
#define LEAF_ENCODED_MAX                                                                \
	(PAGE_HEAD_SIZE + LEAF_UNITS * OBJECT_ID_SIZE + LEAF_BLOCKS / 8 + LEAF_BLOCKS + \
	 LEAF_UNITS * (LEAF_RUN_SIZE + UNIT_DIGEST))
#define NODE_REF_SIZE 22U
#define NODE_ENCODED_MAX (PAGE_HEAD_SIZE + TABLE_FANOUT * (OBJECT_ID_SIZE + NODE_REF_SIZE))
_Static_assert(LEAF_ENCODED_MAX <= RECORD_RAW_MAX && NODE_ENCODED_MAX <= RECORD_RAW_MAX,
	       "a page is a record");

/* A unit. Zeros have no place: slot is UNIT_ZERO. */
#define UNIT_ZERO 0xFFFFU
struct table_unit {
	uint16_t slot;                     /* number in the leaf's list of slots */
	uint16_t record;                   /* number in the slot */
	uint8_t sub;                       /* which unit of the record it is */
	unsigned char digest[UNIT_DIGEST]; /* XXH3-128 with the secret of the lineage; 0 of zeros */
};

/* A leaf, unpacked: some 100 KB. */
struct table_leaf {
	uint32_t slot_count;
	struct slot_id *slots; /* LEAF_SLOTS_MAX at most; malloc'ed, grows */
	uint32_t slot_cap;
	uint32_t slot_last; /* the one that was asked for last */
	struct table_unit units[LEAF_UNITS];
};

/* Where a page is; `there` false: nothing but zeros. */
struct page_ref {
	bool there;
	struct record_ref at;
	unsigned char pin[16]; /* the front of the page's name: only this page is meant */
};

struct table_root {
	uint32_t level; /* of the root page: 0 is a leaf */
	struct page_ref page;
};

/* The level that the root of a disk of this size has: the least at which one page is enough. */
uint32_t table_levels(uint64_t size);

/* All units zero, no slots. The leaf was zeroed (calloc) before its first clear; the memory of the
 * list is kept. */
void table_leaf_clear(struct table_leaf *leaf);
bool table_leaf_is_zero(const struct table_leaf *leaf);
void table_leaf_fini(struct table_leaf *leaf);
/* The number of the slot in the leaf's list, which it is added to. Good until the next call, unless
 * a unit has it: a full list is rid of what no unit uses. */
int table_leaf_slot(struct table_leaf *leaf, const struct slot_id *id, uint16_t *out,
		    struct tranship_error *err);
/* The slots and units of one, into another that was initialised. */
int table_leaf_copy(const struct table_leaf *from, struct table_leaf *to,
		    struct tranship_error *err);
/* Packed form; slots that no unit uses are left out, so equal leaves have equal bytes. Appends.
 * TRANSHIP_EINVAL: it is all zeros (which has no page), or a unit has a slot, a record or a sub
 * that there is not. */
int table_leaf_encode(const struct table_leaf *leaf, uint64_t number, struct buffer *out,
		      struct tranship_error *err);
/* `leaf` was initialised (zeroed or cleared); it is clear after a failure. `number`: the leaf that
 * it must be. Only what table_leaf_encode makes is accepted, byte for byte. */
int table_leaf_decode(const unsigned char *bytes, size_t len, uint64_t number,
		      struct table_leaf *leaf, struct tranship_error *err);

/* A page above: TABLE_FANOUT refs. */
struct table_node {
	struct page_ref refs[TABLE_FANOUT];
};
/* Like those of leaves. */
bool table_node_is_zero(const struct table_node *node);
int table_node_encode(const struct table_node *node, uint32_t level, uint64_t number,
		      struct buffer *out, struct tranship_error *err);
int table_node_decode(const unsigned char *bytes, size_t len, uint32_t level, uint64_t number,
		      struct table_node *node, struct tranship_error *err);

/*
 * A table for reading. A bounded number of pages is kept, unpacked: some 3 MB. Any number of
 * threads. Opening reads one page. Damage is TRANSHIP_ECORRUPT, a missing slot TRANSHIP_ENOTFOUND.
 * What is behind the end of the disk is zeros.
 */
struct table;
int table_open(struct slots *slots, const struct table_root *root, uint64_t size,
	       struct table **out, struct tranship_error *err);
void table_close(struct table *t);

/* One block, copied out. */
struct table_block {
	struct {
		bool zero;
		struct record_ref at;
		uint8_t sub;
		unsigned char digest[UNIT_DIGEST];
	} units[STORE_BLOCK_UNITS];
};
int table_read_block(struct table *t, uint64_t block, struct table_block *out,
		     struct tranship_error *err);
/* The first block from `block` on that is not in a page of zeros; UINT64_MAX: there is none. */
int table_next(struct table *t, uint64_t block, uint64_t *next, struct tranship_error *err);
/* A leaf as it stands in the cache; NULL: zeros. It lives until it is given back, which is to be
 * soon. */
int table_leaf_borrow(struct table *t, uint64_t number, const struct table_leaf **out,
		      struct tranship_error *err);
/* NULL is accepted. */
void table_leaf_return(struct table *t, const struct table_leaf *leaf);
/* A leaf, copied out whole into one that was initialised. */
int table_read_leaf(struct table *t, uint64_t number, struct table_leaf *out,
		    struct tranship_error *err);
/* Where leaf `number` is, or (level > 0) the page `number` of that level. */
int table_page_ref(struct table *t, uint32_t level, uint64_t number, struct page_ref *out,
		   struct tranship_error *err);

/* The same of a leaf that no table names yet. */
int table_leaf_fetch(struct slots *slots, const struct page_ref *ref, uint64_t number,
		     struct table_leaf *out, struct tranship_error *err);

/* Whether both name the same page; two that are not there are the same. */
bool page_ref_equal(const struct page_ref *a, const struct page_ref *b);

#endif
