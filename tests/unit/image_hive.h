/* SPDX-License-Identifier: Apache-2.0 */
/* Builds registry hives (regf) in memory, of all kinds of lists, names and data. For tests and
 * fuzzing; it aborts where there is no memory. */
#ifndef TESTS_UNIT_IMAGE_HIVE_H
#define TESTS_UNIT_IMAGE_HIVE_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { HIVE_SZ = 1, HIVE_BINARY = 3, HIVE_DWORD = 4, HIVE_MULTI_SZ = 7 };
enum hive_list { HIVE_LI, HIVE_LF, HIVE_LH };
enum { HIVE_SECURITIES = 4, HIVE_NAME = 600 };

/* Cells count from 0x1000 and are known once the hive is built. */
struct hive_value {
	char name[HIVE_NAME]; /* UTF-8; "": the default value */
	uint32_t type;
	unsigned char *data;
	size_t len;
	uint32_t cell, data_cell;
};

struct hive_key {
	char name[HIVE_NAME];
	const char *class_name;    /* ASCII; NULL: none */
	unsigned security;         /* which of HIVE_SECURITIES descriptors it has */
	struct hive_key **subkeys; /* sorted as Windows sorts them */
	size_t subkey_count;
	struct hive_value *values;
	size_t value_count;
	uint32_t cell, subkey_list, value_list;
};

struct hive_image {
	unsigned minor; /* of the version 1.x */
	enum hive_list list;
	size_t leaf_max; /* so many subkeys a list; more stand below an "ri". 0: all in one */
	bool wide;       /* names are UTF-16 even where they could be Latin-1 */
	struct hive_key root;
	uint32_t security[HIVE_SECURITIES]; /* cells */
};

/* An empty hive of version 1.5 with lh lists. */
void hive_image_init(struct hive_image *hive);
void hive_image_free(struct hive_image *hive);

/* The key of a path like "Objects\{guid}\Elements"; made where it is missing. "": the root. It
 * stays where it is. */
struct hive_key *hive_image_key(struct hive_image *hive, const char *path);
/* Gives a key a value, or another data to one that it has. Valid until the key gets another one. */
struct hive_value *hive_image_value(struct hive_key *key, const char *name, uint32_t type,
				    const void *data, size_t len);
/* A string of ASCII, with its terminator; for HIVE_MULTI_SZ '|' separates strings. */
struct hive_value *hive_image_text(struct hive_key *key, const char *name, uint32_t type,
				   const char *text);
struct hive_value *hive_image_dword(struct hive_key *key, const char *name, uint32_t number);
/* Takes out a key with all below it. False: there is none. */
bool hive_image_remove(struct hive_image *hive, const char *path);

/* Appends the file to `out`, which is empty. May be called again after changes. */
void hive_image_build(struct hive_image *hive, struct buffer *out);

/* The UTF-16 units of a name, and one in upper case so far as it is ASCII. */
size_t hive_image_units(const char *name, uint16_t units[HIVE_NAME]);
uint16_t hive_image_upper(uint16_t unit);

/* Makes the checksum in the header right; at least 512 bytes. */
void hive_image_sum(unsigned char *bytes);

#endif
