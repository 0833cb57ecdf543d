// NEON's kernels for weights, and a screen by dot products of four bytes. Equals scalar_weights.c
// bit for bit.
#if defined(__aarch64__)
#include "neon_weights.h"
#include "weight_lanes.h"

TARGET static void lengths(const float *w, const int8_t *q, size_t n, float scale,
                           double *residual, double *length) {
  bk_lengths(w, q, n, scale, residual, length);
}

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

DOTPROD static void screen(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                           const int8_t *low, int32_t *sums) {
  for (size_t p = 0; p < panels; p++) {
    int32x4_t h[SCREEN_VECTORS], l[SCREEN_VECTORS];
    for (int i = 0; i < SCREEN_VECTORS; i++) h[i] = l[i] = vdupq_n_s32(0);
    for (size_t k = 0; k < quads; k++, codes += 64) {
      int8x16_t h_quad = screen_quad(high + 4 * k), l_quad = screen_quad(low + 4 * k);
      UNROLL for (int i = 0; i < SCREEN_VECTORS; i++) {
        int8x16_t c = vld1q_s8(codes + 16 * i);
        h[i] = vdotq_s32(h[i], c, h_quad);
        l[i] = vdotq_s32(l[i], c, l_quad);
      }
    }
    for (int i = 0; i < SCREEN_VECTORS; i++) {
      vst1q_s32(sums + 32 * p + 4 * i, h[i]);
      vst1q_s32(sums + 32 * p + 16 + 4 * i, l[i]);
    }
  }
}

const bk_weight_kernels bk_dotprod_weights = {LANE_MEMBERS, .lengths = lengths, .screen = screen};
#endif
