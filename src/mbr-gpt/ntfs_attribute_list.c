// SPDX-License-Identifier: Apache-2.0
/*
 * Attributes that do not fit into one record: a list in the base record says which record each
 * stands in, and a long run list is cut into extents. The list is walked once from its begin to its
 * end, so nothing in it can make a loop; an extension's own list is not looked at.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int load(const struct ntfs *ntfs, struct ntfs_node *node, struct ntfs_stream *s,
		struct tranship_error *err)
{
	int rc = ntfs_stream_check(ntfs, s, err);

	if (rc)
		return rc;
	if (s->size > NTFS_ATTRIBUTE_LIST_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "ntfs: file record %" PRIu64 ": an attribute list of %" PRIu64
				 " bytes; %u are possible",
				 node->record.number, s->size, (unsigned)NTFS_ATTRIBUTE_LIST_MAX);
	node->list = malloc(s->size ? (size_t)s->size : 1);
	if (!node->list)
		return error_nomem(err, (size_t)s->size);
	node->list_len = (uint32_t)s->size;
	rc = ntfs_stream_read(ntfs, s, 0, node->list, (size_t)s->size, err);
	if (rc)
		ntfs_node_close(node);
	return rc;
}

int ntfs_attribute_list_load(const struct ntfs *ntfs, struct ntfs_node *node,
			     struct tranship_error *err)
{
	struct ntfs_stream s = { 0 };
	struct ntfs_attribute a;
	uint32_t at = 0;
	int rc;

	while ((rc = ntfs_attribute_next(&node->record, &at, &a, err)) > 0) {
		if (a.type != NTFS_ATTRIBUTE_LIST)
			continue;
		rc = ntfs_stream_add(ntfs, &s, &a, node->record.number, err);
		if (rc)
			break;
	}
	if (rc == 0 && s.opened)
		rc = load(ntfs, node, &s, err);
	ntfs_stream_close(&s);
	return rc;
}

static bool same_attribute(const struct ntfs_attribute *a, const struct ntfs_list_entry *e)
{
	return a->type == e->type && a->instance == e->instance && a->name_units == e->name_units &&
	       (a->name_units == 0 || memcmp(a->name, e->name, 2 * (size_t)a->name_units) == 0);
}

/* Adds what an entry of the list names, which stands in this record. */
static int add_from(struct ntfs *ntfs, const struct ntfs_node *node,
		    const struct ntfs_record *record, const struct ntfs_list_entry *e,
		    struct ntfs_stream *out, struct tranship_error *err)
{
	struct ntfs_attribute a;
	uint32_t at = 0;
	int rc;

	while ((rc = ntfs_attribute_next(record, &at, &a, err)) > 0)
		if (same_attribute(&a, e) && (a.resident || a.lowest_vcn == e->lowest_vcn))
			return ntfs_stream_add(ntfs, out, &a, node->record.number, err);
	if (rc)
		return rc;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "ntfs: file record %" PRIu64 ": attribute list: attribute 0x%x from VCN "
			 "%" PRIu64 " on is not in record %" PRIu64,
			 node->record.number, e->type, e->lowest_vcn, record->number);
}

/* Reads the extension that an entry names, unless that is what `extension` has. */
static int read_extension(struct ntfs *ntfs, const struct ntfs_node *node, uint64_t reference,
			  struct ntfs_record *extension, bool *have, struct tranship_error *err)
{
	const struct ntfs_record *base = &node->record;
	unsigned sequence;
	int rc;

	if (*have && extension->number == ntfs_reference_number(reference) &&
	    extension->sequence == ntfs_reference_sequence(reference))
		return 0;
	*have = false;
	rc = ntfs_record_read(ntfs, reference, extension, err);
	if (rc)
		return rc;
	sequence = ntfs_reference_sequence(extension->base);
	if (ntfs_reference_number(extension->base) != base->number || extension->base == 0 ||
	    (sequence != 0 && sequence != base->sequence))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "ntfs: file record %" PRIu64 ": attribute list: record %" PRIu64
				 " belongs to record %" PRIu64 " of sequence number %u",
				 base->number, extension->number,
				 ntfs_reference_number(extension->base), sequence);
	*have = true;
	return 0;
}

static bool entry_is(const struct ntfs_list_entry *e, uint32_t type, const char *name)
{
	struct ntfs_attribute a = { .type = e->type, .name = e->name, .name_units = e->name_units };

	return ntfs_attribute_is(&a, type, name);
}

static int collect_by_list(struct ntfs *ntfs, const struct ntfs_node *node, uint32_t type,
			   const char *name, struct ntfs_stream *out, struct tranship_error *err)
{
	struct ntfs_record extension;
	struct ntfs_list_entry e;
	bool have = false;
	uint32_t at = 0;
	int rc;

	while ((rc = ntfs_list_entry_next(node->list, node->list_len, node->record.number, &at, &e,
					  err)) > 0) {
		const struct ntfs_record *record = &node->record;

		if (!entry_is(&e, type, name))
			continue;
		if (ntfs_reference_number(e.reference) != record->number) {
			rc = read_extension(ntfs, node, e.reference, &extension, &have, err);
			if (rc)
				return rc;
			record = &extension;
		}
		rc = add_from(ntfs, node, record, &e, out, err);
		if (rc)
			return rc;
	}
	return rc;
}

static int collect_from_base(struct ntfs *ntfs, const struct ntfs_node *node, uint32_t type,
			     const char *name, struct ntfs_stream *out, struct tranship_error *err)
{
	struct ntfs_attribute a;
	uint32_t at = 0;
	int rc;

	while ((rc = ntfs_attribute_next(&node->record, &at, &a, err)) > 0) {
		if (!ntfs_attribute_is(&a, type, name))
			continue;
		rc = ntfs_stream_add(ntfs, out, &a, node->record.number, err);
		if (rc)
			return rc;
	}
	return rc;
}

int ntfs_stream_open(struct ntfs *ntfs, const struct ntfs_node *node, uint32_t type,
		     const char *name, struct ntfs_stream *out, struct tranship_error *err)
{
	int rc;

	*out = (struct ntfs_stream){ 0 };
	rc = node->list ? collect_by_list(ntfs, node, type, name, out, err)
			: collect_from_base(ntfs, node, type, name, out, err);
	return rc ? rc : ntfs_stream_check(ntfs, out, err);
}
