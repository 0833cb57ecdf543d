// NEON: products with floats and with blocks of GGUF. Equals scalar_weights.c bit for bit.
#if defined(__aarch64__)
#include "neon_weights.h"
#include "weight_lanes.h"

TARGET static void lengths(const float *w, const int8_t *q, size_t n, float scale,
                           double *residual, double *length) {
  bk_lengths(w, q, n, scale, residual, length);
}

// Adds products of four bytes to pairs of sums: those of two rows, each in two halves. Two products
// fit into 16 bits.
INLINE int32x4_t add_products(int32x4_t sum, int8x8_t codes, int8x8_t q) {
  return vpadalq_s16(sum, vmull_s8(codes, q));
}

static void screen(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                   const int8_t *low, int32_t *sums) {
  for (size_t p = 0; p < panels; p++) {
    int32x4_t h[8], l[8];
    for (int i = 0; i < 8; i++) h[i] = l[i] = vdupq_n_s32(0);
    for (size_t k = 0; k < quads; k++, codes += 64) {
      int8x8_t h_quad = vget_low_s8(screen_quad(high + 4 * k));
      int8x8_t l_quad = vget_low_s8(screen_quad(low + 4 * k));
      UNROLL for (int i = 0; i < 8; i++) {
        int8x8_t c = vld1_s8(codes + 8 * i);
        h[i] = add_products(h[i], c, h_quad);
        l[i] = add_products(l[i], c, l_quad);
      }
    }
    for (int i = 0; i < 4; i++) {
      vst1q_s32(sums + 32 * p + 4 * i, vpaddq_s32(h[2 * i], h[2 * i + 1]));
      vst1q_s32(sums + 32 * p + 16 + 4 * i, vpaddq_s32(l[2 * i], l[2 * i + 1]));
    }
  }
}

const bk_weight_kernels bk_neon_weights = {LANE_MEMBERS, .lengths = lengths, .screen = screen};
#endif
