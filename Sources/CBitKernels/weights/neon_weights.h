// The kernels for weights of NEON, which all sets of arm64 share but for the screen.
#ifndef BITKERNELS_NEON_WEIGHTS_H
#define BITKERNELS_NEON_WEIGHTS_H

#include "weights.h"
#include <arm_neon.h>

#define TARGET
#define INLINE BK_INLINE
#define VECTOR float32x4_t
#define WIDTH 4
#define HAS_TABLES 0
#define TILE_TOKENS 3
enum { TILE_ROWS = 2, ONE_TOKEN_ROWS = 4, SCREEN_VECTORS = 4 };

INLINE VECTOR load(const float *p) { return vld1q_f32(p); }
INLINE void store(float *p, VECTOR v) { vst1q_f32(p, v); }
INLINE VECTOR multiplied(VECTOR a, VECTOR b) { return vmulq_f32(a, b); }
INLINE VECTOR fused(VECTOR a, VECTOR b, VECTOR c) { return vfmaq_f32(c, a, b); }
INLINE VECTOR all_floats(float x) { return vdupq_n_f32(x); }
INLINE VECTOR all_halves(const uint8_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16((uint16_t)(p[0] | p[1] << 8))));
}
INLINE VECTOR halves_at(const uint8_t *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
INLINE VECTOR bf16_at(const uint8_t *p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
INLINE VECTOR bytes_at(const int8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
INLINE float total_of(const float *lanes) {
  float32x4_t low = vaddq_f32(vld1q_f32(lanes), vld1q_f32(lanes + 8));
  float32x4_t high = vaddq_f32(vld1q_f32(lanes + 4), vld1q_f32(lanes + 12));
  float32x4_t four = vaddq_f32(low, high);
  float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// The four activations of a quad in every lane.
INLINE int8x16_t screen_quad(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

#endif
