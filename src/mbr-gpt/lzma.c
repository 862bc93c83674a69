// SPDX-License-Identifier: Apache-2.0
#include "mbr-gpt/lzma.h"

#include "base/bytes.h"

#include <stdint.h>

enum {
	LC = 3,
	POS_STATES = 4, /* pb 2 */
	STATES = 12,
	STATE_AFTER_LITERAL = 7, /* below: the last symbol was a literal */
	LITERAL_PROBS = 0x300,
	LEN_LOW = 8,
	LEN_HIGH = 256,
	MATCH_MIN = 2,
	DISTANCE_STATES = 4,
	DISTANCE_SLOTS = 64,
	DISTANCE_END_MODEL = 14, /* slots from here on have direct bits */
	DISTANCE_FULL = 128,
	ALIGN_BITS = 4,
	PROB_BITS = 11,
	PROB_HALF = 1 << (PROB_BITS - 1),
	PROB_MOVE = 5,
};
#define RANGE_LOW (UINT32_C(1) << 24)

struct length_probs {
	uint16_t choice, choice2;
	uint16_t low[POS_STATES][LEN_LOW], middle[POS_STATES][LEN_LOW], high[LEN_HIGH];
};

struct lzma {
	const unsigned char *in;
	size_t left;
	bool failed; /* it wanted more than there was */
	uint32_t range, code;
	unsigned char *out;
	size_t at, size;
	uint32_t state, rep[4];
	uint16_t literal[1 << LC][LITERAL_PROBS];
	uint16_t is_match[STATES][POS_STATES], is_rep[STATES];
	uint16_t is_rep0[STATES], is_rep1[STATES], is_rep2[STATES];
	uint16_t is_rep0_long[STATES][POS_STATES];
	uint16_t slot[DISTANCE_STATES][DISTANCE_SLOTS];
	uint16_t special[1 + DISTANCE_FULL - DISTANCE_END_MODEL], align[1 << ALIGN_BITS];
	struct length_probs match_len, rep_len;
};

static void normalize(struct lzma *z)
{
	if (z->range >= RANGE_LOW)
		return;
	z->range <<= 8;
	z->code <<= 8;
	if (z->left == 0) {
		z->failed = true;
		return;
	}
	z->code |= *z->in++;
	z->left--;
}

static unsigned bit(struct lzma *z, uint16_t *prob)
{
	uint32_t bound;

	normalize(z);
	bound = (z->range >> PROB_BITS) * *prob;
	if (z->code < bound) {
		z->range = bound;
		*prob = (uint16_t)(*prob + (((1 << PROB_BITS) - *prob) >> PROB_MOVE));
		return 0;
	}
	z->code -= bound;
	z->range -= bound;
	*prob = (uint16_t)(*prob - (*prob >> PROB_MOVE));
	return 1;
}

static uint32_t direct_bits(struct lzma *z, unsigned count)
{
	uint32_t value = 0;

	while (count-- > 0) {
		normalize(z);
		z->range >>= 1;
		value <<= 1;
		if (z->code >= z->range) {
			z->code -= z->range;
			value |= 1;
		}
	}
	return value;
}

static uint32_t tree(struct lzma *z, uint16_t *probs, unsigned bits)
{
	uint32_t m = 1;
	unsigned i;

	for (i = 0; i < bits; i++)
		m = m << 1 | bit(z, &probs[m]);
	return m - (UINT32_C(1) << bits);
}

/* The lowest bit first. */
static uint32_t reverse_tree(struct lzma *z, uint16_t *probs, unsigned bits)
{
	uint32_t m = 1, value = 0;
	unsigned i;

	for (i = 0; i < bits; i++) {
		unsigned b = bit(z, &probs[m]);

		m = m << 1 | b;
		value |= (uint32_t)b << i;
	}
	return value;
}

static void literal(struct lzma *z)
{
	uint16_t *probs = z->literal[z->at > 0 ? z->out[z->at - 1] >> (8 - LC) : 0];
	uint32_t symbol = 1, match;

	if (z->state >= STATE_AFTER_LITERAL) {
		match = z->out[z->at - z->rep[0] - 1];
		while (symbol < 0x100) {
			uint32_t m = match >> 7 & 1, b;

			match <<= 1;
			b = bit(z, &probs[((1 + m) << 8) + symbol]);
			symbol = symbol << 1 | b;
			if (m != b)
				break;
		}
	}
	while (symbol < 0x100)
		symbol = symbol << 1 | bit(z, &probs[symbol]);
	z->out[z->at++] = (unsigned char)symbol;
	z->state = z->state < 4 ? 0 : z->state < 10 ? z->state - 3 : z->state - 6;
}

static uint32_t length(struct lzma *z, struct length_probs *p, unsigned pos_state)
{
	if (!bit(z, &p->choice))
		return MATCH_MIN + tree(z, p->low[pos_state], 3);
	if (!bit(z, &p->choice2))
		return MATCH_MIN + LEN_LOW + tree(z, p->middle[pos_state], 3);
	return MATCH_MIN + 2 * LEN_LOW + tree(z, p->high, 8);
}

static uint32_t distance(struct lzma *z, uint32_t len)
{
	uint32_t of = len - MATCH_MIN < DISTANCE_STATES ? len - MATCH_MIN : DISTANCE_STATES - 1;
	uint32_t slot = tree(z, z->slot[of], 6), value;
	unsigned bits;

	if (slot < 4)
		return slot;
	bits = slot / 2 - 1;
	value = (2 | (slot & 1)) << bits;
	if (slot < DISTANCE_END_MODEL)
		return value + reverse_tree(z, z->special + value - slot, bits);
	value += direct_bits(z, bits - ALIGN_BITS) << ALIGN_BITS;
	return value + reverse_tree(z, z->align, ALIGN_BITS);
}

/* A distance that was used before goes to the front. */
static void take_rep(struct lzma *z)
{
	uint32_t of = z->state, taken;
	unsigned index = 1;

	if (bit(z, &z->is_rep1[of]))
		index = bit(z, &z->is_rep2[of]) ? 3 : 2;
	taken = z->rep[index];
	for (; index > 0; index--)
		z->rep[index] = z->rep[index - 1];
	z->rep[0] = taken;
}

/* The length of a match, 1 for a byte repeated; distances go to rep. */
static uint32_t match(struct lzma *z, unsigned pos_state)
{
	uint32_t of = z->state, len;
	bool long_state = of >= STATE_AFTER_LITERAL;

	if (!bit(z, &z->is_rep[of])) {
		z->rep[3] = z->rep[2];
		z->rep[2] = z->rep[1];
		z->rep[1] = z->rep[0];
		len = length(z, &z->match_len, pos_state);
		z->state = long_state ? 10 : 7;
		z->rep[0] = distance(z, len);
		return len;
	}
	if (bit(z, &z->is_rep0[of])) {
		take_rep(z);
	} else if (!bit(z, &z->is_rep0_long[of][pos_state])) {
		z->state = long_state ? 11 : 9;
		return 1;
	}
	z->state = long_state ? 11 : 8;
	return length(z, &z->rep_len, pos_state);
}

static bool unpack(struct lzma *z)
{
	while (z->at < z->size && !z->failed) {
		unsigned pos_state = z->at % POS_STATES;
		uint32_t len;

		if (!bit(z, &z->is_match[z->state][pos_state])) {
			literal(z);
			continue;
		}
		len = match(z, pos_state);
		if (z->rep[0] >= z->at || len > z->size - z->at)
			return false;
		for (; len > 0; len--, z->at++)
			z->out[z->at] = z->out[z->at - z->rep[0] - 1];
	}
	normalize(z);
	return !z->failed && z->left == 0 && z->code == 0;
}

/* Every probability is one half at first. */
static void fill(void *probs, size_t bytes)
{
	uint16_t *p = probs;
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++)
		p[i] = PROB_HALF;
}

static void lengths_init(struct length_probs *p)
{
	p->choice = p->choice2 = PROB_HALF;
	fill(p->low, sizeof(p->low));
	fill(p->middle, sizeof(p->middle));
	fill(p->high, sizeof(p->high));
}

static void probs_init(struct lzma *z)
{
	fill(z->literal, sizeof(z->literal));
	fill(z->is_match, sizeof(z->is_match));
	fill(z->is_rep, sizeof(z->is_rep));
	fill(z->is_rep0, sizeof(z->is_rep0));
	fill(z->is_rep1, sizeof(z->is_rep1));
	fill(z->is_rep2, sizeof(z->is_rep2));
	fill(z->is_rep0_long, sizeof(z->is_rep0_long));
	fill(z->slot, sizeof(z->slot));
	fill(z->special, sizeof(z->special));
	fill(z->align, sizeof(z->align));
	lengths_init(&z->match_len);
	lengths_init(&z->rep_len);
}

bool lzma_unpack(const unsigned char *in, size_t len, unsigned char *out, size_t size)
{
	struct lzma z = { .out = out, .size = size, .range = UINT32_MAX };

	/* The coder's first byte is nothing, the next four are its code. */
	if (len < 5 || in[0] != 0)
		return false;
	z.code = get_be32(in + 1);
	z.in = in + 5;
	z.left = len - 5;
	probs_init(&z);
	return unpack(&z);
}
