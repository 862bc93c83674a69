// SPDX-License-Identifier: Apache-2.0
/*
 * Changing a VHDX in place: beginning, writing, zeroing. The log of the format is not used: our own
 * journal (io/edit.h) makes a transaction happen wholly or not at all, and an image that we leave
 * has an empty log.
 *
 * Before the first change of an open ([MS-VHDX] 2.2.2.1): both headers get a new FileWriteGuid, one
 * after the other, so that each program finds a valid one at every instant; then a log that is not
 * empty is replayed. What it writes is written at once, because as long as the header names the log
 * every reader replays it again; then the headers forget it. A new DataWriteGuid comes with renew
 * and resize. Whoever writes what a reader of the disk can notice calls renew first.
 *
 * New blocks go behind everything else, where the file is a hole: what of them is not written reads
 * as zeros. Blocks that have a place keep it, also when they are zeroed, so that nothing leaks.
 */
#include "vhdx/vhdx_modify.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* 2.2.2.1: the header that is not current becomes it. */
static int write_header(struct vhdx_disk *vhdx, const struct vhdx_header *wanted,
			struct tranship_error *err)
{
	static const uint32_t places[2] = { VHDX_HEADER_1, VHDX_HEADER_2 };
	unsigned char raw[VHDX_HEADER_SIZE];
	struct vhdx_header header = *wanted;
	int which = !vhdx->current, rc;

	header.sequence = vhdx->header.sequence + 1;
	vhdx_header_encode(&header, raw);
	rc = file_write(vhdx->base, places[which], raw, sizeof(raw), err);
	if (rc == 0)
		rc = modify_apply(vhdx->base, err);
	if (rc)
		return rc;
	vhdx->header = header;
	vhdx->current = which;
	vhdx->header_ok[which] = true;
	return 0;
}

static int write_headers(struct vhdx_disk *vhdx, const struct vhdx_header *wanted,
			 struct tranship_error *err)
{
	int rc = write_header(vhdx, wanted, err);

	return rc ? rc : write_header(vhdx, wanted, err);
}

/* From here on the file itself is what the log made of it. */
static int forget_log(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct table_cache *cache;
	int rc = table_cache_new(vhdx->base, 0, &cache, err);

	if (rc)
		return rc;
	table_cache_free(vhdx->cache);
	vhdx->cache = cache;
	tranship_file_close(vhdx->file);
	vhdx_log_free(vhdx->log);
	vhdx->log = NULL;
	vhdx->file = vhdx->base;
	return 0;
}

static int replay(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct vhdx_header header = vhdx->header;
	int rc = vhdx_log_replay_to(vhdx, vhdx->base, modify_free, err);

	memset(&header.log_guid, 0, sizeof(header.log_guid));
	if (rc == 0)
		rc = write_headers(vhdx, &header, err);
	return rc ? rc : forget_log(vhdx, err);
}

int vhdx_change_headers(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct vhdx_header header = vhdx->header;
	struct idgen ids;
	int rc;

	if (vhdx->changed)
		return 0;
	rc = idgen_init(&ids, NULL, err);
	if (rc == 0)
		rc = idgen_guid_le(&ids, &header.file_write_guid, err);
	if (rc == 0)
		rc = write_headers(vhdx, &header, err);
	if (rc == 0 && vhdx->log)
		rc = replay(vhdx, err);
	vhdx->changed = rc == 0;
	return rc;
}

int vhdx_change_begin(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct usage usage;
	int rc;

	if (vhdx->end > 0)
		return 0;
	rc = vhdx_layout_scan(vhdx, &usage, &vhdx->end, err);
	usage_free(&usage);
	if (rc == 0)
		rc = vhdx_change_headers(vhdx, err);
	vhdx->end = rc ? 0 : max_u64(vhdx->end, round_up(tranship_file_size(vhdx->base), VHDX_MB));
	return rc;
}

int vhdx_renew(struct tranship_disk *disk, struct idgen *ids, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	struct vhdx_header header;
	int rc = vhdx_change_begin(vhdx, err);

	header = vhdx->header;
	if (rc == 0)
		rc = idgen_guid_le(ids, &header.data_write_guid, err);
	if (rc == 0)
		rc = write_headers(vhdx, &header, err);
	guid_text_le(&vhdx->header.data_write_guid, disk->identity);
	return rc;
}

static int vhdx_restore(struct tranship_disk *disk, const char *identity,
			struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	struct vhdx_header header;
	struct guid id;
	int rc;

	if (!guid_parse_le(identity, &id))
		return error_set(err, TRANSHIP_EINVAL, "vhdx: '%s' is no data write GUID",
				 identity);
	rc = vhdx_change_begin(vhdx, err);
	header = vhdx->header;
	header.data_write_guid = id;
	if (rc == 0)
		rc = write_headers(vhdx, &header, err);
	guid_text_le(&vhdx->header.data_write_guid, disk->identity);
	return rc;
}

int vhdx_bat_write(struct vhdx_disk *vhdx, uint64_t number, uint64_t entry,
		   struct tranship_error *err)
{
	uint64_t off = vhdx->regions.bat.offset + 8 * number;
	unsigned char raw[8];

	put_le64(raw, entry);
	vhdx->pending += 4096;
	table_cache_forget(vhdx->cache, off, sizeof(raw));
	return file_write(vhdx->base, off, raw, sizeof(raw), err);
}

int vhdx_append(struct vhdx_disk *vhdx, uint64_t len, uint64_t *off, struct tranship_error *err)
{
	*off = vhdx->end;
	vhdx->end += len;
	return file_resize(vhdx->base, vhdx->end, err);
}

int vhdx_zero_free(struct vhdx_disk *vhdx, uint64_t off, uint64_t len, struct tranship_error *err)
{
	int rc = 0;

	if (off + len > tranship_file_size(vhdx->base))
		rc = file_resize(vhdx->base, off + len, err);
	return rc ? rc : modify_zero_free(vhdx->base, off, len, err);
}

int vhdx_flush(struct tranship_disk *disk, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);

	vhdx->pending = 0;
	return modify_apply(vhdx->base, err);
}

int vhdx_flush_much(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	return vhdx->pending >= VHDX_PENDING_MAX ? vhdx_flush(&vhdx->disk, err) : 0;
}

/* A range within one block. */
struct part {
	uint64_t block;
	uint64_t within; /* bytes of the block before it */
	uint64_t len;
	bool whole; /* all that the disk has of the block */
	uint64_t number, entry;
};

static int find_part(struct vhdx_disk *vhdx, uint64_t off, uint64_t len, struct part *part,
		     struct tranship_error *err)
{
	const struct vhdx_metadata *m = &vhdx->metadata;
	uint64_t has;
	int rc = vhdx_flush_much(vhdx, err);

	part->block = off / m->block_size;
	part->within = off % m->block_size;
	part->len = min_u64(len, m->block_size - part->within);
	has = min_u64(m->block_size, m->disk_size - part->block * m->block_size);
	part->whole = part->len == has;
	part->number = vhdx_payload_entry(m, part->block);
	return rc ? rc : vhdx_bat_read(vhdx, part->number, 1, &part->entry, err);
}

/* Gives the block a place; only the sectors of the part are the disk's own if it is absent. */
static int place_part(struct vhdx_disk *vhdx, struct part *p, struct tranship_error *err)
{
	bool partial = vhdx->metadata.has_parent && !p->whole &&
		       vhdx_entry_state(p->entry) == VHDX_BLOCK_NOT_PRESENT;
	uint64_t off;
	int rc = partial ? vhdx_bits_begin(vhdx, p->block, err) : 0;

	if (rc == 0)
		rc = vhdx_append(vhdx, vhdx->metadata.block_size, &off, err);
	if (rc)
		return rc;
	p->entry = off | (partial ? VHDX_BLOCK_PARTIALLY_PRESENT : VHDX_BLOCK_FULLY_PRESENT);
	return vhdx_bat_write(vhdx, p->number, p->entry, err);
}

/* The bytes of the part are in their place. */
static int own_part(struct vhdx_disk *vhdx, const struct part *p, struct tranship_error *err)
{
	uint32_t sector = vhdx->metadata.logical_sector;
	bool full = false;
	int rc;

	if (vhdx_entry_state(p->entry) != VHDX_BLOCK_PARTIALLY_PRESENT)
		return 0;
	rc = vhdx_bits_set(vhdx, p->block, p->within / sector, p->len / sector, &full, err);
	if (rc == 0 && full)
		rc = vhdx_bat_write(vhdx, p->number,
				    vhdx_entry_offset(p->entry) | VHDX_BLOCK_FULLY_PRESENT, err);
	return rc;
}

static int vhdx_write(struct tranship_disk *disk, uint64_t off, const void *buf, size_t len,
		      struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	const unsigned char *from = buf;
	int rc = vhdx_change_begin(vhdx, err);

	while (rc == 0 && len > 0) {
		struct part p;

		rc = find_part(vhdx, off, len, &p, err);
		if (rc == 0 && !vhdx_has_place(p.entry))
			rc = place_part(vhdx, &p, err);
		if (rc == 0)
			rc = modify_free(vhdx->base, vhdx_entry_offset(p.entry) + p.within, from,
					 (size_t)p.len, err);
		if (rc == 0)
			rc = own_part(vhdx, &p, err);
		off += p.len;
		from += p.len;
		len -= (size_t)p.len;
	}
	return rc;
}

static int zero_part(struct vhdx_disk *vhdx, struct part *p, struct tranship_error *err)
{
	int rc = 0;

	if (vhdx_has_place(p->entry)) {
		rc = vhdx_zero_free(vhdx, vhdx_entry_offset(p->entry) + p->within, p->len, err);
	} else if (vhdx_entry_state(p->entry) != VHDX_BLOCK_NOT_PRESENT) {
		return 0;
	} else if (p->whole || !vhdx->metadata.has_parent) {
		return vhdx_bat_write(vhdx, p->number, VHDX_BLOCK_ZERO, err);
	} else {
		rc = place_part(vhdx, p, err);
	}
	return rc ? rc : own_part(vhdx, p, err);
}

int vhdx_zero_range(struct tranship_disk *disk, uint64_t off, uint64_t len,
		    struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	int rc = vhdx_change_begin(vhdx, err);

	while (rc == 0 && len > 0) {
		struct part p;

		rc = find_part(vhdx, off, len, &p, err);
		if (rc == 0)
			rc = zero_part(vhdx, &p, err);
		off += p.len;
		len -= p.len;
	}
	return rc;
}

const struct modify_ops vhdx_modify_ops = {
	.write = vhdx_write,
	.zero = vhdx_zero_range,
	.flush = vhdx_flush,
	.resize = vhdx_resize,
	.can_resize = vhdx_can_resize,
	.grows_over_parent = true,
	.renew = vhdx_renew,
	.restore = vhdx_restore,
	.relink = vhdx_relink,
	.empty = vhdx_empty,
	.repair = vhdx_repair,
};
