// SPDX-License-Identifier: Apache-2.0
/* From replaced sectors to a plan that can be told: extents, and what stands for all of it. */
#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "mbr-gpt/boot_plan.h"

#include <stdlib.h>
#include <string.h>

/* How many patches from index on are one extent. */
static size_t extent_at(const struct patches *p, size_t index)
{
	size_t n = 1, most = BOOT_EXTENT_MAX / p->sector_size;

	while (n < most && index + n < p->count &&
	       p->at[index + n].sector == p->at[index].sector + n &&
	       strcmp(p->at[index + n].reason, p->at[index].reason) == 0)
		n++;
	return n;
}

static int digest_extent(const struct patches *p, size_t index, size_t count, unsigned char out[32],
			 struct tranship_error *err)
{
	struct sha256 *sha;
	size_t i;
	int rc = sha256_new(&sha, err);

	for (i = 0; i < count && rc == 0; i++)
		rc = sha256_update(sha, p->at[index + i].bytes, p->sector_size, err);
	if (rc == 0)
		rc = sha256_final(sha, out, err);
	sha256_free(sha);
	return rc;
}

static int make_extents(struct tranship_boot_plan *plan, struct tranship_error *err)
{
	const struct patches *p = &plan->patches;
	size_t index, n;
	int rc = 0;

	plan->extents = calloc(p->count ? p->count : 1, sizeof(*plan->extents));
	if (!plan->extents)
		return error_nomem(err, p->count * sizeof(*plan->extents));
	for (index = 0; index < p->count && rc == 0; index += n) {
		struct tranship_boot_extent *e = &plan->extents[plan->extent_count++];

		n = extent_at(p, index);
		e->off = p->at[index].sector * p->sector_size;
		e->len = n * p->sector_size;
		e->reason = p->at[index].reason;
		rc = digest_extent(p, index, n, e->sha256, err);
	}
	return rc;
}

/* Over where what stands; reasons do not count. */
static int make_digest(struct tranship_boot_plan *plan, struct tranship_error *err)
{
	unsigned char head[16], digest[32];
	struct sha256 *sha;
	uint32_t i;
	int rc = sha256_new(&sha, err);

	for (i = 0; i < plan->extent_count && rc == 0; i++) {
		put_le64(head, plan->extents[i].off);
		put_le64(head + 8, plan->extents[i].len);
		rc = sha256_update(sha, head, sizeof(head), err);
		if (rc == 0)
			rc = sha256_update(sha, plan->extents[i].sha256, 32, err);
	}
	if (rc == 0)
		rc = sha256_final(sha, digest, err);
	sha256_free(sha);
	if (rc == 0)
		hex_text(digest, sizeof(digest), plan->digest);
	return rc;
}

int plan_finish(struct tranship_boot_plan *plan, struct tranship_disk *disk,
		struct tranship_error *err)
{
	int rc = patches_drop_equal(&plan->patches, disk, err);

	if (rc == 0)
		rc = make_extents(plan, err);
	if (rc == 0)
		rc = make_digest(plan, err);
	return rc;
}

bool boot_plan_fits(const struct tranship_boot_plan *plan, const char *files)
{
	return !*plan->files || strcmp(plan->files, files) == 0;
}

const char *tranship_boot_plan_refusal(const struct tranship_boot_plan *plan, uint32_t index)
{
	return index < plan->refusals.count ? plan->refusals.at[index] : NULL;
}

const char *tranship_boot_plan_note(const struct tranship_boot_plan *plan, uint32_t index)
{
	return index < plan->notes.count ? plan->notes.at[index] : NULL;
}

enum tranship_boot_target tranship_boot_plan_target(const struct tranship_boot_plan *plan)
{
	return plan->target;
}

enum tranship_boot_os tranship_boot_plan_os(const struct tranship_boot_plan *plan)
{
	return plan->os;
}

uint64_t tranship_boot_plan_size(const struct tranship_boot_plan *plan)
{
	return plan->size;
}

uint32_t tranship_boot_plan_count(const struct tranship_boot_plan *plan)
{
	return plan->extent_count;
}

int tranship_boot_plan_extent(const struct tranship_boot_plan *plan, uint32_t index,
			      struct tranship_boot_extent *out)
{
	if (index >= plan->extent_count)
		return TRANSHIP_EINVAL;
	*out = plan->extents[index];
	return 0;
}

const struct tranship_layout *tranship_boot_plan_layout(const struct tranship_boot_plan *plan)
{
	return plan->layout;
}

const char *tranship_boot_plan_digest(const struct tranship_boot_plan *plan)
{
	return plan->digest;
}

const char *boot_target_name(enum tranship_boot_target target)
{
	return target == TRANSHIP_BOOT_BIOS_MBR   ? "bios-mbr"
	       : target == TRANSHIP_BOOT_BIOS_GPT ? "bios-gpt"
						  : "";
}

const char *boot_os_name(enum tranship_boot_os os)
{
	return os == TRANSHIP_OS_WINDOWS ? "windows" : os == TRANSHIP_OS_LINUX ? "linux" : "";
}
