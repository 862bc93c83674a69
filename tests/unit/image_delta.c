// SPDX-License-Identifier: Apache-2.0
#include "image_delta.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/zero.h"
#include "delta/record_ondisk.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

struct making {
	const struct image_delta *image;
	const unsigned char *base, *target;
	struct record_rule rule;
	struct digester digesters[DELTA_LINEAGES_MAX];
	struct record_builder *builder;
	struct delta_writer *writer;
	struct buffer out;
	unsigned char *old_block, *new_block;
	uint8_t lineage;
	size_t record_data; /* bytes of data in the record so far */
};

struct image_delta image_delta_defaults(uint64_t base_size, uint64_t target_size)
{
	struct image_delta image = {
		.head = { .file_id = 0x1122334455667788,
			  .kind = DIGEST_XXH3,
			  .block_size = 4096,
			  .sector_size = 512,
			  .base_size = base_size,
			  .target_size = target_size,
			  .base_id = "before",
			  .target_id = "after",
			  .base_format = "raw",
			  .lineages = 1 },
		.level = 1,
		.record_data = RECORD_DATA_MIN,
	};
	size_t i;

	for (i = 0; i < sizeof(image.head.seeds); i++)
		image.head.seeds[i / DIGEST_SEED_SIZE].bytes[i % DIGEST_SEED_SIZE] =
			(unsigned char)(i * 7 + 1);
	return image;
}

/* One block of a disk, with zeros behind its end. */
static void take_block(const unsigned char *disk, uint64_t size, uint64_t off, uint32_t len,
		       unsigned char *block)
{
	size_t n = off < size ? (size_t)min_u64(len, size - off) : 0;

	if (n > 0)
		memcpy(block, disk + off, n);
	memset(block + n, 0, len - n);
}

static int put_record(struct making *m)
{
	struct record_span span;
	int rc;

	if (record_builder_blocks(m->builder) == 0)
		return 0;
	m->out.len = 0;
	m->record_data = 0;
	rc = record_builder_encode(m->builder, &m->out, &span, NULL);
	if (rc == 0)
		rc = delta_writer_put(m->writer, &span, m->out.bytes + span.at, NULL);
	m->lineage = (uint8_t)((m->lineage + 1U) % m->image->head.lineages);
	return rc;
}

static int put_block(struct making *m, uint64_t off)
{
	const struct delta_head *head = &m->image->head;
	unsigned char olds[DIGEST_SIZE_MAX], news[DIGEST_SIZE_MAX];
	enum record_piece_kind kind;
	int rc;

	take_block(m->base, head->base_size, off, head->block_size, m->old_block);
	take_block(m->target, head->target_size, off, head->block_size, m->new_block);
	/* What a smaller disk cuts off is named, too, unless it was zeros. */
	if (memcmp(m->old_block, m->new_block, head->block_size) == 0)
		return 0;
	kind = bytes_are_zero(m->new_block, head->block_size) ? RECORD_ZERO : RECORD_DATA;
	if (record_builder_room(m->builder, kind) == 0 || m->record_data >= m->image->record_data ||
	    (m->image->record_blocks &&
	     record_builder_blocks(m->builder) >= m->image->record_blocks)) {
		rc = put_record(m);
		if (rc)
			return rc;
	}
	m->record_data += kind == RECORD_DATA ? head->block_size : 0;
	rc = digest_blocks(&m->digesters[m->lineage], m->old_block, 1, olds, NULL);
	if (rc == 0)
		rc = digest_blocks(&m->digesters[m->lineage], m->new_block, 1, news, NULL);
	return rc ? rc
		  : record_builder_add(m->builder, off, 1, kind, m->lineage, m->new_block, olds,
				       news, NULL);
}

static int make(struct making *m, struct tranship_file *file)
{
	const struct delta_head *head = &m->image->head;
	uint64_t off;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < head->lineages && rc == 0; i++)
		rc = digester_init(&m->digesters[i], head->kind, head->block_size, &head->seeds[i],
				   NULL);
	m->rule = delta_rule(head);
	m->old_block = malloc(head->block_size);
	m->new_block = malloc(head->block_size);
	if (rc || !m->old_block || !m->new_block)
		return -1;
	rc = record_builder_new(&m->rule, m->image->level, &m->builder, NULL);
	if (rc == 0)
		rc = delta_writer_new(file, head, &m->writer, NULL);
	for (off = 0; off < m->rule.limit && rc == 0; off += head->block_size)
		rc = put_block(m, off);
	if (rc == 0)
		rc = put_record(m);
	return rc ? rc : delta_writer_finish(m->writer, NULL, NULL);
}

int image_delta(const struct image_delta *image, const unsigned char *base,
		const unsigned char *target, struct buffer *out)
{
	struct making m = { .image = image, .base = base, .target = target };
	struct tranship_file *file = NULL;
	size_t size;
	int rc = tranship_file_memory(NULL, 0, &file, NULL);

	if (rc == 0)
		rc = make(&m, file);
	if (rc == 0) {
		size = (size_t)tranship_file_size(file);
		rc = buffer_reserve(out, size, NULL);
		if (rc == 0)
			rc = tranship_file_read(file, 0, out->bytes, size, NULL);
		if (rc == 0)
			out->len = size;
	}
	delta_writer_free(m.writer);
	record_builder_free(m.builder);
	buffer_free(&m.out);
	free(m.old_block);
	free(m.new_block);
	tranship_file_close(file);
	return rc ? -1 : 0;
}

/* What stands at `at`, and its length; 0: neither a record nor a page. */
static size_t part_len(const unsigned char *bytes, size_t len, size_t at, bool *page)
{
	size_t left = len - at, need;

	*page = false;
	if (left >= PAGE_SIZE_BYTES && memcmp(bytes + at, "TPGE", 4) == 0) {
		*page = true;
		return PAGE_SIZE_BYTES;
	}
	if (left < RECORD_HEAD || memcmp(bytes + at, RECORD_MAGIC, 8) != 0)
		return 0;
	need = (size_t)RECORD_HEAD + get_le32(bytes + at + RECORD_OFF_TABLE_LEN) +
	       get_le32(bytes + at + RECORD_OFF_STORED_LEN);
	return need <= left ? need : 0;
}

/* Parts that are not reached by their lengths are looked for. */
static size_t find_part(const unsigned char *bytes, size_t len, bool page, unsigned index)
{
	size_t at = DELTA_HEAD_SIZE;

	while (at < len) {
		bool is_page;
		size_t n = part_len(bytes, len, at, &is_page);

		if (n > 0 && is_page == page && index-- == 0)
			return at;
		at += n > 0 ? n : 1;
	}
	return SIZE_MAX;
}

size_t image_delta_record(const unsigned char *bytes, size_t len, unsigned index)
{
	return find_part(bytes, len, false, index);
}

size_t image_delta_page(const unsigned char *bytes, size_t len, unsigned index)
{
	return find_part(bytes, len, true, index);
}

static void sum(unsigned char *raw, size_t len, size_t field, uint64_t seed)
{
	put_le64(raw + field, 0);
	put_le64(raw + field, check64(raw, len, seed));
}

static void repair_end(unsigned char *bytes, size_t len, uint64_t file_id)
{
	unsigned char *end = bytes + len - DELTA_END_SIZE;
	struct sha256 *sha;

	if (sha256_new(&sha, NULL))
		return;
	if (sha256_update(sha, bytes, len - DELTA_END_SIZE + DELTA_END_HASHED, NULL) == 0)
		sha256_final(sha, end + DELTA_END_HASHED, NULL);
	sha256_free(sha);
	sum(end, DELTA_END_SIZE, 120, file_id);
}

void image_delta_repair(unsigned char *bytes, size_t len)
{
	struct record_rule rule = { 0 };
	size_t at = DELTA_HEAD_SIZE;

	if (len < DELTA_HEAD_SIZE + DELTA_END_SIZE)
		return;
	sum(bytes, DELTA_HEAD_SIZE, 56, 0);
	rule.file_id = get_le64(bytes + 48);
	while (at < len - DELTA_END_SIZE) {
		bool page;
		size_t n = part_len(bytes, len - DELTA_END_SIZE, at, &page);
		unsigned char *raw = bytes + at;

		if (page)
			sum(raw, n, 24, rule.file_id);
		else if (n > 0)
			put_le64(raw + RECORD_OFF_CHECK,
				 record_check(&rule, raw,
					      RECORD_HEAD + get_le32(raw + RECORD_OFF_TABLE_LEN)));
		at += n > 0 ? n : 1;
	}
	repair_end(bytes, len, rule.file_id);
}
