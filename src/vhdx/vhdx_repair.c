// SPDX-License-Identifier: Apache-2.0
/*
 * Mending a VHDX. A damaged header or region table is written again from the good one, a log is
 * replayed; all else that check finds is left to people.
 *
 * Space that nothing uses is given back by moving the last blocks of the file into gaps before
 * them and cutting the file. Regions and the log stay where they are, so a gap before one of these
 * may remain. Not where an unknown region is: nobody knows what refers to what there.
 */
#include "vhdx/vhdx_modify.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>

#define PIECE (1U << 20)
#define MOVES_MAX (1U << 20) /* at once; 24 MiB of memory */

struct move {
	uint64_t number, entry, len;
};

struct packing {
	uint64_t boundary; /* what begins before it stays */
	struct move *moves;
	size_t count, cap;
	unsigned char *bytes;
	struct usage usage;
};

static int note_move(struct vhdx_disk *vhdx, void *ctx, uint64_t number, uint64_t entry,
		     struct tranship_error *err)
{
	struct packing *p = ctx;
	uint64_t len = vhdx_entry_length(vhdx, number, entry);

	if (len == 0 || vhdx_entry_offset(entry) + len <= p->boundary || p->count == MOVES_MAX)
		return 0;
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 256;
		struct move *moves = realloc(p->moves, cap * sizeof(*moves));

		if (!moves)
			return error_nomem(err, cap * sizeof(*moves));
		p->moves = moves;
		p->cap = cap;
	}
	p->moves[p->count++] = (struct move){ number, entry, len };
	return 0;
}

/* The last one in the file first. */
static int compare_moves(const void *a, const void *b)
{
	uint64_t x = ((const struct move *)a)->entry, y = ((const struct move *)b)->entry;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The first gap of len bytes before `limit`; false: there is none. */
static bool find_gap(const struct usage *usage, uint64_t len, uint64_t limit, uint64_t *off)
{
	uint64_t need = len / VHDX_MB, at = 0;

	while ((at = bitmap_next(&usage->map, at, false)) < limit / VHDX_MB) {
		uint64_t end = min_u64(bitmap_next(&usage->map, at, true), limit / VHDX_MB);

		if (end - at >= need) {
			*off = at * VHDX_MB;
			return true;
		}
		at = end;
	}
	return false;
}

/* Of the last block the file may have a part only. */
static int copy_block(struct vhdx_disk *vhdx, const struct move *move, uint64_t to,
		      unsigned char *bytes, struct tranship_error *err)
{
	uint64_t from = vhdx_entry_offset(move->entry), at;
	int rc = 0;

	for (at = 0; at < move->len && rc == 0; at += PIECE) {
		uint64_t size = tranship_file_size(vhdx->base), n = PIECE;

		n = from + at < size ? min_u64(n, size - from - at) : 0;
		rc = tranship_file_read(vhdx->base, n ? from + at : 0, bytes, (size_t)n, err);
		if (rc == 0 && n > 0)
			rc = modify_free(vhdx->base, to + at, bytes, (size_t)n, err);
	}
	return rc;
}

static int move_blocks(struct vhdx_disk *vhdx, struct packing *p, struct tranship_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < p->count && rc == 0; i++) {
		const struct move *m = &p->moves[i];
		uint64_t to;

		if (!find_gap(&p->usage, m->len, vhdx_entry_offset(m->entry), &to))
			continue;
		usage_mark(&p->usage, to, m->len);
		table_cache_forget(vhdx->cache, to, m->len);
		rc = copy_block(vhdx, m, to, p->bytes, err);
		if (rc == 0)
			rc = vhdx_bat_write(vhdx, m->number, to | vhdx_entry_state(m->entry), err);
		if (rc == 0)
			rc = vhdx_flush_much(vhdx, err);
	}
	return rc ? rc : vhdx_flush(&vhdx->disk, err);
}

/* Where the file could end if it had no gaps. */
static uint64_t used_bytes(const struct usage *usage)
{
	uint64_t at = 0, sum = 0;

	while ((at = bitmap_next(&usage->map, at, true)) < usage->map.bits) {
		uint64_t end = bitmap_next(&usage->map, at, false);

		sum += end - at;
		at = end;
	}
	return sum * VHDX_MB;
}

static int pack(struct vhdx_disk *vhdx, struct tranship_error *err)
{
	struct packing p = { 0 };
	uint64_t end;
	int rc = vhdx_layout_scan(vhdx, &p.usage, &end, err);

	p.boundary = used_bytes(&p.usage);
	p.bytes = malloc(PIECE);
	if (rc == 0 && !p.bytes)
		rc = error_nomem(err, PIECE);
	if (rc == 0)
		rc = vhdx_bat_walk(vhdx, note_move, &p, err);
	if (rc == 0 && p.count > 0)
		qsort(p.moves, p.count, sizeof(*p.moves), compare_moves);
	if (rc == 0)
		rc = move_blocks(vhdx, &p, err);
	usage_free(&p.usage);
	free(p.moves);
	free(p.bytes);
	return rc ? rc : vhdx_cut_tail(vhdx, err);
}

/* Nothing overlaps, so what is moved is nobody else's. */
static bool layout_is_sound(struct vhdx_disk *vhdx)
{
	struct usage usage;
	uint64_t end;
	int rc = vhdx_layout_scan(vhdx, &usage, &end, NULL);

	usage_free(&usage);
	return rc == 0;
}

int vhdx_repair(struct tranship_disk *disk, unsigned flags, struct tranship_error *err)
{
	struct vhdx_disk *vhdx = vhdx_of(disk);
	bool tables = !vhdx->regions_ok[0] || !vhdx->regions_ok[1];
	int rc = 0;

	if (flags & TRANSHIP_REPAIR_ERRORS && (vhdx_header_lost(vhdx) || tables || vhdx->log)) {
		rc = vhdx_change_headers(vhdx, err);
		if (rc == 0 && tables)
			rc = vhdx_write_region_tables(vhdx, err);
		if (rc == 0)
			rc = vhdx_flush(disk, err);
	}
	if (rc || !(flags & TRANSHIP_REPAIR_LEAKS) || vhdx->regions.others ||
	    !layout_is_sound(vhdx))
		return rc;
	rc = vhdx_change_begin(vhdx, err);
	return rc ? rc : pack(vhdx, err);
}
