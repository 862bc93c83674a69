/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that describes a VMDK: what it is called, what it descends from, which extents it
 * consists of. Source: VMware, "Virtual Disk Format 5.0", section "The Disk Descriptor File".
 */
#ifndef VMDK_VMDK_DESCRIPTOR_H
#define VMDK_VMDK_DESCRIPTOR_H

#include "base/buffer.h"
#include "base/idgen.h"

#include <stdbool.h>
#include <stdint.h>

/* A descriptor file is no larger: a larger file that begins like one is a guest's disk. */
#define VMDK_DESCRIPTOR_MAX (64U * 1024)
#define VMDK_NO_PARENT 0xFFFFFFFFU

/* What a geometry can say. */
#define VMDK_CYLINDERS_MAX 65535U

/* The longest path of a parent that is written, with its terminator. */
#define VMDK_HINT_MAX 4096U

enum vmdk_access { VMDK_RW, VMDK_RDONLY, VMDK_NOACCESS };

struct vmdk_extent_line {
	enum vmdk_access access;
	uint64_t sectors;
	char type[16];    /* "FLAT", "SPARSE", "ZERO", "VMFS", ... */
	const char *name; /* in the descriptor's text; NULL where the line has none */
	uint64_t offset;  /* sectors into the file, for flat extents */
};

struct vmdk_descriptor {
	char *text; /* owns what the pointers point into */
	uint32_t cid;
	uint32_t parent_cid;
	char create_type[32];
	const char *parent_hint;  /* NULL: none; in `encoding` */
	const char *change_track; /* the same of the file that notes changed blocks */
	const char *encoding;     /* of the text; NULL: not said */
	bool encrypted;
	size_t extent_count;
	struct vmdk_extent_line *extents;
};

/* Whether a file that begins with these bytes is a descriptor: its first line that says something
 * does. */
bool vmdk_descriptor_recognise(const unsigned char *head, size_t len);

/* Copies and parses len bytes. Unknown lines are passed over; an extent line that makes no sense is
 * an error. */
int vmdk_descriptor_parse(const void *text, size_t len, struct vmdk_descriptor *out,
			  struct tranship_error *err);
void vmdk_descriptor_free(struct vmdk_descriptor *d);

/*
 * Converts text of a descriptor to UTF-8 (vmdk_text.c); *out is malloc'ed. What is in an encoding
 * that is not known, or is no text of that encoding, comes out as it is.
 */
int vmdk_text_utf8(const char *encoding, const char *text, char **out, struct tranship_error *err);

/* What a new descriptor says. It outlives the options that it was made from. */
struct vmdk_descriptor_new {
	char create_type[32];
	uint64_t capacity; /* sectors */
	char adapter_type[16];
	char hw_version[16];
	char tools_version[16];
	uint32_t cid;
	unsigned char content_id[12]; /* the rest of ddb.longContentID */
	bool parent;                  /* it is a delta link */
	uint32_t parent_cid;
	char parent_hint[VMDK_HINT_MAX]; /* "": the descriptor names none */
};

/* A new CID. */
int vmdk_cid_draw(struct idgen *ids, uint32_t *out, struct tranship_error *err);

/* Draws cid and content_id. */
int vmdk_descriptor_identify(struct vmdk_descriptor_new *d, struct idgen *ids,
			     struct tranship_error *err);

/* What becomes different in a descriptor that exists. */
struct vmdk_edits {
	bool new_cid;
	uint32_t cid;
	bool new_parent;
	uint32_t parent_cid;
	const char *hint;  /* NULL: as it was; "": none */
	size_t extent;     /* the number of the extent line with another size; 0: none */
	uint64_t sectors;  /* that size */
	uint64_t capacity; /* of the disk, sectors, for the geometry; 0: as it was */
};

/* Appends the text, len bytes without a NUL, with the edits (vmdk_descriptor_edit.c). */
int vmdk_descriptor_edit(const char *text, size_t len, const struct vmdk_edits *edits,
			 struct buffer *out, struct tranship_error *err);

/* Whether a descriptor can hold the text in quotes. */
bool vmdk_descriptor_quotable(const char *text);

/* A CID as text, eight hexadecimal digits; false: it is no such thing, or no CID that an image can
 * have. */
bool vmdk_cid_parse(const char *text, uint32_t *out);

/* Appends everything up to the extent lines, one extent line, everything behind them. */
int vmdk_descriptor_begin(const struct vmdk_descriptor_new *d, struct buffer *out,
			  struct tranship_error *err);
int vmdk_descriptor_extent(uint64_t sectors, const char *type, const char *name, bool flat,
			   struct buffer *out, struct tranship_error *err);
int vmdk_descriptor_end(const struct vmdk_descriptor_new *d, struct buffer *out,
			struct tranship_error *err);

#endif
