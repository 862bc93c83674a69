/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects and elements: "Objects\{GUID}\Elements\TTTTTTTT" has a value "Element". The types are
 * Microsoft's BcdLibraryElementTypes and so on; what is in a device was found in published dumps of
 * stores of both kinds, and holds for a device that stands in another one, too.
 */
#ifndef MBR_GPT_BCD_INSIDE_H
#define MBR_GPT_BCD_INSIDE_H

#include "base/buffer.h"
#include "mbr-gpt/bcd.h"

#include <stddef.h>

#define BCD_BOOTMGR "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
#define BCD_MEMDIAG "{b2721d73-1db4-4c62-bf78-c548a880142d}"

/* Objects, keys of an object, elements; bytes of an element: far more than there are. */
#define BCD_COUNT_MAX 4096U
#define BCD_DATA_MAX 65536U

#define BCD_TYPE_DEVICE 0x11000001U /* ApplicationDevice */
#define BCD_TYPE_PATH 0x12000002U   /* ApplicationPath */
#define BCD_TYPE_ISOLATED_CONTEXT 0x16000060U
#define BCD_TYPE_OS_DEVICE 0x21000001U
#define BCD_TYPE_SYSTEM_ROOT 0x22000002U
#define BCD_TYPE_DEFAULT 0x23000003U        /* of the boot manager: DefaultObject */
#define BCD_TYPE_DISPLAY_ORDER 0x24000001U  /* of the boot manager */
#define BCD_TYPE_ATTEMPT_RESUME 0x26000005U /* of the boot manager */

enum { BCD_FORMAT_DEVICE = 1 };
/* BcdElementType: bits 24 to 27 are the format. */
#define BCD_FORMAT(type) ((type) >> 24 & 0xF)

/* A device: 16 bytes of options in front, at the top only. */
enum {
	DEVICE_HEAD = 16,

	DEVICE_OFF_TYPE = 0,
	DEVICE_OFF_LEN = 8,
	DEVICE_OFF_PARTITION = 16, /* GPT: its GUID. MBR: u64, bytes from the disk's start */
	DEVICE_OFF_STYLE = 0x24,
	DEVICE_OFF_DISK = 0x28, /* GPT: its GUID. MBR: u32 */
	DEVICE_LEN = 0x48,

	DEVICE_BOOT = 5,
	DEVICE_PARTITION = 6,
	DEVICE_LOCATE = 8,

	STYLE_GPT = 0,
	STYLE_MBR = 1,
};

/* Whether a partition in this style is described at off. */
bool bcd_is_partition(const struct buffer *data, size_t off, uint32_t style);

/* "Objects"; a store without is none. */
int bcd_objects(struct regf *hive, struct regf_key *out, struct tranship_error *err);
/* The elements of an object: a key of Objects. */
int bcd_elements(struct regf *hive, const struct regf_key *object, bool *found,
		 struct regf_key *out, struct tranship_error *err);
/* The type of an element by the name of its key; false: it is none. */
bool bcd_element_type(const struct regf_key *element, uint32_t *type);
/* An element's value and its data, which replaces what is in `data`. */
int bcd_element_value(struct regf *hive, const struct regf_key *element, bool *found,
		      struct regf_value *value, struct buffer *data, struct tranship_error *err);

/* Tells sentences, this many at most: a store may be full of what is wrong. */
#define BCD_SENTENCES_MAX 200U
struct bcd_teller {
	void (*fn)(void *ctx, const char *sentence); /* may be NULL */
	void *ctx;
	uint32_t told;
};
void bcd_tell(struct bcd_teller *teller, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A string of a store in UTF-8; cut at cap. */
void bcd_text(const struct buffer *data, char *out, size_t cap);
/* Whether text ends so; case does not count. */
bool bcd_ends_in(const char *text, const char *end);

#endif
