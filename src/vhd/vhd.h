/* SPDX-License-Identifier: Apache-2.0 */
/* A VHD that is read: fixed, dynamic or differencing. */
#ifndef VHD_VHD_H
#define VHD_VHD_H

#include "core/format.h"
#include "io/table_cache.h"
#include "vhd/vhd_ondisk.h"

/* What is known while the disk is changed (vhd_modify.c). */
struct vhd_change {
	bool begun;
	uint64_t tail;   /* where the footer at the end stands, or is to */
	uint64_t end;    /* behind everything that is in use; sectors */
	uint64_t clean;  /* from here to the tail the file is known to be zeros */
	uint64_t source; /* the footer that is believed */
	bool grown;      /* the file has room that was not asked for */
	size_t pending;  /* bytes of the transaction, about */
};

struct vhd_disk {
	struct tranship_disk disk;
	struct tranship_file *file;
	struct vhd_footer footer;
	struct vhd_dynamic dynamic; /* of a dynamic or differencing disk */
	uint32_t bitmap_size;
	struct table_cache *cache; /* BAT and bitmaps; NULL in a fixed disk */
	/* Which copies of the footer are good, and the header; the others may still be used where
	 * checksums are passed over. */
	bool head_ok, tail_ok, header_ok;
	bool tail_there; /* the last sector is a footer, good or not */
	bool cut_short; /* a fixed disk that was to become shorter: two footers, see vhd_resize.c */
	struct vhd_change change;
};

static inline struct vhd_disk *vhd_of(struct tranship_disk *disk)
{
	return (struct vhd_disk *)disk;
}

/* Copies `count` BAT entries (sectors, or VHD_BAT_UNUSED) from `first` on; all exist. */
int vhd_bat_entries(struct vhd_disk *vhd, uint64_t first, size_t count, uint32_t *entries,
		    struct tranship_error *err);

/* Notes what the header of a differencing disk says of its parent. What cannot be read of it is
 * warned of: the parent may still be found by the rest. */
int vhd_parent_read(struct vhd_disk *vhd, struct tranship_file *file,
		    const struct open_params *params, struct tranship_error *err);

#define VHD_LOCATORS_AT (VHD_FOOTER_SIZE + VHD_DYNAMIC_SIZE) /* in what is written */

/* Fills in what the header of a new child says of its base; appends the data of its locators, which
 * is to stand from VHD_LOCATORS_AT on. */
int vhd_parent_describe(const struct base_info *base, struct vhd_dynamic *dynamic,
			struct buffer *data, struct tranship_error *err);
/* The part of it that is binding: the parent's unique id. */
int vhd_parent_identify(const struct base_info *base, struct vhd_dynamic *dynamic,
			struct tranship_error *err);

extern const struct modify_ops vhd_fixed_modify, vhd_dynamic_modify;

int vhd_open(struct tranship_file *file, const struct open_params *params,
	     struct tranship_disk **out, struct tranship_error *err);
extern const struct disk_ops vhd_fixed_ops, vhd_dynamic_ops;
const char *vhd_subformat(const struct vhd_disk *vhd);

int vhd_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err);

int vhd_create(const struct create_params *params, struct tranship_writer **out,
	       struct tranship_error *err);
int vhd_create_azure(const struct create_params *params, struct tranship_writer **out,
		     struct tranship_error *err);
extern const struct tranship_option_info vhd_create_options[];

#endif
