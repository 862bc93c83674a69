/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NTFS structures between bytes and native structs. There is no specification in public: the layout
 * is that of the "NTFS Documentation" of the Linux-NTFS project (R. Russon, Y. Fledel), which the
 * offsets are named after, and of Microsoft's "Master File Table" reference for the structures
 * there. Only decoding stands here: nothing reads.
 */
#ifndef MBR_GPT_NTFS_ONDISK_H
#define MBR_GPT_NTFS_ONDISK_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NTFS_BOOT_SIZE = 512,
	NTFS_STRIDE = 512, /* bytes that one fixup guards, and the unit of VCNs of small index
			      blocks; whatever the sector size is */
	NTFS_CLUSTER_MIN = 512,
	NTFS_CLUSTER_MAX = 2 << 20,
	NTFS_RECORD_MIN = 1024,
	NTFS_RECORD_MAX = 4096,
	NTFS_BLOCK_MIN = 512,
	NTFS_BLOCK_MAX = 65536,
	NTFS_NAME_UNITS = 255, /* of UTF-16 */
	NTFS_NAME_TEXT = NTFS_NAME_UNITS * 3 + 1,
	/* What Windows lets an attribute list grow to. */
	NTFS_ATTRIBUTE_LIST_MAX = 256 << 10,
	/* 24 MiB of memory; a full attribute list can name hardly more. */
	NTFS_RUNS_MAX = 1 << 20,
	NTFS_COMPRESSION_LZNT1 = 1,
	NTFS_COMPRESSION_UNIT = 4, /* log2 of clusters: the only one that is in use */
	NTFS_COMPRESSED_CLUSTER_MAX = 4096,
};

enum ntfs_record_number {
	NTFS_RECORD_MFT = 0,
	NTFS_RECORD_VOLUME = 3,
	NTFS_RECORD_ROOT = 5,
	NTFS_RECORD_UPCASE = 10,
};

enum ntfs_attribute_type {
	NTFS_ATTRIBUTE_LIST = 0x20,
	NTFS_FILE_NAME = 0x30,
	NTFS_VOLUME_NAME = 0x60,
	NTFS_VOLUME_INFORMATION = 0x70,
	NTFS_DATA = 0x80,
	NTFS_INDEX_ROOT = 0x90,
	NTFS_INDEX_ALLOCATION = 0xA0,
	NTFS_BITMAP = 0xB0,
	NTFS_REPARSE_POINT = 0xC0,
};

/* The boot sector. */
struct ntfs_geometry {
	uint32_t sector_size, cluster_size, record_size, block_size; /* bytes */
	uint64_t clusters;
	uint64_t mft_lcn;
	uint64_t serial;
};
/* volume_len: bytes. TRANSHIP_EUNSUPPORTED: BitLocker. */
int ntfs_boot_decode(const unsigned char raw[NTFS_BOOT_SIZE], uint64_t volume_len,
		     struct ntfs_geometry *out, struct tranship_error *err);

/* A reference to a file record: its number, and its sequence number above (0: whichever). */
static inline uint64_t ntfs_reference_number(uint64_t reference)
{
	return reference & (((uint64_t)1 << 48) - 1);
}
static inline uint16_t ntfs_reference_sequence(uint64_t reference)
{
	return (uint16_t)(reference >> 48);
}

/*
 * Checks the signature (4 letters) and puts back what the update sequence array holds: the last two
 * bytes of each stride. `what` and `number` are for messages ("file record", 5).
 */
int ntfs_fixup(unsigned char *raw, size_t size, const char *signature, const char *what,
	       uint64_t number, struct tranship_error *err);

/* A file record, fixups undone. */
struct ntfs_record {
	uint64_t number;
	uint64_t base; /* a reference; 0: it is a base record itself */
	uint16_t sequence;
	bool in_use, directory;
	uint32_t attributes_off, used; /* within raw */
	unsigned char raw[NTFS_RECORD_MAX];
};
/* raw and number were set; size: of records here. */
int ntfs_record_decode(struct ntfs_record *record, uint32_t size, struct tranship_error *err);

struct ntfs_attribute {
	uint32_t type;
	uint16_t instance;
	unsigned compression; /* a method; 0: none */
	bool encrypted;
	const unsigned char *name; /* UTF-16 */
	unsigned name_units;
	bool resident;
	const unsigned char *value; /* resident */
	uint32_t value_len;
	uint64_t lowest_vcn, next_vcn; /* else: of this extent */
	const unsigned char *runs;
	uint32_t runs_len;
	unsigned compression_unit;  /* only where lowest_vcn is 0, as what follows */
	uint64_t size, initialised; /* bytes */
};
/* Whether the attribute is of this type and has this name, of ASCII ("" for none). */
bool ntfs_attribute_is(const struct ntfs_attribute *a, uint32_t type, const char *name);

/* The attribute at *at (0: the first one), which goes on behind it. 1, or 0: there are no more. It
 * points into the record. */
int ntfs_attribute_next(const struct ntfs_record *record, uint32_t *at, struct ntfs_attribute *out,
			struct tranship_error *err);

/* An entry of an attribute list: where the attribute, or an extent of it, stands. */
struct ntfs_list_entry {
	uint32_t type;
	uint16_t instance;
	const unsigned char *name;
	unsigned name_units;
	uint64_t lowest_vcn;
	uint64_t reference;
};
/* As ntfs_attribute_next. `number`: the record whose list it is, for messages. */
int ntfs_list_entry_next(const unsigned char *list, uint32_t len, uint64_t number, uint32_t *at,
			 struct ntfs_list_entry *out, struct tranship_error *err);

/* `count` clusters of a file from vcn on stand at lcn of the volume. */
#define NTFS_HOLE UINT64_MAX
struct ntfs_run {
	uint64_t vcn, lcn, count;
};
/* Ascending by vcn, from 0 to next_vcn, without gaps. */
struct ntfs_runs {
	struct ntfs_run *at;
	uint32_t count, cap;
	uint64_t next_vcn;
};
/* Adds the extent's runs, which must go on at next_vcn. `number` as above. */
int ntfs_runs_append(struct ntfs_runs *runs, const struct ntfs_attribute *a,
		     const struct ntfs_geometry *g, uint64_t number, struct tranship_error *err);
/* The run that has vcn; NULL past the end. */
const struct ntfs_run *ntfs_runs_find(const struct ntfs_runs *runs, uint64_t vcn);
void ntfs_runs_free(struct ntfs_runs *runs);

/* What stands before the entries of an index root, and the head of an index block. */
enum { NTFS_INDEX_ROOT_HEAD = 16, NTFS_INDEX_BLOCK_HEAD = 24, NTFS_INDEX_HEADER = 16 };

/* The entries of one node of an index. */
struct ntfs_entries {
	const unsigned char *bytes; /* from the node's header on */
	uint32_t at, end;
	uint64_t directory; /* number of its record, for messages */
};
/* header: the node's, `len` bytes to the end of what holds it. */
int ntfs_entries_decode(const unsigned char *header, size_t len, uint64_t directory,
			struct ntfs_entries *out, struct tranship_error *err);

enum { NTFS_NAMESPACE_DOS = 2 };
struct ntfs_entry {
	bool last;      /* it has no name: greater than all of the node */
	bool has_child; /* a node of what is less, and greater than the one before */
	uint64_t child_vcn;
	uint64_t reference;
	const unsigned char *name; /* UTF-16 */
	unsigned name_units;
	unsigned name_space;
	bool directory;
};
/* Of an index of file names: the next entry. A node without a last one is TRANSHIP_ECORRUPT; do not
 * go on behind it. */
int ntfs_entry_next(struct ntfs_entries *entries, struct ntfs_entry *out,
		    struct tranship_error *err);

#endif
