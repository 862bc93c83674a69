/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the NTFS reader share. A volume holds its geometry, the runs of its $MFT and
 * its $UpCase; everything else is read when it is asked for, through volume_read, and forgotten. A
 * file holds what its record says of its content, so that the record is not needed again.
 */
#ifndef MBR_GPT_NTFS_INSIDE_H
#define MBR_GPT_NTFS_INSIDE_H

#include "mbr-gpt/ntfs.h"
#include "mbr-gpt/ntfs_ondisk.h"

enum {
	NTFS_UPCASE_UNITS = 65536,
	NTFS_INDEX_DEPTH_MAX = 16, /* three levels hold millions of names */
	NTFS_INDEX_BLOCKS_MAX = 1 << 22,
};

/* A compression unit that was unpacked, the last one that was read. */
struct ntfs_unit {
	uint64_t number; /* UINT64_MAX: none */
	unsigned char *packed, *plain;
};

/* The content of an attribute. */
struct ntfs_stream {
	uint64_t record; /* for messages */
	uint32_t type;
	bool opened, resident, compressed, encrypted;
	uint64_t size, initialised; /* bytes; what lies behind the latter reads as zeros */
	unsigned char *value;       /* resident */
	struct ntfs_runs runs;      /* else */
	struct ntfs_unit unit;
};

struct ntfs {
	struct volume volume;
	struct ntfs_geometry g;
	struct ntfs_stream mft;
	uint16_t *upcase; /* NTFS_UPCASE_UNITS */
	bool dirty;
	char label[NTFS_NAME_TEXT];
};

/* A base record and its attribute list. */
struct ntfs_node {
	struct ntfs_record record;
	unsigned char *list; /* NULL: none, all attributes stand in the record */
	uint32_t list_len;
};

/* ntfs_stream.c. Reads within the size. */
int ntfs_stream_read(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t off, void *buf,
		     size_t len, struct tranship_error *err);
/* Adds an attribute, or the next extent of it. `number`: of the base record. */
int ntfs_stream_add(const struct ntfs *ntfs, struct ntfs_stream *s, const struct ntfs_attribute *a,
		    uint64_t number, struct tranship_error *err);
/* Checks what can be checked when all extents are there. */
int ntfs_stream_check(const struct ntfs *ntfs, const struct ntfs_stream *s,
		      struct tranship_error *err);
void ntfs_stream_close(struct ntfs_stream *s);

/* ntfs_unit.c. Reads within one compression unit of a compressed stream: len bytes at off of unit
 * `number`. */
int ntfs_unit_read(const struct ntfs *ntfs, struct ntfs_stream *s, uint64_t number, uint32_t off,
		   unsigned char *buf, size_t len, struct tranship_error *err);
uint32_t ntfs_unit_size(const struct ntfs *ntfs);

/* ntfs_record.c. Reads the record that a reference names; one that is not in use, or has another
 * sequence number, is TRANSHIP_ECORRUPT. */
int ntfs_record_read(struct ntfs *ntfs, uint64_t reference, struct ntfs_record *out,
		     struct tranship_error *err);
int ntfs_node_open(struct ntfs *ntfs, uint64_t reference, struct ntfs_node *out,
		   struct tranship_error *err);
void ntfs_node_close(struct ntfs_node *node);

/* ntfs_attribute_list.c. Loads a base record's list into node. */
int ntfs_attribute_list_load(const struct ntfs *ntfs, struct ntfs_node *node,
			     struct tranship_error *err);
/* Collects all extents of an attribute; out->opened says whether it is there. `out` must be closed
 * in any case. */
int ntfs_stream_open(struct ntfs *ntfs, const struct ntfs_node *node, uint32_t type,
		     const char *name, struct ntfs_stream *out, struct tranship_error *err);

/* ntfs_index.c: the index of a directory's names. */
struct ntfs_index {
	uint64_t directory; /* number of its record */
	struct ntfs_stream root, allocation, bitmap;
	uint32_t block_size, vcn_size; /* bytes */
};
int ntfs_index_open(struct ntfs *ntfs, const struct ntfs_node *node, struct ntfs_index *out,
		    struct tranship_error *err);
void ntfs_index_close(struct ntfs_index *index);
/* The entries of the root; they live as long as the index. */
int ntfs_index_root(const struct ntfs_index *index, struct ntfs_entries *out,
		    struct tranship_error *err);
/* The entries of the block at a VCN, read to `block` (block_size bytes). */
int ntfs_index_block(const struct ntfs *ntfs, struct ntfs_index *index, uint64_t vcn,
		     unsigned char *block, struct ntfs_entries *out, struct tranship_error *err);
/* How many blocks there may be, and which are in use. */
int ntfs_index_blocks(const struct ntfs *ntfs, const struct ntfs_index *index, uint64_t *count,
		      struct tranship_error *err);
int ntfs_index_in_use(const struct ntfs *ntfs, struct ntfs_index *index, uint64_t block, bool *used,
		      struct tranship_error *err);
/* Looks a name up. *reference is the file's. */
int ntfs_index_find(const struct ntfs *ntfs, struct ntfs_index *index, const uint16_t *name,
		    unsigned units, bool *found, uint64_t *reference, struct tranship_error *err);

struct ntfs_file {
	struct ntfs *ntfs;
	uint64_t number;
	bool directory;
	struct ntfs_stream data;
	struct ntfs_index index; /* of a directory */
};

#endif
