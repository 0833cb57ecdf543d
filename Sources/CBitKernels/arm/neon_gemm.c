// NEON without dot products, many tokens: byte products are added to 16-bit sums, one per column of
// a quad, which stay exact over the 64 quads of a call (64 * 2 * -128 = -16384). Equals scalar.c
// bit for bit.
#if defined(__aarch64__)
#include "gemm_tile.h"

enum { TILE_TOKENS = 3 };

BK_INLINE void tile(const product *m, size_t panel, size_t token, size_t tokens) {
  const uint8_t *codes = m->panels + panel * m->panel_bytes;
  // Two rows of four columns in each vector.
  int16x8_t sum[8][TILE_TOKENS];
  for (size_t v = 0; v < 8; v++)
    for (size_t t = 0; t < tokens; t++) sum[v][t] = vdupq_n_s16(0);
  for (size_t k = 0; k < m->quads; k++) {
    int8x16_t x[TILE_TOKENS];
    for (size_t t = 0; t < tokens; t++)
      x[t] = broadcast_quad(m->q + (token + t) * m->stride + 4 * k);
    for (size_t v = 0; v < 4; v++) {
      int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(codes + 64 * k + 16 * v));
      for (size_t t = 0; t < tokens; t++) {
        sum[2 * v][t] = vmlal_s8(sum[2 * v][t], vget_low_s8(w), vget_low_s8(x[t]));
        sum[2 * v + 1][t] = vmlal_high_s8(sum[2 * v + 1][t], w, x[t]);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++)
    for (size_t v = 0; v < 4; v++)
      add_rows(m, BK_PANEL_ROWS * panel + 4 * v, token + t,
               vpaddq_s32(vpaddlq_s16(sum[2 * v][t]), vpaddlq_s16(sum[2 * v + 1][t])));
}

MULTIPLY_FUNCTIONS(, TILE_TOKENS, tile)

static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int16x8_t sum[16];
  int8x16_t code[4], x[2];
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s16(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  for (int l = 0; l < 2; l++) x[l] = vreinterpretq_s8_s32(vdupq_n_s32(*sink + l));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++) {
      sum[2 * l] = vmlal_s8(sum[2 * l], vget_low_s8(code[l % 4]), vget_low_s8(x[l / 4]));
      sum[2 * l + 1] = vmlal_high_s8(sum[2 * l + 1], code[l % 4], x[l / 4]);
    }
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x[0]),
                       "+w"(x[1]));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s16(sum[0], sum[l]);
  *sink += vaddlvq_s16(sum[0]);
  return 16 * 8 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_neon = {
    NEON_MEMBERS,
    .name = "neon",
    .multiply = multiply,
    .multiply_scaled = multiply_scaled,
    // Judged by the number of instructions: a byte product costs about as much as a lookup.
    .few_tokens = {8, 8, 16},
    .peak = &peak,
};
#endif
