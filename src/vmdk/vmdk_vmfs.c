// SPDX-License-Identifier: Apache-2.0
/*
 * The headers of the sparse extents that ESXi keeps its snapshots in, COWD and seSparse, as
 * vmdk_sparse.c reads them: in the words of a hosted sparse header.
 */
#include "vmdk/vmdk_sparse.h"

#include "base/checked.h"
#include "base/error.h"
#include "vmdk/vmdk_cowd_ondisk.h"
#include "vmdk/vmdk_sesparse_ondisk.h"

#include <inttypes.h>

int vmdk_cowd_open(struct vmdk_sparse *s, struct tranship_error *err)
{
	unsigned char raw[VMDK_COWD_HEADER_SIZE];
	struct vmdk_cowd_header h;
	int rc;

	if (tranship_file_size(s->file) < sizeof(raw))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: %" PRIu64 " bytes are too few for a COWD header",
				 tranship_file_size(s->file));
	rc = tranship_file_read(s->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vmdk_cowd_decode(raw, &h, err);
	if (rc)
		return rc;
	s->kind = VMDK_COWD;
	s->free_sector = h.free_sector;
	s->header = (struct vmdk_header){ .version = 1,
					  .capacity = h.capacity,
					  .grain_sectors = h.grain_sectors,
					  .gtes_per_gt = VMDK_COWD_GTES_PER_GT,
					  .gd_offset = h.gd_offset,
					  .unclean = h.unclean };
	/* Tables stand among the grains: only header and directory come before them. */
	s->header.overhead = h.gd_offset + vmdk_gd_sectors(&s->header);
	return 0;
}

/*
 * The journal has changes of the tables that were not made yet. How it is laid out is not known, so
 * tables that wait for it cannot be believed.
 */
static int check_journal(struct vmdk_sparse *s, uint64_t sector, struct tranship_error *err)
{
	unsigned char raw[VMDK_SESPARSE_HEADER_SIZE];
	bool replay = false;
	int rc;

	if (!range_ok(sector * VMDK_SECTOR, sizeof(raw), tranship_file_size(s->file)))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: the volatile header at sector %" PRIu64
				 " passes the end of the file (sector %" PRIu64 ")",
				 sector, tranship_file_size(s->file) / VMDK_SECTOR);
	rc = tranship_file_read(s->file, sector * VMDK_SECTOR, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vmdk_sesparse_volatile_decode(raw, &replay, err);
	s->header.unclean = replay;
	if (rc == 0 && replay)
		rc = error_set(err, TRANSHIP_EUNSUPPORTED,
			       "vmdk: the seSparse extent was not closed cleanly and its journal "
			       "must be replayed, which only ESXi can: start and stop the machine, "
			       "or clone the disk there");
	return rc;
}

int vmdk_sesparse_open(struct vmdk_sparse *s, struct tranship_error *err)
{
	unsigned char raw[VMDK_SESPARSE_HEADER_SIZE];
	struct vmdk_sesparse_header h;
	int rc;

	if (tranship_file_size(s->file) < sizeof(raw))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: %" PRIu64 " bytes are too few for an seSparse header",
				 tranship_file_size(s->file));
	rc = tranship_file_read(s->file, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = vmdk_sesparse_decode(raw, &h, err);
	if (rc == 0)
		rc = check_journal(s, h.parts[VMDK_SESPARSE_VOLATILE_HEADER].offset, err);
	if (rc)
		return rc;
	s->kind = VMDK_SESPARSE;
	s->tables = h.parts[VMDK_SESPARSE_GRAIN_TABLES].offset;
	s->data = h.parts[VMDK_SESPARSE_GRAINS].offset;
	s->header = (struct vmdk_header){
		.version = 1,
		.capacity = h.capacity,
		.grain_sectors = VMDK_SESPARSE_GRAIN_SECTORS,
		.gtes_per_gt = VMDK_SESPARSE_GTES_PER_GT,
		.gd_offset = h.parts[VMDK_SESPARSE_GRAIN_DIRECTORY].offset,
		.overhead = s->data,
	};
	return 0;
}
