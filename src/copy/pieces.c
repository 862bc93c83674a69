// SPDX-License-Identifier: Apache-2.0
#include "copy/pieces.h"

#include "base/checked.h"
#include "base/zero.h"

#include <string.h>

static enum piece_kind kind_of(const struct piece_rule *rule, const unsigned char *bytes,
			       const unsigned char *base, size_t len)
{
	if (base && memcmp(bytes, base, len) == 0)
		return PIECE_SKIP;
	return rule->zeros && bytes_are_zero(bytes, len) ? PIECE_ZERO : PIECE_DATA;
}

size_t pieces_find(const struct piece_rule *rule, uint64_t off, size_t len,
		   const unsigned char *bytes, const unsigned char *base, struct piece *pieces)
{
	uint64_t at = off, end = off + len;
	size_t count = 0;

	if (base && memcmp(bytes, base, len) == 0) {
		pieces[0] = (struct piece){ .off = off, .len = len, .kind = PIECE_SKIP };
		return 1;
	}
	while (at < end) {
		uint64_t next =
			rule->chunk ? min_u64(round_down(at, rule->chunk) + rule->chunk, end) : end;
		enum piece_kind kind =
			rule->chunk ? kind_of(rule, bytes + (at - off),
					      base ? base + (at - off) : NULL, (size_t)(next - at))
				    : PIECE_DATA;

		if (count > 0 && pieces[count - 1].kind == kind)
			pieces[count - 1].len += next - at;
		else
			pieces[count++] =
				(struct piece){ .off = at, .len = next - at, .kind = kind };
		at = next;
	}
	return count;
}
