/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading lists of changes. A product has a file of its own, import_PRODUCT.c, which knows what its
 * lists look like and where they end; here is what they share: the text (import_text.c), JSON and
 * XML that are read as they come (import_json.c, import_xml.c), and the set that is filled.
 */
#ifndef DELTA_IMPORT_H
#define DELTA_IMPORT_H

#include "base/buffer.h"
#include "base/ranges.h"
#include "delta/changes.h"

#include <jansson.h>
#include <string.h>

struct stream;

/* The longest list; the longest object in one, or page of a service that answers in parts, without
 * the elements of its long arrays, and the longest such element; how deep objects and elements may
 * be; how many pages that do not meet may wait for those between; how many XML documents there may
 * be. */
#define IMPORT_TEXT_MAX ((uint64_t)256 << 20)
#define IMPORT_OBJECT_MAX ((size_t)64 << 10)
#define IMPORT_DEPTH_MAX 32U
#define IMPORT_WINDOWS_MAX ((size_t)1 << 16)
#define IMPORT_DOCUMENTS_MAX ((uint64_t)1 << 16)

/* Whether two names are the same. */
static inline bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The text, front to back. */
struct text {
	struct tranship_file *file; /* or else */
	struct stream *stream;
	const char *unit; /* for messages */
	uint64_t taken;
	unsigned char *bytes; /* what was read and not taken is [at, end) */
	size_t at, end;
};

int text_init(struct text *t, const char *unit, struct tranship_error *err);
void text_free(struct text *t);
/* Makes *got > 0 bytes stand at t->bytes + t->at; 0 at the end. */
int text_fill(struct text *t, size_t *got, struct tranship_error *err);
/* Adds to what stands there, which is less than half of the buffer; *ended: there is no more. */
int text_more(struct text *t, bool *ended, struct tranship_error *err);
/* The next byte that is no white space, without taking it; -1: the end. */
int text_peek(struct text *t, int *c, struct tranship_error *err);

/* What is being filled. */
struct import {
	const struct tranship_changes_options *options;
	struct text text;
	const char *unit; /* the format's name, which messages begin with */
	uint64_t size;    /* of the disk, once has_size */
	bool has_size;
	struct ranges_heap heap;
	char origin[CHANGES_ORIGIN_MAX + 1];
	char base_id[TRANSHIP_ID_MAX + 1];
	char target_id[TRANSHIP_ID_MAX + 1];
};

/* A product. */
struct import_kind {
	const char *name;
	bool needs_size;  /* its lists do not say it */
	bool needs_block; /* nor how large a block is */
	int (*read)(struct import *in, struct tranship_error *err);
};

extern const struct import_kind import_tranship, import_vmware, import_rct, import_azure,
	import_rbd, import_qemu, import_nbd, import_ebs, import_era, import_thin;

/* What the list says of the disk's size; TRANSHIP_EMISMATCH where it is not what was wanted. */
int import_size(struct import *in, uint64_t size, struct tranship_error *err);

/* Adds a range, which must lie in the disk. `number` names it in messages. An empty one is
 * TRANSHIP_ECORRUPT. */
int import_range(struct import *in, uint64_t number, uint64_t off, uint64_t len, bool zero,
		 struct tranship_error *err);
/* The same, in blocks; the end of the disk may cut the last one short. */
int import_blocks(struct import *in, uint64_t number, uint64_t first, uint64_t count,
		  uint64_t block, bool zero, struct tranship_error *err);

/* What several pages say something about. In the end they must tile the disk. */
struct windows {
	struct ranges_heap heap;
	uint64_t sum;
	uint64_t pages;
};

int windows_add(struct windows *w, const struct import *in, uint64_t off, uint64_t len,
		struct tranship_error *err);
int windows_finish(struct windows *w, const struct import *in, struct tranship_error *err);

/* JSON: objects, alone, one behind the other, or in arrays, which are never held whole. Nor are
 * those of their members that are lists. */
#define JSON_LISTS_MAX 4
#define JSON_PLACE_MAX 100

struct json_objects {
	struct text *text;
	const char *unit;
	struct import *in;
	const struct json_rules *rules;
	void *ctx;
	struct buffer slice; /* the text of one object */
	struct buffer item;  /* of one element of a list in it */
	bool in_array;
	bool in_object;
	uint64_t count; /* of the objects that began, so the number of the one that is looked at */
	uint64_t arrays;
	int list;       /* which of its lists is looked at; -1: none */
	uint64_t items; /* the number of the element of that list */
	unsigned seen;  /* bits: the lists that it had so far */
};

typedef int json_element_fn(struct import *in, const struct json_objects *j, const json_t *element,
			    void *ctx, struct tranship_error *err);

/*
 * `one_array`: the text is one array of objects and nothing else, so its end is an end mark; else
 * there may be any number of arrays and objects behind each other, and at least one object.
 * `item` gets each element of those members of an object that `lists` names, as they come; `object`
 * gets each object behind that, with those members empty.
 */
struct json_rules {
	bool one_array;
	const char *lists[JSON_LISTS_MAX];
	json_element_fn *item;
	json_element_fn *object;
};

/* *count: how many objects there were (NULL: not wanted). */
int json_read(struct import *in, const struct json_rules *rules, void *ctx, uint64_t *count,
	      struct tranship_error *err);

/* Where the text stands, for messages; returns place. */
const char *json_place(const struct json_objects *j, char place[JSON_PLACE_MAX]);
/* Refuses what is no object, and one with a member that may say something which is not understood:
 * an array or an object of a name that is not in `known` (which NULL ends), or any member whose
 * name is in it but for its case. */
int json_known(const struct json_objects *j, const json_t *object, const char *const *known,
	       struct tranship_error *err);
/* Members. A number is an integer that is not negative. */
int json_get_u64(const struct json_objects *j, const json_t *object, const char *key, uint64_t *out,
		 struct tranship_error *err);
int json_get_bool(const struct json_objects *j, const json_t *object, const char *key, bool *out,
		  struct tranship_error *err);
/* Refuses a member that is there, and neither null nor an array. */
int json_check_list(const struct json_objects *j, const json_t *object, const char *key,
		    struct tranship_error *err);
/* Whether there is one that is not null. */
bool json_has(const json_t *object, const char *key);
/* TRANSHIP_EUNSUPPORTED with the text that a service sent instead of a list. */
int import_fault(const char *unit, const char *text, struct tranship_error *err);

/* XML: elements as they come. Namespaces are passed over, a document type is refused. */
struct xml_attributes {
	const unsigned char **list;
	int count;
};

struct xml_place {
	const char *name;   /* of the element */
	const char *parent; /* "": it is the root */
	unsigned depth;     /* 1: it is the root */
};

/* `text`: what stands in the element and in no other inside of it, without white space in front,
 * cut at some 500 bytes. `closed`: a document was whole; another one may follow. Each may stop with
 * a code. */
struct xml_rules {
	int (*start)(void *ctx, const struct xml_place *place, const struct xml_attributes *attr,
		     struct tranship_error *err);
	int (*end)(void *ctx, const struct xml_place *place, const char *text,
		   struct tranship_error *err);
	int (*closed)(void *ctx, struct tranship_error *err);
};

int xml_read(struct text *text, const struct xml_rules *rules, void *ctx,
	     struct tranship_error *err);
/* TRANSHIP_EUNSUPPORTED: what is not known may say what changed. */
int xml_unknown(const char *unit, const struct xml_place *place, struct tranship_error *err);
/* A number in decimal digits, white space around it. */
int xml_number(const char *unit, const char *what, const char *text, uint64_t *out,
	       struct tranship_error *err);
/* An attribute that is a number; *found says whether it is there. */
int xml_attribute(const char *unit, const struct xml_attributes *attr, const char *name,
		  uint64_t *out, bool *found, struct tranship_error *err);

#endif
