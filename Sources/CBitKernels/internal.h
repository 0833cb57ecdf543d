// What the kernel files share: the rules that turn floats into codes, and each file's table.
#ifndef BITKERNELS_INTERNAL_H
#define BITKERNELS_INTERNAL_H

#include "bitkernels.h"
#include <string.h>

// Each product is rounded before it is added: a fused operation would give other bits.
#pragma STDC FP_CONTRACT OFF

enum { BK_SUM_STRIDE = BK_PANEL_ROWS * BK_BLOCK_PANELS };

// -1, 0 or +1; 0 for NaN. Half to even at |v| = 0.5 gives 0, and beyond 1 it is clamped, so two
// comparisons equal clamp(round(v), -1, 1).
static inline int bk_ternary_code(float weight, float inverse_scale) {
  float v = weight * inverse_scale;
  return (v > 0.5f) - (v < -0.5f);
}

// 0 or 1, for -1 and +1.
static inline int bk_sign_code(float weight, float mean) { return weight > mean; }

// Adding 1.5 * 2^23 rounds |v| < 2^22 to an integer, half to even, in the default mode.
static inline float bk_round(float v) { return (v + 12582912.0f) - 12582912.0f; }

static inline int32_t bk_clamp(int32_t v, int32_t low, int32_t high) {
  return v < low ? low : v > high ? high : v;
}

static inline double bk_lane_total(const double lanes[8]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// Columns first..<columns of a panel, as the scalar reference codes them.
void bk_encode_columns_ternary(const float *weights, size_t stride, size_t rows, size_t first,
                               size_t columns, const float *parameters, uint8_t *panel);
void bk_encode_columns_sign(const float *weights, size_t stride, size_t rows, size_t first,
                            size_t columns, const float *parameters, uint8_t *panel);

extern const bk_kernels bk_scalar;
#if defined(__x86_64__)
extern const bk_kernels bk_avx2;
#endif

#endif
