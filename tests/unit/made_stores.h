/* SPDX-License-Identifier: Apache-2.0 */
/* Stores in memory, with points that name nothing, for tests. */
#ifndef TESTS_UNIT_MADE_STORES_H
#define TESTS_UNIT_MADE_STORES_H

#include "emit/manifest.h"
#include "emit/store_inside.h"

/* A file with this many bytes of a key, all of value `fill`; its path. Unlink it. */
void key_file_make(char path[64], unsigned char fill, size_t len);

/* An open store over a new memory_target. Encrypted: with a key file (which is gone again). Fails
 * the test where something fails. */
struct tranship_store *store_make(bool encrypted);

/* Commits a point of nothing but zeros; predecessor "" or an id. Its id goes to `id` (unless that
 * is NULL). */
void point_make(struct tranship_store *store, const char *disk, const char *name,
		const char *predecessor, char id[POINT_ID_TEXT]);

#endif
