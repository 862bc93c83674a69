// SPDX-License-Identifier: Apache-2.0
/* Opening a volume: what every look-up needs is read here, and checked. */
#include "mbr-gpt/ntfs.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	VOLUME_OFF_MAJOR = 8,
	VOLUME_OFF_FLAGS = 10,
	VOLUME_INFORMATION_SIZE = 12,
	VOLUME_FLAG_DIRTY = 1,
};

/* The MFT describes itself in its first record. Where that has an attribute list, each extent is
 * reached through the ones before it: ntfs->mft grows while it is read. */
static int open_mft(struct ntfs *ntfs, struct tranship_error *err)
{
	struct ntfs_node node = { .record.number = NTFS_RECORD_MFT };
	uint64_t off = ntfs->g.mft_lcn * ntfs->g.cluster_size;
	int rc = volume_read(&ntfs->volume, off, node.record.raw, ntfs->g.record_size, err);

	if (rc == 0)
		rc = ntfs_record_decode(&node.record, ntfs->g.record_size, err);
	if (rc == 0)
		rc = ntfs_attribute_list_load(ntfs, &node, err);
	if (rc == 0)
		rc = ntfs_stream_open(ntfs, &node, NTFS_DATA, "", &ntfs->mft, err);
	ntfs_node_close(&node);
	if (rc)
		return rc;
	if (!ntfs->mft.opened || ntfs->mft.resident || ntfs->mft.compressed || ntfs->mft.encrypted)
		return error_set(err, TRANSHIP_ECORRUPT, "ntfs: the MFT has no runs of its own");
	return 0;
}

static int read_information(struct ntfs *ntfs, const struct ntfs_node *node,
			    struct tranship_error *err)
{
	unsigned char raw[VOLUME_INFORMATION_SIZE];
	struct ntfs_stream s;
	int rc = ntfs_stream_open(ntfs, node, NTFS_VOLUME_INFORMATION, "", &s, err);

	if (rc == 0 && s.size < sizeof(raw))
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ntfs: $Volume has no information, or too short a one (%" PRIu64
			       " bytes)",
			       s.size);
	if (rc == 0)
		rc = ntfs_stream_read(ntfs, &s, 0, raw, sizeof(raw), err);
	ntfs_stream_close(&s);
	if (rc)
		return rc;
	if (raw[VOLUME_OFF_MAJOR] != 3)
		return error_set(err, TRANSHIP_EUNSUPPORTED, "ntfs: version %u.%u; 3.x is known",
				 raw[VOLUME_OFF_MAJOR], raw[VOLUME_OFF_MAJOR + 1]);
	ntfs->dirty = get_le16(raw + VOLUME_OFF_FLAGS) & VOLUME_FLAG_DIRTY;
	return 0;
}

static int read_label(struct ntfs *ntfs, const struct ntfs_node *node, struct tranship_error *err)
{
	unsigned char raw[2 * NTFS_NAME_UNITS];
	struct ntfs_stream s;
	int rc = ntfs_stream_open(ntfs, node, NTFS_VOLUME_NAME, "", &s, err);

	if (rc == 0 && s.size > sizeof(raw))
		rc = error_set(err, TRANSHIP_ECORRUPT, "ntfs: a label of %" PRIu64 " bytes",
			       s.size);
	if (rc == 0 && s.opened)
		rc = ntfs_stream_read(ntfs, &s, 0, raw, (size_t)s.size, err);
	if (rc == 0)
		text_from_utf16le(ntfs->label, sizeof(ntfs->label), raw, (size_t)s.size / 2);
	ntfs_stream_close(&s);
	return rc;
}

static int read_volume(struct ntfs *ntfs, struct tranship_error *err)
{
	struct ntfs_node node;
	int rc = ntfs_node_open(ntfs, NTFS_RECORD_VOLUME, &node, err);

	if (rc == 0)
		rc = read_information(ntfs, &node, err);
	if (rc == 0)
		rc = read_label(ntfs, &node, err);
	ntfs_node_close(&node);
	return rc;
}

/* The table that says which letters are the same but for their case; each volume has its own. */
static int read_upcase(struct ntfs *ntfs, struct tranship_error *err)
{
	const size_t size = NTFS_UPCASE_UNITS * sizeof(uint16_t);
	unsigned char *raw = NULL;
	struct ntfs_file *file;
	size_t i;
	int rc = ntfs_file_open(ntfs, NTFS_RECORD_UPCASE, &file, err);

	if (rc == 0 && ntfs_file_size(file) != size)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "ntfs: $UpCase has %" PRIu64 " bytes; it must have %zu",
			       ntfs_file_size(file), size);
	if (rc == 0)
		rc = ntfs_file_read_all(file, size, &raw, err);
	ntfs_file_close(file);
	if (rc)
		return rc;
	ntfs->upcase = malloc(size);
	for (i = 0; ntfs->upcase && i < NTFS_UPCASE_UNITS; i++)
		ntfs->upcase[i] = get_le16(raw + 2 * i);
	free(raw);
	return ntfs->upcase ? 0 : error_nomem(err, size);
}

int ntfs_open(const struct volume *volume, struct ntfs **out, struct tranship_error *err)
{
	unsigned char boot[NTFS_BOOT_SIZE];
	struct ntfs *ntfs;
	int rc;

	*out = NULL;
	ntfs = calloc(1, sizeof(*ntfs));
	if (!ntfs)
		return error_nomem(err, sizeof(*ntfs));
	ntfs->volume = *volume;
	rc = volume_read(volume, 0, boot, sizeof(boot), err);
	if (rc == 0)
		rc = ntfs_boot_decode(boot, volume->len, &ntfs->g, err);
	if (rc == 0)
		rc = open_mft(ntfs, err);
	if (rc == 0)
		rc = read_volume(ntfs, err);
	if (rc == 0)
		rc = read_upcase(ntfs, err);
	if (rc) {
		ntfs_close(ntfs);
		return rc;
	}
	*out = ntfs;
	return 0;
}

void ntfs_close(struct ntfs *ntfs)
{
	if (!ntfs)
		return;
	ntfs_stream_close(&ntfs->mft);
	free(ntfs->upcase);
	free(ntfs);
}

bool ntfs_is_dirty(const struct ntfs *ntfs)
{
	return ntfs->dirty;
}

const char *ntfs_label(const struct ntfs *ntfs)
{
	return ntfs->label;
}

uint64_t ntfs_serial(const struct ntfs *ntfs)
{
	return ntfs->g.serial;
}
