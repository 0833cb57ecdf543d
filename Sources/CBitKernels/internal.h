// What the kernel files share: the rules that turn floats into codes, the geometry of strips, and
// the tables of all files.
#ifndef BITKERNELS_INTERNAL_H
#define BITKERNELS_INTERNAL_H

#include "bitkernels.h"
#include <string.h>

// Each product is rounded before it is added, except where fma is written: fusing gives other bits.
#pragma STDC FP_CONTRACT OFF

// Inlined code takes the vector extensions of the function that calls it.
#define BK_INLINE static inline __attribute__((always_inline))

// Bytes of a step of packed codes: a cache line.
enum { BK_STEP_BYTES = 64 };

// -1, 0 or +1; 0 for NaN. Half to even at |v| = 0.5 gives 0, and beyond 1 it is clamped, so two
// comparisons equal clamp(round(v), -1, 1).
BK_INLINE int bk_ternary_code(float weight, float inverse_scale) {
  float v = weight * inverse_scale;
  return (v > 0.5f) - (v < -0.5f);
}

// 0 or 1, for -1 and +1.
BK_INLINE int bk_sign_code(float weight, float mean) { return weight > mean; }

// Adding 1.5 * 2^23 rounds |v| < 2^22 to an integer, half to even, in the default mode.
BK_INLINE float bk_round(float v) { return (v + 12582912.0f) - 12582912.0f; }

BK_INLINE int32_t bk_clamp(int32_t v, int32_t low, int32_t high) {
  return v < low ? low : v > high ? high : v;
}

BK_INLINE double bk_lane_total(const double lanes[8]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

BK_INLINE size_t bk_divide_up(size_t count, size_t unit) { return (count + unit - 1) / unit; }

// The index of a row's byte in a step.
BK_INLINE size_t bk_strip_byte(size_t row) {
  return row / 32 * 32 + row / 4 % 2 * 16 + row / 8 % 4 * 4 + row % 4;
}

// The blocks of a row as steps: `blocks` of them, all of `steps` steps except the last, which has
// `last_steps`.
typedef struct {
  size_t blocks, steps, last_steps;
} bk_block_steps;

BK_INLINE bk_block_steps bk_steps(size_t columns, size_t step_columns, size_t block_columns) {
  if (block_columns == 0 || columns == 0) {
    size_t steps = bk_divide_up(columns, step_columns);
    return (bk_block_steps){1, steps, steps};
  }
  size_t blocks = bk_divide_up(columns, block_columns);
  size_t last = columns - (blocks - 1) * block_columns;
  return (bk_block_steps){blocks, bk_divide_up(block_columns, step_columns),
                          bk_divide_up(last, step_columns)};
}

// The columns of a segment, the shorter of the blocks of weights and activations; 0 without blocks.
BK_INLINE size_t bk_segment_columns(size_t weight_block, size_t activation_block) {
  if (weight_block == 0 || activation_block == 0) return weight_block + activation_block;
  return weight_block < activation_block ? weight_block : activation_block;
}

BK_INLINE size_t bk_step_count(bk_block_steps steps) {
  return (steps.blocks - 1) * steps.steps + steps.last_steps;
}

// Exchanges the bits of `word` that `mask` selects with those `shift` places above.
BK_INLINE uint32_t bk_swap_bits(uint32_t word, uint32_t mask, int shift) {
  uint32_t differ = (word ^ word >> shift) & mask;
  return word ^ differ ^ differ << shift;
}

// Four bytes of a row, whose places are in the order of columns 4f + j, to the four bytes j of a
// step with places f, and back. Each exchange of bits exchanges two bits of the number of a place.
BK_INLINE uint32_t bk_step_from_row(uint32_t word, bk_format format) {
  if (format == BK_TERNARY2)
    return bk_swap_bits(bk_swap_bits(word, 0x00cc00cc, 6), 0x0000f0f0, 12);
  word = bk_swap_bits(bk_swap_bits(word, 0x0a0a0a0a, 3), 0x00cc00cc, 6);
  return bk_swap_bits(bk_swap_bits(word, 0x0000f0f0, 12), 0x0000ff00, 8);
}

BK_INLINE uint32_t bk_row_from_step(uint32_t word, bk_format format) {
  if (format == BK_TERNARY2)
    return bk_swap_bits(bk_swap_bits(word, 0x0000f0f0, 12), 0x00cc00cc, 6);
  word = bk_swap_bits(bk_swap_bits(word, 0x0000ff00, 8), 0x0000f0f0, 12);
  return bk_swap_bits(bk_swap_bits(word, 0x00cc00cc, 6), 0x0a0a0a0a, 3);
}

// Fields of a byte in the layout BK_DOT: quads of a step.
BK_INLINE int bk_dot_fields(bk_format format) {
  return format == BK_TERNARY2 ? 4 : format == BK_TERNARY1_6 ? 5 : 8;
}

// A half precision float to a float, exactly: subnormal ones become normal by the multiplication.
// BitCore's HalfPrecision is the same in Swift, and the way back.
BK_INLINE float bk_half(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t special = magnitude >= 0x0f800000 ? 0x7f800000 : 0, bits = magnitude;
  float value;
  memcpy(&value, &bits, 4);
  value *= 0x1p112f;
  memcpy(&bits, &value, 4);
  bits |= special | sign;
  memcpy(&value, &bits, 4);
  return value;
}

// The bfloat16 nearest to a float, half to even. BitCore's HalfPrecision is the same in Swift.
BK_INLINE uint16_t bk_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  // Rounding could turn a NaN into an infinity.
  uint32_t nan = bits >> 16 | 0x40, rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

BK_INLINE float bk_block_scale(const bk_matrix *m, size_t index) {
  return m->scales ? m->scales[index] : bk_half(m->half_scales[index]);
}

// The float part of some rows of one token.
BK_INLINE void bk_finish_rows(const int32_t *sums, size_t rows, int32_t offset,
                              const float *scales, float inverse, const float *bias, float *out) {
  if (bias)
    for (size_t r = 0; r < rows; r++)
      out[r] = (float)(sums[r] - offset) * scales[r] * inverse + bias[r];
  else
    for (size_t r = 0; r < rows; r++) out[r] = (float)(sums[r] - offset) * scales[r] * inverse;
}

BK_INLINE void bk_finish_wide_rows(const int32_t *high, const int32_t *low, size_t rows,
                                   const float *scales, float inverse, const float *bias,
                                   float *out) {
  for (size_t r = 0; r < rows; r++)
    out[r] = (float)(256 * (int64_t)high[r] + low[r]) * scales[r] * inverse;
  if (bias)
    for (size_t r = 0; r < rows; r++) out[r] = out[r] + bias[r];
}

BK_INLINE void bk_finish_totals(const float *totals, size_t rows, const float *scales,
                                float inverse, const float *bias, float *out) {
  if (scales)
    for (size_t r = 0; r < rows; r++) out[r] = totals[r] * scales[r] * inverse;
  else
    for (size_t r = 0; r < rows; r++) out[r] = totals[r] * inverse;
  if (bias)
    for (size_t r = 0; r < rows; r++) out[r] = out[r] + bias[r];
}

BK_INLINE void bk_add_row_totals(const int32_t *sums, int32_t offset, const float *scales,
                                 float factor, float *totals) {
  for (size_t r = 0; r < BK_STRIP_ROWS; r++)
    totals[r] = __builtin_fmaf((float)(sums[r] - offset), scales[r] * factor, totals[r]);
}

BK_INLINE void bk_sum_blocks(const int8_t *q, size_t block, size_t blocks, int32_t *sums) {
  for (size_t b = 0; b < blocks; b++) {
    int32_t sum = 0;
    for (size_t c = 0; c < block; c++) sum += q[b * block + c];
    sums[b] = sum;
  }
}

// Codes of columns first..<columns of a panel, by the scalar reference.
void bk_encode_columns_ternary(const float *weights, size_t stride, size_t rows, size_t first,
                               size_t columns, const float *parameters, uint8_t *panel);
void bk_encode_columns_sign(const float *weights, size_t stride, size_t rows, size_t first,
                            size_t columns, const float *parameters, uint8_t *panel);

extern const bk_weight_kernels bk_scalar_weights;
extern const bk_kernels bk_scalar;
#if defined(__x86_64__)
extern const bk_weight_kernels bk_avx2_weights, bk_avx512_weights;
extern const bk_kernels bk_avx2, bk_avxvnni, bk_avx512vnni, bk_avx512vbmi;
#elif defined(__aarch64__)
extern const bk_weight_kernels bk_neon_weights, bk_dotprod_weights;
extern const bk_kernels bk_neon, bk_dotprod, bk_i8mm;
#endif

#endif
