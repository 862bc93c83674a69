/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NTFS 3.x, read only: file records with fixups and attribute lists, directory indexes, runs,
 * resident, sparse and LZNT1-compressed data. Files of the "Windows Overlay Filter" (WOF),
 * encrypted ones and other reparse points are refused. Nothing of its structure is ever written.
 */
#ifndef MBR_GPT_NTFS_H
#define MBR_GPT_NTFS_H

#include "mbr-gpt/volume.h"

#include <stdbool.h>

struct ntfs;
struct ntfs_file;

/* A volume never changes once it is open, and must outlive its files; a file may be used by one
 * thread at a time. TRANSHIP_ECORRUPT: no NTFS, or one that contradicts itself;
 * TRANSHIP_EUNSUPPORTED: BitLocker, or a version other than 3. */
int ntfs_open(const struct volume *volume, struct ntfs **out, struct tranship_error *err);
void ntfs_close(struct ntfs *ntfs);

/* Whether $Volume says that it was not unmounted (the dirty flag); the label in UTF-8, which
 * belongs to ntfs. */
bool ntfs_is_dirty(const struct ntfs *ntfs);
const char *ntfs_label(const struct ntfs *ntfs);
uint64_t ntfs_serial(const struct ntfs *ntfs);

/*
 * Opens the unnamed data of "Windows/System32/config/SYSTEM": '/' or '\', case does not count (the
 * volume's own $UpCase). *out is NULL where there is no such file. TRANSHIP_EUNSUPPORTED: it is
 * compressed by WOF, encrypted, or another reparse point.
 */
int ntfs_find(struct ntfs *ntfs, const char *path, struct ntfs_file **out,
	      struct tranship_error *err);
/* The same by the reference that ntfs_list gives: the number of its file record and, above 48 bits,
 * the sequence number that the record must have; 0 there: whichever it has. */
int ntfs_file_open(struct ntfs *ntfs, uint64_t record, struct ntfs_file **out,
		   struct tranship_error *err);
void ntfs_file_close(struct ntfs_file *file);

uint64_t ntfs_file_size(const struct ntfs_file *file);
bool ntfs_file_is_directory(const struct ntfs_file *file);
int ntfs_file_read(struct ntfs_file *file, uint64_t off, void *buf, size_t len,
		   struct tranship_error *err);
/* All of it, malloc'ed (one byte at least). TRANSHIP_ELIMIT: longer than max. */
int ntfs_file_read_all(struct ntfs_file *file, size_t max, unsigned char **out,
		       struct tranship_error *err);

/* Where the byte at off of a file stands on the volume, for patching content in place, and how many
 * behind it follow there. TRANSHIP_EUNSUPPORTED: it is compressed, sparse there, or resident (a
 * file record has fixups). */
int ntfs_file_where(struct ntfs_file *file, uint64_t off, uint64_t *volume_off, uint64_t *len,
		    struct tranship_error *err);

/* Calls fn with each name of a directory (DOS aliases are passed over, and the root's ".") and the
 * reference of its record, in no order that says anything; stops where it returns nonzero, with
 * that. */
int ntfs_list(struct ntfs_file *directory,
	      int (*fn)(void *ctx, const char *name, uint64_t record, bool is_directory), void *ctx,
	      struct tranship_error *err);

/*
 * LZNT1 (MS-XCA 2.5): unpacks one compression unit. Returns how many bytes it made, at most cap, or
 * -1: it is damaged.
 */
long lznt1_unpack(const unsigned char *in, size_t len, unsigned char *out, size_t cap);

#endif
