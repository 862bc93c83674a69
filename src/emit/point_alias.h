/* SPDX-License-Identifier: Apache-2.0 */
/* Further things about points that only the library asks. */
#ifndef EMIT_POINT_ALIAS_H
#define EMIT_POINT_ALIAS_H

#include "emit/manifest.h"

/* SHA-256 of a point's manifest as it is stored. */
int manifest_digest(struct tranship_store *store, const char *id, unsigned char digest[32],
		    struct tranship_error *err);

/*
 * Versions of the disk that have the same content as a point, beside its own: runs that found
 * nothing changed leave them, because the next list of changes begins there. They are at
 * aliases/ID.
 */
/* aliases/ID; out: TARGET_KEY_MAX + 1. */
void aliases_key(const char *id, char *out);
int point_has_alias(struct tranship_store *store, const char *id, const char *version, bool *has,
		    struct tranship_error *err);
int point_add_alias(struct tranship_store *store, const char *id, const char *version,
		    struct tranship_error *err);
/* The same ones for the point of this id in another store. */
int point_copy_aliases(struct tranship_store *from, struct tranship_store *to, const char *id,
		       struct tranship_error *err);

#endif
