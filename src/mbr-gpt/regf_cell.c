// SPDX-License-Identifier: Apache-2.0
/*
 * The header of a hive, its bins and cells. A look-up does not walk the bins, since a SYSTEM hive
 * has thousands of them: it looks back from the cell for the header that says that it stands there.
 */
#include "mbr-gpt/regf_inside.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define HIVE_MAX (UINT64_C(2) << 30)
#define BLOCK 0x1000U
/* Bins have as many blocks as their largest cell needs; this is 16 MiB. */
#define BIN_BLOCKS_MAX 4096U

enum {
	OFF_SEQUENCE1 = 4,
	OFF_SEQUENCE2 = 8,
	OFF_MAJOR = 20,
	OFF_MINOR = 24,
	OFF_TYPE = 28,
	OFF_FORMAT = 32,
	OFF_ROOT = 36,
	OFF_BINS_SIZE = 40,
	OFF_CHECKSUM = 508,
	HEADER_USED = 512,
	MINOR_MIN = 3,
	MINOR_MAX = 6,

	BIN_OFF_OFFSET = 4,
	BIN_OFF_SIZE = 8,
};

static int memory_read(void *ctx, uint64_t off, void *buf, size_t len, struct tranship_error *err)
{
	const struct regf_memory *memory = ctx;

	(void)err;
	memcpy(buf, memory->bytes + off, len);
	return 0;
}

static int memory_write(void *ctx, uint64_t off, const void *buf, size_t len,
			struct tranship_error *err)
{
	struct regf_memory *memory = ctx;

	(void)err;
	memcpy(memory->bytes + off, buf, len);
	return 0;
}

struct regf_store regf_store_memory(struct regf_memory *memory)
{
	return (struct regf_store){ memory->size, memory, memory_read, memory_write };
}

static uint32_t checksum(const unsigned char *raw)
{
	uint32_t sum = 0, i;

	for (i = 0; i < OFF_CHECKSUM; i += 4)
		sum ^= get_le32(raw + i);
	return sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum;
}

static int check_version(const unsigned char *raw, struct tranship_error *err)
{
	uint32_t major = get_le32(raw + OFF_MAJOR), minor = get_le32(raw + OFF_MINOR);

	if (major != 1 || minor < MINOR_MIN || minor > MINOR_MAX)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "regf: the hive has the version %" PRIu32 ".%" PRIu32
				 "; 1.3 to 1.6 can be read",
				 major, minor);
	if (get_le32(raw + OFF_TYPE) != 0 || get_le32(raw + OFF_FORMAT) != 1)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "regf: the file has the type %" PRIu32 " and the format %" PRIu32
				 ", not 0 and 1: it is no primary hive",
				 get_le32(raw + OFF_TYPE), get_le32(raw + OFF_FORMAT));
	return 0;
}

static int check_header(const unsigned char *raw, uint64_t size, struct tranship_error *err)
{
	uint32_t sum = get_le32(raw + OFF_CHECKSUM), bins = get_le32(raw + OFF_BINS_SIZE);
	int rc;

	if (memcmp(raw, "regf", 4) != 0)
		return error_set(err, TRANSHIP_ECORRUPT, "regf: the file is no registry hive");
	rc = check_version(raw, err);
	if (rc)
		return rc;
	if (sum != checksum(raw))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the header's checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32,
				 checksum(raw), sum);
	if (bins == 0 || bins % BLOCK != 0 || !range_ok(REGF_HEADER, bins, size))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the hive has %" PRIu32
				 " bytes of bins, the file has %" PRIu64 " with its header",
				 bins, size);
	return 0;
}

int regf_open(const struct regf_store *store, struct regf *out, struct tranship_error *err)
{
	unsigned char raw[HEADER_USED];
	struct regf hive = { .store = *store };
	struct regf_key root;
	int rc;

	if (store->size < REGF_HEADER + BLOCK)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: the file has %" PRIu64 " bytes, a hive has at least %u",
				 store->size, REGF_HEADER + BLOCK);
	hive.store.size = min_u64(store->size, HIVE_MAX);
	rc = store->read(store->ctx, 0, raw, sizeof(raw), err);
	if (rc == 0)
		rc = check_header(raw, hive.store.size, err);
	if (rc)
		return rc;
	hive.root = get_le32(raw + OFF_ROOT);
	hive.bins_size = get_le32(raw + OFF_BINS_SIZE);
	hive.minor = get_le32(raw + OFF_MINOR);
	hive.dirty = get_le32(raw + OFF_SEQUENCE1) != get_le32(raw + OFF_SEQUENCE2);
	rc = regf_root(&hive, &root, err);
	if (rc == 0)
		*out = hive;
	return rc;
}

int regf_set_clean(struct regf *hive, struct tranship_error *err)
{
	unsigned char raw[HEADER_USED];
	int rc;

	if (!hive->store.write)
		return error_set(err, TRANSHIP_EINVAL, "regf: the hive was opened for reading");
	rc = hive->store.read(hive->store.ctx, 0, raw, sizeof(raw), err);
	if (rc)
		return rc;
	put_le32(raw + OFF_SEQUENCE2, get_le32(raw + OFF_SEQUENCE1));
	put_le32(raw + OFF_CHECKSUM, checksum(raw));
	rc = hive->store.write(hive->store.ctx, 0, raw, sizeof(raw), err);
	if (rc == 0)
		hive->dirty = false;
	return rc;
}

static int store_read(struct regf *hive, uint32_t at, void *buf, size_t len,
		      struct tranship_error *err)
{
	return hive->store.read(hive->store.ctx, (uint64_t)REGF_HEADER + at, buf, len, err);
}

static int store_write(struct regf *hive, uint32_t at, const void *buf, size_t len,
		       struct tranship_error *err)
{
	if (!hive->store.write)
		return error_set(err, TRANSHIP_EINVAL, "regf: the hive was opened for reading");
	return hive->store.write(hive->store.ctx, (uint64_t)REGF_HEADER + at, buf, len, err);
}

/* *end is `at` where no bin starts. */
static int read_bin(struct regf *hive, uint32_t at, uint32_t *end, struct tranship_error *err)
{
	unsigned char raw[BIN_HEADER];
	uint32_t size;
	int rc = store_read(hive, at, raw, sizeof(raw), err);

	*end = at;
	if (rc || memcmp(raw, "hbin", 4) != 0 || get_le32(raw + BIN_OFF_OFFSET) != at)
		return rc;
	size = get_le32(raw + BIN_OFF_SIZE);
	if (size != 0 && size % BLOCK == 0 && range_ok(at, size, hive->bins_size))
		*end = at + size;
	return 0;
}

int regf_bin_read(struct regf *hive, uint32_t at, uint32_t *end, struct tranship_error *err)
{
	int rc = read_bin(hive, at, end, err);

	if (rc == 0 && *end == at)
		rc = error_set(err, TRANSHIP_ECORRUPT, "regf: no hive bin starts at 0x%" PRIx32,
			       at);
	return rc;
}

/* One cell or block more was looked at. */
static int spend(struct regf *hive, struct tranship_error *err)
{
	if (hive->work++ < REGF_WORK_MAX)
		return 0;
	hive->work = REGF_WORK_MAX;
	return error_set(err, TRANSHIP_ELIMIT,
			 "regf: the hive takes more than %u steps to look up what is asked",
			 REGF_WORK_MAX);
}

static int find_bin(struct regf *hive, uint32_t at, const char *what, struct tranship_error *err)
{
	uint32_t block = at - at % BLOCK, end, steps;
	int rc;

	if (at >= hive->bin && at < hive->bin_end)
		return 0;
	for (steps = 0; steps < BIN_BLOCKS_MAX; steps++) {
		rc = spend(hive, err);
		if (rc == 0)
			rc = read_bin(hive, block, &end, err);
		if (rc)
			return rc;
		if (at < end) {
			hive->bin = block;
			hive->bin_end = end;
			return 0;
		}
		if (end > block || block == 0)
			break;
		block -= BLOCK;
	}
	if (steps == BIN_BLOCKS_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "regf: %s at 0x%" PRIx32
				 " stands in a hive bin of more than %u bytes",
				 what, at, BIN_BLOCKS_MAX * BLOCK);
	return error_set(err, TRANSHIP_ECORRUPT, "regf: %s at 0x%" PRIx32 " stands in no hive bin",
			 what, at);
}

int regf_cell_open(struct regf *hive, uint32_t at, uint32_t need, const char *what,
		   struct regf_cell *out, struct tranship_error *err)
{
	unsigned char raw[4];
	uint32_t size;
	int rc;

	if (at >= hive->bins_size || at % 8 != 0)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: %s at 0x%" PRIx32
				 " is no cell of the hive, which has 0x%" PRIx32 " bytes of them",
				 what, at, hive->bins_size);
	rc = spend(hive, err);
	if (rc == 0)
		rc = find_bin(hive, at, what, err);
	if (rc == 0 && at - hive->bin < BIN_HEADER)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "regf: %s at 0x%" PRIx32 " stands in the header of a hive bin", what,
			       at);
	if (rc == 0)
		rc = store_read(hive, at, raw, sizeof(raw), err);
	if (rc)
		return rc;
	size = 0U - get_le32(raw); /* negative: it is in use */
	if (size > INT32_MAX || size % 8 != 0 || size == 0 || !range_ok(at, size, hive->bin_end))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: %s at 0x%" PRIx32 " has a cell of the size %" PRId32
				 ", which is free or passes its bin's end (0x%" PRIx32 ")",
				 what, at, (int32_t)get_le32(raw), hive->bin_end);
	if (size - 4 < need)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "regf: %s at 0x%" PRIx32 " has a cell of %" PRIu32
				 " bytes, and needs %" PRIu32,
				 what, at, size - 4, need);
	*out = (struct regf_cell){ at, size - 4 };
	return 0;
}

static int past_end(const struct regf_cell *cell, uint32_t off, size_t len,
		    struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT,
			 "regf: %zu bytes at %" PRIu32 " pass the end of the cell at 0x%" PRIx32
			 ", which has %" PRIu32,
			 len, off, cell->at, cell->len);
}

int regf_cell_read(struct regf *hive, const struct regf_cell *cell, uint32_t off, void *buf,
		   size_t len, struct tranship_error *err)
{
	if (!range_ok(off, len, cell->len))
		return past_end(cell, off, len, err);
	return store_read(hive, cell->at + 4 + off, buf, len, err);
}

int regf_cell_write(struct regf *hive, const struct regf_cell *cell, uint32_t off, const void *buf,
		    size_t len, struct tranship_error *err)
{
	if (!range_ok(off, len, cell->len))
		return past_end(cell, off, len, err);
	return len == 0 ? 0 : store_write(hive, cell->at + 4 + off, buf, len, err);
}

int regf_cell_write32(struct regf *hive, const struct regf_cell *cell, uint32_t off,
		      uint32_t number, struct tranship_error *err)
{
	unsigned char raw[4];

	put_le32(raw, number);
	return regf_cell_write(hive, cell, off, raw, sizeof(raw), err);
}

int regf_cell_free(struct regf *hive, uint32_t at, struct tranship_error *err)
{
	unsigned char raw[4];
	struct regf_cell cell;
	int rc = regf_cell_open(hive, at, 0, "a cell to free", &cell, err);

	if (rc)
		return rc;
	put_le32(raw, cell.len + 4);
	return store_write(hive, at, raw, sizeof(raw), err);
}

int regf_record(struct regf *hive, uint32_t at, const char *letters, uint32_t need,
		const char *what, struct regf_cell *cell, unsigned char *raw,
		struct tranship_error *err)
{
	int rc = regf_cell_open(hive, at, need, what, cell, err);

	if (rc == 0)
		rc = regf_cell_read(hive, cell, 0, raw, need, err);
	if (rc == 0 && memcmp(raw, letters, 2) != 0)
		rc = error_set(err, TRANSHIP_ECORRUPT,
			       "regf: %s at 0x%" PRIx32 " begins with 0x%02x%02x, not with '%s'",
			       what, at, raw[0], raw[1], letters);
	return rc;
}
