// AVX2 (with no AVX-VNNI): byte products by vpmaddubsw, whose 16-bit sums stay exact over the
// 64 quads of a block. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "internal.h"
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

AVX2_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2_INLINE void store(void *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

AVX2 static float absmax(const float *x, size_t n) {
  __m256i magnitude = _mm256_set1_epi32(0x7fffffff), largest = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    largest = _mm256_max_epu32(largest, _mm256_and_si256(load(x + i), magnitude));
  uint32_t lanes[8], bits = 0;
  store(lanes, largest);
  for (int l = 0; l < 8; l++) bits = lanes[l] > bits ? lanes[l] : bits;
  float head;
  memcpy(&head, &bits, 4);
  if (bits >= 0x7f800000) return __builtin_nanf("");
  float tail = bk_scalar.absmax(x + i, n - i);
  return tail > head || tail != tail ? tail : head;
}

AVX2 static int32_t quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                              int8_t *q) {
  __m256 s = _mm256_set1_ps(scale);
  __m256i lowest = _mm256_set1_epi32(low), highest = _mm256_set1_epi32(high);
  __m256i sum = _mm256_setzero_si256();
  // The packing instructions work on halves; this puts their dwords back in order.
  __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i v[4];
    for (int p = 0; p < 4; p++) {
      v[p] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * p), s));
      v[p] = _mm256_max_epi32(_mm256_min_epi32(v[p], highest), lowest);
      sum = _mm256_add_epi32(sum, v[p]);
    }
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    store(q + i, _mm256_permutevar8x32_epi32(bytes, order));
  }
  int32_t lanes[8], total = bk_scalar.quantize8(x + i, n - i, scale, low, high, q + i);
  store(lanes, sum);
  for (int l = 0; l < 8; l++) total += lanes[l];
  return total;
}

AVX2 static void sums(const float *x, size_t n, double *sum, double *absolute_sum) {
  __m256d s[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()}, a[2] = {s[0], s[0]};
  __m256d sign = _mm256_set1_pd(-0.0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int half = 0; half < 2; half++) {
      __m256d v = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * half));
      s[half] = _mm256_add_pd(s[half], v);
      a[half] = _mm256_add_pd(a[half], _mm256_andnot_pd(sign, v));
    }
  double lanes[8], absolute_lanes[8];
  for (int half = 0; half < 2; half++) {
    _mm256_storeu_pd(lanes + 4 * half, s[half]);
    _mm256_storeu_pd(absolute_lanes + 4 * half, a[half]);
  }
  for (; i < n; i++) {
    lanes[i % 8] += x[i];
    absolute_lanes[i % 8] += x[i] < 0 ? -(double)x[i] : (double)x[i];
  }
  *sum = bk_lane_total(lanes);
  *absolute_sum = bk_lane_total(absolute_lanes);
}

// Codes of eight weights as 32-bit integers.
AVX2_INLINE __m256i codes8(const float *w, __m256 parameter, bk_alphabet alphabet) {
  __m256 v = _mm256_loadu_ps(w);
  // A comparison that holds gives -1.
  if (alphabet == BK_SIGN)
    return _mm256_srli_epi32(_mm256_castps_si256(_mm256_cmp_ps(v, parameter, _CMP_GT_OQ)), 31);
  v = _mm256_mul_ps(v, parameter);
  __m256i above = _mm256_castps_si256(_mm256_cmp_ps(v, _mm256_set1_ps(0.5f), _CMP_GT_OQ));
  __m256i below = _mm256_castps_si256(_mm256_cmp_ps(v, _mm256_set1_ps(-0.5f), _CMP_LT_OQ));
  return _mm256_add_epi32(_mm256_sub_epi32(_mm256_set1_epi32(1), above), below);
}

// In: row[r] holds quads 0 2 4 6 1 3 5 7 of row r. Out: quad k of all rows at out + 32 * k.
AVX2_INLINE void store_transposed(const __m256i row[8], uint8_t *out) {
  __m256i pair[8], four[8];
  for (int r = 0; r < 8; r += 2) {
    pair[r] = _mm256_unpacklo_epi32(row[r], row[r + 1]);
    pair[r + 1] = _mm256_unpackhi_epi32(row[r], row[r + 1]);
  }
  for (int h = 0; h < 2; h++) {
    four[4 * h] = _mm256_unpacklo_epi64(pair[4 * h], pair[4 * h + 2]);
    four[4 * h + 1] = _mm256_unpackhi_epi64(pair[4 * h], pair[4 * h + 2]);
    four[4 * h + 2] = _mm256_unpacklo_epi64(pair[4 * h + 1], pair[4 * h + 3]);
    four[4 * h + 3] = _mm256_unpackhi_epi64(pair[4 * h + 1], pair[4 * h + 3]);
  }
  // The low halves hold even quads, the high halves odd ones.
  for (int d = 0; d < 4; d++) {
    store(out + 32 * (2 * d), _mm256_permute2x128_si256(four[d], four[4 + d], 0x20));
    store(out + 32 * (2 * d + 1), _mm256_permute2x128_si256(four[d], four[4 + d], 0x31));
  }
}

AVX2_INLINE void encode(const float *weights, size_t stride, size_t columns,
                        const float *parameters, uint8_t *panel, bk_alphabet alphabet) {
  for (size_t c = 0; c + 32 <= columns; c += 32) {
    __m256i row[8];
    for (size_t r = 0; r < 8; r++) {
      const float *w = weights + r * stride + c;
      __m256 parameter = _mm256_set1_ps(parameters[r]);
      __m256i low = _mm256_packs_epi32(codes8(w, parameter, alphabet),
                                       codes8(w + 8, parameter, alphabet));
      __m256i high = _mm256_packs_epi32(codes8(w + 16, parameter, alphabet),
                                        codes8(w + 24, parameter, alphabet));
      row[r] = _mm256_packs_epi16(low, high);
    }
    store_transposed(row, panel + 8 * c);
  }
}

AVX2 static void encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                                const float *parameters, uint8_t *panel) {
  size_t whole = rows == BK_PANEL_ROWS ? columns / 32 * 32 : 0;
  memset(panel + 8 * whole, 0, bk_panel_bytes(columns, 8) - 8 * whole);
  if (whole) encode(weights, stride, whole, parameters, panel, BK_TERNARY);
  bk_encode_columns_ternary(weights, stride, rows, whole, columns, parameters, panel);
}

AVX2 static void encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                             const float *parameters, uint8_t *panel) {
  size_t whole = rows == BK_PANEL_ROWS ? columns / 32 * 32 : 0;
  memset(panel + 8 * whole, 0, bk_panel_bytes(columns, 8) - 8 * whole);
  if (whole) encode(weights, stride, whole, parameters, panel, BK_SIGN);
  bk_encode_columns_sign(weights, stride, rows, whole, columns, parameters, panel);
}

AVX2 static void unpack2(const uint8_t *packed, size_t blocks, uint8_t *codes) {
  __m256i mask = _mm256_set1_epi8(3);
  for (size_t b = 0; b < blocks; b++) {
    __m256i v = load(packed + 32 * b);
    uint8_t *out = codes + 128 * b;
    store(out, _mm256_and_si256(v, mask));
    store(out + 32, _mm256_and_si256(_mm256_srli_epi16(v, 2), mask));
    store(out + 64, _mm256_and_si256(_mm256_srli_epi16(v, 4), mask));
    store(out + 96, _mm256_and_si256(_mm256_srli_epi16(v, 6), mask));
  }
}

AVX2 static void unpack1(const uint8_t *packed, size_t blocks, uint8_t *codes) {
  __m256i mask = _mm256_set1_epi8(1);
  for (size_t b = 0; b < blocks; b++) {
    __m256i v = load(packed + 32 * b);
    for (int n = 0; n < 8; n++)
      store(codes + 256 * b + 32 * n,
            _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(n)), mask));
  }
}

enum { TILE_TOKENS = 6 };

// One tile: `panels` panels by `tokens` tokens, all sums in registers.
AVX2_INLINE void tile(const uint8_t *const *codes, size_t panels, size_t quads, const int8_t *q,
                      size_t stride, size_t tokens, int32_t *sums) {
  __m256i total[BK_BLOCK_PANELS][TILE_TOKENS];
  for (size_t p = 0; p < panels; p++)
    for (size_t t = 0; t < tokens; t++) total[p][t] = _mm256_setzero_si256();
  for (size_t k = 0; k < quads; k++) {
    __m256i w[BK_BLOCK_PANELS];
    for (size_t p = 0; p < panels; p++) w[p] = load(codes[p] + 32 * k);
    for (size_t t = 0; t < tokens; t++) {
      int32_t four;
      memcpy(&four, q + t * stride + 4 * k, 4);
      __m256i x = _mm256_set1_epi32(four);
      for (size_t p = 0; p < panels; p++)
        total[p][t] = _mm256_add_epi16(total[p][t], _mm256_maddubs_epi16(w[p], x));
    }
  }
  __m256i ones = _mm256_set1_epi16(1);
  for (size_t t = 0; t < tokens; t++)
    for (size_t p = 0; p < panels; p++) {
      int32_t *out = sums + t * BK_SUM_STRIDE + BK_PANEL_ROWS * p;
      store(out, _mm256_add_epi32(load(out), _mm256_madd_epi16(total[p][t], ones)));
    }
}

// Tokens six at a time, then two, then one, with constant sizes so that the tile is unrolled.
#define MULTIPLY(PANELS)                                                                         \
  for (; t + TILE_TOKENS <= tokens; t += TILE_TOKENS)                                            \
    tile(codes, PANELS, quads, q + t * stride, stride, TILE_TOKENS, sums + t * BK_SUM_STRIDE);   \
  for (; t + 2 <= tokens; t += 2)                                                                \
    tile(codes, PANELS, quads, q + t * stride, stride, 2, sums + t * BK_SUM_STRIDE);             \
  for (; t < tokens; t++)                                                                        \
    tile(codes, PANELS, quads, q + t * stride, stride, 1, sums + t * BK_SUM_STRIDE);

AVX2 static void multiply_block(const uint8_t *const *codes, size_t panel_count, size_t quads,
                                const int8_t *q, size_t stride, size_t tokens, int32_t *sums) {
  size_t t = 0;
  if (panel_count == 2) {
    MULTIPLY(2)
  } else {
    MULTIPLY(1)
  }
}

// Adds up to 64 blocks of a panel, straight from its packed form, to `total`. One accumulator for
// each part of a byte takes one product a block, so 64 keep it exact.
AVX2_INLINE __m256i token_blocks(const uint8_t *packed, size_t blocks, const int8_t *q,
                                 __m256i total, int bits) {
  int parts = 8 / bits;
  __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1)), sum[8];
  for (int n = 0; n < parts; n++) sum[n] = _mm256_setzero_si256();
  for (size_t b = 0; b < blocks; b++) {
    __m256i v = load(packed + 32 * b);
    // Panels follow one another, so reading ahead past this one's end is seldom wasted.
    _mm_prefetch((const char *)packed + 32 * b + 4096, _MM_HINT_T0);
    for (int n = 0; n < parts; n++) {
      int32_t four;
      memcpy(&four, q + 4 * (b * (size_t)parts + (size_t)n), 4);
      __m256i codes = _mm256_and_si256(_mm256_srli_epi16(v, n * bits), mask);
      sum[n] = _mm256_add_epi16(sum[n], _mm256_maddubs_epi16(codes, _mm256_set1_epi32(four)));
    }
  }
  __m256i ones = _mm256_set1_epi16(1);
  for (int n = 0; n < parts; n++)
    total = _mm256_add_epi32(total, _mm256_madd_epi16(sum[n], ones));
  return total;
}

AVX2_INLINE void multiply_token(const uint8_t *packed, size_t panel_count, size_t blocks,
                                const int8_t *q, int32_t *sums, int bits) {
  size_t step = 4 * (8 / (size_t)bits);
  for (size_t p = 0; p < panel_count; p++) {
    __m256i total = _mm256_setzero_si256();
    for (size_t b = 0; b < blocks; b += 64) {
      size_t count = blocks - b < 64 ? blocks - b : 64;
      total = token_blocks(packed + 32 * b, count, q + step * b, total, bits);
    }
    store(sums + BK_PANEL_ROWS * p, total);
    packed += 32 * blocks;
  }
}

AVX2 static void multiply_token2(const uint8_t *packed, size_t panel_count, size_t blocks,
                                 const int8_t *q, int32_t *sums) {
  multiply_token(packed, panel_count, blocks, q, sums, 2);
}

AVX2 static void multiply_token1(const uint8_t *packed, size_t panel_count, size_t blocks,
                                 const int8_t *q, int32_t *sums) {
  multiply_token(packed, panel_count, blocks, q, sums, 1);
}

AVX2 static uint64_t read_all(const uint8_t *memory, size_t bytes) {
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

AVX2 static void adamw(size_t n, const bk_adamw_constants *c, const float *g, float *p, float *m,
                       float *v) {
  __m256 scale = _mm256_set1_ps(c->scale), decay = _mm256_set1_ps(c->decay);
  __m256 keep1 = _mm256_set1_ps(c->keep1), keep2 = _mm256_set1_ps(c->keep2);
  __m256 take2 = _mm256_set1_ps(1 - c->keep2), rate = _mm256_set1_ps(c->rate);
  __m256 inverse_root = _mm256_set1_ps(c->inverse_root), epsilon = _mm256_set1_ps(c->epsilon);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 s = _mm256_mul_ps(_mm256_loadu_ps(g + i), scale), mean = _mm256_loadu_ps(m + i);
    mean = _mm256_add_ps(mean, _mm256_mul_ps(keep1, _mm256_sub_ps(s, mean)));
    __m256 square = _mm256_mul_ps(_mm256_mul_ps(take2, s), s);
    __m256 variance = _mm256_add_ps(_mm256_mul_ps(keep2, _mm256_loadu_ps(v + i)), square);
    __m256 root = _mm256_mul_ps(_mm256_sqrt_ps(variance), inverse_root);
    __m256 step = _mm256_div_ps(_mm256_mul_ps(rate, mean), _mm256_add_ps(root, epsilon));
    _mm256_storeu_ps(m + i, mean);
    _mm256_storeu_ps(v + i, variance);
    _mm256_storeu_ps(p + i, _mm256_sub_ps(_mm256_mul_ps(_mm256_loadu_ps(p + i), decay), step));
  }
  bk_scalar.adamw(n - i, c, g + i, p + i, m + i, v + i);
}

const bk_kernels bk_avx2 = {
    .name = "avx2",
    .absmax = absmax,
    .quantize8 = quantize8,
    .sums = sums,
    .encode_panel = {encode_ternary, encode_sign},
    .unpack2 = unpack2,
    .unpack1 = unpack1,
    .multiply_block = multiply_block,
    .multiply_token2 = multiply_token2,
    .multiply_token1 = multiply_token1,
    .read_all = read_all,
    .dot_product_peak = dot_product_peak,
    .adamw = adamw,
};
#endif
