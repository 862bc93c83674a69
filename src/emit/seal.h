/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What protects the objects of a store. Every object has a key of its own, made by HKDF-SHA-256 of
 * the store's data key and 32 random bytes in the object's head; its parts are sealed by
 * AES-256-GCM with the part's number as the nonce and (store id, object id, number) as associated
 * data, so that no part stands for another. In a store that is not encrypted a seal is the first 16
 * bytes of SHA-256 over the associated data and the part: it finds damage, not malice.
 *
 * docs/formats/store.md, "Sealing". Constant once made: any thread.
 */
#ifndef EMIT_SEAL_H
#define EMIT_SEAL_H

#include "tranship/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_TAG 16U
#define SEAL_SALT 32U
#define NAME_SIZE 32U
#define STORE_ID_SIZE 16U
#define OBJECT_ID_SIZE 16U

/* What a store's objects are sealed and named with. All zero: not encrypted. */
struct store_keys {
	bool encrypted;
	unsigned char data_key[32];
	unsigned char name_key[32]; /* HKDF of the data key */
	unsigned char store_id[STORE_ID_SIZE];
};

/* Fills in what follows from the data key. */
int store_keys_derive(struct store_keys *keys, struct tranship_error *err);

/* The name of a block: SHA-256 of its bytes, or HMAC-SHA-256 with the name key. */
int name_of(const struct store_keys *keys, const void *bytes, size_t len,
	    unsigned char name[NAME_SIZE], struct tranship_error *err);

enum seal_purpose {
	SEAL_SLOT = 1,
	SEAL_POINT = 2,
	SEAL_TAGS = 3,
	SEAL_LEASE = 4,
	SEAL_ALIASES = 5
};

/* One object's. Wipe it with explicit_bzero. */
struct sealer {
	bool encrypted;
	unsigned char key[32];
	unsigned char store_id[STORE_ID_SIZE];
	unsigned char object_id[OBJECT_ID_SIZE];
};

int sealer_init(struct sealer *s, const struct store_keys *keys, enum seal_purpose purpose,
		const unsigned char object_id[OBJECT_ID_SIZE], const unsigned char salt[SEAL_SALT],
		struct tranship_error *err);
/* Encrypts in place (where the store is encrypted) and makes the tag. */
int seal_part(const struct sealer *s, uint32_t number, void *bytes, size_t len,
	      unsigned char tag[SEAL_TAG], struct tranship_error *err);
/* The other way; TRANSHIP_ECORRUPT, without a message of what it is: the caller says that. */
int unseal_part(const struct sealer *s, uint32_t number, void *bytes, size_t len,
		const unsigned char tag[SEAL_TAG], struct tranship_error *err);

/* From the system's random source. */
int random_bytes(void *out, size_t len, struct tranship_error *err);

#endif
