// SPDX-License-Identifier: Apache-2.0
/* Head, end and index entries of a delta file, between bytes and structs; docs/formats/delta.md. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "delta/delta_file.h"

#include <inttypes.h>
#include <string.h>

#define HEAD_OFF_VERSION 8
#define HEAD_OFF_FEATURES 12
#define HEAD_OFF_KIND 16
#define HEAD_OFF_BLOCK_SIZE 20
#define HEAD_OFF_SECTOR_SIZE 24
#define HEAD_OFF_LINEAGES 28
#define HEAD_OFF_BASE_SIZE 32
#define HEAD_OFF_TARGET_SIZE 40
#define HEAD_OFF_FILE_ID 48
#define HEAD_OFF_CHECK 56
#define HEAD_OFF_BASE_ID 64
#define HEAD_OFF_TARGET_ID 328
#define HEAD_OFF_BASE_FORMAT 592
#define HEAD_OFF_BASE_HINT 640
#define HEAD_OFF_SEEDS 2048

#define END_MAGIC "TSHPDEND"
#define END_OFF_ROOT 8
#define END_OFF_ENTRIES 16
#define END_OFF_LEVEL 24
#define END_OFF_RECORDS 32
#define END_OFF_DATA 40
#define END_OFF_ZERO 48
#define END_OFF_SIZE 56
#define END_OFF_SHA256 64
#define END_OFF_CHECK 120

#define ENTRY_OFF_OFF 0
#define ENTRY_OFF_END 8
#define ENTRY_OFF_AT 16
#define ENTRY_OFF_LEN 24

_Static_assert(HEAD_OFF_TARGET_ID >= HEAD_OFF_BASE_ID + 2 + TRANSHIP_ID_MAX, "base id");
_Static_assert(HEAD_OFF_BASE_FORMAT >= HEAD_OFF_TARGET_ID + 2 + TRANSHIP_ID_MAX, "target id");
_Static_assert(HEAD_OFF_BASE_HINT >= HEAD_OFF_BASE_FORMAT + 2 + DELTA_FORMAT_MAX, "format");
_Static_assert(HEAD_OFF_SEEDS >= HEAD_OFF_BASE_HINT + 2 + DELTA_HINT_MAX, "hint");
_Static_assert(HEAD_OFF_SEEDS + DELTA_LINEAGES_MAX * DIGEST_SEED_SIZE <= DELTA_HEAD_SIZE, "seeds");
_Static_assert(END_OFF_SHA256 == DELTA_END_HASHED, "the hash is over what stands before it");

/* The check of `size` bytes as if the field at `field` were zero. */
static uint64_t check_without(const unsigned char *raw, size_t size, size_t field, uint64_t seed)
{
	unsigned char copy[DELTA_HEAD_SIZE];

	memcpy(copy, raw, size);
	put_le64(copy + field, 0);
	return check64(copy, size, seed);
}

/* A length in two bytes, then the text without an end. */
static void put_text(unsigned char *raw, const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	put_le16(raw, (uint16_t)len);
	memcpy(raw + 2, text, len);
}

static int get_text(const unsigned char *raw, char *text, size_t max, const char *what,
		    struct tranship_error *err)
{
	size_t len = get_le16(raw);

	if (len > max || memchr(raw + 2, '\0', len))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the %s is no text of at most %zu bytes", what, max);
	memcpy(text, raw + 2, len);
	text[len] = '\0';
	return 0;
}

void delta_head_encode(const struct delta_head *head, unsigned char *raw)
{
	uint32_t i;

	memset(raw, 0, DELTA_HEAD_SIZE);
	memcpy(raw, DELTA_MAGIC, 8);
	put_le32(raw + HEAD_OFF_VERSION, DELTA_VERSION);
	put_le32(raw + HEAD_OFF_KIND, head->kind);
	put_le32(raw + HEAD_OFF_BLOCK_SIZE, head->block_size);
	put_le32(raw + HEAD_OFF_SECTOR_SIZE, head->sector_size);
	put_le32(raw + HEAD_OFF_LINEAGES, head->lineages);
	put_le64(raw + HEAD_OFF_BASE_SIZE, head->base_size);
	put_le64(raw + HEAD_OFF_TARGET_SIZE, head->target_size);
	put_le64(raw + HEAD_OFF_FILE_ID, head->file_id);
	put_text(raw + HEAD_OFF_BASE_ID, head->base_id, TRANSHIP_ID_MAX);
	put_text(raw + HEAD_OFF_TARGET_ID, head->target_id, TRANSHIP_ID_MAX);
	put_text(raw + HEAD_OFF_BASE_FORMAT, head->base_format, DELTA_FORMAT_MAX);
	put_text(raw + HEAD_OFF_BASE_HINT, head->base_hint, DELTA_HINT_MAX);
	for (i = 0; i < head->lineages && i < DELTA_LINEAGES_MAX; i++)
		memcpy(raw + HEAD_OFF_SEEDS + (size_t)i * DIGEST_SEED_SIZE, head->seeds[i].bytes,
		       DIGEST_SEED_SIZE);
	put_le64(raw + HEAD_OFF_CHECK, check64(raw, DELTA_HEAD_SIZE, 0));
}

/* What it is, and whether it is whole. */
static int check_head(const unsigned char *raw, struct tranship_error *err)
{
	uint32_t version = get_le32(raw + HEAD_OFF_VERSION);
	uint32_t features = get_le32(raw + HEAD_OFF_FEATURES);

	if (memcmp(raw, DELTA_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "tsd: it does not begin as a delta does");
	if (version != DELTA_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "tsd: it is of version %" PRIu32 ", known is %u", version,
				 DELTA_VERSION);
	if (get_le64(raw + HEAD_OFF_CHECK) !=
	    check_without(raw, DELTA_HEAD_SIZE, HEAD_OFF_CHECK, 0))
		return error_set(err, TRANSHIP_ECORRUPT, "tsd: the head is damaged");
	if (features != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "tsd: it needs the features 0x%" PRIx32 ", which are not known",
				 features);
	return 0;
}

static int check_fields(const struct delta_head *h, uint32_t kind, struct tranship_error *err)
{
	if (!digest_kind_known(kind))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "tsd: the hash %" PRIu32 " is not known", kind);
	if (!is_pow2(h->block_size) || h->block_size < TRANSHIP_BLOCK_MIN ||
	    h->block_size > TRANSHIP_BLOCK_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: blocks of %" PRIu32
				 " bytes; allowed are powers of two from %u to %u",
				 h->block_size, TRANSHIP_BLOCK_MIN, TRANSHIP_BLOCK_MAX);
	if (h->sector_size != 512 && h->sector_size != 4096)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: sectors of %" PRIu32 " bytes; allowed are 512 and 4096",
				 h->sector_size);
	if (h->base_size > DELTA_SIZE_MAX || h->target_size > DELTA_SIZE_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: disks of %" PRIu64 " and %" PRIu64
				 " bytes; allowed are %llu",
				 h->base_size, h->target_size, DELTA_SIZE_MAX);
	if (h->lineages == 0 || h->lineages > DELTA_LINEAGES_MAX)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: it has %" PRIu32 " lineages, allowed are 1 to %u",
				 h->lineages, DELTA_LINEAGES_MAX);
	return 0;
}

static int get_texts(const unsigned char *raw, struct delta_head *h, struct tranship_error *err)
{
	int rc = get_text(raw + HEAD_OFF_BASE_ID, h->base_id, TRANSHIP_ID_MAX, "base id", err);

	if (rc == 0)
		rc = get_text(raw + HEAD_OFF_TARGET_ID, h->target_id, TRANSHIP_ID_MAX, "target id",
			      err);
	if (rc == 0 && (!text_is_line(h->base_id, TRANSHIP_ID_MAX) ||
			!text_is_line(h->target_id, TRANSHIP_ID_MAX)))
		rc = error_set(err, TRANSHIP_ECORRUPT, "tsd: an id is no line of text");
	if (rc == 0)
		rc = get_text(raw + HEAD_OFF_BASE_FORMAT, h->base_format, DELTA_FORMAT_MAX,
			      "format of the base", err);
	if (rc == 0)
		rc = get_text(raw + HEAD_OFF_BASE_HINT, h->base_hint, DELTA_HINT_MAX,
			      "path of the base", err);
	return rc;
}

int delta_head_decode(const unsigned char *raw, struct delta_head *out, struct tranship_error *err)
{
	struct delta_head h = {
		.block_size = get_le32(raw + HEAD_OFF_BLOCK_SIZE),
		.sector_size = get_le32(raw + HEAD_OFF_SECTOR_SIZE),
		.lineages = get_le32(raw + HEAD_OFF_LINEAGES),
		.base_size = get_le64(raw + HEAD_OFF_BASE_SIZE),
		.target_size = get_le64(raw + HEAD_OFF_TARGET_SIZE),
		.file_id = get_le64(raw + HEAD_OFF_FILE_ID),
	};
	uint32_t kind = get_le32(raw + HEAD_OFF_KIND), i;
	int rc = check_head(raw, err);

	if (rc == 0)
		rc = check_fields(&h, kind, err);
	if (rc == 0)
		rc = get_texts(raw, &h, err);
	if (rc)
		return rc;
	h.kind = kind;
	for (i = 0; i < h.lineages; i++)
		memcpy(h.seeds[i].bytes, raw + HEAD_OFF_SEEDS + (size_t)i * DIGEST_SEED_SIZE,
		       DIGEST_SEED_SIZE);
	*out = h;
	return 0;
}

void delta_end_encode(const struct delta_end *end, uint64_t file_id, unsigned char *raw)
{
	memset(raw, 0, DELTA_END_SIZE);
	memcpy(raw, END_MAGIC, 8);
	put_le64(raw + END_OFF_ROOT, end->root.off);
	put_le64(raw + END_OFF_ENTRIES, end->root.count);
	put_le32(raw + END_OFF_LEVEL, end->root.level);
	put_le64(raw + END_OFF_RECORDS, end->records);
	put_le64(raw + END_OFF_DATA, end->data);
	put_le64(raw + END_OFF_ZERO, end->zero);
	put_le64(raw + END_OFF_SIZE, end->size);
	memcpy(raw + END_OFF_SHA256, end->sha256, sizeof(end->sha256));
	put_le64(raw + END_OFF_CHECK, check64(raw, DELTA_END_SIZE, file_id));
}

int delta_end_decode(const unsigned char *raw, uint64_t file_id, uint64_t file_size,
		     struct delta_end *out, struct tranship_error *err)
{
	struct delta_end e = {
		.root = { .off = get_le64(raw + END_OFF_ROOT),
			  .level = get_le32(raw + END_OFF_LEVEL),
			  .count = get_le64(raw + END_OFF_ENTRIES) },
		.records = get_le64(raw + END_OFF_RECORDS),
		.data = get_le64(raw + END_OFF_DATA),
		.zero = get_le64(raw + END_OFF_ZERO),
		.size = get_le64(raw + END_OFF_SIZE),
	};

	if (memcmp(raw, END_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: it does not end as a delta does: it is cut short");
	if (get_le64(raw + END_OFF_CHECK) !=
	    check_without(raw, DELTA_END_SIZE, END_OFF_CHECK, file_id))
		return error_set(err, TRANSHIP_ECORRUPT, "tsd: the end is damaged, or another's");
	if (e.size != file_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the file has %" PRIu64 " bytes, its end says %" PRIu64,
				 file_size, e.size);
	if (e.records != e.root.count || e.records > file_size / RECORD_HEAD)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: %" PRIu64 " records in %" PRIu64
				 " bytes, and an index of %" PRIu64,
				 e.records, file_size, e.root.count);
	memcpy(e.sha256, raw + END_OFF_SHA256, sizeof(e.sha256));
	*out = e;
	return 0;
}

struct record_rule delta_rule(const struct delta_head *head)
{
	return (struct record_rule){
		.block_size = head->block_size,
		.digest_size = head->kind == DIGEST_SHA256 ? 32 : 16,
		.limit = round_up(max_u64(head->base_size, head->target_size), head->block_size),
		.target = round_up(head->target_size, head->block_size),
		.file_id = head->file_id,
		.lineages = head->lineages,
	};
}

void delta_entry_encode(const struct delta_entry *entry, unsigned char *raw)
{
	memset(raw, 0, DELTA_ENTRY_SIZE);
	put_le64(raw + ENTRY_OFF_OFF, entry->off);
	put_le64(raw + ENTRY_OFF_END, entry->end);
	put_le64(raw + ENTRY_OFF_AT, entry->at);
	put_le32(raw + ENTRY_OFF_LEN, entry->len);
}

int delta_entry_decode(const unsigned char *raw, uint64_t file_size, struct delta_entry *out,
		       struct tranship_error *err)
{
	struct delta_entry e = {
		.off = get_le64(raw + ENTRY_OFF_OFF),
		.end = get_le64(raw + ENTRY_OFF_END),
		.at = get_le64(raw + ENTRY_OFF_AT),
		.len = get_le32(raw + ENTRY_OFF_LEN),
	};

	if (e.off >= e.end || e.len < RECORD_HEAD || e.at < DELTA_HEAD_SIZE ||
	    !range_ok(e.at, e.len, file_size - DELTA_END_SIZE))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "tsd: the index has a record for %" PRIu64 " to %" PRIu64
				 ", %" PRIu32 " bytes at %" PRIu64 " of a file of %" PRIu64,
				 e.off, e.end, e.len, e.at, file_size);
	*out = e;
	return 0;
}
