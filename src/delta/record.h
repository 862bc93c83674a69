/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of a delta file, between bytes and structs, and nothing else: the writer, the reader, the
 * tests and the fuzz targets share it. A record is some pieces of the disk, ascending, in whole
 * blocks; the old digest of each of their blocks; the new digest of each block of data (that of
 * zeros is known); and the data, compressed or as it is. docs/formats/delta.md has the layout.
 */
#ifndef DELTA_RECORD_H
#define DELTA_RECORD_H

#include "base/buffer.h"
#include "base/digest.h"

#include <stdbool.h>

#define RECORD_HEAD 64U
#define RECORD_DATA_MAX (1U << 20) /* bytes of data before compression, at most */
#define RECORD_DATA_MIN                                                                            \
	(64U << 10)             /* a writer's habit: at least, but for the last one, those full of \
				   pieces, and those before another lineage */
#define RECORD_BLOCKS_MAX 4096U /* blocks, at most */
#define RECORD_PIECE_SIZE 16U
#define RECORD_TABLE_MAX (RECORD_BLOCKS_MAX * (RECORD_PIECE_SIZE + 2 * DIGEST_SIZE_MAX))

enum record_piece_kind { RECORD_DATA = 1, RECORD_ZERO = 2 };

/* `blocks` whole blocks from off. */
struct record_piece {
	uint64_t off;
	uint32_t blocks;
	enum record_piece_kind kind;
};

/* The fixed part, decoded. */
struct record_head {
	uint32_t pieces;
	uint32_t blocks;      /* of all pieces: at most RECORD_BLOCKS_MAX */
	uint32_t data_blocks; /* of data: at most RECORD_DATA_MAX / block_size */
	uint32_t table_len;   /* bytes behind the head: pieces, old digests, new digests */
	uint32_t stored_len;  /* bytes of data behind the table */
	bool compressed;
	uint8_t lineage;   /* which of the file's seeds the digests have */
	uint64_t off, end; /* of the first piece, and where the last one ends */
};

/* What all records of a file have in common. Constant. */
struct record_rule {
	uint32_t block_size;
	size_t digest_size;
	uint64_t limit;   /* no piece passes it: the larger disk's size, rounded up to blocks */
	uint64_t target;  /* no piece of data passes it: the new disk's size, rounded up */
	uint64_t file_id; /* of the file that it belongs to; what its check is seeded with */
	uint32_t lineages;
};

/* A record in memory. Digests stand in the order of the blocks. */
struct record {
	struct record_head head;
	struct record_piece *pieces;
	unsigned char *old_digests; /* one a block */
	unsigned char *new_digests; /* one a block of data */
	unsigned char *data;        /* NULL, or data_blocks blocks */
	uint64_t from; /* delta_find gave it for every offset from here up to its end */
	struct buffer memory, data_memory;
};

void record_free(struct record *r);
/* Holds no record any more, and keeps its memory. */
void record_clear(struct record *r);

/* Decodes the RECORD_HEAD bytes: every field is within its bounds afterwards, but the check, which
 * is over head and table, is not looked at yet. */
int record_decode_head(const struct record_rule *rule, const unsigned char *raw,
		       struct record_head *out, struct tranship_error *err);
/* Decodes head and table (RECORD_HEAD + table_len bytes) into *r, whose memory is reused. */
int record_decode_table(const struct record_rule *rule, const unsigned char *raw, size_t len,
			struct record *r, struct tranship_error *err);
/* Unpacks the data (stored_len bytes) and compares it with its digests. r->data is there
 * afterwards. */
struct unpacker;
int unpacker_new(struct unpacker **out, struct tranship_error *err);
void unpacker_free(struct unpacker *u);
/* Memory for `len` bytes of stored data, until the next call; NULL: there is none. */
unsigned char *unpacker_room(struct unpacker *u, size_t len, struct tranship_error *err);
int record_decode_data(struct unpacker *u, const struct record_rule *rule,
		       const struct digester *digester, const unsigned char *stored,
		       struct record *r, struct tranship_error *err);

/*
 * Collects pieces, ascending, until they are a record. One thread at a time.
 */
struct record_builder;
/* level: of zstd, 1 to 19; 0: data is stored as it is. */
int record_builder_new(const struct record_rule *rule, int level, struct record_builder **out,
		       struct tranship_error *err);
void record_builder_free(struct record_builder *b);
/* How many more blocks of the kind there is room for. */
uint32_t record_builder_room(const struct record_builder *b, enum record_piece_kind kind);
/* Adds blocks, at most as many as there is room for; they become one piece with those that they
 * follow. `data`: blocks whole blocks, for RECORD_DATA; new_digests: for RECORD_DATA. All pieces
 * between two encodes have one lineage. */
int record_builder_add(struct record_builder *b, uint64_t off, uint32_t blocks,
		       enum record_piece_kind kind, uint8_t lineage, const void *data,
		       const unsigned char *old_digests, const unsigned char *new_digests,
		       struct tranship_error *err);
/* Blocks that it holds now, and their lineage. */
uint32_t record_builder_blocks(const struct record_builder *b);
uint8_t record_builder_lineage(const struct record_builder *b);

/* What they hold changes places; each keeps its level. */
void record_builder_swap(struct record_builder *a, struct record_builder *b);

/* Where the stored form of a record stands in a buffer. */
struct record_span {
	uint64_t off, end;   /* of the disk */
	uint64_t data, zero; /* bytes of the disk of either kind */
	size_t at, len;      /* in the buffer */
};
/* Appends the stored form of what it holds to `out`, and is empty afterwards. */
int record_builder_encode(struct record_builder *b, struct buffer *out, struct record_span *span,
			  struct tranship_error *err);

#endif
