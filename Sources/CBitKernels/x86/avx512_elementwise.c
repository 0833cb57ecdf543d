// AVX-512: element-wise kernels of activations and weights, and codes of weights. Equals scalar.c bit
// for bit.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#include "avx512_elementwise.h"

#define AVX512_INLINE static inline __attribute__((always_inline)) TARGET

TARGET float bk_avx512_absmax(const float *x, size_t n) {
  enum { VECTORS = 4 };
  __m512i magnitude = _mm512_set1_epi32(0x7fffffff), largest[VECTORS];
  for (int l = 0; l < VECTORS; l++) largest[l] = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 16 * VECTORS <= n; i += 16 * VECTORS)
    for (int l = 0; l < VECTORS; l++)
      largest[l] = _mm512_max_epu32(
          largest[l], _mm512_and_si512(_mm512_loadu_si512(x + i + 16 * l), magnitude));
  for (; i < n; i += 16) {
    __mmask16 mask = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
    largest[0] = _mm512_max_epu32(
        largest[0], _mm512_and_si512(_mm512_maskz_loadu_epi32(mask, x + i), magnitude));
  }
  for (int l = 1; l < VECTORS; l++) largest[0] = _mm512_max_epu32(largest[0], largest[l]);
  uint32_t bits = _mm512_reduce_max_epu32(largest[0]);
  if (bits >= 0x7f800000) return __builtin_nanf("");
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

TARGET int32_t bk_avx512_quantize8(const float *x, size_t n, float scale, int32_t low,
                                   int32_t high, int8_t *q) {
  __m512 s = _mm512_set1_ps(scale);
  __m512i lowest = _mm512_set1_epi32(low), highest = _mm512_set1_epi32(high);
  __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  size_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int half = 0; half < 2; half++) {
      __m512i v =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i + 16 * half), s));
      v = _mm512_max_epi32(_mm512_min_epi32(v, highest), lowest);
      sum[half] = _mm512_add_epi32(sum[half], v);
      _mm_storeu_si128((__m128i *)(q + i + 16 * half), _mm512_cvtepi32_epi8(v));
    }
  int32_t total = _mm512_reduce_add_epi32(_mm512_add_epi32(sum[0], sum[1]));
  return total + bk_scalar.quantize8(x + i, n - i, scale, low, high, q + i);
}

TARGET void bk_avx512_sums(const float *x, size_t n, double *sum, double *absolute_sum) {
  __m512d s = _mm512_setzero_pd(), a = s;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m512d v = _mm512_cvtps_pd(_mm256_loadu_ps(x + i));
    s = _mm512_add_pd(s, v);
    a = _mm512_add_pd(a, _mm512_abs_pd(v));
  }
  double lanes[8], absolute_lanes[8];
  _mm512_storeu_pd(lanes, s);
  _mm512_storeu_pd(absolute_lanes, a);
  for (; i < n; i++) {
    lanes[i % 8] += x[i];
    absolute_lanes[i % 8] += x[i] < 0 ? -(double)x[i] : (double)x[i];
  }
  *sum = bk_lane_total(lanes);
  *absolute_sum = bk_lane_total(absolute_lanes);
}

// Stored codes of 16 weights, a byte each.
AVX512_INLINE __m128i codes16(const float *w, __m512 parameter, bk_alphabet alphabet) {
  __m512 v = _mm512_loadu_ps(w);
  __m128i two = _mm_set1_epi8(2);
  if (alphabet == BK_SIGN)
    return _mm_maskz_mov_epi8(_mm512_cmp_ps_mask(v, parameter, _CMP_GT_OQ), two);
  v = _mm512_mul_ps(v, parameter);
  __mmask16 above = _mm512_cmp_ps_mask(v, _mm512_set1_ps(0.5f), _CMP_GT_OQ);
  __mmask16 below = _mm512_cmp_ps_mask(v, _mm512_set1_ps(-0.5f), _CMP_LT_OQ);
  __m128i one = _mm_maskz_mov_epi8((__mmask16)~below, _mm_set1_epi8(1));
  return _mm_mask_mov_epi8(one, above, two);
}

// Sixteen rows and sixteen columns, four quads of the panel.
AVX512_INLINE void encode_square(const float *weights, size_t stride, const float *parameters,
                                 uint8_t *panel, bk_alphabet alphabet) {
  // Each vector has four rows of four quads; transposed, four quads of four rows.
  __m512i four[4];
  for (size_t v = 0; v < 4; v++) {
    __m128i row[4];
    for (size_t r = 0; r < 4; r++) {
      const float *w = weights + (4 * v + r) * stride;
      _mm_prefetch((const char *)(w + 128), _MM_HINT_T0);
      row[r] = codes16(w, _mm512_set1_ps(parameters[4 * v + r]), alphabet);
    }
    four[v] = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_set_m128i(row[1], row[0])), _mm256_set_m128i(row[3], row[2]),
        1);
    // Lane l of the 128-bit lanes gets quad l of the four rows.
    four[v] = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), four[v]);
  }
  // Quad k of all rows: lane k of each of the four vectors.
  __m512i low[2] = {_mm512_shuffle_i64x2(four[0], four[1], 0x44),
                    _mm512_shuffle_i64x2(four[2], four[3], 0x44)};
  __m512i high[2] = {_mm512_shuffle_i64x2(four[0], four[1], 0xee),
                     _mm512_shuffle_i64x2(four[2], four[3], 0xee)};
  _mm512_storeu_si512(panel, _mm512_shuffle_i64x2(low[0], low[1], 0x88));
  _mm512_storeu_si512(panel + 64, _mm512_shuffle_i64x2(low[0], low[1], 0xdd));
  _mm512_storeu_si512(panel + 128, _mm512_shuffle_i64x2(high[0], high[1], 0x88));
  _mm512_storeu_si512(panel + 192, _mm512_shuffle_i64x2(high[0], high[1], 0xdd));
}

// All but the last columns, and none of a panel that is not full; returns how many.
AVX512_INLINE size_t encode(const float *weights, size_t stride, size_t rows, size_t columns,
                            const float *parameters, uint8_t *panel, bk_alphabet alphabet) {
  size_t whole = rows == BK_PANEL_ROWS ? columns / 16 * 16 : 0;
  for (size_t c = 0; c < whole; c += 16)
    encode_square(weights + c, stride, parameters, panel + BK_PANEL_ROWS * c, alphabet);
  memset(panel + BK_PANEL_ROWS * whole, 0, bk_panel_bytes(columns) - BK_PANEL_ROWS * whole);
  return whole;
}

TARGET void bk_avx512_encode_ternary(const float *weights, size_t stride, size_t rows,
                                     size_t columns, const float *parameters, uint8_t *panel) {
  size_t whole = encode(weights, stride, rows, columns, parameters, panel, BK_TERNARY);
  bk_encode_columns_ternary(weights, stride, rows, whole, columns, parameters, panel);
}

TARGET void bk_avx512_encode_sign(const float *weights, size_t stride, size_t rows,
                                  size_t columns, const float *parameters, uint8_t *panel) {
  size_t whole = encode(weights, stride, rows, columns, parameters, panel, BK_SIGN);
  bk_encode_columns_sign(weights, stride, rows, whole, columns, parameters, panel);
}
#endif
