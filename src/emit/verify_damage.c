// SPDX-License-Identifier: Apache-2.0
#include "emit/verify_inside.h"

#include "base/checked.h"
#include "base/error.h"
#include "emit/slot_ondisk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void verify_finding(struct verify *v, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	v->result->errors++;
	if (v->result->errors > FINDINGS_MAX) {
		v->untold++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (v->options->finding)
		v->options->finding(v->options->finding_ctx, TRANSHIP_FINDING_ERROR, text);
}

bool verify_is_finding(int code, const struct tranship_error *err)
{
	return code == TRANSHIP_ENOTFOUND || code == TRANSHIP_ECORRUPT || code == TRANSHIP_ELIMIT ||
	       code == TRANSHIP_EUNSUPPORTED ||
	       (code == TRANSHIP_EIO && err && err->sys_errno == EIO);
}

struct damaged_slot *damage_find(const struct verify *v, const struct slot_id *id)
{
	size_t i;

	if (!slot_set_has(v->bad, id))
		return NULL;
	for (i = 0; i < v->damaged_count; i++)
		if (slot_id_equal(&v->damaged[i]->id, id))
			return v->damaged[i];
	return NULL;
}

int damage_add(struct verify *v, const struct slot_id *id, const char *why,
	       struct damaged_slot **out, struct tranship_error *err)
{
	struct damaged_slot *d = damage_find(v, id);
	int rc;

	*out = d;
	if (d || slot_set_has(v->bad, id))
		return 0;
	rc = slot_set_add(v->bad, id, err);
	if (rc)
		return rc;
	if (v->damaged_count == DAMAGED_SLOTS_MAX) {
		v->damaged_more++;
		return 0;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return error_nomem(err, sizeof(*d));
	d->id = *id;
	snprintf(d->why, sizeof(d->why), "%s", why);
	v->damaged[v->damaged_count++] = d;
	*out = d;
	return 0;
}

int damage_record(struct damaged_slot *d, uint32_t record, struct tranship_error *err)
{
	if (!d || d->all || record >= SLOT_RECORDS_MAX)
		return 0;
	if (!d->records)
		d->records = calloc(SLOT_RECORDS_MAX / 8, 1);
	if (!d->records)
		return error_nomem(err, SLOT_RECORDS_MAX / 8);
	d->records[record / 8] |= (unsigned char)(1U << record % 8);
	return 0;
}

bool damage_has(const struct damaged_slot *d, uint32_t record)
{
	return d->all || (d->records && record < SLOT_RECORDS_MAX &&
			  d->records[record / 8] & 1U << record % 8);
}

void damage_range(struct damaged_slot *d, const char *point, uint64_t off, uint64_t end)
{
	struct damaged_point *p;

	if (!d || off >= end)
		return;
	if (d->point_count == 0 || strcmp(d->last_point, point) != 0) {
		snprintf(d->last_point, sizeof(d->last_point), "%s", point);
		d->point_count++;
		if (d->point_count <= DAMAGED_POINTS_SHOWN)
			memcpy(d->points[d->point_count - 1].id, d->last_point,
			       sizeof(d->last_point));
	}
	if (d->point_count > DAMAGED_POINTS_SHOWN)
		return;
	p = &d->points[d->point_count - 1];
	if (p->ranges && off <= p->end) {
		p->end = max_u64(p->end, end);
	} else {
		p->ranges++;
		p->end = end;
		if (p->ranges <= DAMAGED_RANGES_SHOWN)
			p->shown[p->ranges - 1].off = off;
	}
	if (p->ranges <= DAMAGED_RANGES_SHOWN)
		p->shown[p->ranges - 1].end = p->end;
}

/* "; point P: bytes 0 to 65536, 131072 to 196608 and 3 more ranges" */
static size_t print_point(const struct damaged_point *p, char *text, size_t cap)
{
	uint64_t i;
	size_t n = (size_t)snprintf(text, cap, "; point %s: bytes ", p->id);

	for (i = 0; i < p->ranges && i < DAMAGED_RANGES_SHOWN; i++)
		n += (size_t)snprintf(text + n, cap - n, "%s%" PRIu64 " to %" PRIu64, i ? ", " : "",
				      p->shown[i].off, p->shown[i].end);
	if (p->ranges > DAMAGED_RANGES_SHOWN)
		n += (size_t)snprintf(text + n, cap - n, " and %" PRIu64 " more ranges",
				      p->ranges - DAMAGED_RANGES_SHOWN);
	return n;
}

static void tell_slot(struct verify *v, const struct damaged_slot *d)
{
	char text[1000]; /* 4 points of at most 70 + 4 * 46 + 40 characters fit, cut or not */
	size_t n = 0, i;

	text[0] = '\0';
	for (i = 0; i < d->point_count && i < DAMAGED_POINTS_SHOWN; i++)
		if (n + 300 < sizeof(text))
			n += print_point(&d->points[i], text + n, sizeof(text) - n);
		else
			break;
	if (d->point_count > i)
		snprintf(text + n, sizeof(text) - n, "; and %zu more points", d->point_count - i);
	if (d->point_count == 0)
		snprintf(text, sizeof(text), "; no point uses what is damaged");
	verify_finding(v, "%s%s", d->why, text);
}

void damage_tell(struct verify *v)
{
	size_t i;

	for (i = 0; i < v->damaged_count; i++)
		tell_slot(v, v->damaged[i]);
	if (v->damaged_more) {
		verify_finding(v, "%" PRIu64 " more slots are missing or damaged", v->damaged_more);
		v->result->errors += v->damaged_more - 1;
	}
	if (v->untold && v->options->finding) {
		char text[100];

		snprintf(text, sizeof(text), "%" PRIu64 " more findings are not listed", v->untold);
		v->options->finding(v->options->finding_ctx, TRANSHIP_FINDING_ERROR, text);
	}
}

void damage_free(struct verify *v)
{
	size_t i;

	for (i = 0; i < v->damaged_count; i++) {
		free(v->damaged[i]->records);
		free(v->damaged[i]);
	}
	v->damaged_count = 0;
}
