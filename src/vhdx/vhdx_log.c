// SPDX-License-Identifier: Apache-2.0
/*
 * Finding the active sequence of the log ([MS-VHDX] 2.3.2). A log GUID in the header that is not
 * zero says that entries with this GUID have to be replayed before anything else is believed.
 *
 * The specification tries a sequence from each sector of the ring in turn. Here each sector is
 * asked once whether a whole entry begins there; entries that follow each other with rising numbers
 * are a chain, and the active sequence is the end of the chain whose head has the greatest number.
 * That is the same sequence in linear time, which matters where the log is hostile: the sectors of
 * an entry behind its first never begin like an entry, so entries that get as far as their checksum
 * do not overlap.
 */
#include "vhdx/vhdx_log.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "vhdx/vhdx_log_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A sector of the ring, and the entry that begins there. */
struct slot {
	uint32_t sectors; /* of the entry; 0: none begins here */
	uint32_t tail;    /* the slot that its tail names */
	uint64_t sequence;
	uint32_t chain; /* the slot where its chain begins */
	bool follows;   /* another entry goes before it */
};

static unsigned char *sector_at(const struct vhdx_log *log, uint64_t slot)
{
	return log->ring + slot * VHDX_LOG_SECTOR % log->ring_len;
}

static bool checksum_ok(const struct vhdx_log *log, uint32_t slot, uint32_t length)
{
	static const unsigned char zeros[4];
	const unsigned char *raw = sector_at(log, slot);
	const size_t behind = VHDX_LOG_CHECKSUM + sizeof(zeros);
	size_t first = (size_t)min_u64(length, (uint64_t)(log->ring + log->ring_len - raw));
	uint32_t crc = crc32c(0, raw, VHDX_LOG_CHECKSUM);

	crc = crc32c(crc, zeros, sizeof(zeros));
	crc = crc32c(crc, raw + behind, first - behind);
	crc = crc32c(crc, log->ring, length - first); /* round the end of the ring */
	return crc == get_le32(raw + VHDX_LOG_CHECKSUM);
}

/* The descriptor number i of the entry in this slot. */
static bool descriptor_at(const struct vhdx_log *log, uint32_t slot, uint32_t i,
			  struct vhdx_log_descriptor *out)
{
	uint64_t at = VHDX_LOG_HEAD + (uint64_t)i * VHDX_LOG_DESCRIPTOR;

	return vhdx_log_descriptor_decode(
		sector_at(log, slot + at / VHDX_LOG_SECTOR) + at % VHDX_LOG_SECTOR, out);
}

/* All descriptors and data sectors are of this entry, and nothing behind them is another one. */
static bool content_ok(const struct vhdx_log *log, uint32_t slot, const struct vhdx_log_entry *e)
{
	uint64_t sectors = e->length / VHDX_LOG_SECTOR;
	uint64_t next = vhdx_log_head_sectors(e->descriptors);
	uint32_t i;

	if (next > sectors)
		return false;
	for (i = 0; i < e->descriptors; i++) {
		struct vhdx_log_descriptor d;

		if (!descriptor_at(log, slot, i, &d) || d.sequence != e->sequence)
			return false;
		if (d.is_data && (next == sectors ||
				  !vhdx_log_data_ok(sector_at(log, slot + next++), e->sequence)))
			return false;
	}
	for (; next < sectors; next++)
		if (memcmp(sector_at(log, slot + next), "loge", 4) == 0)
			return false;
	return true;
}

static void look_at(const struct vhdx_log *log, uint32_t slot, const struct guid *guid,
		    struct slot *out)
{
	struct vhdx_log_entry e;

	if (!vhdx_log_entry_decode(sector_at(log, slot), &e) || !guid_equal(&e.log_guid, guid) ||
	    e.sequence == 0 || e.length == 0 || e.length % VHDX_LOG_SECTOR ||
	    e.length > log->ring_len || e.tail % VHDX_LOG_SECTOR || e.tail >= log->ring_len)
		return;
	if (!content_ok(log, slot, &e) || !checksum_ok(log, slot, e.length))
		return;
	out->sectors = e.length / VHDX_LOG_SECTOR;
	out->tail = e.tail / VHDX_LOG_SECTOR;
	out->sequence = e.sequence;
}

/* The slot of the entry that goes on where this one ends, or `count`. */
static uint32_t next_slot(const struct slot *slots, uint32_t count, uint32_t at)
{
	uint32_t next = (at + slots[at].sectors) % count;

	return slots[next].sectors > 0 && slots[next].sequence == slots[at].sequence + 1 ? next
											 : count;
}

/* Follows the chain that begins at `first`; returns its last slot. */
static uint32_t follow(struct slot *slots, uint32_t count, uint32_t first)
{
	uint32_t at = first, next;

	slots[at].chain = first;
	while ((next = next_slot(slots, count, at)) != count) {
		slots[next].chain = first;
		at = next;
	}
	return at;
}

/* Of the chains whose head names one of their own as tail, the one with the greatest number. */
static bool find_active(struct slot *slots, uint32_t count, uint32_t *head)
{
	uint32_t at, next, last;
	bool found = false;

	for (at = 0; at < count; at++)
		if (slots[at].sectors > 0 && (next = next_slot(slots, count, at)) != count)
			slots[next].follows = true;
	for (at = 0; at < count; at++) {
		const struct slot *tail;

		if (slots[at].sectors == 0 || slots[at].follows)
			continue;
		last = follow(slots, count, at);
		tail = &slots[slots[last].tail];
		if (tail->sectors == 0 || tail->chain != at ||
		    (found && slots[last].sequence <= slots[*head].sequence))
			continue;
		*head = last;
		found = true;
	}
	return found;
}

/* 2.3.3: a file that is shorter than its head entry knew it has lost something. */
static int take_sequence(struct vhdx_log *log, const struct slot *slots, uint32_t head,
			 struct tranship_error *err)
{
	uint64_t first = slots[slots[head].tail].sequence;
	struct vhdx_log_entry e = { 0 };

	vhdx_log_entry_decode(sector_at(log, head), &e);
	if (e.flushed_size > log->old_size)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the file was cut: it has %" PRIu64
				 " bytes, its log knows of %" PRIu64,
				 log->old_size, e.flushed_size);
	log->size = e.last_size;
	log->tail = slots[head].tail * VHDX_LOG_SECTOR;
	log->entries = (uint32_t)(slots[head].sequence - first + 1);
	return 0;
}

static int find_sequence(struct vhdx_log *log, const struct vhdx_header *header,
			 struct tranship_error *err)
{
	uint32_t count = log->ring_len / VHDX_LOG_SECTOR, at, head = 0;
	struct slot *slots = calloc(count, sizeof(*slots));
	int rc;

	if (!slots)
		return error_nomem(err, count * sizeof(*slots));
	for (at = 0; at < count; at++) {
		slots[at].chain = UINT32_MAX;
		look_at(log, at, &header->log_guid, &slots[at]);
	}
	if (find_active(slots, count, &head))
		rc = take_sequence(log, slots, head, err);
	else
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vhdx: the header says that the log at %" PRIu64
			       " must be replayed, but the log has no whole sequence of entries",
			       header->log_offset);
	free(slots);
	return rc;
}

static int check_header(const struct vhdx_header *header, struct tranship_error *err)
{
	if (header->log_version != 0)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "vhdx: log version %u; 0 is known",
				 (unsigned)header->log_version);
	if (header->log_length == 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhdx: the header says that the log must be replayed, but the log "
				 "has no whole sequence of entries: its length is 0");
	if (header->log_length > VHDX_LOG_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vhdx: a log of %" PRIu32
				 " bytes must be replayed; at most %u are taken",
				 header->log_length, VHDX_LOG_MAX);
	return 0;
}

int vhdx_log_open(const struct vhdx_header *header, struct tranship_file *file,
		  struct vhdx_log **out, struct tranship_error *err)
{
	struct vhdx_log *log;
	int rc;

	*out = NULL;
	if (guid_is_zero(&header->log_guid))
		return 0;
	rc = check_header(header, err);
	if (rc)
		return rc;
	log = calloc(1, sizeof(*log));
	if (!log)
		return error_nomem(err, sizeof(*log));
	log->file = file;
	log->old_size = tranship_file_size(file);
	log->ring_len = header->log_length;
	log->ring = malloc(log->ring_len);
	rc = log->ring ? 0 : error_nomem(err, log->ring_len);
	if (rc == 0)
		rc = tranship_file_read(file, header->log_offset, log->ring, log->ring_len, err);
	if (rc == 0)
		rc = find_sequence(log, header, err);
	if (rc == 0)
		rc = vhdx_log_flatten(log, header, err);
	if (rc) {
		vhdx_log_free(log);
		return rc;
	}
	*out = log;
	return 0;
}

void vhdx_log_free(struct vhdx_log *log)
{
	if (!log)
		return;
	free(log->ring);
	free(log->segments);
	free(log);
}
