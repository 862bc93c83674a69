/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of a manifest stand; docs/formats/store.md, "Manifests". */
#ifndef EMIT_MANIFEST_ONDISK_H
#define EMIT_MANIFEST_ONDISK_H

#include "emit/manifest.h"

#define MANIFEST_MAGIC "TSPOINT1"
#define MANIFEST_VERSION 1U
#define MANIFEST_FLAG_ENCRYPTED 1U

#define MANIFEST_OFF_VERSION 8
#define MANIFEST_OFF_FLAGS 12
#define MANIFEST_OFF_STORE_ID 16
#define MANIFEST_OFF_ID 32
#define MANIFEST_OFF_SALT 48
#define MANIFEST_OFF_JSON_LEN 80
#define MANIFEST_OFF_SLOTS 84
#define MANIFEST_OFF_RESERVED 88

#define MANIFEST_SLOT_SIZE 24U
#define MANIFEST_PART_SLOTS 2048U

/* The JSON text, as a string of at most MANIFEST_JSON_MAX bytes, malloc'ed. */
int manifest_json_make(const struct manifest *m, char **text, struct tranship_error *err);
/* Fills in all but the list of slots; *slots is how many it says that there are. `id` is what
 * messages call it. After an error there is nothing in *out. */
int manifest_json_parse(const char *id, const char *text, size_t len, struct manifest *out,
			uint64_t *slots, struct tranship_error *err);
/* What must hold of all fields but the list of slots; `code` where it does not. */
int manifest_check_fields(const struct manifest *m, int code, struct tranship_error *err);

#endif
