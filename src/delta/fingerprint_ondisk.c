// SPDX-License-Identifier: Apache-2.0
#include "delta/fingerprint_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define OFF_VERSION 8
#define OFF_KIND 12
#define OFF_BLOCK_SIZE 16
#define OFF_SECTOR_SIZE 20
#define OFF_DISK_SIZE 24
#define OFF_FILE_ID 32
#define OFF_SEED 40
#define OFF_ID 72
#define ID_SIZE (TRANSHIP_ID_MAX + 1)
#define OFF_HEAD_CHECK (FINGERPRINT_PAGE - 8)

#define END_MAGIC "TSHPFEND"
#define OFF_ROOT 8
#define OFF_ROOT_LEVEL 16
#define OFF_PAGES 24
#define OFF_BLOCKS 32
#define OFF_FILE_SIZE 40
#define OFF_END_CHECK (FINGERPRINT_END_SIZE - 8)

#define PAGE_MAGIC "DPGE"
#define OFF_PAGE_FILE_ID 8
#define OFF_PAGE_NUMBER 16
#define OFF_PAGE_CHECK 24

uint64_t fingerprint_blocks(const struct fingerprint_head *head)
{
	return div_up(head->size, head->block_size);
}

uint32_t fingerprint_per_page(const struct fingerprint_head *head)
{
	return (FINGERPRINT_PAGE - DIGEST_PAGE_HEAD) / (head->kind == DIGEST_SHA256 ? 32 : 16);
}

uint64_t fingerprint_pages(const struct fingerprint_head *head)
{
	return div_up(fingerprint_blocks(head), fingerprint_per_page(head));
}

/* A check stands in zeros while it is computed. */
static uint64_t sealed(unsigned char *raw, size_t size, size_t off, uint64_t seed)
{
	put_le64(raw + off, 0);
	return check64(raw, size, seed);
}

static void seal(unsigned char *raw, size_t size, size_t off, uint64_t seed)
{
	put_le64(raw + off, sealed(raw, size, off, seed));
}

static bool seal_ok(const unsigned char *raw, size_t size, size_t off, uint64_t seed)
{
	unsigned char copy[FINGERPRINT_PAGE];

	memcpy(copy, raw, size);
	return get_le64(raw + off) == sealed(copy, size, off, seed);
}

static bool id_ok(const char *id)
{
	return *id && text_is_line(id, TRANSHIP_ID_MAX);
}

int fingerprint_head_check(const struct fingerprint_head *head, int code,
			   struct tranship_error *err)
{
	static const struct digest_seed none;

	if (!digest_kind_known(head->kind))
		return error_set(err, code == TRANSHIP_ECORRUPT ? TRANSHIP_EUNSUPPORTED : code,
				 "fingerprint: hash %u is not known", (unsigned)head->kind);
	if (!is_pow2(head->block_size) || head->block_size < TRANSHIP_BLOCK_MIN ||
	    head->block_size > TRANSHIP_BLOCK_MAX)
		return error_set(err, code,
				 "fingerprint: the block size %u is no power of two from %u to %u",
				 (unsigned)head->block_size, TRANSHIP_BLOCK_MIN,
				 TRANSHIP_BLOCK_MAX);
	if (head->sector_size != 512 && head->sector_size != 4096)
		return error_set(err, code, "fingerprint: the sector size %u is not 512 or 4096",
				 (unsigned)head->sector_size);
	if (head->size > FINGERPRINT_SIZE_MAX)
		return error_set(err, code, "fingerprint: a disk of %llu bytes passes 2^63 - 1",
				 (unsigned long long)head->size);
	if (head->kind == DIGEST_SHA256 && memcmp(&head->seed, &none, sizeof(none)) != 0)
		return error_set(err, code, "fingerprint: SHA-256 has no secret");
	if (!id_ok(head->id))
		return error_set(err, code,
				 "fingerprint: the version id is not 1 to %u bytes of printable "
				 "UTF-8",
				 TRANSHIP_ID_MAX);
	return 0;
}

void fingerprint_head_encode(const struct fingerprint_head *head, unsigned char *raw)
{
	memset(raw, 0, FINGERPRINT_PAGE);
	memcpy(raw, FINGERPRINT_MAGIC, 8);
	put_le32(raw + OFF_VERSION, FINGERPRINT_VERSION);
	put_le32(raw + OFF_KIND, head->kind);
	put_le32(raw + OFF_BLOCK_SIZE, head->block_size);
	put_le32(raw + OFF_SECTOR_SIZE, head->sector_size);
	put_le64(raw + OFF_DISK_SIZE, head->size);
	put_le64(raw + OFF_FILE_ID, head->file_id);
	memcpy(raw + OFF_SEED, head->seed.bytes, DIGEST_SEED_SIZE);
	memcpy(raw + OFF_ID, head->id, strlen(head->id));
	seal(raw, FINGERPRINT_PAGE, OFF_HEAD_CHECK, 0);
}

int fingerprint_head_decode(const unsigned char *raw, struct fingerprint_head *out,
			    struct tranship_error *err)
{
	struct fingerprint_head head = { 0 };
	uint32_t version = get_le32(raw + OFF_VERSION);
	int rc;

	if (memcmp(raw, FINGERPRINT_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "this is no fingerprint");
	if (version != FINGERPRINT_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "fingerprint: version %u is not %u, which is all that is read",
				 (unsigned)version, FINGERPRINT_VERSION);
	if (!seal_ok(raw, FINGERPRINT_PAGE, OFF_HEAD_CHECK, 0))
		return error_set(err, TRANSHIP_ECORRUPT, "fingerprint: the head fails its check");
	head.kind = get_le32(raw + OFF_KIND);
	head.block_size = get_le32(raw + OFF_BLOCK_SIZE);
	head.sector_size = get_le32(raw + OFF_SECTOR_SIZE);
	head.size = get_le64(raw + OFF_DISK_SIZE);
	head.file_id = get_le64(raw + OFF_FILE_ID);
	memcpy(head.seed.bytes, raw + OFF_SEED, DIGEST_SEED_SIZE);
	memcpy(head.id, raw + OFF_ID, ID_SIZE);
	rc = fingerprint_head_check(&head, TRANSHIP_ECORRUPT, err);
	if (rc == 0)
		*out = head;
	return rc;
}

void fingerprint_end_encode(const struct fingerprint_end *end, uint64_t file_id, unsigned char *raw)
{
	memset(raw, 0, FINGERPRINT_END_SIZE);
	memcpy(raw, END_MAGIC, 8);
	put_le64(raw + OFF_ROOT, end->root.off);
	put_le32(raw + OFF_ROOT_LEVEL, end->root.level);
	put_le64(raw + OFF_PAGES, end->root.count);
	put_le64(raw + OFF_BLOCKS, end->blocks);
	put_le64(raw + OFF_FILE_SIZE, end->size);
	seal(raw, FINGERPRINT_END_SIZE, OFF_END_CHECK, file_id);
}

/* What the file must be long, since nothing else is in it: head, digest pages, the index over so
 * many, end. False: more pages than the disk has. */
static bool expected_size(const struct fingerprint_head *head, const struct page_root *root,
			  uint64_t *size)
{
	const uint32_t fanout = (PAGE_SIZE_BYTES - PAGE_HEAD) / FINGERPRINT_ENTRY;
	uint64_t pages = root->count, at = root->count;

	if (root->count > fingerprint_pages(head)) /* at most 2^45 */
		return false;
	while (at > 0) {
		at = div_up(at, fanout);
		pages += at;
		if (at == 1)
			break;
	}
	*size = FINGERPRINT_PAGE * (1 + pages) + FINGERPRINT_END_SIZE;
	return true;
}

int fingerprint_end_decode(const unsigned char *raw, const struct fingerprint_head *head,
			   uint64_t file_size, struct fingerprint_end *out,
			   struct tranship_error *err)
{
	struct fingerprint_end end = { 0 };
	uint64_t size;

	if (memcmp(raw, END_MAGIC, 8) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: the file is cut short: at %llu is no end",
				 (unsigned long long)(file_size - FINGERPRINT_END_SIZE));
	if (!seal_ok(raw, FINGERPRINT_END_SIZE, OFF_END_CHECK, head->file_id))
		return error_set(err, TRANSHIP_ECORRUPT, "fingerprint: the end fails its check");
	end.root.off = get_le64(raw + OFF_ROOT);
	end.root.level = get_le32(raw + OFF_ROOT_LEVEL);
	end.root.count = get_le64(raw + OFF_PAGES);
	end.blocks = get_le64(raw + OFF_BLOCKS);
	end.size = get_le64(raw + OFF_FILE_SIZE);
	if (end.size != file_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: the file has %llu bytes and its end says %llu",
				 (unsigned long long)file_size, (unsigned long long)end.size);
	if (!expected_size(head, &end.root, &size) || size != file_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: %llu pages of digests do not make %llu bytes",
				 (unsigned long long)end.root.count, (unsigned long long)file_size);
	if (end.blocks > fingerprint_blocks(head) || end.blocks < end.root.count ||
	    end.blocks > end.root.count * fingerprint_per_page(head))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "fingerprint: %llu blocks of data do not fit %llu pages",
				 (unsigned long long)end.blocks,
				 (unsigned long long)end.root.count);
	*out = end;
	return 0;
}

void digest_page_seal(unsigned char *raw, uint64_t file_id, uint64_t number)
{
	memset(raw, 0, DIGEST_PAGE_HEAD);
	memcpy(raw, PAGE_MAGIC, 4);
	put_le64(raw + OFF_PAGE_FILE_ID, file_id);
	put_le64(raw + OFF_PAGE_NUMBER, number);
	seal(raw, FINGERPRINT_PAGE, OFF_PAGE_CHECK, file_id);
}

int digest_page_check(const unsigned char *raw, uint64_t file_id, uint64_t number, uint64_t off,
		      struct tranship_error *err)
{
	const char *why = NULL;

	if (memcmp(raw, PAGE_MAGIC, 4) != 0)
		why = "is none";
	else if (!seal_ok(raw, FINGERPRINT_PAGE, OFF_PAGE_CHECK, file_id))
		why = "fails its check";
	else if (get_le64(raw + OFF_PAGE_FILE_ID) != file_id)
		why = "belongs to another file";
	else if (get_le64(raw + OFF_PAGE_NUMBER) != number)
		why = "has another number";
	if (!why)
		return 0;
	return error_set(err, TRANSHIP_ECORRUPT, "fingerprint: digest page %llu at %llu %s",
			 (unsigned long long)number, (unsigned long long)off, why);
}
