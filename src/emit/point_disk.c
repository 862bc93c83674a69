// SPDX-License-Identifier: Apache-2.0
/*
 * A restore point as a disk. The map comes from the block table; what is read is checked twice: the
 * record by its name, when it is unpacked, and each unit by its digest in the table, so that a
 * table that names the wrong unit shows, too.
 */
#include "emit/point_disk.h"

#include "base/checked.h"
#include "base/error.h"
#include "emit/slot_states.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct point_disk {
	struct tranship_disk disk;
	struct tranship_store *store;
	bool owns_store;
	struct manifest manifest; /* without its list of slots */
	struct table *table;
	struct digester digester;
	struct slot_states *states; /* with salvage; else NULL */
};

/* What a reading thread keeps. */
struct point_scratch {
	struct slots_scratch *slots;
	/* Units of one record that were found to have these digests. */
	struct record_ref checked;
	unsigned checked_mask;
	unsigned char digests[STORE_BLOCK_UNITS][UNIT_DIGEST];
	/* With salvage, where the parts of what failed are tried again: the record that did. */
	struct record_ref failed;
	struct tranship_error why; /* code 0: none did */
};

static struct point_disk *point_of(struct tranship_disk *disk)
{
	return (struct point_disk *)disk;
}

static int point_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	struct point_scratch *s = calloc(1, sizeof(*s));
	int rc;

	(void)disk;
	*out = NULL;
	if (!s)
		return error_nomem(err, sizeof(*s));
	rc = slots_scratch_new(&s->slots, err);
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void point_scratch_free(void *scratch)
{
	struct point_scratch *s = scratch;

	slots_scratch_free(s->slots);
	free(s);
}

/* Puts the range of the disk before what is wrong. That something is missing which the point names
 * is damage. */
static int at_range(struct tranship_error *err, const struct tranship_error *why, int rc,
		    uint64_t off, uint64_t len)
{
	int code = rc == TRANSHIP_ENOTFOUND ? TRANSHIP_ECORRUPT : rc;

	code = error_set(err, code, "bytes %" PRIu64 " to %" PRIu64 " of the disk: %.400s", off,
			 off + len, why->message);
	if (err)
		err->sys_errno = why->sys_errno;
	return code;
}

static int borrow_leaf(struct point_disk *p, uint64_t off, const struct table_leaf **out,
		       struct tranship_error *err)
{
	struct tranship_error why;
	uint64_t begin = round_down(off, LEAF_BYTES);
	int rc = table_leaf_borrow(p->table, off / LEAF_BYTES, out, &why);

	return rc ? at_range(err, &why, rc, begin, min_u64(LEAF_BYTES, p->disk.size - begin)) : 0;
}

/* DATA, ZERO, or (with salvage) LOST. */
static int kind_of(struct point_disk *p, const struct table_leaf *leaf, size_t unit,
		   enum tranship_extent_kind *out, struct tranship_error *err)
{
	const struct table_unit *u = &leaf->units[unit];
	bool sound = true;
	int rc = 0;

	*out = TRANSHIP_ZERO;
	if (u->slot == UNIT_ZERO)
		return 0;
	if (p->states)
		rc = slot_states_ask(p->states, p->store->slots, &leaf->slots[u->slot], &sound,
				     err);
	*out = sound ? TRANSHIP_DATA : TRANSHIP_LOST;
	return rc;
}

/* The extent that begins at off, to the end of the leaf at most. */
static int map_leaf(struct point_disk *p, const struct table_leaf *leaf, uint64_t off,
		    struct tranship_extent *out, struct tranship_error *err)
{
	size_t first = (size_t)(off % LEAF_BYTES / STORE_UNIT), unit;
	int rc = kind_of(p, leaf, first, &out->kind, err);

	for (unit = first + 1; rc == 0 && unit < LEAF_UNITS; unit++) {
		enum tranship_extent_kind kind;

		/* What the unit before it says is said of it. */
		if (leaf->units[unit].slot == leaf->units[unit - 1].slot)
			continue;
		rc = kind_of(p, leaf, unit, &kind, err);
		if (kind != out->kind)
			break;
	}
	out->len = round_down(off, LEAF_BYTES) + unit * (uint64_t)STORE_UNIT - off;
	out->compressed = out->kind == TRANSHIP_DATA;
	return rc;
}

static int point_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		     struct tranship_error *err)
{
	struct point_disk *p = point_of(disk);
	const struct table_leaf *leaf;
	uint64_t next;
	int rc = borrow_leaf(p, off, &leaf, err);

	if (p->states && is_loss(rc)) { /* all that the leaf would have said */
		out->kind = TRANSHIP_LOST;
		out->len = LEAF_BYTES - off % LEAF_BYTES;
		return 0;
	}
	if (rc)
		return rc;
	if (leaf) {
		rc = map_leaf(p, leaf, off, out, err);
		table_leaf_return(p->table, leaf);
		return rc;
	}
	out->kind = TRANSHIP_ZERO;
	out->len = LEAF_BYTES - off % LEAF_BYTES;
	/* Where pages are damaged that it would have to look at it is as long as its leaf. */
	if (table_next(p->table, off / STORE_BLOCK, &next, NULL) == 0)
		out->len = next == UINT64_MAX ? disk->size - off : next * STORE_BLOCK - off;
	return 0;
}

static bool ref_equal(const struct record_ref *a, const struct record_ref *b)
{
	return a->record == b->record && slot_id_equal(&a->slot, &b->slot);
}

/* The unit in its record, checked by its digest, unless that was done. */
static int check_unit(struct point_disk *p, struct point_scratch *s, const struct record_ref *at,
		      const struct table_unit *u, const unsigned char *raw, size_t len,
		      struct tranship_error *err)
{
	unsigned char digest[DIGEST_SIZE_MAX];
	int rc;

	if (!ref_equal(&s->checked, at)) {
		s->checked = *at;
		s->checked_mask = 0;
	}
	if (s->checked_mask >> u->sub & 1 &&
	    memcmp(s->digests[u->sub], u->digest, UNIT_DIGEST) == 0)
		return 0;
	if (len / STORE_UNIT <= u->sub)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: unit %u of record %" PRIu32
				 " is asked for, which has %zu bytes",
				 u->sub, at->record, len);
	rc = digest_blocks(&p->digester, raw + u->sub * (size_t)STORE_UNIT, 1, digest, err);
	if (rc)
		return rc;
	if (memcmp(digest, u->digest, UNIT_DIGEST) != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "store: unit %u of record %" PRIu32
				 " is not what the block table says",
				 u->sub, at->record);
	memcpy(s->digests[u->sub], digest, UNIT_DIGEST);
	s->checked_mask |= 1U << u->sub;
	return 0;
}

/* A part of a unit, [skip, skip + n) of it. */
static int read_unit(struct point_disk *p, struct point_scratch *s, const struct table_leaf *leaf,
		     const struct table_unit *u, size_t skip, unsigned char *to, size_t n,
		     struct tranship_error *err)
{
	const struct record_ref at = { leaf->slots[u->slot], u->record };
	const unsigned char *raw;
	size_t len;
	int rc;

	if (s->why.code != 0 && ref_equal(&s->failed, &at))
		return error_copy(err, &s->why, s->why.code);
	rc = slots_read(p->store->slots, s->slots, &at, &raw, &len, err);
	if (rc == 0)
		rc = check_unit(p, s, &at, u, raw, len, err);
	if (rc == 0) {
		memcpy(to, raw + u->sub * (size_t)STORE_UNIT + skip, n);
	} else if (p->states && (is_loss(rc) || rc == TRANSHIP_ENOTFOUND)) {
		s->failed = at;
		s->why = *err;
	}
	return rc;
}

static int read_in_leaf(struct point_disk *p, struct point_scratch *s,
			const struct table_leaf *leaf, uint64_t off, unsigned char *to, size_t len,
			struct tranship_error *err)
{
	struct tranship_error why;
	size_t n;

	for (; len > 0; off += n, to += n, len -= n) {
		size_t skip = (size_t)(off % STORE_UNIT);
		const struct table_unit *u =
			leaf ? &leaf->units[off % LEAF_BYTES / STORE_UNIT] : NULL;
		int rc;

		n = (size_t)min_u64(len, STORE_UNIT - skip);
		if (!u || u->slot == UNIT_ZERO) {
			memset(to, 0, n);
			continue;
		}
		rc = read_unit(p, s, leaf, u, skip, to, n, &why);
		if (rc)
			return at_range(err, &why, rc, off - skip,
					min_u64(STORE_UNIT, p->disk.size - (off - skip)));
	}
	return 0;
}

static int point_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
		      size_t len, struct tranship_error *err)
{
	struct point_disk *p = point_of(disk);
	unsigned char *to = buf;

	while (len > 0) {
		size_t n = (size_t)min_u64(len, LEAF_BYTES - off % LEAF_BYTES);
		const struct table_leaf *leaf;
		int rc = borrow_leaf(p, off, &leaf, err);

		if (rc)
			return rc;
		rc = read_in_leaf(p, scratch, leaf, off, to, n, err);
		table_leaf_return(p->table, leaf);
		if (rc)
			return rc;
		off += n;
		to += n;
		len -= n;
	}
	return 0;
}

static void point_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	const struct point_disk *p = point_of(disk);
	time_t seconds = (time_t)(p->manifest.time_us / 1000000);
	char text[40];
	struct tm tm;

	property_text(sink, "store", p->store->id);
	property_text(sink, "point", p->manifest.id);
	property_text(sink, "name", p->manifest.name);
	property_text(sink, "disk", p->manifest.disk);
	property_text(sink, "version", p->manifest.version);
	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		property_text(sink, "time", text);
	if (*p->manifest.predecessor)
		property_text(sink, "predecessor", p->manifest.predecessor);
	property_text(sink, "source-format", p->manifest.source_format);
}

static void point_close(struct tranship_disk *disk)
{
	struct point_disk *p = point_of(disk);

	table_close(p->table);
	slot_states_free(p->states);
	explicit_bzero(&p->digester, sizeof(p->digester));
	explicit_bzero(&p->manifest.seed, sizeof(p->manifest.seed));
	if (p->owns_store)
		tranship_store_close(p->store);
	free(p);
}

static int point_changes_since(struct tranship_disk *disk, struct tranship_disk *other,
			       struct tranship_changes **out, struct tranship_error *err);

static const struct disk_ops point_ops = {
	.map = point_map,
	.read = point_read,
	.scratch_new = point_scratch_new,
	.scratch_free = point_scratch_free,
	.properties = point_properties,
	.changes_since = point_changes_since,
	.close = point_close,
};

/* Another point of this store and lineage. */
static int point_changes_since(struct tranship_disk *disk, struct tranship_disk *other,
			       struct tranship_changes **out, struct tranship_error *err)
{
	const struct point_disk *target = point_of(disk), *base = point_of(other);
	struct point_side sides[2];
	int rc;

	*out = NULL;
	if (other->ops != &point_ops || strcmp(base->store->id, target->store->id) != 0 ||
	    memcmp(&base->manifest.seed, &target->manifest.seed, sizeof(base->manifest.seed)) != 0)
		return 0;
	sides[0] = (struct point_side){ base->table, &base->manifest };
	sides[1] = (struct point_side){ target->table, &target->manifest };
	rc = point_changes(&sides[0], &sides[1], out, err);
	return rc ? rc : 1;
}

static int fill(struct point_disk *p, const struct manifest *m, unsigned flags,
		struct tranship_error *err)
{
	int rc = digester_init(&p->digester, DIGEST_XXH3, STORE_UNIT, &m->seed, err);

	p->manifest = *m;
	p->manifest.boot = NULL; /* the caller's */
	p->manifest.slots = NULL;
	p->manifest.slot_count = 0;
	p->disk.size = m->size;
	p->disk.sector_size = m->sector_size;
	p->disk.cluster_size = STORE_UNIT;
	p->disk.allocated = m->stored;
	p->disk.salvage = flags & TRANSHIP_OPEN_SALVAGE;
	if (rc == 0 && p->disk.salvage)
		rc = slot_states_new(&p->states, err);
	return rc ? rc : table_open(p->store->slots, &m->root, m->size, &p->table, err);
}

int point_disk_open(struct tranship_store *store, const struct manifest *m, unsigned flags,
		    struct tranship_disk **out, struct tranship_error *err)
{
	struct point_disk *p;
	int rc;

	*out = NULL;
	if (flags & ~(unsigned)TRANSHIP_OPEN_SALVAGE)
		return error_set(err, TRANSHIP_EINVAL, "a restore point is opened with flags %#x",
				 flags);
	p = calloc(1, sizeof(*p));
	if (!p)
		return error_nomem(err, sizeof(*p));
	disk_init(&p->disk, &point_ops, "store");
	p->store = store;
	rc = fill(p, m, flags, err);
	if (rc) {
		tranship_disk_close(&p->disk);
		if (rc != TRANSHIP_ENOTFOUND)
			return rc;
		if (err) /* the point is there, what it names is not */
			err->code = TRANSHIP_ECORRUPT;
		return TRANSHIP_ECORRUPT;
	}
	*out = &p->disk;
	return 0;
}

void point_disk_take_store(struct tranship_disk *disk)
{
	point_of(disk)->owns_store = true;
}

int tranship_store_open_point(struct tranship_store *store, const char *point, unsigned flags,
			      struct tranship_disk **out, struct tranship_error *err)
{
	struct manifest m = { 0 };
	int rc;

	*out = NULL;
	rc = manifest_find(store, point, false, &m, err);
	if (rc == 0)
		rc = point_disk_open(store, &m, flags, out, err);
	explicit_bzero(&m.seed, sizeof(m.seed));
	manifest_free(&m);
	return rc;
}
