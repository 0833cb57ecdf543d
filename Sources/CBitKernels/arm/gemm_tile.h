// Splits a call of multiply or multiply_scaled into tiles: a panel of 16 rows by some tokens, whose
// sums all stay in the 32 registers.
#ifndef BITKERNELS_NEON_TILE_H
#define BITKERNELS_NEON_TILE_H

#include "neon.h"

// The arguments of multiply, or, where `totals` is set, of multiply_scaled.
typedef struct {
  const uint8_t *panels;
  size_t panel_bytes, panel_count, quads;
  const int8_t *q;
  size_t stride;
  int32_t *sums;
  const int32_t *offsets;
  size_t offset_stride;
  const float *scales;
  float *totals;
} product;

// Computes the tile of one panel and `tokens` tokens, the first of which is `token`.
typedef void add_tile(const product *m, size_t panel, size_t token, size_t tokens);

// The four codes of a quad in every lane.
BK_INLINE int8x16_t broadcast_quad(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Adds the sums of four rows of a token to the results.
BK_INLINE void add_rows(const product *m, size_t row, size_t token, int32x4_t sum) {
  size_t out = BK_STRIP_ROWS * token + row;
  if (m->totals) {
    sum = vsubq_s32(sum, vdupq_n_s32(m->offsets[token * m->offset_stride]));
    vst1q_f32(m->totals + out, vfmaq_f32(vld1q_f32(m->totals + out), vcvtq_f32_s32(sum),
                                         vld1q_f32(m->scales + row)));
  } else {
    vst1q_s32(m->sums + out, vaddq_s32(vld1q_s32(m->sums + out), sum));
  }
}

// As many tiles of `count` tokens as fit; returns the token after them. The panels stay in the
// first cache from one tile to the next.
BK_INLINE size_t add_tiles(const product *m, size_t token, size_t tokens, size_t count,
                           add_tile *tile) {
  for (; token + count <= tokens; token += count)
    for (size_t p = 0; p < m->panel_count; p++) tile(m, p, token, count);
  return token;
}

// Full tiles, then smaller ones for the rest, with constant sizes so that they are unrolled.
BK_INLINE void multiply_tokens(const product *m, size_t tokens, size_t tile_tokens,
                               add_tile *tile) {
  size_t t = add_tiles(m, 0, tokens, tile_tokens, tile);
  if (tile_tokens > 4) t = add_tiles(m, t, tokens, 4, tile);
  t = add_tiles(m, t, tokens, 2, tile);
  add_tiles(m, t, tokens, 1, tile);
}

// The functions multiply and multiply_scaled of a set.
#define MULTIPLY_FUNCTIONS(TARGET, TILE_TOKENS, TILE)                                            \
  TARGET static void multiply(const uint8_t *panels, size_t panel_bytes, size_t panel_count,     \
                              size_t quads, const int8_t *q, size_t stride, size_t tokens,       \
                              int32_t *sums) {                                                   \
    product m = {panels, panel_bytes, panel_count, quads, q, stride, .sums = sums};              \
    multiply_tokens(&m, tokens, TILE_TOKENS, TILE);                                              \
  }                                                                                              \
  TARGET static void multiply_scaled(                                                            \
      const uint8_t *panels, size_t panel_bytes, size_t panel_count, size_t quads,               \
      const int8_t *q, size_t stride, size_t tokens, const int32_t *offsets,                     \
      size_t offset_stride, const float *scales, float *totals) {                                \
    product m = {panels, panel_bytes,   panel_count, quads, q, stride, .offsets = offsets,       \
                 .offset_stride = offset_stride, .scales = scales, .totals = totals};            \
    multiply_tokens(&m, tokens, TILE_TOKENS, TILE);                                              \
  }

#endif
