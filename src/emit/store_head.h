/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.json: what a store is, and in an encrypted one the data key, wrapped by a passphrase or a
 * key file. docs/formats/store.md, "store.json". Pure decoding and encoding, and the wrapping.
 */
#ifndef EMIT_STORE_HEAD_H
#define EMIT_STORE_HEAD_H

#include "emit/seal.h"
#include "tranship/store.h"

#define STORE_KEY "store.json"
#define STORE_VERSION 1U
#define STORE_HEAD_MAX (64U << 10)

/* What a passphrase is stretched by: 64 MiB of memory. */
#define SCRYPT_N (1U << 16)
#define SCRYPT_R 8U
#define SCRYPT_P 1U
/* What a store.json may ask for. */
#define SCRYPT_MEMORY_MAX (1U << 30)
#define SCRYPT_P_MAX 16U

#define KEY_SALT 32U
#define KEY_NONCE 12U
#define DATA_KEY_SIZE 32U
#define KEY_FILE_MIN 32U
#define KEY_FILE_MAX 4096U
#define PASSPHRASE_MAX 4096U

enum key_kind { KEY_NONE, KEY_PASSPHRASE, KEY_FILE };

struct wrapped_key {
	enum key_kind kind;
	uint64_t n; /* of scrypt; 0 for a key file */
	uint32_t r, p;
	unsigned char salt[KEY_SALT];
	unsigned char nonce[KEY_NONCE];
	unsigned char key[DATA_KEY_SIZE]; /* encrypted */
	unsigned char tag[SEAL_TAG];
};

struct store_head {
	unsigned char id[STORE_ID_SIZE];
	uint64_t slot_size;
	struct wrapped_key wrapped; /* KEY_NONE: not encrypted */
};

/* The text of store.json, malloc'ed. */
int store_head_encode(const struct store_head *head, char **text, size_t *len,
		      struct tranship_error *err);
/* `where`: the store, for messages. */
int store_head_decode(const char *where, const void *text, size_t len, struct store_head *out,
		      struct tranship_error *err);

/* Up to max bytes of a file; the caller wipes them. Returns an errno value. */
int secret_file_read(const char *path, unsigned char *bytes, size_t max, size_t *len);

/* A passphrase or the content of a key file. Wipe it with explicit_bzero. */
struct store_secret {
	enum key_kind kind;
	size_t len;
	unsigned char bytes[PASSPHRASE_MAX];
};
/* What is given: a passphrase, a key file, or (both NULL) KEY_NONE. */
int store_secret_read(const char *passphrase, const char *key_file, struct store_secret *out,
		      struct tranship_error *err);

/* Wraps the data key with fresh salt and nonce; of *head id and slot_size are bound to it. */
int store_head_wrap(struct store_head *head, const struct store_secret *secret,
		    const unsigned char data_key[DATA_KEY_SIZE], struct tranship_error *err);
/* TRANSHIP_EDENIED: it is the wrong secret, or store.json was changed. */
int store_head_unwrap(const char *where, const struct store_head *head,
		      const struct store_secret *secret, unsigned char data_key[DATA_KEY_SIZE],
		      struct tranship_error *err);

#endif
