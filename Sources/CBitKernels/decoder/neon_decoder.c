// NEON: 16 lanes are four vectors. Equals scalar_decoder.c bit for bit.
#if defined(__aarch64__)
#include "decoder.h"
#include "../tiles.h"
#include <arm_neon.h>

// Part of every arm64 CPU.
#define TARGET

typedef struct {
  float32x4_t v[4];
} lanes;

enum {
  TILE_ROWS = 6,
  // Six rows of one block: 24 registers of sums and four of a key or value, and one for a query or
  // weight. Two blocks need four registers more.
  TILE_SUMS = 5,
  MOST_BLOCKS = 4,
  // 32 KiB of values with 128 elements.
  VALUE_POSITIONS = 64,
};

// The lanes whose vector i is EXPRESSION.
#define EACH(EXPRESSION)                                                                         \
  lanes result;                                                                                  \
  UNROLL for (int i = 0; i < 4; i++) result.v[i] = EXPRESSION;                                   \
  return result

BK_INLINE lanes all_lanes(float x) { EACH(vdupq_n_f32(x)); }
BK_INLINE lanes zero_lanes(void) { return all_lanes(0); }
BK_INLINE lanes load_lanes(const float *p) { EACH(vld1q_f32(p + 4 * i)); }
BK_INLINE void store_lanes(float *p, lanes v) {
  UNROLL for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, v.v[i]);
}
BK_INLINE lanes load_some(const float *p, size_t n) {
  float numbers[BK_FLOAT_LANES] = {0};
  memcpy(numbers, p, n * sizeof *p);
  return load_lanes(numbers);
}
BK_INLINE void store_some(float *p, lanes v, size_t n) {
  float numbers[BK_FLOAT_LANES];
  store_lanes(numbers, v);
  memcpy(p, numbers, n * sizeof *p);
}
BK_INLINE lanes load_halves(const uint16_t *p) {
  EACH(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
}
BK_INLINE void store_halves(uint16_t *p, lanes v) {
  UNROLL for (int i = 0; i < 4; i++)
    vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(v.v[i])));
}
BK_INLINE lanes load_bytes(const int8_t *p) {
  int8x16_t bytes = vld1q_s8(p);
  int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  return (lanes){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                  vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                  vcvtq_f32_s32(vmovl_high_s16(high))}};
}

BK_INLINE lanes added(lanes a, lanes b) { EACH(vaddq_f32(a.v[i], b.v[i])); }
BK_INLINE lanes subtracted(lanes a, lanes b) { EACH(vsubq_f32(a.v[i], b.v[i])); }
BK_INLINE lanes multiplied(lanes a, lanes b) { EACH(vmulq_f32(a.v[i], b.v[i])); }
BK_INLINE lanes divided(lanes a, lanes b) { EACH(vdivq_f32(a.v[i], b.v[i])); }
BK_INLINE lanes fused(lanes a, lanes b, lanes c) { EACH(vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
// These instructions give NaN if a number is NaN.
BK_INLINE lanes larger(lanes a, lanes b) { EACH(vmaxq_f32(a.v[i], b.v[i])); }
BK_INLINE lanes bounded(lanes x, float low, float high) {
  EACH(vminq_f32(vmaxq_f32(x.v[i], vdupq_n_f32(low)), vdupq_n_f32(high)));
}
BK_INLINE float32x4_t power_of_two(int32x4_t exponent) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(exponent, vdupq_n_s32(127)), 23));
}
// The first product is exact, as in bk_exp.
BK_INLINE float32x4_t scaled_four(float32x4_t p, float32x4_t n) {
  int32x4_t exponent = vcvtq_s32_f32(n), half = vshrq_n_s32(exponent, 1);
  return vmulq_f32(vmulq_f32(p, power_of_two(half)), power_of_two(vsubq_s32(exponent, half)));
}
BK_INLINE lanes scaled_by_power(lanes p, lanes n) { EACH(scaled_four(p.v[i], n.v[i])); }
BK_INLINE lanes only_first(lanes v, size_t n, lanes other) {
  static const int32_t numbers[4] = {0, 1, 2, 3};
  int32x4_t number = vld1q_s32(numbers);
  EACH(vbslq_f32(vcltq_s32(number, vdupq_n_s32((int32_t)n - 4 * i)), v.v[i], other.v[i]));
}

#define DECODER bk_neon_decoder
#include "vector_kernels.h"
#endif
