/* SPDX-License-Identifier: Apache-2.0 */
/* The parent locator of a differencing VHDX ([MS-VHDX] 2.6.2.6): keys and values in UTF-16. */
#ifndef VHDX_VHDX_LOCATOR_ONDISK_H
#define VHDX_VHDX_LOCATOR_ONDISK_H

#include "base/buffer.h"
#include "base/guid.h"
#include "tranship/error.h"

#include <stddef.h>
#include <stdint.h>

/* In the order in which they are to be tried. */
enum vhdx_locator_path {
	VHDX_LOCATOR_RELATIVE,
	VHDX_LOCATOR_VOLUME,
	VHDX_LOCATOR_ABSOLUTE,
	VHDX_LOCATOR_PATHS,
};

struct vhdx_locator {
	/* The parent's data write GUID, as guid_text_le spells it. */
	char linkage[GUID_TEXT_SIZE];
	char linkage2[GUID_TEXT_SIZE]; /* another one that will do; "": none */
	struct {
		const unsigned char *utf16le; /* in what was decoded; NULL: not given */
		size_t units;
	} paths[VHDX_LOCATOR_PATHS];
};

/* `raw`: the metadata item, len bytes. */
int vhdx_locator_decode(const unsigned char *raw, size_t len, struct vhdx_locator *out,
			struct tranship_error *err);

/* The longest path, in UTF-16 units. */
#define VHDX_LOCATOR_UNITS_MAX 32767U

/* Appends the item: linkage in braces, linkage2 if there is one, the paths that are given. */
int vhdx_locator_encode(const struct vhdx_locator *locator, struct buffer *out,
			struct tranship_error *err);

#endif
