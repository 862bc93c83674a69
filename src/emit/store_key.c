// SPDX-License-Identifier: Apache-2.0
/*
 * What unlocks the data key. A passphrase is stretched by scrypt (RFC 7914); a key file, which has
 * enough randomness of its own, goes through HKDF-SHA-256 (RFC 5869). Either makes a key that wraps
 * the data key by AES-256-GCM; id, version and slot size of the store are bound to it, so that
 * store.json cannot be put together of two.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "emit/store_head.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_INFO "tranship store key file"
#define AD_NAME "tranship store"
#define AD_SIZE (sizeof(AD_NAME) + 4 + STORE_ID_SIZE + 8)

/* ---- Secrets ---- */

static int read_passphrase(const char *passphrase, struct store_secret *out,
			   struct tranship_error *err)
{
	size_t len = strlen(passphrase);

	if (len == 0 || len > PASSPHRASE_MAX)
		return error_set(err, TRANSHIP_EINVAL,
				 "a passphrase has 1 to %u bytes, this one has %zu", PASSPHRASE_MAX,
				 len);
	memcpy(out->bytes, passphrase, len);
	out->len = len;
	out->kind = KEY_PASSPHRASE;
	return 0;
}

int secret_file_read(const char *path, unsigned char *bytes, size_t max, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), sys = 0;
	ssize_t n = 1;

	*len = 0;
	if (fd < 0)
		return errno;
	while (*len < max && n > 0) {
		n = read(fd, bytes + *len, max - *len);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			sys = errno;
	}
	close(fd);
	return sys;
}

static int read_key_file(const char *path, struct store_secret *out, struct tranship_error *err)
{
	unsigned char bytes[KEY_FILE_MAX + 1];
	char shown[200];
	size_t len;
	int sys, rc = 0;

	text_show(shown, sizeof(shown), path, strlen(path));
	sys = secret_file_read(path, bytes, sizeof(bytes), &len);
	if (sys)
		rc = error_sys(err, sys, "the key file '%s' could not be read", shown);
	else if (len < KEY_FILE_MIN || len > KEY_FILE_MAX)
		rc = error_set(err, TRANSHIP_EINVAL,
			       "the key file '%s' has %s than %u bytes; %u to %u are taken", shown,
			       len < KEY_FILE_MIN ? "fewer" : "more",
			       len < KEY_FILE_MIN ? KEY_FILE_MIN : KEY_FILE_MAX, KEY_FILE_MIN,
			       KEY_FILE_MAX);
	if (rc == 0) {
		memcpy(out->bytes, bytes, len);
		out->len = len;
		out->kind = KEY_FILE;
	}
	explicit_bzero(bytes, sizeof(bytes));
	return rc;
}

int store_secret_read(const char *passphrase, const char *key_file, struct store_secret *out,
		      struct tranship_error *err)
{
	out->kind = KEY_NONE;
	out->len = 0;
	if (passphrase && key_file)
		return error_set(err, TRANSHIP_EINVAL,
				 "a store has a passphrase or a key file, both were given");
	if (passphrase)
		return read_passphrase(passphrase, out, err);
	return key_file ? read_key_file(key_file, out, err) : 0;
}

/* ---- From the secret to the key that wraps ---- */

static int derive(const char *algorithm, const OSSL_PARAM *params, unsigned char key[32],
		  struct tranship_error *err)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, algorithm, NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, key, 32, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0
		  : error_set(err, TRANSHIP_ENOMEM,
			      "%s made no key: too little memory, or libcrypto lacks it",
			      algorithm);
}

static int wrapping_key(const struct wrapped_key *w, const struct store_secret *secret,
			unsigned char key[32], struct tranship_error *err)
{
	/* What takes parameters does not promise to leave them alone. */
	struct wrapped_key copy = *w;
	struct store_secret own = *secret;
	uint64_t most = SCRYPT_MEMORY_MAX + (64U << 20);
	const OSSL_PARAM scrypt[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, own.bytes, own.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, copy.salt,
						  sizeof(copy.salt)),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &copy.n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &copy.r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &copy.p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most),
		OSSL_PARAM_construct_end(),
	};
	char digest[] = "SHA256", info[] = KEY_FILE_INFO;
	const OSSL_PARAM hkdf[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, own.bytes, own.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, copy.salt,
						  sizeof(copy.salt)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
		OSSL_PARAM_construct_end(),
	};
	int rc = w->kind == KEY_PASSPHRASE ? derive("SCRYPT", scrypt, key, err)
					   : derive("HKDF", hkdf, key, err);

	explicit_bzero(&own, sizeof(own));
	return rc;
}

/* ---- Wrapping ---- */

static void make_ad(const struct store_head *head, unsigned char ad[AD_SIZE])
{
	unsigned char *p = ad;

	memcpy(p, AD_NAME, sizeof(AD_NAME));
	p += sizeof(AD_NAME);
	put_le32(p, STORE_VERSION);
	memcpy(p + 4, head->id, STORE_ID_SIZE);
	put_le64(p + 4 + STORE_ID_SIZE, head->slot_size);
}

/* Encrypts or decrypts the data key, `from` to `to`. */
static bool run_gcm(const struct store_head *head, const unsigned char key[32], bool encrypt,
		    const unsigned char *from, unsigned char *to, unsigned char tag[SEAL_TAG])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char ad[AD_SIZE], rest[16];
	int n;
	bool ok;

	make_ad(head, ad);
	ok = ctx &&
	     EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, head->wrapped.nonce, encrypt) ==
		     1 &&
	     EVP_CipherUpdate(ctx, NULL, &n, ad, sizeof(ad)) == 1 &&
	     EVP_CipherUpdate(ctx, to, &n, from, DATA_KEY_SIZE) == 1 && n == DATA_KEY_SIZE;
	if (ok && !encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1;
	ok = ok && EVP_CipherFinal_ex(ctx, rest, &n) == 1;
	if (ok && encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		ERR_clear_error();
	return ok;
}

int store_head_wrap(struct store_head *head, const struct store_secret *secret,
		    const unsigned char data_key[DATA_KEY_SIZE], struct tranship_error *err)
{
	struct wrapped_key *w = &head->wrapped;
	unsigned char key[32];
	int rc;

	*w = (struct wrapped_key){ .kind = secret->kind };
	if (w->kind == KEY_PASSPHRASE) {
		w->n = SCRYPT_N;
		w->r = SCRYPT_R;
		w->p = SCRYPT_P;
	}
	rc = random_bytes(w->salt, sizeof(w->salt), err);
	if (rc == 0)
		rc = random_bytes(w->nonce, sizeof(w->nonce), err);
	if (rc == 0)
		rc = wrapping_key(w, secret, key, err);
	if (rc == 0 && !run_gcm(head, key, true, data_key, w->key, w->tag))
		rc = error_set(err, TRANSHIP_ENOMEM, "libcrypto could not encrypt the data key");
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int check_kind(const char *where, enum key_kind want, enum key_kind got,
		      struct tranship_error *err)
{
	if (got == want)
		return 0;
	if (want == KEY_PASSPHRASE)
		return error_set(err, TRANSHIP_EDENIED,
				 "%s is encrypted with a passphrase, %s was given", where,
				 got == KEY_NONE ? "none" : "a key file");
	return error_set(err, TRANSHIP_EDENIED, "%s is encrypted with a key file, %s was given",
			 where, got == KEY_NONE ? "none" : "a passphrase");
}

int store_head_unwrap(const char *where, const struct store_head *head,
		      const struct store_secret *secret, unsigned char data_key[DATA_KEY_SIZE],
		      struct tranship_error *err)
{
	unsigned char key[32], tag[SEAL_TAG];
	int rc = check_kind(where, head->wrapped.kind, secret->kind, err);

	if (rc)
		return rc;
	rc = wrapping_key(&head->wrapped, secret, key, err);
	memcpy(tag, head->wrapped.tag, sizeof(tag));
	if (rc == 0 && !run_gcm(head, key, false, head->wrapped.key, data_key, tag)) {
		explicit_bzero(data_key, DATA_KEY_SIZE);
		rc = error_set(err, TRANSHIP_EDENIED,
			       "the %s does not open %s: it is the wrong one, or " STORE_KEY
			       " was changed",
			       secret->kind == KEY_FILE ? "key file" : "passphrase", where);
	}
	explicit_bzero(key, sizeof(key));
	return rc;
}
