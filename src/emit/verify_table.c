// SPDX-License-Identifier: Apache-2.0
/* The table of a point, page by page: that all of it can be read, and that what it names is there.
 */
#include "emit/verify_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "emit/page.h"
#include "emit/slot_ondisk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of one kind and point; the rest is counted. */
#define FAULTS_SHOWN 5U

struct walk {
	struct verify *v;
	const struct manifest *m;
	struct slots_scratch *scratch;
	struct slot_uses uses;
	struct table_node *nodes; /* one a level */
	struct table_leaf *leaf;
	uint64_t faults;
	bool incomplete;
};

static void fault(struct walk *w, uint64_t off, const struct record_ref *at, const char *what)
{
	char slot[SLOT_NAME_TEXT];

	w->faults++;
	slot_name(&at->slot, slot);
	if (w->faults <= FAULTS_SHOWN)
		verify_finding(w->v,
			       "point %s: at byte %" PRIu64 " it names record %" PRIu32
			       " of slot %s, %s",
			       w->m->id, off, at->record, slot, what);
}

/* A slot of which something cannot be read: its index (`all`), or the record. */
static int note(struct walk *w, const struct record_ref *at, bool all, uint64_t off, uint64_t end,
		int code, const struct tranship_error *why, struct tranship_error *err)
{
	struct damaged_slot *d;
	int rc;

	if (!verify_is_finding(code, why))
		return error_copy(err, why, code);
	rc = damage_add(w->v, &at->slot, why->message, &d, err);
	if (rc == 0 && d)
		d->all = d->all || all;
	if (rc == 0)
		rc = damage_record(d, at->record, err);
	damage_range(d, w->m->id, off, min_u64(end, w->m->size));
	return rc;
}

/* A record that units name: NULL, or what is wrong with it beside the units. */
static const char *entry_fault(const struct slot_entry *e, unsigned sub)
{
	if (e->kind != RECORD_BLOCK)
		return "which is no block";
	if (e->raw == 0 || e->raw % STORE_UNIT || e->raw > STORE_BLOCK)
		return "which is not 1 to 8 units long";
	return sub < e->raw / STORE_UNIT ? NULL : "which has fewer units";
}

/* Units that follow each other and are of one record. */
static int check_run(struct walk *w, const struct record_ref *at, unsigned sub, uint64_t off,
		     uint64_t end, struct tranship_error *err)
{
	const struct damaged_slot *known = damage_find(w->v, &at->slot);
	struct tranship_error why = { 0 };
	struct slot_entry entry;
	const char *wrong;
	int rc;

	if (known && damage_has(known, at->record)) {
		damage_range((struct damaged_slot *)known, w->m->id, off, min_u64(end, w->m->size));
		return 0;
	}
	rc = slots_entry(w->v->store->slots, at, &entry, &why);
	if (rc == TRANSHIP_ECORRUPT) {
		struct record_ref first = { at->slot, 0 };

		/* The index is sound, and has no such record. */
		if (slots_entry(w->v->store->slots, &first, &entry, NULL) == 0) {
			fault(w, off, at, "which has fewer");
			return 0;
		}
	}
	if (rc)
		return note(w, at, true, off, end, rc, &why, err);
	wrong = entry_fault(&entry, sub);
	if (wrong)
		fault(w, off, at, wrong);
	return 0;
}

static int count_leaf(struct walk *w, struct tranship_error *err)
{
	uint64_t *counts = calloc(w->leaf->slot_count + 1, sizeof(*counts));
	uint32_t i;
	int rc = 0;

	if (!counts)
		return error_nomem(err, (w->leaf->slot_count + 1) * sizeof(*counts));
	for (i = 0; i < LEAF_UNITS; i++)
		if (w->leaf->units[i].slot != UNIT_ZERO)
			counts[w->leaf->units[i].slot]++;
	for (i = 0; i < w->leaf->slot_count && rc == 0; i++)
		if (counts[i])
			rc = slot_uses_add(&w->uses, &w->leaf->slots[i], counts[i], err);
	free(counts);
	return rc;
}

static int check_leaf(struct walk *w, uint64_t number, struct tranship_error *err)
{
	const struct table_unit *u = w->leaf->units;
	uint64_t base = number * LEAF_BYTES;
	uint32_t i, end;
	int rc = count_leaf(w, err);

	for (i = 0; i < LEAF_UNITS && rc == 0; i = end) {
		struct record_ref at;
		unsigned sub = u[i].sub;

		for (end = i + 1; end < LEAF_UNITS && u[end].slot == u[i].slot &&
				  (u[i].slot == UNIT_ZERO || u[end].record == u[i].record);
		     end++)
			if (u[end].sub > sub)
				sub = u[end].sub;
		if (u[i].slot == UNIT_ZERO)
			continue;
		at = (struct record_ref){ w->leaf->slots[u[i].slot], u[i].record };
		if (base + (uint64_t)(end - 1) * STORE_UNIT >= w->m->size)
			fault(w, base + (uint64_t)(end - 1) * STORE_UNIT, &at,
			      "behind the end of the disk");
		rc = check_run(w, &at, sub, base + (uint64_t)i * STORE_UNIT,
			       base + (uint64_t)end * STORE_UNIT, err);
	}
	return rc;
}

/* Whether it is the index of a page's slot, and with it all of the slot, that cannot be read. */
static bool index_is_bad(struct walk *w, const struct page_ref *ref)
{
	struct record_ref first = { ref->at.slot, 0 };
	struct slot_entry entry;

	return slots_entry(w->v->store->slots, &first, &entry, NULL) != 0;
}

/* The depth is that of the tree, at most TABLE_LEVELS_MAX. */
static int check_page(struct walk *w, const struct page_ref *ref, uint32_t level, uint64_t number,
		      struct tranship_error *err)
{
	uint64_t bytes = page_bytes(level), off;
	struct tranship_error why = { 0 };
	uint32_t i;
	int rc;

	if (!mul_ok(number, bytes, &off) || off >= w->m->size) {
		if (ref->there)
			fault(w, w->m->size, &ref->at, "a page behind the end of the disk");
		return 0;
	}
	bytes = min_u64(bytes, w->m->size - off);
	if (!ref->there)
		return meter_add(&w->v->meter, bytes, 0, err);
	rc = slot_uses_add(&w->uses, &ref->at.slot, 1, err);
	if (rc)
		return rc;
	rc = page_read(w->v->store->slots, w->scratch, ref, level, number, w->leaf,
		       &w->nodes[level], &why);
	if (rc) {
		w->incomplete = true;
		return note(w, &ref->at, index_is_bad(w, ref), off, off + bytes, rc, &why, err);
	}
	if (level == 0)
		rc = check_leaf(w, number, err);
	for (i = 0; level > 0 && i < TABLE_FANOUT && rc == 0; i++)
		rc = check_page(w, &w->nodes[level].refs[i], level - 1, number * TABLE_FANOUT + i,
				err);
	return rc || level ? rc : meter_add(&w->v->meter, bytes, bytes, err);
}

static void compare_uses(struct walk *w)
{
	uint64_t wrong = 0, listed = 0;
	size_t i;

	for (i = 0; i < w->m->slot_count; i++) {
		const struct manifest_slot *s = &w->m->slots[i];
		uint64_t uses = slot_uses_of(&w->uses, &s->id);
		char name[SLOT_NAME_TEXT];

		listed += uses != 0;
		if (uses == s->uses || wrong++ >= FAULTS_SHOWN)
			continue;
		slot_name(&s->id, name);
		verify_finding(w->v,
			       "point %s: its manifest says that it uses slot %s %" PRIu64
			       " times, its table does %" PRIu64 " times",
			       w->m->id, name, s->uses, uses);
	}
	if (listed < w->uses.count)
		verify_finding(w->v,
			       "point %s: its table names %" PRIu64
			       " slots that its manifest does not list",
			       w->m->id, (uint64_t)w->uses.count - listed);
	if (wrong > FAULTS_SHOWN)
		verify_finding(w->v, "point %s: %" PRIu64 " more slots are counted wrong", w->m->id,
			       wrong - FAULTS_SHOWN);
}

int verify_table(struct verify *v, const struct manifest *m, struct tranship_error *err)
{
	struct walk w = { .v = v, .m = m };
	int rc;

	if (m->root.level != table_levels(m->size) || m->root.level >= TABLE_LEVELS_MAX) {
		verify_finding(
			v, "point %s: its table has %" PRIu32 " levels, its disk needs %" PRIu32,
			m->id, m->root.level, table_levels(m->size));
		return 0;
	}
	w.nodes = calloc(TABLE_LEVELS_MAX, sizeof(*w.nodes));
	w.leaf = calloc(1, sizeof(*w.leaf));
	rc = w.nodes && w.leaf ? slots_scratch_new(&w.scratch, err)
			       : error_nomem(err, sizeof(*w.leaf));
	if (rc == 0)
		rc = check_page(&w, &m->root.page, m->root.level, 0, err);
	if (rc == 0 && w.faults > FAULTS_SHOWN)
		verify_finding(v, "point %s: %" PRIu64 " more places name what is not there", m->id,
			       w.faults - FAULTS_SHOWN);
	if (rc == 0 && !w.incomplete)
		compare_uses(&w);
	slots_scratch_free(w.scratch);
	slot_uses_free(&w.uses);
	if (w.leaf)
		table_leaf_fini(w.leaf);
	free(w.leaf);
	free(w.nodes);
	return rc;
}
