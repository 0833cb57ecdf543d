// What dotprod and the set that extends it share: the layout BK_DOT.
#ifndef BITKERNELS_DOTPROD_H
#define BITKERNELS_DOTPROD_H

#include "neon.h"

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define DOTPROD_INLINE static inline __attribute__((always_inline)) DOTPROD

// The most rows of a tile: with six, 24 vectors of sums.
enum { DOTPROD_TILE_ROWS = 6 };

// Adds the products of four bytes of codes and of lane `lane` of x to each of four sums.
DOTPROD_INLINE int32x4_t dot(int32x4_t sum, int8x16_t codes, int8x16_t x, const int lane) {
  switch (lane) {
    case 0: return vdotq_laneq_s32(sum, codes, x, 0);
    case 1: return vdotq_laneq_s32(sum, codes, x, 1);
    case 2: return vdotq_laneq_s32(sum, codes, x, 2);
    default: return vdotq_laneq_s32(sum, codes, x, 3);
  }
}

// The same for bytes without sign.
DOTPROD_INLINE int32x4_t dot_low(int32x4_t sum, int8x16_t codes, int8x16_t x, const int lane) {
  uint32x4_t from = vreinterpretq_u32_s32(sum);
  uint8x16_t w = vreinterpretq_u8_s8(codes), bytes = vreinterpretq_u8_s8(x);
  switch (lane) {
    case 0: return vreinterpretq_s32_u32(vdotq_laneq_u32(from, w, bytes, 0));
    case 1: return vreinterpretq_s32_u32(vdotq_laneq_u32(from, w, bytes, 1));
    case 2: return vreinterpretq_s32_u32(vdotq_laneq_u32(from, w, bytes, 2));
    default: return vreinterpretq_s32_u32(vdotq_laneq_u32(from, w, bytes, 3));
  }
}

#define DOTPROD_FORMAT(NAME)                                                                     \
  void bk_dotprod_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,         \
                              uint8_t *steps, size_t step_stride);                               \
  void bk_dotprod_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,        \
                                uint8_t *panels, size_t panel_bytes);                            \
  void bk_dotprod_multiply_few_##NAME(const bk_matrix *m, size_t strip, const bk_tokens *tokens, \
                                      int32_t *sums, float *totals);

DOTPROD_FORMAT(ternary2)
DOTPROD_FORMAT(ternary1_6)
DOTPROD_FORMAT(sign1)

// The members of the table of kernels that depend on the layout.
#define DOTPROD_LAYOUT_MEMBERS                                                                   \
  .layout = {BK_DOT, BK_DOT, BK_DOT},                                                            \
  .pack = {bk_dotprod_pack_ternary2, bk_dotprod_pack_ternary1_6, bk_dotprod_pack_sign1},         \
  .unpack = {bk_dotprod_unpack_ternary2, bk_dotprod_unpack_ternary1_6, bk_dotprod_unpack_sign1}, \
  .tile_rows = DOTPROD_TILE_ROWS,                                                                \
  .multiply_few = {bk_dotprod_multiply_few_ternary2, bk_dotprod_multiply_few_ternary1_6,         \
                   bk_dotprod_multiply_few_sign1}

#endif
