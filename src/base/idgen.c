// SPDX-License-Identifier: Apache-2.0
#include "base/idgen.h"

#include "base/bytes.h"
#include "base/error.h"

#include <errno.h>
#include <sys/random.h>

/* splitmix64 (Steele, Lea, Flood 2014): enough to spread a seed, no secret. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15U;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
	z = (z ^ z >> 27) * 0x94D049BB133111EBU;
	return z ^ z >> 31;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int idgen_init(struct idgen *gen, const char *seed, struct tranship_error *err)
{
	size_t len;

	*gen = (struct idgen){ 0 };
	if (!seed)
		return 0;
	len = strlen(seed);
	if (len == 0 || len > 64)
		return error_set(err, TRANSHIP_EINVAL,
				 "seed has %zu digits; 1 to 64 hexadecimal ones are taken", len);
	for (; *seed; seed++) {
		int digit = hex_digit(*seed);

		if (digit < 0)
			return error_set(err, TRANSHIP_EINVAL,
					 "seed has a character that is no hexadecimal digit");
		gen->state ^= (uint64_t)digit + 1;
		gen->state = next(&gen->state);
	}
	gen->seeded = 1;
	return 0;
}

int idgen_bytes(struct idgen *gen, void *out, size_t len, struct tranship_error *err)
{
	unsigned char *p = out;

	while (len > 0) {
		unsigned char word[8];
		size_t n = len < sizeof(word) ? len : sizeof(word);

		if (gen->seeded)
			put_le64(word, next(&gen->state));
		else if (getrandom(word, sizeof(word), 0) !=
			 (ssize_t)sizeof(word)) /* up to 256 bytes are never short */
			return error_sys(err, errno, "no random bytes for an identifier");
		memcpy(p, word, n);
		p += n;
		len -= n;
	}
	return 0;
}

static int make(struct idgen *gen, struct guid *out, int version_at, struct tranship_error *err)
{
	int rc = idgen_bytes(gen, out->bytes, sizeof(out->bytes), err);

	if (rc)
		return rc;
	out->bytes[version_at] = (unsigned char)((out->bytes[version_at] & 0x0F) | 0x40);
	out->bytes[8] = (unsigned char)((out->bytes[8] & 0x3F) | 0x80);
	return 0;
}

int idgen_guid_le(struct idgen *gen, struct guid *out, struct tranship_error *err)
{
	return make(gen, out, 7, err);
}

int idgen_guid_be(struct idgen *gen, struct guid *out, struct tranship_error *err)
{
	return make(gen, out, 6, err);
}
