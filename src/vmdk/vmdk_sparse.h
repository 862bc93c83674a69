/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sparse extent that is read, of any kind: its grain directory, its grain tables, its grains. The
 * kinds differ in their headers and in what an entry looks like; all else is the same.
 */
#ifndef VMDK_VMDK_SPARSE_H
#define VMDK_VMDK_SPARSE_H

#include "base/checked.h"
#include "io/table_cache.h"
#include "tranship/disk.h"
#include "vmdk/vmdk_cowd_ondisk.h"
#include "vmdk/vmdk_ondisk.h"

struct inflater;

enum vmdk_sparse_kind { VMDK_HOSTED, VMDK_COWD, VMDK_SESPARSE };

struct vmdk_sparse {
	enum vmdk_sparse_kind kind;
	struct tranship_file *file; /* borrowed */
	struct table_cache *cache;
	/* With the grain directory's real place. What COWD and seSparse say is put in the words of
	   a hosted sparse header; flags and redundant directory they have none. */
	struct vmdk_header header;
	uint64_t size;       /* bytes of the disk that it holds */
	uint32_t grain_size; /* bytes */
	uint64_t grains;
	bool by_redundant; /* the directory is lost, the header names its copy */
	bool copies;       /* the redundant directory and its tables are asked for what the primary
			      ones cannot mean */
	bool gd_unsound;   /* a directory has entries that cannot be: nothing is written into it */
	bool rgd_unsound;
	int unread;          /* why the directories could not be compared; 0: they were */
	uint64_t by_copy;    /* tables that only the redundant directory names */
	unsigned bad_tables; /* of those that were looked at: some entries cannot be, and are the
				copy's if that has others */
	uint64_t
		tables; /* seSparse: where tables and grains begin, in sectors; they are numbered */
	uint64_t data;
	uint64_t free_sector; /* COWD: nothing is from here on */
	bool salvage;         /* grains that are not all there are read as far as they go */
	unsigned changed;     /* how often tables were changed since the last apply */
};

/* What a reading thread keeps. */
struct vmdk_scratch {
	struct inflater *inflater;
	unsigned char *packed; /* the file's bytes of a run of packed grains */
	size_t packed_cap;
	unsigned char *grain; /* one grain unpacked, for reads of a part of it */
	size_t grain_cap;
	const struct vmdk_sparse *held; /* which grain that is; NULL: none */
	uint64_t held_index;
};

/* Reads and checks the header (the footer, where the header says so). `cache_memory` as for
 * table_cache_new. */
int vmdk_sparse_open(struct vmdk_sparse *s, struct tranship_file *file, size_t cache_memory,
		     struct tranship_error *err);
void vmdk_sparse_close(struct vmdk_sparse *s);

/*
 * Reads the header of the other kinds and fills in s->header and the rest but the sizes that follow
 * from it (vmdk_vmfs.c).
 */
int vmdk_cowd_open(struct vmdk_sparse *s, struct tranship_error *err);
int vmdk_sesparse_open(struct vmdk_sparse *s, struct tranship_error *err);

/* The directory or a table entry names no place that can be; it is a sector past any file's end. */
#define VMDK_NOWHERE VMDK_FILE_SECTORS_MAX

/* The sector of grain table `gt`, as the copy has it where the directory cannot be right; 0: there
 * is none; VMDK_NOWHERE. */
int vmdk_sparse_table(struct vmdk_sparse *s, uint64_t gt, uint64_t *sector,
		      struct tranship_error *err);

/* The same of tables [first, first + count), as the directory at sector `gd` says, which is the
 * extent's own or a copy of it. */
int vmdk_sparse_tables(struct vmdk_sparse *s, uint64_t gd, uint64_t first, size_t count,
		       uint64_t *sectors, struct tranship_error *err);

/*
 * Copies the grain table entries of grains [first, first + count); all exist. An entry is the
 * grain's sector, VMDK_GTE_ABSENT, VMDK_GTE_ZERO or VMDK_NOWHERE.
 */
int vmdk_sparse_entries(struct vmdk_sparse *s, uint64_t first, size_t count, uint64_t *entries,
			struct tranship_error *err);

/* The same for as many of *count as can be read, at least the first one. */
int vmdk_sparse_entries_some(struct vmdk_sparse *s, uint64_t first, size_t *count,
			     uint64_t *entries, struct tranship_error *err);

/* Copies entries [first, first + count) of the table at sector `table`, which lies in the file. */
int vmdk_sparse_table_entries(struct vmdk_sparse *s, uint64_t table, uint64_t first, size_t count,
			      uint64_t *entries, struct tranship_error *err);

/* Bytes of one entry, of one table, of the whole directory; sectors of the header. */
static inline uint32_t vmdk_entry_size(const struct vmdk_sparse *s)
{
	return s->kind == VMDK_SESPARSE ? 8 : 4;
}

static inline uint64_t vmdk_table_size(const struct vmdk_sparse *s)
{
	return (uint64_t)s->header.gtes_per_gt * vmdk_entry_size(s);
}

static inline uint64_t vmdk_directory_size(const struct vmdk_sparse *s)
{
	return vmdk_gd_entries(&s->header) * vmdk_entry_size(s);
}

static inline uint64_t vmdk_header_sectors(const struct vmdk_sparse *s)
{
	return s->kind == VMDK_COWD ? VMDK_COWD_HEADER_SECTORS : 1;
}

/* Whether a table, its entries or a copy's, can stand at that sector. */
static inline bool vmdk_table_fits(const struct vmdk_sparse *s, uint64_t sector)
{
	return range_ok(sector * VMDK_SECTOR, vmdk_table_size(s), tranship_file_size(s->file));
}

/* Whether the header promises a redundant directory that a repair can use. */
static inline bool vmdk_wants_redundant(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_REDUNDANT_GD &&
	       !(s->header.flags & VMDK_FLAG_COMPRESSED);
}

/* Whether there is a redundant directory, beside the one that is used, where nothing else is known
 * to stand. */
bool vmdk_has_redundant(const struct vmdk_sparse *s);

/* Chooses between the two directories; the one that is used lies in the file (vmdk_directory.c). */
int vmdk_directory_choose(struct vmdk_sparse *s, struct tranship_error *err);

/* Whether a table can stand at that sector: in the file, beside all that stands once. */
bool vmdk_gde_fits(const struct vmdk_sparse *s, uint64_t sector);

/* Whether a plain grain's entry can be one: absent, zeros, or a grain inside the file. */
static inline bool vmdk_gte_fits(const struct vmdk_sparse *s, uint64_t index, uint64_t entry)
{
	uint64_t len = min_u64(s->grain_size, s->size - index * s->grain_size);

	return entry <= VMDK_GTE_ZERO ||
	       (entry >= s->header.overhead &&
		range_ok(entry * VMDK_SECTOR, len, tranship_file_size(s->file)));
}

/* Where the primary says what cannot be, and the copy does not: what the copy says. `sector` is
 * that of table gt; `entries` are those of grains [first, first + count), all of the table at
 * `table`. */
int vmdk_directory_patch(struct vmdk_sparse *s, uint64_t gt, uint64_t *sector,
			 struct tranship_error *err);
int vmdk_entries_patch(struct vmdk_sparse *s, uint64_t table, uint64_t first, size_t count,
		       uint64_t *entries, struct tranship_error *err);

/* As in a disk; offsets are the extent's own. */
int vmdk_sparse_map(struct vmdk_sparse *s, uint64_t off, struct tranship_extent *out,
		    struct tranship_error *err);
int vmdk_sparse_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off, void *buf,
		     size_t len, struct tranship_error *err);

void vmdk_scratch_free(void *scratch);

/*
 * Unpacks one stored grain (vmdk_grain.c). `stored` begins with the grain's marker; `need` bytes go
 * to out, which holds cap. `index` is the grain's number.
 */
int vmdk_grain_unpack(const struct vmdk_sparse *s, struct vmdk_scratch *scratch,
		      const unsigned char *stored, size_t stored_len, uint64_t index,
		      unsigned char *out, size_t cap, size_t need, struct tranship_error *err);

/*
 * Cuts a stretch of plain grains, which begin in the file, before the first one that the file does
 * not have; the first one is whole. For salvage it ends with the file's last sector, and what is
 * behind that is lost, with this error (vmdk_cut.c).
 */
void vmdk_cut_to_file(const struct vmdk_sparse *s, uint64_t off, struct tranship_extent *out);
int vmdk_cut_error(const struct vmdk_sparse *s, uint64_t off, struct tranship_error *err);

/* Reads [off, off + len) of a compressed extent (vmdk_grain.c). */
int vmdk_grain_read(struct vmdk_sparse *s, struct vmdk_scratch *scratch, uint64_t off,
		    unsigned char *buf, size_t len, struct tranship_error *err);

/* The size of a grain's marker, and the most bytes that marker and packed grain take. */
static inline size_t vmdk_grain_head(const struct vmdk_sparse *s)
{
	return s->header.flags & VMDK_FLAG_MARKERS ? VMDK_GRAIN_MARKER_SIZE : VMDK_GRAIN_SIZE_ONLY;
}
size_t vmdk_grain_stored_max(const struct vmdk_sparse *s);

#endif
