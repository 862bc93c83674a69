/* SPDX-License-Identifier: Apache-2.0 */
/* A VHDX that is read: fixed, or dynamic. */
#ifndef VHDX_VHDX_H
#define VHDX_VHDX_H

#include "core/format.h"
#include "io/table_cache.h"
#include "vhdx/vhdx_ondisk.h"

struct vhdx_disk {
	struct tranship_disk disk;
	struct tranship_file *file;
	struct vhdx_header header; /* the current one */
	bool header_ok[2];
	struct vhdx_regions regions;
	bool regions_ok[2];
	struct vhdx_metadata metadata;
	struct table_cache *cache; /* of the BAT */
};

static inline struct vhdx_disk *vhdx_of(struct tranship_disk *disk)
{
	return (struct vhdx_disk *)disk;
}

/* Copies BAT entries [first, first + count), payload and bitmap ones as they stand; all exist. */
int vhdx_bat_read(struct vhdx_disk *vhdx, uint64_t first, size_t count, uint64_t *entries,
		  struct tranship_error *err);

/* Whether the log has entries that would have to be replayed. */
int vhdx_log_dirty(struct vhdx_disk *vhdx, struct tranship_file *file, bool *dirty,
		   struct tranship_error *err);

int vhdx_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err);

int vhdx_create(const struct create_params *params, struct tranship_writer **out,
		struct tranship_error *err);
extern const struct tranship_option_info vhdx_create_options[];

#endif
