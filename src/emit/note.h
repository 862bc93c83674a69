/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small JSON texts that are objects of their own, sealed: leases, tags.
 * docs/formats/store.md, "Objects".
 */
#ifndef EMIT_NOTE_H
#define EMIT_NOTE_H

#include "emit/store_inside.h"

#include <jansson.h>

#define NOTE_MAGIC "TSNOTE01"
#define NOTE_OFF_SALT 8
#define NOTE_OFF_TAG 40
#define NOTE_HEAD_SIZE 56U
#define NOTE_TEXT_MAX (64U << 10)

/* json NULL is TRANSHIP_ENOMEM: what made it had no memory. It stays the caller's. */
int note_put(struct tranship_store *store, const char *key, enum seal_purpose purpose,
	     const unsigned char object_id[OBJECT_ID_SIZE], const json_t *json,
	     struct tranship_error *err);
/* TRANSHIP_ENOTFOUND, TRANSHIP_ECORRUPT. json_decref *out. */
int note_get(struct tranship_store *store, const char *key, enum seal_purpose purpose,
	     const unsigned char object_id[OBJECT_ID_SIZE], json_t **out,
	     struct tranship_error *err);

#endif
