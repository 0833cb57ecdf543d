// Products of small matrices of bytes (smmla), many tokens; the rest is NEON's. One instruction
// multiplies two rows of eight columns with two tokens, twice as much as a dot product. Codes are
// 0...2, so that they are the same as signed bytes. Equals scalar.c bit for bit.
#if defined(__aarch64__)
#include "gemm_tile.h"

#define TARGET __attribute__((target("arch=armv8.2-a+i8mm")))
#define I8MM_INLINE static inline __attribute__((always_inline)) TARGET

// Tokens of a tile, four pairs: with half of a panel's rows, 16 sums, 4 vectors of activations, and
// the codes being multiplied. With 24 sums compilers run out of registers.
enum { TILE_TOKENS = 8, HALF_ROWS = BK_PANEL_ROWS / 2 };

// Eight columns of two tokens.
I8MM_INLINE int8x16_t load_pair(const int8_t *first, const int8_t *second) {
  return vcombine_s8(vld1_s8(first), vld1_s8(second));
}

// Four columns of two tokens, and zeros.
I8MM_INLINE int8x16_t load_quad_pair(const int8_t *first, const int8_t *second) {
  int32x4_t four[2] = {vreinterpretq_s32_s8(broadcast_quad(first)),
                       vreinterpretq_s32_s8(broadcast_quad(second))};
  return vreinterpretq_s8_s32(vzip1q_s32(vzip1q_s32(four[0], four[1]), vdupq_n_s32(0)));
}

I8MM_INLINE int32x4_t load_rows(const uint8_t *p) {
  return vreinterpretq_s32_u8(vld1q_u8(p));
}

// Two quads of four rows per step of the loop: zipped, each row has its eight columns together.
#define ADD_QUADS(FIRST, SECOND)                                                                 \
  for (size_t v = 0; v < 2; v++) {                                                               \
    int32x4_t first = FIRST, second = SECOND;                                                    \
    int8x16_t w[2] = {vreinterpretq_s8_s32(vzip1q_s32(first, second)),                           \
                      vreinterpretq_s8_s32(vzip2q_s32(first, second))};                          \
    for (size_t p = 0; p < pairs; p++)                                                           \
      for (size_t h = 0; h < 2; h++)                                                             \
        sum[2 * v + h][p] = vmmlaq_s32(sum[2 * v + h][p], w[h], x[p]);                           \
  }

// Half of a panel. A pair without a second token has the first one twice.
I8MM_INLINE void half_tile(const product *m, size_t panel, size_t half, size_t token,
                           size_t tokens) {
  const uint8_t *codes = m->panels + panel * m->panel_bytes + 4 * HALF_ROWS * half;
  const int8_t *q = m->q + token * m->stride;
  size_t pairs = bk_divide_up(tokens, 2), to_second = tokens > 1 ? m->stride : 0;
  // Each holds two rows by two tokens.
  int32x4_t sum[4][TILE_TOKENS / 2];
  int8x16_t x[TILE_TOKENS / 2];
  for (size_t v = 0; v < 4; v++)
    for (size_t p = 0; p < pairs; p++) sum[v][p] = vdupq_n_s32(0);
  size_t k = 0;
  for (; k + 2 <= m->quads; k += 2) {
    for (size_t p = 0; p < pairs; p++) {
      const int8_t *first = q + 2 * p * m->stride + 4 * k;
      x[p] = load_pair(first, first + to_second);
    }
    ADD_QUADS(load_rows(codes + 64 * k + 16 * v), load_rows(codes + 64 * (k + 1) + 16 * v))
  }
  if (k < m->quads) {
    for (size_t p = 0; p < pairs; p++) {
      const int8_t *first = q + 2 * p * m->stride + 4 * k;
      x[p] = load_quad_pair(first, first + to_second);
    }
    ADD_QUADS(load_rows(codes + 64 * k + 16 * v), vdupq_n_s32(0))
  }
  for (size_t p = 0; p < pairs; p++)
    for (size_t v = 0; v < 2; v++) {
      size_t row = BK_PANEL_ROWS * panel + HALF_ROWS * half + 4 * v;
      int32x4_t low = sum[2 * v][p], high = sum[2 * v + 1][p];
      add_rows(m, row, token + 2 * p, vuzp1q_s32(low, high));
      if (tokens > 1) add_rows(m, row, token + 2 * p + 1, vuzp2q_s32(low, high));
    }
}

I8MM_INLINE void tile(const product *m, size_t panel, size_t token, size_t tokens) {
  for (size_t half = 0; half < 2; half++) half_tile(m, panel, half, token, tokens);
}

MULTIPLY_FUNCTIONS(TARGET, TILE_TOKENS, tile)

TARGET static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int32x4_t sum[16];
  int8x16_t code[4], x[4];
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s32(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  for (int l = 0; l < 4; l++) x[l] = vreinterpretq_s8_s32(vdupq_n_s32(*sink + l));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 16; l++) sum[l] = vmmlaq_s32(sum[l], code[l % 4], x[l / 4]);
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x[0]),
                       "+w"(x[1]), "+w"(x[2]), "+w"(x[3]));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s32(sum[0], sum[l]);
  *sink += vaddvq_s32(sum[0]);
  return 16 * 32 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_i8mm = {
    NEON_MEMBERS,
    .name = "i8mm",
    .multiply = multiply,
    .multiply_scaled = multiply_scaled,
    // Judged by the number of instructions: unpacking costs as much as the products of four or five
    // tokens.
    .few_tokens = {2, 2, 4},
    .peak = &peak,
};
#endif
