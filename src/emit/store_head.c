// SPDX-License-Identifier: Apache-2.0
#include "emit/store_head.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/hex.h"
#include "base/text.h"
#include "emit/slot.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "tranship store"
#define CIPHER "AES-256-GCM"
#define KDF_SCRYPT "scrypt"
#define KDF_KEY_FILE "HKDF-SHA256"

/* ---- Writing ---- */

static json_t *hex_json(const void *bytes, size_t len)
{
	char text[2 * 64 + 1];

	hex_text(bytes, len, text);
	return json_string(text);
}

static json_t *kdf_json(const struct wrapped_key *w)
{
	json_t *salt = hex_json(w->salt, sizeof(w->salt));

	if (w->kind == KEY_FILE)
		return json_pack("{s:s, s:o}", "name", KDF_KEY_FILE, "salt", salt);
	return json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", KDF_SCRYPT, "n", (json_int_t)w->n,
			 "r", (json_int_t)w->r, "p", (json_int_t)w->p, "salt", salt);
}

static json_t *encryption_json(const struct wrapped_key *w)
{
	if (w->kind == KEY_NONE)
		return json_string("none");
	return json_pack("{s:s, s:o, s:{s:o, s:o, s:o}}", "cipher", CIPHER, "kdf", kdf_json(w),
			 "data_key", "nonce", hex_json(w->nonce, sizeof(w->nonce)), "wrapped",
			 hex_json(w->key, sizeof(w->key)), "tag", hex_json(w->tag, sizeof(w->tag)));
}

int store_head_encode(const struct store_head *head, char **text, size_t *len,
		      struct tranship_error *err)
{
	char id[GUID_TEXT_SIZE], *line;
	struct guid guid;
	json_t *json;
	int n;

	memcpy(guid.bytes, head->id, sizeof(guid.bytes));
	guid_text_be(&guid, id);
	json = json_pack("{s:s, s:i, s:s, s:I, s:o}", "format", FORMAT, "version",
			 (int)STORE_VERSION, "id", id, "slot_size", (json_int_t)head->slot_size,
			 "encryption", encryption_json(&head->wrapped));
	line = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	n = line ? asprintf(text, "%s\n", line) : -1;
	free(line);
	if (n < 0)
		return error_nomem(err, STORE_HEAD_MAX);
	*len = (size_t)n;
	return 0;
}

/* ---- Reading ---- */

static int broken(const char *where, const char *what, struct tranship_error *err)
{
	return error_set(err, TRANSHIP_ECORRUPT, "%s/" STORE_KEY ": %s", where, what);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is_text(const json_t *object, const char *key, const char *want)
{
	return strcmp(text_of(object, key), want) == 0;
}

static bool read_hex(const json_t *object, const char *key, unsigned char *out, size_t len)
{
	const char *text = text_of(object, key);

	return strlen(text) == 2 * len && hex_parse(text, out, len);
}

/* A number from 1 on; 0: there is none. */
static uint64_t read_number(const json_t *object, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(object, key));

	return v > 0 ? (uint64_t)v : 0;
}

/* What would take all memory, or forever, is refused before it is tried. */
static bool scrypt_ok(uint64_t n, uint64_t r, uint64_t p)
{
	uint64_t memory;

	return is_pow2(n) && n > 1 && r > 0 && p > 0 && p <= SCRYPT_P_MAX &&
	       mul_ok(n, r, &memory) && mul_ok(memory, 128, &memory) && memory <= SCRYPT_MEMORY_MAX;
}

static int read_kdf(const char *where, const json_t *kdf, struct wrapped_key *w,
		    struct tranship_error *err)
{
	uint64_t n, r, p;

	if (!read_hex(kdf, "salt", w->salt, sizeof(w->salt)))
		return broken(where, "the salt of the key is not 64 hexadecimal digits", err);
	if (is_text(kdf, "name", KDF_KEY_FILE)) {
		w->kind = KEY_FILE;
		return 0;
	}
	if (!is_text(kdf, "name", KDF_SCRYPT))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s/" STORE_KEY ": the key is made neither by scrypt nor by HKDF",
				 where);
	n = read_number(kdf, "n");
	r = read_number(kdf, "r");
	p = read_number(kdf, "p");
	if (!scrypt_ok(n, r, p))
		return error_set(err, TRANSHIP_ELIMIT,
				 "%s/" STORE_KEY ": scrypt with N=%" PRIu64 ", r=%" PRIu64
				 ", p=%" PRIu64
				 " is not taken: at most 1 GiB of memory, p at most %u",
				 where, n, r, p, SCRYPT_P_MAX);
	w->kind = KEY_PASSPHRASE;
	w->n = n;
	w->r = (uint32_t)r;
	w->p = (uint32_t)p;
	return 0;
}

static int read_encryption(const char *where, const json_t *json, struct wrapped_key *w,
			   struct tranship_error *err)
{
	const json_t *key = json_object_get(json, "data_key");

	if (json_is_string(json) && strcmp(json_string_value(json), "none") == 0)
		return 0;
	if (!json_is_object(json))
		return broken(where, "it does not say whether the store is encrypted", err);
	if (!is_text(json, "cipher", CIPHER))
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s/" STORE_KEY ": the cipher is not " CIPHER, where);
	if (!read_hex(key, "nonce", w->nonce, sizeof(w->nonce)) ||
	    !read_hex(key, "wrapped", w->key, sizeof(w->key)) ||
	    !read_hex(key, "tag", w->tag, sizeof(w->tag)))
		return broken(where, "the wrapped data key is not whole", err);
	return read_kdf(where, json_object_get(json, "kdf"), w, err);
}

static int read_head(const char *where, const json_t *json, struct store_head *head,
		     struct tranship_error *err)
{
	struct guid guid;

	if (!is_text(json, "format", FORMAT))
		return broken(where, "it is not that of a store of tranship", err);
	if (json_integer_value(json_object_get(json, "version")) != STORE_VERSION)
		return error_set(err, TRANSHIP_EUNSUPPORTED,
				 "%s/" STORE_KEY ": version %lld of the format, %u is known", where,
				 (long long)json_integer_value(json_object_get(json, "version")),
				 STORE_VERSION);
	if (!guid_parse_be(text_of(json, "id"), &guid) || guid_is_zero(&guid))
		return broken(where, "the id is no UUID", err);
	memcpy(head->id, guid.bytes, sizeof(head->id));
	head->slot_size = read_number(json, "slot_size");
	if (head->slot_size < SLOT_SIZE_MIN || head->slot_size > SLOT_SIZE_MAX)
		return broken(where, "the size of slots is not 1 to 256 MiB", err);
	return read_encryption(where, json_object_get(json, "encryption"), &head->wrapped, err);
}

int store_head_decode(const char *where, const void *text, size_t len, struct store_head *out,
		      struct tranship_error *err)
{
	struct store_head head = { 0 };
	char shown[JSON_ERROR_TEXT_LENGTH];
	json_error_t why;
	json_t *json;
	int rc;

	if (len > STORE_HEAD_MAX)
		return broken(where, "it is longer than 64 KiB", err);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!json) {
		text_show(shown, sizeof(shown), why.text, strlen(why.text));
		return error_set(err, TRANSHIP_ECORRUPT, "%s/" STORE_KEY ": line %d: %s", where,
				 why.line, shown);
	}
	rc = read_head(where, json, &head, err);
	json_decref(json);
	if (rc == 0)
		*out = head;
	return rc;
}
