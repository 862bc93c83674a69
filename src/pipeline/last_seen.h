/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine knows of a store that the store cannot take back: the newest point of a disk
 * that a run made or saw, in a small file beside the run's checkpoint. Who may write to a store may
 * also delete what is newest in it, and nothing in the store shows that.
 */
#ifndef PIPELINE_LAST_SEEN_H
#define PIPELINE_LAST_SEEN_H

#include "emit/manifest.h"

/* The id that is recorded for this disk of this store; "": none, or nothing that can be read. */
int last_seen_read(const char *checkpoint, const char *store, const char *disk,
		   char out[POINT_ID_TEXT], struct tranship_error *err);
int last_seen_write(const char *checkpoint, const char *store, const char *disk, const char *point,
		    struct tranship_error *err);

#endif
