/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests: what makes a restore point. A head, a JSON text, and the list of slots that the point
 * names, with how often each; sealed, and written last. docs/formats/store.md, "Manifests".
 * Key: points/TIME-ID, TIME as YYYYMMDDThhmmssuuuuuuZ, so that a listing is in order of time; ID 32
 * hexadecimal digits.
 */
#ifndef EMIT_MANIFEST_H
#define EMIT_MANIFEST_H

#include "emit/manifest_boot.h"
#include "emit/slot.h"
#include "emit/store_inside.h"
#include "emit/table.h"

#define POINT_ID_TEXT 56U /* "TIME-ID" and its end */

/* Limits: of the JSON text, of the slots of a point, of the front of the object that the JSON text
 * ends in, and of the object. */
#define MANIFEST_HEAD_SIZE 96U
#define MANIFEST_JSON_MAX (64U << 10)
#define MANIFEST_SLOTS_MAX (1U << 26)
#define MANIFEST_FRONT_MAX (MANIFEST_HEAD_SIZE + MANIFEST_JSON_MAX + SEAL_TAG)
#define MANIFEST_SIZE_MAX (MANIFEST_FRONT_MAX + (uint64_t)MANIFEST_SLOTS_MAX * 25)

struct manifest_slot {
	struct slot_id id;
	uint64_t uses; /* units and pages that are in it */
};

struct manifest {
	char id[POINT_ID_TEXT];         /* TIME-ID: what people and leases call it */
	int64_t time_us;                /* microseconds since 1970; later than the predecessor's */
	char name[TRANSHIP_ID_MAX + 1]; /* that it was given */
	char disk[TRANSHIP_ID_MAX + 1]; /* which disk this is a version of */
	char version[TRANSHIP_ID_MAX + 1];    /* the id of that version: a change id, or a UUID */
	char predecessor[POINT_ID_TEXT];      /* "" : none */
	unsigned char predecessor_digest[32]; /* SHA-256 of its manifest */
	char source_format[16];
	uint64_t size;           /* of the disk, in bytes */
	uint32_t sector_size;    /* bytes */
	struct digest_seed seed; /* of the digests of its units */
	struct table_root root;
	/* What the run did, for people; bytes. */
	uint64_t data;               /* of the disk that are not zeros */
	uint64_t changed;            /* that differ from the predecessor */
	uint64_t stored;             /* that the run added to the store */
	struct manifest_boot *boot;  /* the plan that it was read through; NULL: none; malloc'ed */
	struct manifest_slot *slots; /* ascending by id; malloc'ed */
	size_t slot_count;
};

/* Frees what it has, and wipes it; one that is all zeros is fine. */
void manifest_free(struct manifest *m);

/* The id of a point: its time, and 16 random bytes. TRANSHIP_EINVAL: before 1970, or after 9999. */
int manifest_id_format(int64_t time_us, const unsigned char bytes[OBJECT_ID_SIZE],
		       char out[POINT_ID_TEXT], struct tranship_error *err);
/* The bytes of an id; bytes may be NULL. False: it is none. That its time is one is not looked at.
 */
bool manifest_id_parse(const char *id, unsigned char *bytes);

/* The object. digest: its SHA-256. *bytes is malloc'ed. TRANSHIP_EINVAL: m is not one that could be
 * read again. */
int manifest_encode(const struct manifest *m, const struct store_keys *keys, unsigned char **bytes,
		    size_t *len, unsigned char digest[32], struct tranship_error *err);
/* `with_slots` false: the list of slots is not read (there is none in *out), and bytes may end
 * behind the JSON text. A manifest under another name than its own is TRANSHIP_ECORRUPT. What is
 * given back is to be freed; after an error there is nothing in it. */
int manifest_decode(const struct store_keys *keys, const char *id, const unsigned char *bytes,
		    size_t len, bool with_slots, struct manifest *out, struct tranship_error *err);

/* points/ID, and trash/points/ID where prune put it. out: TARGET_KEY_MAX + 1. */
void manifest_key(const char *id, char *out);
void manifest_trash_key(const char *id, char *out);

int manifest_read(struct tranship_store *store, const char *id, bool with_slots,
		  struct manifest *out, struct tranship_error *err);
/* Gives it an id and a time, and commits it: from then on the point exists. digest may be NULL. */
int manifest_write(struct tranship_store *store, struct manifest *m, unsigned char digest[32],
		   struct tranship_error *err);

/* The newest point of a disk; TRANSHIP_ENOTFOUND. */
int manifest_newest(struct tranship_store *store, const char *disk, bool with_slots,
		    struct manifest *out, struct tranship_error *err);
/* What a user typed: an id, the 32 digits of one, or a name (its newest). */
int manifest_find(struct tranship_store *store, const char *text, bool with_slots,
		  struct manifest *out, struct tranship_error *err);

#endif
