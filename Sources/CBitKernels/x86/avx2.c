// AVX2 (without AVX-VNNI), many tokens: byte products by vpmaddubsw, whose 16-bit sums stay exact
// over the 64 quads of a call. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "avx2.h"

// Tokens of a tile: with a panel of 16 rows, all sums stay in the 16 registers.
enum { TILE_TOKENS = 6 };

// One tile: a panel by `tokens` tokens. Where `totals` is set, the sums of a block become floats.
AVX2_INLINE void tile(const uint8_t *panel, size_t quads, const int8_t *q, size_t stride,
                      size_t tokens, int32_t *sums, const int32_t *offsets, size_t offset_stride,
                      const float *scales, float *totals) {
  __m256i total[2][TILE_TOKENS];
  for (size_t t = 0; t < tokens; t++) total[0][t] = total[1][t] = _mm256_setzero_si256();
  for (size_t k = 0; k < quads; k++) {
    __m256i w[2] = {load(panel + 64 * k), load(panel + 64 * k + 32)};
    for (size_t t = 0; t < tokens; t++) {
      __m256i x = broadcast_quad(q + t * stride + 4 * k);
      for (int h = 0; h < 2; h++)
        total[h][t] = _mm256_add_epi16(total[h][t], _mm256_maddubs_epi16(w[h], x));
    }
  }
  __m256i ones = _mm256_set1_epi16(1);
  for (size_t t = 0; t < tokens; t++)
    for (int h = 0; h < 2; h++) {
      __m256i sum = _mm256_madd_epi16(total[h][t], ones);
      size_t out = BK_STRIP_ROWS * t + 8 * (size_t)h;
      if (totals) {
        sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(offsets[t * offset_stride]));
        _mm256_storeu_ps(totals + out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                                       _mm256_loadu_ps(scales + 8 * h),
                                                       _mm256_loadu_ps(totals + out)));
      } else {
        store(sums + out, _mm256_add_epi32(load(sums + out), sum));
      }
    }
}

// Some tokens and all panels: the panels stay in the first cache from one call to the next.
AVX2_INLINE void tiles(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                       size_t quads, const int8_t *q, size_t stride, size_t tokens, int32_t *sums,
                       const int32_t *offsets, size_t offset_stride, const float *scales,
                       float *totals) {
  for (size_t p = 0; p < panel_count; p++) {
    size_t row = BK_PANEL_ROWS * p;
    tile(panels + p * panel_bytes, quads, q, stride, tokens, sums ? sums + row : NULL, offsets,
         offset_stride, scales ? scales + row : NULL, totals ? totals + row : NULL);
  }
}

// Six tokens at a time, then two, then one, with constant sizes so that the tile is unrolled.
#define MULTIPLY_TOKENS(COUNT)                                                                   \
  for (; t + (COUNT) <= tokens; t += (COUNT))                                                    \
    tiles(panels, panel_bytes, panel_count, quads, q + t * stride, stride, COUNT,                \
          sums ? sums + BK_STRIP_ROWS * t : NULL, offsets ? offsets + t * offset_stride : NULL,  \
          offset_stride, scales, totals ? totals + BK_STRIP_ROWS * t : NULL);

AVX2_INLINE void multiply_tokens(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                                 size_t quads, const int8_t *q, size_t stride, size_t tokens,
                                 int32_t *sums, const int32_t *offsets, size_t offset_stride,
                                 const float *scales, float *totals) {
  size_t t = 0;
  MULTIPLY_TOKENS(TILE_TOKENS)
  MULTIPLY_TOKENS(2)
  MULTIPLY_TOKENS(1)
}

AVX2 static void multiply(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                          size_t quads, const int8_t *q, size_t stride, size_t tokens,
                          int32_t *sums) {
  multiply_tokens(panels, panel_bytes, panel_count, quads, q, stride, tokens, sums, NULL, 0, NULL,
                  NULL);
}

AVX2 static void multiply_scaled(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                                 size_t quads, const int8_t *q, size_t stride, size_t tokens,
                                 const int32_t *offsets, size_t offset_stride,
                                 const float *scales, float *totals) {
  multiply_tokens(panels, panel_bytes, panel_count, quads, q, stride, tokens, NULL, offsets,
                  offset_stride, scales, totals);
}

AVX2 uint64_t bk_avx2_read_all(const uint8_t *memory, size_t bytes) {
  __m256i x[8];
  for (int l = 0; l < 8; l++) x[l] = _mm256_setzero_si256();
  // No prefetch by hand: a plain stream is what the hardware's own is made for.
  for (size_t i = 0; i < bytes; i += 256)
    for (int l = 0; l < 8; l++) x[l] = _mm256_xor_si256(x[l], load(memory + i + 32 * (size_t)l));
  for (int l = 1; l < 8; l++) x[0] = _mm256_xor_si256(x[0], x[l]);
  uint64_t words[4];
  store(words, x[0]);
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

AVX2 static uint64_t dot_product_peak(size_t rounds, int32_t *sink) {
  // Eight different products, so that none can be used twice; all fits the registers.
  __m256i sum[8], code[4], x[2];
  for (int l = 0; l < 8; l++) sum[l] = _mm256_setzero_si256();
  for (int l = 0; l < 4; l++) code[l] = _mm256_set1_epi8((char)l);
  for (int l = 0; l < 2; l++) x[l] = _mm256_set1_epi32(*sink + l);
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++)
      sum[l] = _mm256_add_epi16(sum[l], _mm256_maddubs_epi16(code[l % 4], x[l / 4]));
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+x"(code[0]), "+x"(code[1]), "+x"(code[2]), "+x"(code[3]), "+x"(x[0]),
                       "+x"(x[1]));
  }
  for (int l = 1; l < 8; l++) sum[0] = _mm256_add_epi16(sum[0], sum[l]);
  int32_t lanes[8];
  store(lanes, sum[0]);
  *sink += lanes[0] + lanes[7];
  return 8 * 32 * (uint64_t)rounds;
}

const bk_kernels bk_avx2 = {
    AVX2_MEMBERS,
    .name = "avx2",
    .multiply = multiply,
    .multiply_scaled = multiply_scaled,
    .multiply_token = {bk_avx2_multiply_token_ternary2, bk_avx2_multiply_token_ternary1_6,
                       bk_avx2_multiply_token_sign1},
    // Sums of four sign codes at a time beat byte products for any number of tokens.
    .few_tokens = {5, 4, BK_ANY_TOKENS},
    .dot_product_peak = dot_product_peak,
};
#endif
