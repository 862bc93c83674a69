// SPDX-License-Identifier: Apache-2.0
/*
 * A delta file as a disk: what it replaces is data or zeros, everything else is its base's. It
 * knows its base by what is in it, so the base may be of any format, and a delta as well.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "core/check.h"
#include "core/format.h"
#include "delta/delta_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Records whose tables the map remembers: about one a thread that reads. */
#define SLOTS 4U

struct slot {
	struct record record;
	uint64_t at;
};

struct tsd_disk {
	struct tranship_disk disk;
	struct tranship_file *file;
	struct delta *delta;
	pthread_mutex_t lock; /* the rest */
	struct slot slots[SLOTS];
	unsigned next; /* the slot that is used next */
};

/* What a reading thread keeps: the last record, unpacked. */
struct tsd_scratch {
	struct unpacker *unpacker;
	struct slot slot;
};

static struct tsd_disk *tsd_of(struct tranship_disk *disk)
{
	return (struct tsd_disk *)disk;
}

/* The last piece that begins at off or before it; the record covers off. */
static uint32_t piece_at(const struct record *r, uint64_t off)
{
	uint32_t low = 0, high = r->head.pieces;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (r->pieces[middle].off <= off)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* How many blocks of data stand before a piece. */
static uint32_t data_before(const struct record *r, uint32_t piece)
{
	uint32_t blocks = 0, i;

	for (i = 0; i < piece; i++)
		if (r->pieces[i].kind == RECORD_DATA)
			blocks += r->pieces[i].blocks;
	return blocks;
}

/* What stands at off, of which this record is the next one: its kind, how far it goes, and where
 * its bytes are among the data of the record. */
struct stretch {
	enum tranship_extent_kind kind;
	uint64_t len;
	uint64_t data_off;
};

static struct stretch stretch_at(const struct record_rule *rule, const struct record *r,
				 uint64_t off)
{
	const struct record_piece *p;
	uint64_t end;
	uint32_t i;

	if (off < r->head.off)
		return (struct stretch){ TRANSHIP_ABSENT, r->head.off - off, 0 };
	i = piece_at(r, off);
	p = &r->pieces[i];
	end = p->off + (uint64_t)p->blocks * rule->block_size;
	if (off >= end) /* the record ends with a piece, so another one follows */
		return (struct stretch){ TRANSHIP_ABSENT, p[1].off - off, 0 };
	if (p->kind == RECORD_ZERO)
		return (struct stretch){ TRANSHIP_ZERO, end - off, 0 };
	return (struct stretch){ TRANSHIP_DATA, end - off,
				 (uint64_t)data_before(r, i) * rule->block_size + off - p->off };
}

/* The slot with the record for off; NULL in *out: there is none. */
static int find_slot(struct tsd_disk *tsd, uint64_t off, struct slot **out,
		     struct tranship_error *err)
{
	struct slot *slot;
	unsigned i;
	int rc;

	for (i = 0; i < SLOTS; i++) {
		slot = &tsd->slots[i];
		if (slot->record.head.blocks > 0 && off >= slot->record.from &&
		    off < slot->record.head.end) {
			*out = slot;
			return 0;
		}
	}
	slot = &tsd->slots[tsd->next];
	tsd->next = (tsd->next + 1) % SLOTS;
	rc = delta_find(tsd->delta, off, &slot->record, &slot->at, err);
	*out = rc == 1 ? slot : NULL;
	return rc < 0 ? rc : 0;
}

static int map_locked(struct tsd_disk *tsd, uint64_t off, struct tranship_extent *out,
		      struct tranship_error *err)
{
	struct stretch s = { TRANSHIP_ABSENT, tsd->disk.size - off, 0 };
	const struct record_head *head;
	struct slot *slot;
	int rc = find_slot(tsd, off, &slot, err);

	if (rc)
		return rc;
	if (slot)
		s = stretch_at(delta_record_rule(tsd->delta), &slot->record, off);
	out->kind = s.kind;
	out->len = s.len;
	if (s.kind != TRANSHIP_DATA)
		return 0;
	head = &slot->record.head;
	out->compressed = head->compressed;
	out->file_off = slot->at;
	if (!head->compressed)
		out->file_off += RECORD_HEAD + head->table_len + s.data_off;
	return 0;
}

static int tsd_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
		   struct tranship_error *err)
{
	struct tsd_disk *tsd = tsd_of(disk);
	int rc;

	pthread_mutex_lock(&tsd->lock);
	rc = map_locked(tsd, off, out, err);
	pthread_mutex_unlock(&tsd->lock);
	return rc;
}

/* The beginning of [off, off + len); *done: how much of it. */
static int read_stretch(struct tsd_disk *tsd, struct tsd_scratch *scratch, uint64_t off,
			unsigned char *to, size_t len, size_t *done, struct tranship_error *err)
{
	struct record *r = &scratch->slot.record;
	struct stretch s = { TRANSHIP_ABSENT, len, 0 };
	int rc = delta_find(tsd->delta, off, r, &scratch->slot.at, err);

	if (rc < 0)
		return rc;
	if (rc == 1)
		s = stretch_at(delta_record_rule(tsd->delta), r, off);
	*done = (size_t)min_u64(len, s.len);
	if (s.kind != TRANSHIP_DATA) {
		memset(to, 0, *done);
		return 0;
	}
	rc = delta_read_data(tsd->delta, scratch->unpacker, scratch->slot.at, r, err);
	if (rc == 0)
		memcpy(to, r->data + s.data_off, *done);
	return rc;
}

static int tsd_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
		    struct tranship_error *err)
{
	unsigned char *to = buf;

	while (len > 0) {
		size_t n;
		int rc = read_stretch(tsd_of(disk), scratch, off, to, len, &n, err);

		if (rc)
			return rc;
		off += n;
		to += n;
		len -= n;
	}
	return 0;
}

static void tsd_scratch_free(void *scratch)
{
	struct tsd_scratch *s = scratch;

	if (!s)
		return;
	unpacker_free(s->unpacker);
	record_free(&s->slot.record);
	free(s);
}

static int tsd_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	struct tsd_scratch *s = calloc(1, sizeof(*s));
	int rc;

	(void)disk;
	if (!s)
		return error_nomem(err, sizeof(*s));
	rc = unpacker_new(&s->unpacker, err);
	if (rc) {
		tsd_scratch_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void tsd_properties(struct tranship_disk *disk, struct property_sink *sink)
{
	const struct delta_head *head = delta_head(tsd_of(disk)->delta);
	const struct delta_end *end = delta_end(tsd_of(disk)->delta);

	property_number(sink, "base-size", head->base_size);
	property_text(sink, "base-id", head->base_id);
	property_text(sink, "target-id", head->target_id);
	property_text(sink, "base-format", head->base_format);
	if (head->base_hint[0])
		property_text(sink, "parent", head->base_hint);
	property_text(sink, "hash", digest_kind_name(head->kind));
	property_number(sink, "block-size", head->block_size);
	property_number(sink, "sector-size", head->sector_size);
	property_number(sink, "lineages", head->lineages);
	property_number(sink, "records", end->records);
	property_number(sink, "data-bytes", end->data);
	property_number(sink, "zero-bytes", end->zero);
}

/* How many units are in use, of a file that was read and found whole. */
static int count_units(struct tsd_disk *tsd, struct check *check, struct tranship_error *err)
{
	struct record r = { 0 };
	uint64_t off = 0, at;
	uint32_t i;
	int rc;

	while ((rc = delta_find(tsd->delta, off, &r, &at, err)) == 1) {
		uint64_t unit = r.head.data_blocks ? r.head.stored_len / r.head.data_blocks : 0;

		at += RECORD_HEAD + r.head.table_len;
		for (i = 0; i < r.head.data_blocks; i++)
			check_unit(check, at + i * unit, unit, r.head.compressed);
		off = r.head.end;
	}
	record_free(&r);
	return rc;
}

static int tsd_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err)
{
	struct tsd_disk *tsd = tsd_of(disk);
	struct tranship_error found;
	int rc = delta_verify(tsd->delta, NULL, NULL, &found);

	check->result.total = div_up(disk->size, disk->cluster_size);
	check->result.image_end = delta_end(tsd->delta)->size;
	if (rc == 0)
		return count_units(tsd, check, err);
	if (rc != TRANSHIP_ECORRUPT && rc != TRANSHIP_EUNSUPPORTED)
		return error_copy(err, &found, rc);
	check_error(check, "%s", found.message);
	return 0;
}

static void tsd_close(struct tranship_disk *disk)
{
	struct tsd_disk *tsd = tsd_of(disk);
	unsigned i;

	for (i = 0; i < SLOTS; i++)
		record_free(&tsd->slots[i].record);
	delta_close(tsd->delta);
	tranship_file_close(tsd->file);
	pthread_mutex_destroy(&tsd->lock);
	free(tsd);
}

static const struct disk_ops tsd_ops = {
	.map = tsd_map,
	.read = tsd_read,
	.scratch_new = tsd_scratch_new,
	.scratch_free = tsd_scratch_free,
	.properties = tsd_properties,
	.check = tsd_check,
	.close = tsd_close,
};

/* Where both have ids these must agree, too. */
static int check_ids(const struct delta_head *head, struct tranship_disk *beneath,
		     struct tranship_error *err)
{
	struct tranship_disk *base = tranship_disk_layer(beneath, 0);
	char wanted[300], have[300];
	const char *id;

	if (base->ops != &tsd_ops)
		return 0;
	id = delta_head(tsd_of(base)->delta)->target_id;
	if (*id == '\0' || head->base_id[0] == '\0' || strcmp(id, head->base_id) == 0)
		return 0;
	text_escape(wanted, sizeof(wanted), head->base_id, strlen(head->base_id));
	text_escape(have, sizeof(have), id, strlen(id));
	return error_set(err, TRANSHIP_EMISMATCH,
			 "tsd: the base wanted is %.200s, this delta makes %.200s", wanted, have);
}

static int tsd_accept(struct tranship_disk *child, struct tranship_disk *beneath,
		      struct tranship_error *err)
{
	struct delta *delta = tsd_of(child)->delta;
	int rc = check_ids(delta_head(delta), beneath, err);

	return rc ? rc : delta_check_base(delta, beneath, NULL, NULL, err);
}

/* "raw:vhdx": the first format is the base's, the rest is what that one is told of its own. */
static int set_base_format(struct disk_parent *parent, const char *given, const char *recorded,
			   struct tranship_error *err)
{
	size_t len = given ? strcspn(given, ":") : strlen(recorded);
	const char *rest = given && given[len] ? given + len + 1 : "";

	parent->format = strndup(given ? given : recorded, len);
	if (!parent->format)
		return error_nomem(err, len + 1);
	if (*rest && asprintf(&parent->options, "base-format=%s", rest) < 0) {
		parent->options = NULL;
		return error_nomem(err, strlen(rest));
	}
	return 0;
}

static int say_parent(struct tsd_disk *tsd, const struct options *options,
		      struct tranship_error *err)
{
	const struct delta_head *head = delta_head(tsd->delta);
	char id[4 * TRANSHIP_ID_MAX + 1];
	int rc;

	text_escape(id, sizeof(id), head->base_id, strlen(head->base_id));
	if (*id == '\0')
		snprintf(id, sizeof(id), "unnamed base of %" PRIu64 " bytes", head->base_size);
	rc = disk_need_parent(&tsd->disk, id, NULL, err);
	if (rc)
		return rc;
	tsd->disk.parent->accept = tsd_accept;
	rc = set_base_format(tsd->disk.parent, options_text(options, "base-format", NULL),
			     head->base_format, err);
	return rc ? rc : disk_add_hint(&tsd->disk, head->base_hint, err);
}

static int tsd_probe(const struct probe_input *in, bool *mine, struct tranship_error *err)
{
	(void)err;
	*mine = in->head_len >= 8 && memcmp(in->head, DELTA_MAGIC, 8) == 0;
	return 0;
}

/* What the caller knows the base to be. */
static int check_base_id(const struct delta_head *head, const struct options *options,
			 struct tranship_error *err)
{
	const char *id = options_text(options, "base-id", "");
	char shown[2][TRANSHIP_ID_MAX + 1];

	if (*id == '\0' || head->base_id[0] == '\0' || strcmp(id, head->base_id) == 0)
		return 0;
	text_escape(shown[0], sizeof(shown[0]), id, strlen(id));
	text_escape(shown[1], sizeof(shown[1]), head->base_id, strlen(head->base_id));
	return error_set(err, TRANSHIP_EMISMATCH,
			 "tsd: the base is '%.120s', the delta is for "
			 "'%.120s'",
			 shown[0], shown[1]);
}

static int tsd_open(struct tranship_file *file, const struct open_params *params,
		    struct tranship_disk **out, struct tranship_error *err)
{
	struct tsd_disk *tsd = calloc(1, sizeof(*tsd));
	int rc;

	if (!tsd)
		return error_nomem(err, sizeof(*tsd));
	disk_init(&tsd->disk, &tsd_ops, "tsd");
	pthread_mutex_init(&tsd->lock, NULL);
	rc = delta_open(file, resolver_table_memory(params->resolver), &tsd->delta, err);
	if (rc == 0)
		rc = check_base_id(delta_head(tsd->delta), params->options, err);
	if (rc == 0) {
		tsd->disk.size = delta_head(tsd->delta)->target_size;
		tsd->disk.sector_size = delta_head(tsd->delta)->sector_size;
		tsd->disk.cluster_size = delta_head(tsd->delta)->block_size;
		rc = disk_add_file(&tsd->disk, file, params->name, NULL, err);
	}
	if (rc == 0)
		rc = say_parent(tsd, params->options, err);
	if (rc) {
		disk_fini(&tsd->disk);
		tsd_close(&tsd->disk);
		return rc;
	}
	tsd->file = file;
	*out = &tsd->disk;
	return 0;
}

static const struct tranship_option_info open_options[] = {
	{ "base-format", "text",
	  "Format of the base, in place of the recorded one; of a base that is a delta, that of "
	  "its "
	  "own base behind a colon, and so on" },
	{ "base-id", "text", "Which version of the disk the base is; must agree with the delta" },
	{ 0 },
};

extern const struct format tsd_format;
const struct format tsd_format = {
	.name = "tsd",
	.probe = tsd_probe,
	.open = tsd_open,
	.open_options = open_options,
};
