// SPDX-License-Identifier: Apache-2.0
/* Two fingerprints side by side. Pages that neither has are passed over, so the time goes with what
 * is stored and not with the size of the disks. */
#include "delta/fingerprint_ondisk.h"

#include "base/checked.h"
#include "base/error.h"

#include <string.h>

#define ORIGIN "fingerprint"

static int check_lineage(const struct fingerprint_head *old, const struct fingerprint_head *target,
			 struct tranship_error *err)
{
	if (old->kind != target->kind)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "fingerprints: one is by %s, the other one by %s",
				 digest_kind_name(old->kind), digest_kind_name(target->kind));
	if (old->block_size != target->block_size)
		return error_set(err, TRANSHIP_EMISMATCH,
				 "fingerprints: one has blocks of %u bytes, the other one of %u",
				 (unsigned)old->block_size, (unsigned)target->block_size);
	if (memcmp(&old->seed, &target->seed, sizeof(old->seed)) != 0) {
		char a[20], b[20];

		digest_seed_name(&old->seed, a);
		digest_seed_name(&target->seed, b);
		return error_set(err, TRANSHIP_EMISMATCH,
				 "fingerprints: their secrets differ (%s, %s): only those of one "
				 "lineage can be compared",
				 a, b);
	}
	return 0;
}

/* Neighbouring blocks of one kind go into the set as one range. */
struct run {
	struct tranship_changes *set;
	uint64_t limit; /* the disk's end */
	uint64_t off, end;
	bool zero;
};

static int flush(struct run *run, struct tranship_error *err)
{
	uint64_t end = min_u64(run->end, run->limit);
	int rc = 0;

	if (run->off < end)
		rc = tranship_changes_add(run->set, run->off, end - run->off, run->zero, err);
	run->off = run->end = 0;
	return rc;
}

static int add(struct run *run, uint64_t off, uint64_t len, bool zero, struct tranship_error *err)
{
	int rc = 0;

	if (run->end != off || run->zero != zero || run->off == run->end) {
		rc = flush(run, err);
		run->off = off;
		run->zero = zero;
	}
	run->end = off + len;
	return rc;
}

/* The blocks from `block` to the end of its page. */
static int compare_page(struct tranship_fingerprint *old, struct tranship_fingerprint *target,
			uint64_t block, struct run *run, struct tranship_error *err)
{
	const struct fingerprint_head *head = fingerprint_head(target);
	const struct digester *digester = fingerprint_digester(target);
	uint32_t per_page = fingerprint_per_page(head);
	unsigned char a[FINGERPRINT_PAGE], b[FINGERPRINT_PAGE];
	size_t count = per_page - (size_t)(block % per_page), size = digester->size, i;
	int rc;

	/* Behind the end of either disk are zeros: nothing that `run` would keep. */
	count = (size_t)min_u64(count, fingerprint_blocks(head) - block);
	rc = fingerprint_read(old, block, count, a, err);
	if (rc == 0)
		rc = fingerprint_read(target, block, count, b, err);
	for (i = 0; i < count && rc == 0; i++)
		if (memcmp(a + i * size, b + i * size, size) != 0)
			rc = add(run, (block + i) * head->block_size, head->block_size,
				 digest_is_zero(digester, b + i * size), err);
	return rc;
}

static int compare_all(struct tranship_fingerprint *old, struct tranship_fingerprint *target,
		       struct run *run, struct tranship_error *err)
{
	const struct fingerprint_head *head = fingerprint_head(target);
	uint64_t blocks = fingerprint_blocks(head), block = 0;
	uint32_t per_page = fingerprint_per_page(head);

	for (;;) {
		uint64_t a, b;
		int rc = fingerprint_next(old, block, &a, err);

		if (rc == 0)
			rc = fingerprint_next(target, block, &b, err);
		if (rc)
			return rc;
		block = min_u64(a, b);
		if (block >= blocks)
			return flush(run, err);
		rc = compare_page(old, target, block, run, err);
		if (rc)
			return rc;
		block = (block / per_page + 1) * per_page;
	}
}

int tranship_fingerprint_compare(struct tranship_fingerprint *old,
				 struct tranship_fingerprint *target, struct tranship_changes **out,
				 struct tranship_error *err)
{
	const struct fingerprint_head *from = fingerprint_head(old), *to = fingerprint_head(target);
	struct run run = { .limit = to->size };
	int rc = check_lineage(from, to, err);

	*out = NULL;
	if (rc == 0)
		rc = tranship_changes_new(to->size, &run.set, err);
	if (rc == 0)
		rc = tranship_changes_set_origin(run.set, ORIGIN, err);
	if (rc == 0)
		rc = tranship_changes_set_ids(run.set, from->id, to->id, err);
	if (rc == 0)
		rc = compare_all(old, target, &run, err);
	if (rc) {
		tranship_changes_free(run.set);
		return rc;
	}
	*out = run.set;
	return 0;
}
