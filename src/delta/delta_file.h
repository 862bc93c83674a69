/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta files: a head, records in ascending order, between them the pages of an index
 * (delta/page_tree.h), and an end with the SHA-256 of everything before it. Written in one pass.
 */
#ifndef DELTA_DELTA_FILE_H
#define DELTA_DELTA_FILE_H

#include "base/digest.h"
#include "core/disk.h"
#include "delta/page_tree.h"
#include "delta/record.h"
#include "tranship/delta.h"

#define DELTA_MAGIC "TSHPDELT"
#define DELTA_VERSION 1U
#define DELTA_HEAD_SIZE 4096U
#define DELTA_END_SIZE 128U
#define DELTA_LINEAGES_MAX 32U
#define DELTA_HINT_MAX 1023U
#define DELTA_FORMAT_MAX 15U
#define DELTA_SIZE_MAX (1ULL << 62) /* of a disk */
#define DELTA_END_HASHED 64U        /* bytes of the end that the SHA-256 is over, too */
#define DELTA_ENTRY_SIZE 32U

/* The head, decoded. */
struct delta_head {
	uint64_t file_id; /* random */
	enum digest_kind kind;
	uint32_t block_size;  /* TRANSHIP_BLOCK_MIN to TRANSHIP_BLOCK_MAX */
	uint32_t sector_size; /* 512 or 4096 */
	uint64_t base_size;
	uint64_t target_size;
	char base_id[TRANSHIP_ID_MAX + 1];
	char target_id[TRANSHIP_ID_MAX + 1];
	char base_format[DELTA_FORMAT_MAX + 1];
	char base_hint[DELTA_HINT_MAX + 1]; /* path of the base, with '/'; "": none */
	uint32_t lineages;
	struct digest_seed seeds[DELTA_LINEAGES_MAX];
};

/* The end, decoded. */
struct delta_end {
	struct page_root root;
	uint64_t records;
	uint64_t data; /* bytes of the disk that are replaced by data, by zeros */
	uint64_t zero;
	uint64_t size; /* of the file, with this */
	unsigned char sha256[32];
};

/* delta_ondisk.c: pure coding. `raw` has DELTA_HEAD_SIZE or DELTA_END_SIZE bytes. */
void delta_head_encode(const struct delta_head *head, unsigned char *raw);
int delta_head_decode(const unsigned char *raw, struct delta_head *out, struct tranship_error *err);
void delta_end_encode(const struct delta_end *end, uint64_t file_id, unsigned char *raw);
int delta_end_decode(const unsigned char *raw, uint64_t file_id, uint64_t file_size,
		     struct delta_end *out, struct tranship_error *err);
struct record_rule delta_rule(const struct delta_head *head);

/* An entry of the index: which part of the disk a record is about, and where it stands. */
struct delta_entry {
	uint64_t off, end;
	uint64_t at;
	uint32_t len;
};
void delta_entry_encode(const struct delta_entry *entry, unsigned char *raw);
/* file_size: of the whole file. */
int delta_entry_decode(const unsigned char *raw, uint64_t file_size, struct delta_entry *out,
		       struct tranship_error *err);

/* Writing. The file stays the caller's. */
struct delta_writer;
int delta_writer_new(struct tranship_file *file, const struct delta_head *head,
		     struct delta_writer **out, struct tranship_error *err);
/* A record, as record_builder_encode made it; ascending. */
int delta_writer_put(struct delta_writer *w, const struct record_span *span, const void *stored,
		     struct tranship_error *err);
/* *end may be NULL. */
int delta_writer_finish(struct delta_writer *w, struct delta_end *end, struct tranship_error *err);
void delta_writer_free(struct delta_writer *w);

/* Reading. */
struct delta;
/* Checks head and end. The file stays the caller's and outlives it. Any number of threads. */
int delta_open(struct tranship_file *file, size_t memory, struct delta **out,
	       struct tranship_error *err);
void delta_close(struct delta *d);
const struct delta_head *delta_head(const struct delta *d);
const struct delta_end *delta_end(const struct delta *d);
const struct record_rule *delta_record_rule(const struct delta *d);
/* For the lineage of a record. */
const struct digester *delta_digester(const struct delta *d, uint8_t lineage);

/* Head and table of the record that covers off, or else of the first one behind it: 1; 0: there is
 * none; negative: a code. *r is kept by the caller and reused; where it is that record already
 * nothing is read. */
int delta_find(struct delta *d, uint64_t off, struct record *r, uint64_t *record_off,
	       struct tranship_error *err);
/* Reads, unpacks and checks the data of a record that delta_find gave. */
int delta_read_data(struct delta *d, struct unpacker *u, uint64_t record_off, struct record *r,
		    struct tranship_error *err);

/* Reads all of the file: its SHA-256, every record (unpacked and compared with its digests), order,
 * sums. `tick` (NULL: none) is called with bytes done; nonzero stops. */
int delta_verify(struct delta *d, int (*tick)(void *ctx, uint64_t done, struct tranship_error *err),
		 void *ctx, struct tranship_error *err);

/*
 * Compares a disk with what the delta was made from: its size, and the old digest of every block
 * that is replaced. TRANSHIP_EMISMATCH names the first range that differs. `tick` as above; `done`
 * is how far the delta file was read.
 */
int delta_check_base(struct delta *d, struct tranship_disk *base,
		     int (*tick)(void *ctx, uint64_t done, struct tranship_error *err), void *ctx,
		     struct tranship_error *err);

#endif
