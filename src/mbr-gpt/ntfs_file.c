// SPDX-License-Identifier: Apache-2.0
/* Files: opened by a reference or a path, read, and found on the volume. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "mbr-gpt/ntfs_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IO_REPARSE_TAG_WOF 0x80000017U /* [MS-FSCC] 2.1.2.1 */

/* A reparse point stands for something else than what its attributes hold. */
static int refuse_reparse(struct ntfs *ntfs, const struct ntfs_node *node,
			  struct tranship_error *err)
{
	uint64_t number = node->record.number;
	struct ntfs_stream s;
	unsigned char raw[4];
	int rc = ntfs_stream_open(ntfs, node, NTFS_REPARSE_POINT, "", &s, err);

	if (rc == 0 && s.opened) {
		memset(raw, 0, sizeof(raw));
		rc = ntfs_stream_read(ntfs, &s, 0, raw, (size_t)min_u64(s.size, sizeof(raw)), err);
		if (rc == 0 && get_le32(raw) == IO_REPARSE_TAG_WOF)
			rc = error_set(err, TRANSHIP_EUNSUPPORTED,
				       "ntfs: file record %" PRIu64
				       " is compressed by WOF (\"compact /exe\", CompactOS)",
				       number);
		else if (rc == 0)
			rc = error_set(err, TRANSHIP_EUNSUPPORTED,
				       "ntfs: file record %" PRIu64
				       " is a reparse point (tag 0x%08x)",
				       number, get_le32(raw));
	}
	ntfs_stream_close(&s);
	return rc;
}

static int open_node(struct ntfs *ntfs, const struct ntfs_node *node, struct ntfs_file *file,
		     struct tranship_error *err)
{
	int rc = refuse_reparse(ntfs, node, err);

	if (rc)
		return rc;
	file->number = node->record.number;
	file->directory = node->record.directory;
	if (file->directory)
		return ntfs_index_open(ntfs, node, &file->index, err);
	rc = ntfs_stream_open(ntfs, node, NTFS_DATA, "", &file->data, err);
	if (rc == 0 && file->data.encrypted)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "ntfs: file record %" PRIu64 " is encrypted by EFS", file->number);
	return rc;
}

int ntfs_file_open(struct ntfs *ntfs, uint64_t record, struct ntfs_file **out,
		   struct tranship_error *err)
{
	struct ntfs_file *file = calloc(1, sizeof(*file));
	struct ntfs_node node;
	int rc;

	*out = NULL;
	if (!file)
		return error_nomem(err, sizeof(*file));
	file->ntfs = ntfs;
	rc = ntfs_node_open(ntfs, record, &node, err);
	if (rc == 0)
		rc = open_node(ntfs, &node, file, err);
	ntfs_node_close(&node);
	if (rc) {
		ntfs_file_close(file);
		return rc;
	}
	*out = file;
	return 0;
}

void ntfs_file_close(struct ntfs_file *file)
{
	if (!file)
		return;
	ntfs_stream_close(&file->data);
	ntfs_index_close(&file->index);
	free(file);
}

uint64_t ntfs_file_size(const struct ntfs_file *file)
{
	return file->data.size;
}

bool ntfs_file_is_directory(const struct ntfs_file *file)
{
	return file->directory;
}

int ntfs_file_read(struct ntfs_file *file, uint64_t off, void *buf, size_t len,
		   struct tranship_error *err)
{
	if (!range_ok(off, len, file->data.size))
		return error_set(err, TRANSHIP_EINVAL,
				 "ntfs: %zu bytes at %" PRIu64
				 " pass the end of file record %" PRIu64 " (%" PRIu64 " bytes)",
				 len, off, file->number, file->data.size);
	return len > 0 ? ntfs_stream_read(file->ntfs, &file->data, off, buf, len, err) : 0;
}

int ntfs_file_read_all(struct ntfs_file *file, size_t max, unsigned char **out,
		       struct tranship_error *err)
{
	size_t size = (size_t)file->data.size;
	int rc;

	*out = NULL;
	if (file->data.size > max)
		return error_set(err, TRANSHIP_ELIMIT,
				 "ntfs: file record %" PRIu64 " has %" PRIu64
				 " bytes; at most %zu are read",
				 file->number, file->data.size, max);
	*out = malloc(size ? size : 1);
	if (!*out)
		return error_nomem(err, size);
	rc = ntfs_file_read(file, 0, *out, size, err);
	if (rc) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

static int no_place(const struct ntfs_file *file, uint64_t off, const char *why,
		    struct tranship_error *err)
{
	return error_set(err, TRANSHIP_EUNSUPPORTED,
			 "ntfs: file record %" PRIu64 ": byte %" PRIu64
			 " has no place on the volume of its own: %s",
			 file->number, off, why);
}

int ntfs_file_where(struct ntfs_file *file, uint64_t off, uint64_t *volume_off, uint64_t *len,
		    struct tranship_error *err)
{
	const struct ntfs_stream *s = &file->data;
	uint32_t cluster = file->ntfs->g.cluster_size;
	const struct ntfs_run *run;
	uint64_t within;

	if (off >= s->size)
		return error_set(err, TRANSHIP_EINVAL,
				 "ntfs: byte %" PRIu64 " of file record %" PRIu64 " of %" PRIu64
				 " bytes",
				 off, file->number, s->size);
	if (s->resident)
		return no_place(file, off, "it stands in the file record", err);
	if (s->compressed)
		return no_place(file, off, "the file is compressed", err);
	if (off >= s->initialised)
		return no_place(file, off, "nothing was written there yet", err);
	run = ntfs_runs_find(&s->runs, off / cluster);
	if (!run || run->lcn == NTFS_HOLE)
		return no_place(file, off, "the file is sparse there", err);
	within = off - run->vcn * cluster;
	*volume_off = run->lcn * cluster + within;
	*len = min_u64(run->count * cluster - within, s->initialised - off);
	return 0;
}
