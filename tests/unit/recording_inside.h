/* SPDX-License-Identifier: Apache-2.0 */
/* What recording.c (the folder, its log, what is lost of it) and recording_medium.c (the calls)
 * share. */
#ifndef TESTS_UNIT_RECORDING_INSIDE_H
#define TESTS_UNIT_RECORDING_INSIDE_H

#include "recording.h"

#define NAMES 12
#define INODES 1024
#define HANDLES 16
#define FOLDER (-2)
#define UNUSED (-1)
#define SECTOR 512U
#define FIRST_INO 1000U

struct inode {
	unsigned char *bytes;
	size_t size;
};

struct folder {
	struct inode inodes[INODES]; /* never removed: one without a name cannot be reached */
	int inode_count;
	struct {
		char name[64]; /* "": unused */
		int inode;
	} names[NAMES];
};

enum call_kind {
	CALL_WRITE,
	CALL_RESIZE,
	CALL_SYNC,
	CALL_CREATE,
	CALL_UNLINK,
	CALL_RENAME,
	CALL_SYNC_FOLDER,
	CALL_MARK,
};

struct call {
	enum call_kind kind;
	int inode;
	uint64_t off; /* CALL_RESIZE: the size; CALL_MARK: the number */
	size_t len;
	unsigned char *bytes;
	char name[64], to[64];
};

struct recording {
	struct medium medium;
	struct recording_faults faults;
	struct folder initial, now;
	struct call *log;
	size_t count, cap;
	int handles[HANDLES];
};

extern const struct medium_ops recording_ops;

void *recording_must(void *memory);
/* The inode that a name leads to, NULL: none. */
int *recording_find(struct folder *f, const char *name);
int recording_new_inode(struct folder *f);
/* Logs a copy of the call, and does it. */
void recording_append(struct recording *rec, const struct call *c);

#endif
