// SPDX-License-Identifier: Apache-2.0
#include "vmdk/vmdk_sesparse_ondisk.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "vmdk/vmdk_ondisk.h"

#include <inttypes.h>
#include <string.h>

enum {
	OFF_MAGIC = 0,
	OFF_VERSION = 8,
	OFF_CAPACITY = 16,
	OFF_GRAIN_SIZE = 24,
	OFF_GRAIN_TABLE_SIZE = 32,
	OFF_FLAGS = 40,
	OFF_RESERVED = 48, /* four of them */
	OFF_PARTS = 80,    /* offset and size of each */

	OFF_REPLAY_JOURNAL = 24, /* in the volatile header */
};

#define VERSION_2_1 0x0000000200000001U
#define MAGIC_VOLATILE 0xCAFECAFEU

/* The upper half of a directory entry with a table, the topmost digit of a table's entry. */
#define GDE_TABLE ((uint64_t)0x10000000)
#define GTE_KIND_SHIFT 60

/* Values that were never seen may mean anything: without a specification they are refused. */
static int check_known(const unsigned char *raw, struct tranship_error *err)
{
	static const struct {
		const char *name;
		size_t off;
		uint64_t known;
	} fields[] = {
		{ "version", OFF_VERSION, VERSION_2_1 },
		{ "grain size", OFF_GRAIN_SIZE, VMDK_SESPARSE_GRAIN_SECTORS },
		{ "grain table size", OFF_GRAIN_TABLE_SIZE, VMDK_SESPARSE_GT_SECTORS },
		{ "flags", OFF_FLAGS, 0 },
		{ "reserved field 1", OFF_RESERVED, 0 },
		{ "reserved field 2", OFF_RESERVED + 8, 0 },
		{ "reserved field 3", OFF_RESERVED + 16, 0 },
		{ "reserved field 4", OFF_RESERVED + 24, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (get_le64(raw + fields[i].off) != fields[i].known)
			return error_set(
				err, TRANSHIP_EUNSUPPORTED,
				"vmdk: seSparse %s 0x%" PRIx64 "; only 0x%" PRIx64 " is known",
				fields[i].name, get_le64(raw + fields[i].off), fields[i].known);
	return 0;
}

static int check_fields(const struct vmdk_sesparse_header *h, struct tranship_error *err)
{
	const struct vmdk_sesparse_part *gd = &h->parts[VMDK_SESPARSE_GRAIN_DIRECTORY];
	uint64_t grains = div_up(h->capacity, VMDK_SESPARSE_GRAIN_SECTORS);
	uint64_t tables = div_up(grains, VMDK_SESPARSE_GTES_PER_GT);
	size_t i;

	if (h->capacity > VMDK_CAPACITY_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "vmdk: capacity of %" PRIu64 " sectors, more than %" PRIu64,
				 h->capacity, VMDK_CAPACITY_MAX);
	for (i = 0; i < VMDK_SESPARSE_PARTS; i++)
		if (h->parts[i].offset > VMDK_FILE_SECTORS_MAX ||
		    h->parts[i].size > VMDK_FILE_SECTORS_MAX)
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vmdk: part %zu of the seSparse extent, %" PRIu64
					 " sectors at %" PRIu64 ", is larger than any file",
					 i + 1, h->parts[i].size, h->parts[i].offset);
	if (gd->size < div_up(tables * 8, VMDK_SECTOR))
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: a grain directory of %" PRIu64
				 " sectors, too few for %" PRIu64 " tables",
				 gd->size, tables);
	for (i = 0; i < VMDK_SESPARSE_PARTS; i++)
		if (h->parts[i].offset == 0 &&
		    (i == VMDK_SESPARSE_VOLATILE_HEADER || i == VMDK_SESPARSE_GRAIN_DIRECTORY ||
		     i == VMDK_SESPARSE_GRAIN_TABLES || i == VMDK_SESPARSE_GRAINS))
			return error_set(err, TRANSHIP_ECORRUPT,
					 "vmdk: part %zu of the seSparse extent lies in its header",
					 i + 1);
	return 0;
}

int vmdk_sesparse_decode(const unsigned char raw[VMDK_SESPARSE_HEADER_SIZE],
			 struct vmdk_sesparse_header *out, struct tranship_error *err)
{
	struct vmdk_sesparse_header h;
	size_t i;
	int rc;

	if (get_le64(raw + OFF_MAGIC) != VMDK_MAGIC_SESPARSE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: no seSparse header, it begins 0x%016" PRIx64,
				 get_le64(raw + OFF_MAGIC));
	h.capacity = get_le64(raw + OFF_CAPACITY);
	for (i = 0; i < VMDK_SESPARSE_PARTS; i++) {
		h.parts[i].offset = get_le64(raw + OFF_PARTS + 16 * i);
		h.parts[i].size = get_le64(raw + OFF_PARTS + 16 * i + 8);
	}
	rc = check_known(raw, err);
	if (rc == 0)
		rc = check_fields(&h, err);
	if (rc == 0)
		*out = h;
	return rc;
}

void vmdk_sesparse_encode(const struct vmdk_sesparse_header *h,
			  unsigned char raw[VMDK_SESPARSE_HEADER_SIZE])
{
	size_t i;

	memset(raw, 0, VMDK_SESPARSE_HEADER_SIZE);
	put_le64(raw + OFF_MAGIC, VMDK_MAGIC_SESPARSE);
	put_le64(raw + OFF_VERSION, VERSION_2_1);
	put_le64(raw + OFF_CAPACITY, h->capacity);
	put_le64(raw + OFF_GRAIN_SIZE, VMDK_SESPARSE_GRAIN_SECTORS);
	put_le64(raw + OFF_GRAIN_TABLE_SIZE, VMDK_SESPARSE_GT_SECTORS);
	for (i = 0; i < VMDK_SESPARSE_PARTS; i++) {
		put_le64(raw + OFF_PARTS + 16 * i, h->parts[i].offset);
		put_le64(raw + OFF_PARTS + 16 * i + 8, h->parts[i].size);
	}
}

int vmdk_sesparse_volatile_decode(const unsigned char raw[VMDK_SESPARSE_HEADER_SIZE], bool *replay,
				  struct tranship_error *err)
{
	if (get_le64(raw + OFF_MAGIC) != MAGIC_VOLATILE)
		return error_set(err, TRANSHIP_ECORRUPT,
				 "vmdk: no volatile header of an seSparse extent, it begins "
				 "0x%016" PRIx64,
				 get_le64(raw + OFF_MAGIC));
	*replay = get_le64(raw + OFF_REPLAY_JOURNAL) != 0;
	return 0;
}

void vmdk_sesparse_volatile_encode(bool replay, unsigned char raw[VMDK_SESPARSE_HEADER_SIZE])
{
	memset(raw, 0, VMDK_SESPARSE_HEADER_SIZE);
	put_le64(raw + OFF_MAGIC, MAGIC_VOLATILE);
	put_le64(raw + OFF_REPLAY_JOURNAL, replay);
}

bool vmdk_sesparse_gde_decode(uint64_t raw, uint32_t *table)
{
	*table = (uint32_t)raw;
	return raw >> 32 == GDE_TABLE;
}

uint64_t vmdk_sesparse_gde_encode(uint32_t table)
{
	return GDE_TABLE << 32 | table;
}

/* The grain's number is turned: its lowest 12 bits stand above the other 48. */
bool vmdk_sesparse_gte_decode(uint64_t raw, enum vmdk_sesparse_grain *kind, uint64_t *grain)
{
	uint64_t digit = raw >> GTE_KIND_SHIFT;

	*grain = (raw >> 48 & 0xFFF) | (raw & 0xFFFFFFFFFFFF) << 12;
	if (digit > VMDK_SESPARSE_ALLOCATED || (digit == VMDK_SESPARSE_ABSENT && raw != 0))
		return false;
	*kind = (enum vmdk_sesparse_grain)digit;
	return true;
}

uint64_t vmdk_sesparse_gte_encode(enum vmdk_sesparse_grain kind, uint64_t grain)
{
	return (uint64_t)kind << GTE_KIND_SHIFT | (grain & 0xFFF) << 48 | grain >> 12;
}
