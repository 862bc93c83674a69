// SPDX-License-Identifier: Apache-2.0
/*
 * What stands in a partition. Each row of the table is one kind with one function that looks for
 * it; the first row that finds something names it, in the order in which blkid (util-linux) looks:
 * what lies around a file system (RAID, LVM, encryption) comes before the file system, because
 * a mirror's member shows what it holds, too.
 */
#include "mbr-gpt/fs_probe.h"

#include "base/checked.h"
#include "base/guid.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* The type is what a row is called unless its function says more ("fat32"). */
static const struct row {
	const char *type;
	probe_fn *probe;
} rows[] = {
	{ "raid", probe_raid },         { "lvm2", probe_lvm2 },
	{ "luks", probe_luks },         { "bitlocker", probe_bitlocker },
	{ "fat32", probe_fat },         { "swap", probe_swap },
	{ "xfs", probe_xfs },           { "ext4", probe_ext },
	{ "ntfs", probe_ntfs },         { "refs", probe_refs },
	{ "exfat", probe_exfat },       { "btrfs", probe_btrfs },
	{ "squashfs", probe_squashfs }, { "iso9660", probe_iso9660 },
};

const unsigned char *probe_bytes(struct probe *p, uint64_t off, size_t len)
{
	if (p->rc || !range_ok(off, len, p->volume->len))
		return NULL;
	if (range_ok(off, len, p->head_len))
		return p->head + off;
	if (len > sizeof(p->page))
		return NULL;
	p->rc = volume_read(p->volume, off, p->page, len, p->err);
	return p->rc ? NULL : p->page;
}

void probe_uuid(struct probe *p, const unsigned char *bytes)
{
	struct guid guid;

	memcpy(guid.bytes, bytes, sizeof(guid.bytes));
	if (!guid_is_zero(&guid))
		guid_text_be(&guid, p->out->id);
}

void probe_serial(struct probe *p, uint32_t serial)
{
	snprintf(p->out->id, sizeof(p->out->id), "%04X-%04X", (unsigned)(serial >> 16),
		 (unsigned)(serial & 0xFFFF));
}

static void trim(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t\n\v\f\r", text[len - 1]))
		text[--len] = '\0';
}

void probe_label(struct probe *p, const unsigned char *bytes, size_t len)
{
	text_from_bytes(p->out->label, sizeof(p->out->label), bytes, len);
	trim(p->out->label);
}

void probe_label_utf16(struct probe *p, const unsigned char *bytes, size_t units)
{
	text_from_utf16le(p->out->label, sizeof(p->out->label), bytes, units);
	trim(p->out->label);
}

int fs_probe(const struct volume *volume, struct fs_found *out, struct tranship_error *err)
{
	struct probe p = { .volume = volume, .out = out, .err = err };
	size_t i;

	*out = (struct fs_found){ .type = "" };
	p.head_len = (size_t)min_u64(volume->len, sizeof(p.head));
	p.rc = volume_read(volume, 0, p.head, p.head_len, err);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]) && !p.rc; i++) {
		*out = (struct fs_found){ .type = rows[i].type };
		if (rows[i].probe(&p) && !p.rc)
			return 0;
	}
	*out = (struct fs_found){ .type = "" };
	return p.rc;
}
