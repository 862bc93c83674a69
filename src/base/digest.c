// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include "base/error.h"
#include "base/zero.h"
#include "config.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if TRANSHIP_XXHASH_DISPATCH
#include <xxh_x86dispatch.h> /* the same names, for the best instructions of this processor */
#else
#include <xxhash.h>
#endif

/* Its own list of errors is nobody's business here, and would grow. */
static int crypto_failed(struct tranship_error *err)
{
	ERR_clear_error();
	return error_set(err, TRANSHIP_ENOMEM, "SHA-256: libcrypto failed");
}

/* SHA-256 of the seed and a counter, six times: what XXH3 takes must look random all over. */
static int derive_secret(const struct digest_seed *seed, unsigned char *secret,
			 struct tranship_error *err)
{
	unsigned char in[DIGEST_SEED_SIZE + 1];
	unsigned char i;

	memcpy(in, seed->bytes, DIGEST_SEED_SIZE);
	for (i = 0; i < DIGEST_SECRET_SIZE / 32; i++) {
		in[DIGEST_SEED_SIZE] = i;
		if (!SHA256(in, sizeof(in), secret + (size_t)i * 32))
			return crypto_failed(err);
	}
	return 0;
}

int digester_init(struct digester *d, enum digest_kind kind, uint32_t block_size,
		  const struct digest_seed *seed, struct tranship_error *err)
{
	*d = (struct digester){ .kind = kind, .block_size = block_size, .seed = *seed };
	d->size = kind == DIGEST_SHA256 ? 32 : 16;
	return kind == DIGEST_SHA256 ? 0 : derive_secret(seed, d->secret, err);
}

/* A block that is not zeros. */
static int digest_data(const struct digester *d, const unsigned char *bytes, unsigned char *out,
		       struct tranship_error *err)
{
	if (d->kind == DIGEST_SHA256) {
		if (!SHA256(bytes, d->block_size, out))
			return crypto_failed(err);
	} else {
		XXH128_canonical_t canonical;

		XXH128_canonicalFromHash(&canonical,
					 XXH3_128bits_withSecret(bytes, d->block_size, d->secret,
								 sizeof(d->secret)));
		memcpy(out, canonical.digest, sizeof(canonical.digest));
	}
	if (digest_is_zero(d, out))
		out[d->size - 1] = 1;
	return 0;
}

int digest_blocks(const struct digester *d, const void *bytes, size_t count, unsigned char *out,
		  struct tranship_error *err)
{
	const unsigned char *at = bytes;
	int rc = 0;

	for (; count > 0 && rc == 0; count--) {
		if (bytes_are_zero(at, d->block_size))
			memset(out, 0, d->size);
		else
			rc = digest_data(d, at, out, err);
		at += d->block_size;
		out += d->size;
	}
	return rc;
}

bool digest_is_zero(const struct digester *d, const unsigned char *digest)
{
	static const unsigned char zero[DIGEST_SIZE_MAX];

	return memcmp(digest, zero, d->size) == 0;
}

int digest_kind_parse(const char *text, enum digest_kind *out, struct tranship_error *err)
{
	if (!text || strcmp(text, "xxh3") == 0)
		*out = DIGEST_XXH3;
	else if (strcmp(text, "sha256") == 0)
		*out = DIGEST_SHA256;
	else
		return error_set(err, TRANSHIP_EINVAL, "the hash '%.40s' is not xxh3 or sha256",
				 text);
	return 0;
}

const char *digest_kind_name(enum digest_kind kind)
{
	return kind == DIGEST_SHA256 ? "sha256" : "xxh3";
}

bool digest_kind_known(uint32_t kind)
{
	return kind == DIGEST_XXH3 || kind == DIGEST_SHA256;
}

void digest_seed_name(const struct digest_seed *seed, char out[20])
{
	unsigned char hash[32];

	/* One way: XXH3 of it could be turned back. */
	if (!SHA256(seed->bytes, sizeof(seed->bytes), hash))
		memset(hash, 0, sizeof(hash));
	snprintf(out, 20, "%02x%02x%02x%02x%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3],
		 hash[4], hash[5], hash[6], hash[7]);
}

uint64_t check64(const void *bytes, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, len, seed);
}

struct sha256 {
	EVP_MD_CTX *ctx;
};

int sha256_new(struct sha256 **out, struct tranship_error *err)
{
	struct sha256 *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (s)
		s->ctx = EVP_MD_CTX_new();
	if (!s || !s->ctx || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
		sha256_free(s);
		return crypto_failed(err);
	}
	*out = s;
	return 0;
}

int sha256_update(struct sha256 *s, const void *bytes, size_t len, struct tranship_error *err)
{
	return EVP_DigestUpdate(s->ctx, bytes, len) == 1 ? 0 : crypto_failed(err);
}

int sha256_final(struct sha256 *s, unsigned char out[32], struct tranship_error *err)
{
	return EVP_DigestFinal_ex(s->ctx, out, NULL) == 1 ? 0 : crypto_failed(err);
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}
