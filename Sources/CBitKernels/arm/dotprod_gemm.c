// Dot products of four bytes (sdot), many tokens; the rest is NEON's. Codes are 0...2, so that they
// are the same as signed bytes. Equals scalar.c bit for bit.
#if defined(__aarch64__)
#include "gemm_tile.h"

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define DOTPROD_INLINE static inline __attribute__((always_inline)) TARGET

// Tokens of a tile: 24 sums, 6 vectors of activations, and the codes being multiplied.
enum { TILE_TOKENS = 6 };

// Adds the products of quad K of the panel and lane LANE of the activations.
#define ADD_QUAD(K, LANE)                                                                        \
  for (size_t v = 0; v < 4; v++) {                                                               \
    int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(codes + 64 * (K) + 16 * v));                      \
    for (size_t t = 0; t < tokens; t++)                                                          \
      sum[v][t] = vdotq_laneq_s32(sum[v][t], w, x[t], LANE);                                     \
  }

DOTPROD_INLINE void tile(const product *m, size_t panel, size_t token, size_t tokens) {
  const uint8_t *codes = m->panels + panel * m->panel_bytes;
  const int8_t *q = m->q + token * m->stride;
  int32x4_t sum[4][TILE_TOKENS];
  int8x16_t x[TILE_TOKENS];
  for (size_t v = 0; v < 4; v++)
    for (size_t t = 0; t < tokens; t++) sum[v][t] = vdupq_n_s32(0);
  size_t k = 0;
  for (; k + 4 <= m->quads; k += 4) {
    for (size_t t = 0; t < tokens; t++) x[t] = vld1q_s8(q + t * m->stride + 4 * k);
    ADD_QUAD(k, 0)
    ADD_QUAD(k + 1, 1)
    ADD_QUAD(k + 2, 2)
    ADD_QUAD(k + 3, 3)
  }
  for (; k < m->quads; k++) {
    for (size_t t = 0; t < tokens; t++) x[t] = broadcast_quad(q + t * m->stride + 4 * k);
    ADD_QUAD(k, 0)
  }
  for (size_t t = 0; t < tokens; t++)
    for (size_t v = 0; v < 4; v++)
      add_rows(m, BK_PANEL_ROWS * panel + 4 * v, token + t, sum[v][t]);
}

MULTIPLY_FUNCTIONS(TARGET, TILE_TOKENS, tile)

TARGET static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int32x4_t sum[16];
  int8x16_t code[4], x;
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s32(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  int32_t quads[4] = {*sink, *sink + 1, *sink + 2, *sink + 3};
  x = vreinterpretq_s8_s32(vld1q_s32(quads));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 4; l++) {
      sum[4 * l] = vdotq_laneq_s32(sum[4 * l], code[l], x, 0);
      sum[4 * l + 1] = vdotq_laneq_s32(sum[4 * l + 1], code[l], x, 1);
      sum[4 * l + 2] = vdotq_laneq_s32(sum[4 * l + 2], code[l], x, 2);
      sum[4 * l + 3] = vdotq_laneq_s32(sum[4 * l + 3], code[l], x, 3);
    }
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s32(sum[0], sum[l]);
  *sink += vaddvq_s32(sum[0]);
  return 16 * 16 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_dotprod = {
    NEON_MEMBERS,
    .name = "dotprod",
    .multiply = multiply,
    .multiply_scaled = multiply_scaled,
    // Judged by the number of instructions: unpacking costs as much as the products of three or
    // four tokens.
    .few_tokens = {2, 2, 6},
    .peak = &peak,
};
#endif
