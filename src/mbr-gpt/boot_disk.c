// SPDX-License-Identifier: Apache-2.0
/* A disk with a plan's sectors over it: what is not replaced goes through as it is. */
#include "mbr-gpt/boot_plan.h"

#include "base/checked.h"
#include "base/error.h"
#include "core/disk.h"

#include <inttypes.h>
#include <stdlib.h>

struct boot_disk {
	struct tranship_disk disk;
	struct tranship_disk *source;
	struct patches patches;
};

static struct boot_disk *boot_disk_of(struct tranship_disk *disk)
{
	return (struct boot_disk *)disk;
}

/* The end of the run of replaced sectors that begins at index. */
static uint64_t run_end(const struct patches *p, size_t index)
{
	uint64_t next = p->at[index].sector + 1;

	while (++index < p->count && p->at[index].sector == next)
		next++;
	return next * p->sector_size;
}

static int boot_disk_map(struct tranship_disk *disk, uint64_t off, struct tranship_extent *out,
			 struct tranship_error *err)
{
	struct boot_disk *b = boot_disk_of(disk);
	const struct patches *p = &b->patches;
	size_t index = patches_find(p, off / p->sector_size);
	uint64_t start;
	int rc;

	if (index < p->count && p->at[index].sector == off / p->sector_size) {
		*out = (struct tranship_extent){ .off = off,
						 .len = run_end(p, index) - off,
						 .kind = TRANSHIP_DATA,
						 .file_off = TRANSHIP_NO_OFFSET };
		return 0;
	}
	rc = tranship_disk_map(b->source, off, out, err);
	if (rc || index == p->count)
		return rc;
	start = p->at[index].sector * p->sector_size;
	out->len = min_u64(out->len, start - off);
	return 0;
}

static int boot_disk_read(struct tranship_disk *disk, void *scratch, uint64_t off, void *buf,
			  size_t len, struct tranship_error *err)
{
	struct boot_disk *b = boot_disk_of(disk);
	int rc = tranship_disk_read(b->source, scratch, off, buf, len, err);

	if (rc == 0)
		patches_lay_over(&b->patches, off, buf, len);
	return rc;
}

static int boot_disk_scratch_new(struct tranship_disk *disk, void **out, struct tranship_error *err)
{
	struct tranship_scratch *scratch;
	int rc = tranship_scratch_new(boot_disk_of(disk)->source, &scratch, err);

	*out = scratch;
	return rc;
}

static void boot_disk_scratch_free(void *scratch)
{
	tranship_scratch_free(scratch);
}

static void boot_disk_cancel(struct tranship_disk *disk)
{
	disk_cancel(boot_disk_of(disk)->source);
}

static void boot_disk_close(struct tranship_disk *disk)
{
	struct boot_disk *b = boot_disk_of(disk);

	patches_free(&b->patches);
	tranship_disk_close(b->source);
	free(b);
}

static const struct disk_ops boot_disk_ops = {
	.map = boot_disk_map,
	.read = boot_disk_read,
	.scratch_new = boot_disk_scratch_new,
	.scratch_free = boot_disk_scratch_free,
	.cancel = boot_disk_cancel,
	.close = boot_disk_close,
};

/* Some of what the plan replaces was made of what stood beside it. */
static int check_files(const struct tranship_disk *disk, const struct tranship_boot_plan *plan,
		       struct tranship_error *err)
{
	char files[FILES_ID_TEXT];
	int rc = files_id(disk, files, err);

	if (rc == 0 && !boot_plan_fits(plan, files))
		rc = error_set(err, TRANSHIP_EBUSY,
			       "boot: the disk changed while it was planned for");
	return rc;
}

static int check_plan(const struct tranship_disk *disk, const struct tranship_boot_plan *plan,
		      struct tranship_error *err)
{
	if (plan->refusals.count > 0)
		return error_set(err, TRANSHIP_EINVAL, "boot: the plan is refused: %s",
				 plan->refusals.at[0]);
	if (plan->loaded)
		return error_set(err, TRANSHIP_EINVAL,
				 "boot: a plan that was read from a file has no bytes");
	if (plan->size != disk->size || plan->sector_size != disk->sector_size)
		return error_set(err, TRANSHIP_EINVAL,
				 "boot: the plan is of a disk of %" PRIu64
				 " bytes, this one has %" PRIu64,
				 plan->size, disk->size);
	if (disk->forward)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "boot: a disk that comes from a pipe cannot be converted");
	return 0;
}

int tranship_boot_open(struct tranship_disk *disk, const struct tranship_boot_plan *plan,
		       struct tranship_disk **out, struct tranship_error *err)
{
	struct boot_disk *b;
	uint32_t first;
	int rc;

	*out = NULL;
	rc = check_plan(disk, plan, err);
	if (rc == 0)
		rc = disk_require_complete(disk, err);
	if (rc == 0)
		rc = check_files(disk, plan, err);
	if (rc)
		return rc;
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_nomem(err, sizeof(*b));
	disk_init(&b->disk, &boot_disk_ops, disk->format);
	b->disk.size = disk->size;
	b->disk.sector_size = disk->sector_size;
	b->disk.cluster_size = disk->cluster_size;
	b->disk.allocated = disk->allocated;
	b->disk.salvage = disk->salvage;
	rc = disk_add_files_of(&b->disk, disk, &first, err);
	if (rc == 0)
		rc = patches_copy(&plan->patches, &b->patches, err);
	if (rc) {
		disk_fini(&b->disk);
		free(b);
		return rc;
	}
	b->source = disk;
	*out = &b->disk;
	return 0;
}
