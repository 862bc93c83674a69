/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals and notes as bytes. All integers are little-endian; what is not named is zero.
 *
 *   journal  header, 512 bytes  magic "TSHPJRNL", version, flags, id, who the target is, lengths,
 *                               number of pages, CRC-32C
 *            per page           head of 32 bytes (id, page, CRC-32C of old and of new, "PAGE", its
 *                               own CRC-32C), 4096 bytes old, 4096 bytes new
 *            trailer, 32 bytes  magic "TSHPJEND", id, length of the journal, CRC-32C of all before
 *                               it, its own CRC-32C
 *   note     header, 512 bytes  magic "TSHPNOTE", version, kind, inode, length and CRC-32C of the
 *                               text, CRC-32C
 *            text
 *
 * A part's own CRC-32C is its last 4 bytes, and rotated (seal in journal_ondisk.c).
 *
 * Header, heads and trailer never straddle a 512-byte sector, so that each of them is on the medium
 * or is not; what was lost reads as zeros. CRC-32C and not SHA-256: it has to find what a power
 * loss or a bad disk did, not what somebody did who may write beside the file and could write the
 * file itself; and the library stays without libcrypto. The random id keeps parts of an older
 * journal, whose disk blocks were used again, from passing for this one's.
 */
#ifndef IO_JOURNAL_ONDISK_H
#define IO_JOURNAL_ONDISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_SECTOR 512U
#define JOURNAL_PAGE 4096U
#define JOURNAL_HEADER 512U
#define JOURNAL_HEAD 32U
#define JOURNAL_RECORD (JOURNAL_HEAD + 2 * JOURNAL_PAGE)
#define JOURNAL_TRAILER 32U
#define JOURNAL_PAGES_MAX (1U << 20) /* 4 GiB of pages, 8 GiB of journal */
#define NOTE_TEXT_MAX 4096U

/* What a part of a journal turned out to be. */
enum journal_part {
	JOURNAL_GOOD,
	JOURNAL_LOST,    /* zeros: it never reached the medium */
	JOURNAL_DAMAGED, /* something else */
};

struct journal_header {
	bool device;       /* the target is a block device: inode and lengths stay as they are */
	uint64_t id;       /* of this journal; random */
	uint64_t ino;      /* of the target */
	uint64_t dev;      /* advice only: device numbers change when a machine starts again */
	uint64_t undo_len; /* the target's length before the transaction, and after an undo */
	uint64_t old_len;  /* when the journal was written: undo_len and what was added as free */
	uint64_t new_len;  /* after the transaction */
	uint64_t pages;
};

struct journal_head {
	uint64_t id;
	uint64_t page; /* offset in the target / JOURNAL_PAGE */
	uint32_t old_crc, new_crc;
};

struct note_header {
	uint32_t kind;
	uint64_t ino;
	uint32_t len;
	uint32_t crc;
};

void journal_header_encode(const struct journal_header *h, unsigned char *raw);
/* *err says what is wrong, for JOURNAL_DAMAGED. */
enum journal_part journal_header_decode(const unsigned char *raw, struct journal_header *out,
					struct tranship_error *err);

void journal_head_encode(const struct journal_head *h, unsigned char *raw);
enum journal_part journal_head_decode(const unsigned char *raw, struct journal_head *out);

/* `crc` is that of everything before the trailer. */
void journal_trailer_encode(const struct journal_header *h, uint32_t crc, unsigned char *raw);
bool journal_trailer_ok(const unsigned char *raw, const struct journal_header *h, uint32_t crc);
/* The same, for a journal of which nothing is known. */
bool journal_trailer_alone_ok(const unsigned char *raw);

/* Of all of it. */
uint64_t journal_length(const struct journal_header *h);

void note_header_encode(const struct note_header *h, unsigned char *raw);
bool note_header_decode(const unsigned char *raw, struct note_header *out);

#endif
