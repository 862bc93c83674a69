// SPDX-License-Identifier: Apache-2.0
/* Plain grains of a sparse extent whose file ends before they do. */
#include "vmdk/vmdk_sparse.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>

void vmdk_cut_to_file(const struct vmdk_sparse *s, uint64_t off, struct tranship_extent *out)
{
	uint64_t inside = off % s->grain_size;
	uint64_t there = tranship_file_size(s->file) - (out->file_off - inside);

	if (out->len + inside <= there)
		return;
	there = round_down(there, s->salvage ? VMDK_SECTOR : s->grain_size);
	if (there > inside) {
		out->len = there - inside;
	} else {
		out->kind = TRANSHIP_LOST;
		out->file_off = TRANSHIP_NO_OFFSET;
		out->len = min_u64(out->len, s->grain_size - inside);
	}
}

int vmdk_cut_error(const struct vmdk_sparse *s, uint64_t off, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vmdk: the grain at LBA %" PRIu64
			 " passes the end of the file (sector %" PRIu64 ")",
			 off / s->grain_size * s->header.grain_sectors,
			 tranship_file_size(s->file) / VMDK_SECTOR);
}
