// SPDX-License-Identifier: Apache-2.0
#include "io/journal_ondisk.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/zero.h"

#include <inttypes.h>
#include <string.h>

#define VERSION 1U
#define FLAG_DEVICE 1U
#define PAGE_MAGIC 0x45474150U /* "PAGE" */

static const char header_magic[8] = { 'T', 'S', 'H', 'P', 'J', 'R', 'N', 'L' };
static const char trailer_magic[8] = { 'T', 'S', 'H', 'P', 'J', 'E', 'N', 'D' };
static const char note_magic[8] = { 'T', 'S', 'H', 'P', 'N', 'O', 'T', 'E' };

enum {
	/* journal and note */
	OFF_MAGIC = 0,
	OFF_VERSION = 8,
	OFF_CRC = 508,
	/* journal */
	OFF_FLAGS = 12,
	OFF_ID = 16,
	OFF_INO = 24,
	OFF_DEV = 32,
	OFF_UNDO_LEN = 40,
	OFF_OLD_LEN = 48,
	OFF_NEW_LEN = 56,
	OFF_PAGES = 64,
	/* note */
	OFF_KIND = 12,
	OFF_NOTE_INO = 16,
	OFF_NOTE_LEN = 24,
	OFF_NOTE_CRC = 28,
	/* head */
	HEAD_ID = 0,
	HEAD_PAGE = 8,
	HEAD_OLD_CRC = 16,
	HEAD_NEW_CRC = 20,
	HEAD_MAGIC = 24,
	HEAD_CRC = 28,
	/* trailer */
	TRAILER_MAGIC = 0,
	TRAILER_ID = 8,
	TRAILER_LEN = 16,
	TRAILER_ALL_CRC = 24,
	TRAILER_CRC = 28,
};

/*
 * The CRC-32C that stands behind the bytes that it guards, rotated: the CRC of bytes with their own
 * CRC behind them is always the same number, so the one over the whole journal would not see them.
 */
static uint32_t seal(const unsigned char *raw, size_t len)
{
	uint32_t crc = crc32c(0, raw, len);

	return (crc >> 15 | crc << 17) + 0x5EA1U;
}

uint64_t journal_length(const struct journal_header *h)
{
	return JOURNAL_HEADER + h->pages * JOURNAL_RECORD + JOURNAL_TRAILER;
}

void journal_header_encode(const struct journal_header *h, unsigned char *raw)
{
	memset(raw, 0, JOURNAL_HEADER);
	memcpy(raw + OFF_MAGIC, header_magic, sizeof(header_magic));
	put_le32(raw + OFF_VERSION, VERSION);
	put_le32(raw + OFF_FLAGS, h->device ? FLAG_DEVICE : 0);
	put_le64(raw + OFF_ID, h->id);
	put_le64(raw + OFF_INO, h->ino);
	put_le64(raw + OFF_DEV, h->dev);
	put_le64(raw + OFF_UNDO_LEN, h->undo_len);
	put_le64(raw + OFF_OLD_LEN, h->old_len);
	put_le64(raw + OFF_NEW_LEN, h->new_len);
	put_le64(raw + OFF_PAGES, h->pages);
	put_le32(raw + OFF_CRC, seal(raw, OFF_CRC));
}

static enum journal_part damaged(struct tranship_error *err, const char *field, uint64_t value)
{
	error_set(err, TRANSHIP_ECORRUPT,
		  "journal: its header's %s is %" PRIu64 ", which is out of bounds", field, value);
	return JOURNAL_DAMAGED;
}

enum journal_part journal_header_decode(const unsigned char *raw, struct journal_header *out,
					struct tranship_error *err)
{
	struct journal_header h;
	uint32_t flags;

	if (bytes_are_zero(raw, JOURNAL_HEADER))
		return JOURNAL_LOST;
	if (memcmp(raw + OFF_MAGIC, header_magic, sizeof(header_magic)) != 0) {
		error_set(err, TRANSHIP_ECORRUPT, "journal: it does not begin as a journal does");
		return JOURNAL_DAMAGED;
	}
	if (get_le32(raw + OFF_CRC) != seal(raw, OFF_CRC)) {
		error_set(err, TRANSHIP_ECORRUPT, "journal: the checksum of its header is wrong");
		return JOURNAL_DAMAGED;
	}
	flags = get_le32(raw + OFF_FLAGS);
	if (get_le32(raw + OFF_VERSION) != VERSION || flags & ~FLAG_DEVICE) {
		error_set(err, TRANSHIP_EUNSUPPORTED,
			  "journal: a newer tranship wrote it (version %" PRIu32 ", flags %" PRIu32
			  ")",
			  get_le32(raw + OFF_VERSION), flags);
		return JOURNAL_DAMAGED;
	}
	h.device = (flags & FLAG_DEVICE) != 0;
	h.id = get_le64(raw + OFF_ID);
	h.ino = get_le64(raw + OFF_INO);
	h.dev = get_le64(raw + OFF_DEV);
	h.undo_len = get_le64(raw + OFF_UNDO_LEN);
	h.old_len = get_le64(raw + OFF_OLD_LEN);
	h.new_len = get_le64(raw + OFF_NEW_LEN);
	h.pages = get_le64(raw + OFF_PAGES);
	if (h.undo_len > INT64_MAX)
		return damaged(err, "length to go back to", h.undo_len);
	if (h.old_len > INT64_MAX)
		return damaged(err, "old length", h.old_len);
	if (h.new_len > INT64_MAX)
		return damaged(err, "new length", h.new_len);
	if (h.pages > JOURNAL_PAGES_MAX)
		return damaged(err, "number of pages", h.pages);
	if (h.device && (h.undo_len != h.old_len || h.new_len != h.old_len))
		return damaged(err, "new length of a device", h.new_len);
	*out = h;
	return JOURNAL_GOOD;
}

void journal_head_encode(const struct journal_head *h, unsigned char *raw)
{
	put_le64(raw + HEAD_ID, h->id);
	put_le64(raw + HEAD_PAGE, h->page);
	put_le32(raw + HEAD_OLD_CRC, h->old_crc);
	put_le32(raw + HEAD_NEW_CRC, h->new_crc);
	put_le32(raw + HEAD_MAGIC, PAGE_MAGIC);
	put_le32(raw + HEAD_CRC, seal(raw, HEAD_CRC));
}

enum journal_part journal_head_decode(const unsigned char *raw, struct journal_head *out)
{
	struct journal_head h;

	if (bytes_are_zero(raw, JOURNAL_HEAD))
		return JOURNAL_LOST;
	if (get_le32(raw + HEAD_MAGIC) != PAGE_MAGIC ||
	    get_le32(raw + HEAD_CRC) != seal(raw, HEAD_CRC))
		return JOURNAL_DAMAGED;
	h.id = get_le64(raw + HEAD_ID);
	h.page = get_le64(raw + HEAD_PAGE);
	h.old_crc = get_le32(raw + HEAD_OLD_CRC);
	h.new_crc = get_le32(raw + HEAD_NEW_CRC);
	if (h.page > INT64_MAX / JOURNAL_PAGE)
		return JOURNAL_DAMAGED;
	*out = h;
	return JOURNAL_GOOD;
}

void journal_trailer_encode(const struct journal_header *h, uint32_t crc, unsigned char *raw)
{
	memcpy(raw + TRAILER_MAGIC, trailer_magic, sizeof(trailer_magic));
	put_le64(raw + TRAILER_ID, h->id);
	put_le64(raw + TRAILER_LEN, journal_length(h));
	put_le32(raw + TRAILER_ALL_CRC, crc);
	put_le32(raw + TRAILER_CRC, seal(raw, TRAILER_CRC));
}

bool journal_trailer_alone_ok(const unsigned char *raw)
{
	return memcmp(raw + TRAILER_MAGIC, trailer_magic, sizeof(trailer_magic)) == 0 &&
	       get_le32(raw + TRAILER_CRC) == seal(raw, TRAILER_CRC);
}

bool journal_trailer_ok(const unsigned char *raw, const struct journal_header *h, uint32_t crc)
{
	return journal_trailer_alone_ok(raw) && get_le64(raw + TRAILER_ID) == h->id &&
	       get_le64(raw + TRAILER_LEN) == journal_length(h) &&
	       get_le32(raw + TRAILER_ALL_CRC) == crc;
}

void note_header_encode(const struct note_header *h, unsigned char *raw)
{
	memset(raw, 0, JOURNAL_HEADER);
	memcpy(raw + OFF_MAGIC, note_magic, sizeof(note_magic));
	put_le32(raw + OFF_VERSION, VERSION);
	put_le32(raw + OFF_KIND, h->kind);
	put_le64(raw + OFF_NOTE_INO, h->ino);
	put_le32(raw + OFF_NOTE_LEN, h->len);
	put_le32(raw + OFF_NOTE_CRC, h->crc);
	put_le32(raw + OFF_CRC, seal(raw, OFF_CRC));
}

bool note_header_decode(const unsigned char *raw, struct note_header *out)
{
	struct note_header h;

	if (memcmp(raw + OFF_MAGIC, note_magic, sizeof(note_magic)) != 0 ||
	    get_le32(raw + OFF_CRC) != seal(raw, OFF_CRC) || get_le32(raw + OFF_VERSION) != VERSION)
		return false;
	h.kind = get_le32(raw + OFF_KIND);
	h.ino = get_le64(raw + OFF_NOTE_INO);
	h.len = get_le32(raw + OFF_NOTE_LEN);
	h.crc = get_le32(raw + OFF_NOTE_CRC);
	if (h.len > NOTE_TEXT_MAX)
		return false;
	*out = h;
	return true;
}
