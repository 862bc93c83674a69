/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on numbers that an image may have chosen: it says when a result does not fit. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* Whether [off, off + len) lies in [0, limit), without ever computing off + len. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t limit)
{
	return off <= limit && len <= limit - off;
}

static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

/* v rounded up to a multiple of the power of two unit; false if that passes 2^64. */
static inline bool round_up_ok(uint64_t v, uint64_t unit, uint64_t *out)
{
	if (!add_ok(v, unit - 1, out))
		return false;
	*out &= ~(unit - 1);
	return true;
}

/* Narrowing to an on-disk 32-bit field. */
static inline bool narrow32_ok(uint64_t v, uint32_t *out)
{
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

/* For values that are known to be small: v is at most 2^63. */
static inline uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) & ~(unit - 1);
}

static inline uint64_t round_down(uint64_t v, uint64_t unit)
{
	return v & ~(unit - 1);
}

/* a / b rounded up; b > 0. */
static inline uint64_t div_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static inline bool is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
