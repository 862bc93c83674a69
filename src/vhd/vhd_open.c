// SPDX-License-Identifier: Apache-2.0
/* VHD: from a file to a disk: which footer counts, the dynamic disk header, what must agree. */
#include "vhd/vhd.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the footer: whether it can be used, and if so whether its checksum is right. */
struct footer_copy {
	struct vhd_footer footer;
	bool usable, sound;
	struct tranship_error why; /* it is not sound */
};

static void decode_copy(const unsigned char *raw, bool force, struct footer_copy *out)
{
	out->sound = vhd_footer_decode(raw, false, &out->footer, &out->why) == 0;
	out->usable =
		out->sound || (force && vhd_footer_decode(raw, true, &out->footer, &out->why) == 0);
}

/* Notes which copy is used, if any, and warns if it is not the sound one at the end. */
static bool choose_footer(struct vhd_disk *vhd, const struct footer_copy *head,
			  const struct footer_copy *tail, const struct open_params *params)
{
	bool use_tail = tail->sound || (tail->usable && !head->sound);

	vhd->tail_ok = tail->sound;
	vhd->head_ok = head->sound;
	if (!use_tail && !head->usable)
		return false;
	vhd->footer = use_tail ? tail->footer : head->footer;
	if (!use_tail)
		warn_send(params->warn, params->warn_ctx,
			  "vhd: the footer is damaged, its copy at the beginning is used (%s)",
			  tail->why.message);
	else if (!tail->sound)
		warn_send(params->warn, params->warn_ctx, "%s; that is passed over",
			  tail->why.message);
	return true;
}

/*
 * The footer at the end counts; where it is damaged or missing (a half-copied file) a dynamic disk
 * has a copy in its first sector. One with a wrong checksum is taken only if that was asked for and
 * the other one is no better. The error is the end's, unless only the head looks like a footer at
 * all.
 */
static int read_footers(struct vhd_disk *vhd, struct tranship_file *file,
			const struct open_params *params, struct tranship_error *err)
{
	bool force = params->flags & TRANSHIP_OPEN_FORCE_CHECKSUM, head_only;
	unsigned char raw[2][VHD_FOOTER_SIZE];
	struct footer_copy head, tail;
	uint64_t size = tranship_file_size(file);
	int rc;

	if (size < VHD_FOOTER_SIZE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: %" PRIu64 " bytes are too few for a footer", size);
	rc = tranship_file_read(file, 0, raw[0], VHD_FOOTER_SIZE, err);
	if (rc == 0)
		rc = tranship_file_read(file, size - VHD_FOOTER_SIZE, raw[1], VHD_FOOTER_SIZE, err);
	if (rc)
		return rc;
	decode_copy(raw[0], force, &head);
	decode_copy(raw[1], force, &tail);
	if (head.usable && head.footer.type == VHD_FIXED) {
		head.usable = head.sound = false;
		error_set(&head.why, TRANSHIP_ECORRUPT,
			  "vhd: a fixed disk's footer stands in its first sector, not at its end");
	}
	vhd->tail_there = vhd_footer_recognise(raw[1]);
	if (choose_footer(vhd, &head, &tail, params))
		return 0;
	head_only = vhd_footer_recognise(raw[0]) && !vhd->tail_there;
	return error_copy(err, head_only ? &head.why : &tail.why,
			  head_only ? head.why.code : tail.why.code);
}

/*
 * A disk that is made shorter in place has a marked footer at the old end, with the new size, and
 * its own at the new end, until the file is cut (vhd_resize.c).
 */
static int find_second(struct vhd_disk *vhd, struct tranship_file *file, uint64_t file_size,
		       struct tranship_error *err)
{
	uint64_t size = vhd->footer.current_size;
	unsigned char raw[VHD_FOOTER_SIZE];
	struct vhd_footer own;
	int rc;

	if (!vhd->tail_ok || size > file_size || file_size - size < 2 * (uint64_t)VHD_FOOTER_SIZE)
		return 0;
	rc = tranship_file_read(file, file_size - sizeof(raw), raw, sizeof(raw), err);
	if (rc || !vhd_footer_is_cut(raw))
		return rc;
	rc = tranship_file_read(file, size, raw, sizeof(raw), err);
	if (rc == 0 && vhd_footer_decode(raw, false, &own, NULL) == 0)
		vhd->cut_short = own.type == VHD_FIXED && own.current_size == size &&
				 memcmp(&own.id, &vhd->footer.id, sizeof(own.id)) == 0;
	return rc;
}

static int check_fixed(struct vhd_disk *vhd, struct tranship_file *file, bool force,
		       struct tranship_error *err)
{
	uint64_t need = vhd->footer.current_size + VHD_FOOTER_SIZE,
		 file_size = tranship_file_size(file);
	int rc = find_second(vhd, file, file_size, err);

	if (rc || vhd->cut_short || file_size == need || (force && file_size > need))
		return rc;
	return error_set(err, TRANSHIP_ECORRUPT,
			 "vhd: a fixed disk of %" PRIu64 " bytes needs a file of %" PRIu64
			 ", this one has %" PRIu64,
			 vhd->footer.current_size, need, file_size);
}

static int read_header(struct vhd_disk *vhd, struct tranship_file *file,
		       const struct open_params *params, struct tranship_error *err)
{
	unsigned char raw[VHD_DYNAMIC_SIZE];
	uint64_t size = tranship_file_size(file);
	struct tranship_error why;
	int rc;

	if (!range_ok(vhd->footer.data_offset, sizeof(raw), size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: the dynamic disk header at %" PRIu64
				 " passes the end of the file (%" PRIu64 " bytes)",
				 vhd->footer.data_offset, size);
	rc = tranship_file_read(file, vhd->footer.data_offset, raw, sizeof(raw), err);
	if (rc)
		return rc;
	rc = vhd_dynamic_decode(raw, false, &vhd->dynamic, &why);
	vhd->header_ok = rc == 0;
	if (rc == 0 || !(params->flags & TRANSHIP_OPEN_FORCE_CHECKSUM))
		return rc ? error_copy(err, &why, rc) : 0;
	rc = vhd_dynamic_decode(raw, true, &vhd->dynamic, err);
	if (rc == 0)
		warn_send(params->warn, params->warn_ctx, "%s; that is passed over", why.message);
	return rc;
}

static int open_dynamic(struct vhd_disk *vhd, struct tranship_file *file,
			const struct open_params *params, struct tranship_error *err)
{
	const struct vhd_dynamic *d = &vhd->dynamic;
	uint64_t size = tranship_file_size(file);
	int rc = read_header(vhd, file, params, err);

	if (rc)
		return rc;
	if (!range_ok(d->table_offset, (uint64_t)d->max_entries * 4, size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: the BAT, %" PRIu32 " entries at %" PRIu64
				 ", passes the end of the file (%" PRIu64 " bytes)",
				 d->max_entries, d->table_offset, size);
	if (div_up(vhd->disk.size, d->block_size) > d->max_entries)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vhd: a BAT of %" PRIu32 " entries is too short for %" PRIu64
				 " bytes in blocks of %" PRIu32,
				 d->max_entries, vhd->disk.size, d->block_size);
	vhd->bitmap_size = vhd_bitmap_size(d->block_size);
	vhd->disk.cluster_size = d->block_size;
	if (!vhd->head_ok)
		warn_send(params->warn, params->warn_ctx,
			  "vhd: the copy of the footer at the beginning is damaged");
	if (vhd->footer.type == VHD_DIFFERENCING)
		rc = vhd_parent_read(vhd, file, params, err);
	return rc ? rc
		  : table_cache_new(file, resolver_table_memory(params->resolver), &vhd->cache,
				    err);
}

/* For probing: what is known before anything is refused. */
static int report(const struct vhd_disk *vhd, const struct open_params *params,
		  struct tranship_error *err)
{
	report_kind(params->report, vhd_subformat(vhd));
	report_size(params->report, vhd->disk.size);
	if (vhd->footer.type == VHD_DIFFERENCING)
		report_parent(params->report, NULL);
	if (vhd->footer.saved_state)
		report_unclean(params->report);
	return vhd->footer.type == VHD_FIXED
		       ? report_note(params->report,
				     "vhd: only its last sector says that it is a VHD, which the "
				     "guest of a raw disk could have written",
				     err)
		       : 0;
}

int vhd_open(struct tranship_file *file, const struct open_params *params,
	     struct tranship_disk **out, struct tranship_error *err)
{
	bool chs = strcmp(options_text(params->options, "force_size_calc", "current_size"),
			  "chs") == 0;
	struct vhd_disk *vhd = calloc(1, sizeof(*vhd));
	bool fixed;
	int rc;

	if (!vhd)
		return error_nomem(err, sizeof(*vhd));
	rc = read_footers(vhd, file, params, err);
	if (rc) {
		free(vhd);
		return rc;
	}
	fixed = vhd->footer.type == VHD_FIXED;
	disk_init(&vhd->disk, fixed ? &vhd_fixed_ops : &vhd_dynamic_ops, "vpc");
	vhd->disk.salvage = params->flags & TRANSHIP_OPEN_SALVAGE;
	vhd->disk.size = chs ? vhd_geometry_size(&vhd->footer) : vhd->footer.current_size;
	guid_text_be(&vhd->footer.id, vhd->disk.identity);
	rc = report(vhd, params, err);
	if (rc == 0 && fixed)
		rc = check_fixed(vhd, file, params->flags & TRANSHIP_OPEN_FORCE_CHECKSUM, err);
	else if (rc == 0)
		rc = open_dynamic(vhd, file, params, err);
	if (rc == 0 && fixed && vhd->disk.size > vhd->footer.current_size)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "vhd: the geometry stands for %" PRIu64
			       " bytes, the disk has %" PRIu64,
			       vhd->disk.size, vhd->footer.current_size);
	if (rc == 0)
		rc = disk_add_file(&vhd->disk, file, params->name, NULL, err);
	if (rc) {
		table_cache_free(vhd->cache);
		disk_fini(&vhd->disk);
		free(vhd);
		return rc;
	}
	vhd->file = file;
	*out = &vhd->disk;
	return 0;
}
