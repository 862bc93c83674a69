/* SPDX-License-Identifier: Apache-2.0 */
/* A VHDX that is read: fixed, dynamic, or differencing. */
#ifndef VHDX_VHDX_H
#define VHDX_VHDX_H

#include "core/format.h"
#include "io/table_cache.h"
#include "vhdx/vhdx_log.h"
#include "vhdx/vhdx_ondisk.h"

struct vhdx_locator;

struct vhdx_disk {
	struct tranship_disk disk;
	struct tranship_file *base; /* the file itself */
	struct tranship_file *file; /* as the log leaves it; the same where there is nothing to
				       replay */
	struct vhdx_log *log;       /* NULL: nothing to replay */
	struct vhdx_header header;  /* the current one */
	int current;                /* which of the two that is */
	bool header_ok[2], header_there[2];
	struct vhdx_regions regions;
	bool regions_ok[2];
	struct vhdx_metadata metadata;
	struct table_cache *cache; /* of the BAT and the sector bitmaps */
	/* While it is changed: */
	bool changed;     /* the headers were */
	uint64_t end;     /* what is used of the file ends here, in whole MiB; 0: not yet known */
	uint64_t pending; /* bytes of tables that are not applied yet, about */
};

static inline struct vhdx_disk *vhdx_of(struct tranship_disk *disk)
{
	return (struct vhdx_disk *)disk;
}

/* Copies BAT entries [first, first + count), payload and bitmap ones as they stand; all exist. */
int vhdx_bat_read(struct vhdx_disk *vhdx, uint64_t first, size_t count, uint64_t *entries,
		  struct tranship_error *err);

/* Whether a header is damaged that should not be: a new file may have one header only. */
static inline bool vhdx_header_lost(const struct vhdx_disk *vhdx)
{
	int other = vhdx->header_ok[0];

	/* A new file may have one header only; one that is there and wrong was written. */
	return !vhdx->header_ok[other] && (vhdx->header_there[other] || vhdx->header.sequence > 1);
}

int vhdx_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
	     struct tranship_error *err);
int vhdx_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf, size_t len,
	      struct tranship_error *err);

/*
 * Writes what the log says to `file`, which has the bytes of the disk's own, by `write`, which is
 * file_write or does the same sooner; nothing where there is nothing to replay. A header without
 * the log GUID comes after that, and after a sync: both are the caller's.
 */
typedef int vhdx_write_fn(struct tranship_file *file, uint64_t off, const void *buf, size_t len,
			  struct tranship_error *err);
int vhdx_log_replay_to(const struct vhdx_disk *vhdx, struct tranship_file *file,
		       vhdx_write_fn *write, struct tranship_error *err);

/* Notes what the metadata (`raw`: the region) say of the parent, if there is one. */
int vhdx_parent_read(struct vhdx_disk *vhdx, const unsigned char *raw, struct tranship_error *err);

/* Appends the parent locator of a child of `base`. Where the base has no paths those of `old` stay;
 * it may be NULL. */
int vhdx_parent_describe(const struct base_info *base, const struct vhdx_locator *old,
			 struct buffer *out, struct tranship_error *err);

int vhdx_check(struct tranship_disk *disk, struct check *check, struct tranship_error *err);

int vhdx_create(const struct create_params *params, struct tranship_writer **out,
		struct tranship_error *err);
extern const struct tranship_option_info vhdx_create_options[];

#endif
