// SPDX-License-Identifier: Apache-2.0
/* Keys, names and seals of a store's objects, by libcrypto; docs/formats/store.md, "Sealing". */
#include "emit/seal.h"

#include "base/bytes.h"
#include "base/error.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_SIZE 12U
#define AD_SIZE (STORE_ID_SIZE + OBJECT_ID_SIZE + 4)
/* libcrypto takes lengths as int. */
#define PART_MAX (1U << 30)

/*
 * Fetching an algorithm takes locks and a search by name, which is much for a block of 64 KiB; so
 * it is done once (and tried again where memory ran out). They live as long as the process.
 */
static struct {
	EVP_MD *sha256;
	EVP_CIPHER *gcm;
	EVP_MAC_CTX *hmac; /* of SHA-256, to be copied and given its key */
} algorithms;
static pthread_mutex_t fetching = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool fetched;

static EVP_MAC_CTX *new_hmac(void)
{
	static const unsigned char any[NAME_SIZE];
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (ctx && EVP_MAC_init(ctx, any, sizeof(any), params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static void fetch(void)
{
	pthread_mutex_lock(&fetching);
	if (!algorithms.sha256)
		algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!algorithms.gcm)
		algorithms.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!algorithms.hmac)
		algorithms.hmac = new_hmac();
	atomic_store(&fetched, algorithms.sha256 && algorithms.gcm && algorithms.hmac);
	pthread_mutex_unlock(&fetching);
}

/* libcrypto's own list of errors is nobody's business here, and would grow. */
static int crypto_failed(const char *what, struct tranship_error *err)
{
	ERR_clear_error();
	return error_set(err, TRANSHIP_ENOMEM, "%s: libcrypto failed", what);
}

static int have_algorithms(struct tranship_error *err)
{
	if (!atomic_load(&fetched))
		fetch();
	if (!atomic_load(&fetched))
		return crypto_failed("SHA-256, HMAC or AES-256-GCM", err);
	return 0;
}

static int hkdf(const unsigned char key[32], const unsigned char *salt, size_t salt_len,
		const char *info, unsigned char out[32], struct tranship_error *err)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, 32),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int ok = ctx && EVP_KDF_derive(ctx, out, 32, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : crypto_failed("HKDF", err);
}

int store_keys_derive(struct store_keys *keys, struct tranship_error *err)
{
	if (!keys->encrypted)
		return 0;
	return hkdf(keys->data_key, keys->store_id, STORE_ID_SIZE, "tranship block names",
		    keys->name_key, err);
}

/* SHA-256 of two pieces, of which the first may be empty. */
static int sha256_of(const void *first, size_t first_len, const void *second, size_t second_len,
		     unsigned char out[32], struct tranship_error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, algorithms.sha256, NULL) == 1 &&
		 EVP_DigestUpdate(ctx, first, first_len) == 1 &&
		 EVP_DigestUpdate(ctx, second, second_len) == 1 &&
		 EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : crypto_failed("SHA-256", err);
}

static int hmac_of(const unsigned char key[32], const void *bytes, size_t len,
		   unsigned char out[32], struct tranship_error *err)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(algorithms.hmac);
	size_t got = 0;
	int ok = ctx && EVP_MAC_init(ctx, key, 32, NULL) == 1 &&
		 EVP_MAC_update(ctx, bytes, len) == 1 && EVP_MAC_final(ctx, out, &got, 32) == 1 &&
		 got == 32;

	EVP_MAC_CTX_free(ctx);
	return ok ? 0 : crypto_failed("HMAC", err);
}

int name_of(const struct store_keys *keys, const void *bytes, size_t len,
	    unsigned char name[NAME_SIZE], struct tranship_error *err)
{
	int rc = have_algorithms(err);

	if (rc)
		return rc;
	return keys->encrypted ? hmac_of(keys->name_key, bytes, len, name, err)
			       : sha256_of("", 0, bytes, len, name, err);
}

static const char *info_of(enum seal_purpose purpose)
{
	switch (purpose) {
	case SEAL_SLOT: return "tranship slot";
	case SEAL_POINT: return "tranship point";
	case SEAL_TAGS: return "tranship tags";
	case SEAL_LEASE: return "tranship lease";
	case SEAL_ALIASES: return "tranship aliases";
	}
	return NULL;
}

int sealer_init(struct sealer *s, const struct store_keys *keys, enum seal_purpose purpose,
		const unsigned char object_id[OBJECT_ID_SIZE], const unsigned char salt[SEAL_SALT],
		struct tranship_error *err)
{
	const char *info = info_of(purpose);

	memset(s, 0, sizeof(*s));
	s->encrypted = keys->encrypted;
	memcpy(s->store_id, keys->store_id, STORE_ID_SIZE);
	memcpy(s->object_id, object_id, OBJECT_ID_SIZE);
	if (!info)
		return error_set(err, TRANSHIP_EINVAL, "no kind of object is sealed as %d",
				 (int)purpose);
	return keys->encrypted ? hkdf(keys->data_key, salt, SEAL_SALT, info, s->key, err) : 0;
}

static void make_ad(const struct sealer *s, uint32_t number, unsigned char ad[AD_SIZE])
{
	memcpy(ad, s->store_id, STORE_ID_SIZE);
	memcpy(ad + STORE_ID_SIZE, s->object_id, OBJECT_ID_SIZE);
	put_be32(ad + STORE_ID_SIZE + OBJECT_ID_SIZE, number);
}

static int plain_tag(const struct sealer *s, uint32_t number, const void *bytes, size_t len,
		     unsigned char tag[SEAL_TAG], struct tranship_error *err)
{
	unsigned char ad[AD_SIZE], hash[32];
	int rc = have_algorithms(err);

	make_ad(s, number, ad);
	if (rc == 0)
		rc = sha256_of(ad, sizeof(ad), bytes, len, hash, err);
	if (rc == 0)
		memcpy(tag, hash, SEAL_TAG);
	return rc;
}

/* All but the tag. The same steps either way, so `encrypt` says which. */
static bool run_gcm(EVP_CIPHER_CTX *ctx, const struct sealer *s, uint32_t number, void *bytes,
		    size_t len, bool encrypt)
{
	unsigned char nonce[NONCE_SIZE] = { 0 }, ad[AD_SIZE];
	int got;

	put_be32(nonce + NONCE_SIZE - 4, number);
	make_ad(s, number, ad);
	return EVP_CipherInit_ex2(ctx, algorithms.gcm, s->key, nonce, encrypt, NULL) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &got, ad, sizeof(ad)) == 1 &&
	       (len == 0 ||
		(EVP_CipherUpdate(ctx, bytes, &got, bytes, (int)len) == 1 && (size_t)got == len));
}

static int check_part(size_t len, struct tranship_error *err)
{
	if (len > PART_MAX)
		return error_set(err, TRANSHIP_ELIMIT,
				 "a part of %zu bytes; sealed are at most %u as one", len,
				 PART_MAX);
	return have_algorithms(err);
}

int seal_part(const struct sealer *s, uint32_t number, void *bytes, size_t len,
	      unsigned char tag[SEAL_TAG], struct tranship_error *err)
{
	unsigned char end[1];
	EVP_CIPHER_CTX *ctx;
	int rc, got;
	bool ok;

	if (!s->encrypted)
		return plain_tag(s, number, bytes, len, tag, err);
	rc = check_part(len, err);
	if (rc)
		return rc;
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx && run_gcm(ctx, s, number, bytes, len, true) &&
	     EVP_CipherFinal_ex(ctx, end, &got) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : crypto_failed("AES-256-GCM", err);
}

static int seal_broken(struct tranship_error *err)
{
	ERR_clear_error();
	return error_set(err, TRANSHIP_ECORRUPT, "it is not what was sealed");
}

int unseal_part(const struct sealer *s, uint32_t number, void *bytes, size_t len,
		const unsigned char tag[SEAL_TAG], struct tranship_error *err)
{
	unsigned char end[1], want[SEAL_TAG];
	EVP_CIPHER_CTX *ctx;
	bool ran, ok;
	int rc, got;

	if (!s->encrypted) {
		rc = plain_tag(s, number, bytes, len, want, err);
		return rc || CRYPTO_memcmp(want, tag, SEAL_TAG) == 0 ? rc : seal_broken(err);
	}
	rc = check_part(len, err);
	if (rc)
		return rc;
	memcpy(want, tag, SEAL_TAG);
	ctx = EVP_CIPHER_CTX_new();
	ran = ctx && run_gcm(ctx, s, number, bytes, len, false) &&
	      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, want) == 1;
	ok = ran && EVP_CipherFinal_ex(ctx, end, &got) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!ran)
		return crypto_failed("AES-256-GCM", err);
	return ok ? 0 : seal_broken(err);
}

int random_bytes(void *out, size_t len, struct tranship_error *err)
{
	unsigned char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_sys(err, errno, "the system's random source");
		at += got;
		len -= (size_t)got;
	}
	return 0;
}
