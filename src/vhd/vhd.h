/* SPDX-License-Identifier: Apache-2.0 */
/* A VHD that is read: fixed, or dynamic. */
#ifndef VHD_VHD_H
#define VHD_VHD_H

#include "core/format.h"
#include "io/table_cache.h"
#include "vhd/vhd_ondisk.h"

struct vhd_disk {
	struct tranship_disk disk;
	struct tranship_file *file;
	struct vhd_footer footer;
	struct vhd_dynamic dynamic; /* of a dynamic disk */
	uint32_t bitmap_size;
	struct table_cache *cache; /* BAT and bitmaps; NULL in a fixed disk */
	bool head_ok, tail_ok;     /* which copies of the footer are good */
};

static inline struct vhd_disk *vhd_of(struct tranship_disk *disk)
{
	return (struct vhd_disk *)disk;
}

/* Copies `count` BAT entries (sectors, or VHD_BAT_UNUSED) from `first` on; all exist. */
int vhd_bat_entries(struct vhd_disk *vhd, uint64_t first, size_t count, uint32_t *entries,
		    struct tranship_error *err);

int vhd_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err);

int vhd_create(const struct create_params *params, struct tranship_writer **out,
	       struct tranship_error *err);
int vhd_create_azure(const struct create_params *params, struct tranship_writer **out,
		     struct tranship_error *err);
extern const struct tranship_option_info vhd_create_options[];

#endif
