// What all sets of kernels for decoders share: the exponential and the rules of their floats.
//
// exp(x) = 2^n * p(r), with n the integer nearest to x / ln 2, r = x - n * ln 2, and a polynomial p
// of degree 6 whose relative error is below 3.2e-9 (Remez' algorithm; its coefficients 0 and 1 are
// 1). In float, in the order of bk_exp: below 1 ulp, also where the result is subnormal; 0 below
// BK_EXP_LOW, infinite beyond BK_EXP_HIGH, NaN for NaN.
#ifndef BITKERNELS_DECODER_H
#define BITKERNELS_DECODER_H

#include "../internal.h"
#include <math.h>

// Results are 0 below -103.98 and infinite beyond 88.73. Between these bounds n needs 8 bits, so
// that n * BK_LN2_HIGH, which has 15 bits more, is exact.
#define BK_EXP_LOW (-104.0f)
#define BK_EXP_HIGH 89.0f
#define BK_LOG2_E 0x1.715476p+0f
#define BK_LN2_HIGH 0x1.62e4p-1f
#define BK_LN2_LOW 0x1.7f7d1cp-20f
// Adding 1.5 * 2^23 rounds to an integer, half to even, which the lowest bits then hold.
#define BK_ROUNDER 12582912.0f
#define BK_EXP_2 0x1.fffffcp-2f
#define BK_EXP_3 0x1.55549p-3f
#define BK_EXP_4 0x1.5558fcp-5f
#define BK_EXP_5 0x1.123b9ap-7f
#define BK_EXP_6 0x1.6a215ap-10f

enum {
  BK_FLOAT_LANES = 16,
  // Rows of an attention whose scores are in memory at once.
  BK_ATTENTION_ROWS = 96,
  // Positions whose keys or values are floats in memory at once, at most.
  BK_ATTENTION_POSITIONS = 64,
};

BK_INLINE float bk_power_of_two(int32_t exponent) {
  uint32_t bits = ((uint32_t)exponent + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  return power;
}

BK_INLINE float bk_exp(float x) {
  x = x < BK_EXP_LOW ? BK_EXP_LOW : x > BK_EXP_HIGH ? BK_EXP_HIGH : x;
  float rounded = __builtin_fmaf(x, BK_LOG2_E, BK_ROUNDER), n = rounded - BK_ROUNDER;
  float r = __builtin_fmaf(n, -BK_LN2_LOW, __builtin_fmaf(n, -BK_LN2_HIGH, x));
  float p = __builtin_fmaf(BK_EXP_6, r, BK_EXP_5);
  p = __builtin_fmaf(p, r, BK_EXP_4);
  p = __builtin_fmaf(p, r, BK_EXP_3);
  p = __builtin_fmaf(p, r, BK_EXP_2);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  // 2^n in two factors, which are normal floats. The first product is exact, so the result is
  // rounded once. Any number will do for NaN.
  int32_t exponent = n == n ? (int32_t)n : 0, half = exponent / 2;
  return p * bk_power_of_two(half) * bk_power_of_two(exponent - half);
}

// The larger one; NaN if one of them is.
BK_INLINE float bk_larger(float a, float b) { return a > b || a != a ? a : b; }

// 16 numbers: those eight apart are added, then those four, two and one apart.
BK_INLINE float bk_lanes_total(const float lanes[BK_FLOAT_LANES]) {
  float sums[BK_FLOAT_LANES / 2];
  for (int i = 0; i < 8; i++) sums[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; i++) sums[i] = sums[i] + sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// A maximum that is zero is +0, whatever the signs of zeros among the numbers.
BK_INLINE float bk_lanes_largest(const float lanes[BK_FLOAT_LANES]) {
  float largest = lanes[0];
  for (int i = 1; i < BK_FLOAT_LANES; i++) largest = bk_larger(largest, lanes[i]);
  return largest + 0.0f;
}

BK_INLINE float bk_inverse_root(float squares, size_t n, float epsilon) {
  return 1 / sqrtf(squares / (float)n + epsilon);
}

// The scale of numbers whose largest magnitude this is: NaN unless that is finite.
BK_INLINE float bk_byte_scale(float largest) {
  return largest <= 0x1.fffffep127f ? largest / 127 : __builtin_nanf("");
}

// Where the key's element d of a position lies.
BK_INLINE size_t bk_key_index(const bk_cache_chunk *chunk, size_t position, size_t d) {
  return (position / BK_KEY_LANES * chunk->length + d) * BK_KEY_LANES + position % BK_KEY_LANES;
}

#endif
