// SPDX-License-Identifier: Apache-2.0
#include "base/zero.h"

#include <stdint.h>
#include <string.h>

/*
 * Data that is not zero shows it early, nearly always in its first words; zeros must be read to the
 * end. The inner loop is plain so that the compiler makes vectors of it.
 */
bool bytes_are_zero(const void *data, size_t len)
{
	enum { WORDS = 32 };
	const unsigned char *p = data;
	uint64_t word[WORDS];
	unsigned char rest = 0;

	while (len >= sizeof(word)) {
		uint64_t any = 0;
		int i;

		memcpy(word, p, sizeof(word));
		for (i = 0; i < WORDS; i++)
			any |= word[i];
		if (any)
			return false;
		p += sizeof(word);
		len -= sizeof(word);
	}
	while (len-- > 0)
		rest |= *p++;
	return rest == 0;
}
