// AVX2: element-wise kernels of activations, weights, sums and optimizer state. Equals scalar.c bit
// for bit.
#if defined(__x86_64__)
#include "avx2.h"

AVX2 float bk_avx2_absmax(const float *x, size_t n) {
  __m256i magnitude = _mm256_set1_epi32(0x7fffffff), largest[4];
  for (int l = 0; l < 4; l++) largest[l] = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int l = 0; l < 4; l++)
      largest[l] =
          _mm256_max_epu32(largest[l], _mm256_and_si256(load(x + i + 8 * l), magnitude));
  for (int l = 1; l < 4; l++) largest[0] = _mm256_max_epu32(largest[0], largest[l]);
  uint32_t lanes[8], bits = 0;
  store(lanes, largest[0]);
  for (int l = 0; l < 8; l++) bits = lanes[l] > bits ? lanes[l] : bits;
  float head;
  memcpy(&head, &bits, 4);
  if (bits >= 0x7f800000) return __builtin_nanf("");
  float tail = bk_scalar.absmax(x + i, n - i);
  return tail > head || tail != tail ? tail : head;
}

AVX2 int32_t bk_avx2_quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                               int8_t *q) {
  __m256 s = _mm256_set1_ps(scale);
  __m256i lowest = _mm256_set1_epi8((char)low), highest = _mm256_set1_epi8((char)high);
  __m256i one_bytes = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  // The packing instructions work on halves; this puts their dwords back in order.
  __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i v[4];
    for (int p = 0; p < 4; p++)
      v[p] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * p), s));
    // Packing saturates, so values beyond bytes are clamped like the others.
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    bytes = _mm256_max_epi8(_mm256_min_epi8(bytes, highest), lowest);
    sum = _mm256_add_epi32(
        sum, _mm256_madd_epi16(_mm256_maddubs_epi16(one_bytes, bytes), ones));
    store(q + i, _mm256_permutevar8x32_epi32(bytes, order));
  }
  int32_t lanes[8], total = bk_scalar.quantize8(x + i, n - i, scale, low, high, q + i);
  store(lanes, sum);
  for (int l = 0; l < 8; l++) total += lanes[l];
  return total;
}

AVX2 void bk_avx2_sums(const float *x, size_t n, double *sum, double *absolute_sum) {
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

AVX2 void bk_avx2_block_sums(const int8_t *q, size_t block, size_t blocks, int32_t *sums) {
  __m256i one_bytes = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  for (size_t b = 0; b < blocks; b++) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t c = 0; c < block; c += 32)
      sum = _mm256_add_epi32(
          sum, _mm256_madd_epi16(_mm256_maddubs_epi16(one_bytes, load(q + b * block + c)), ones));
    __m128i four =
        _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    sums[b] = _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
  }
}

AVX2 void bk_avx2_finish(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                         float inverse, const float *bias, float *out) {
  bk_finish_rows(sums, rows, offset, scales, inverse, bias, out);
}

AVX2 void bk_avx2_finish_wide(const int32_t *high, const int32_t *low, size_t rows,
                              const float *scales, float inverse, const float *bias, float *out) {
  bk_finish_wide_rows(high, low, rows, scales, inverse, bias, out);
}

AVX2 void bk_avx2_finish_scaled(const float *totals, size_t rows, const float *scales,
                                float inverse, const float *bias, float *out) {
  bk_finish_totals(totals, rows, scales, inverse, bias, out);
}

AVX2 void bk_avx2_add_totals(const int32_t *sums, int32_t offset, const float *scales,
                             float factor, float *totals) {
  bk_add_row_totals(sums, offset, scales, factor, totals);
}

AVX2 void bk_avx2_expand_halves(const uint16_t *halves, size_t n, float *floats) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(floats + i,
                     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + i))));
  bk_scalar.expand_halves(halves + i, n - i, floats + i);
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
  bk_scalar.training->adamw(n - i, c, g + i, p + i, m + i, v + i);
}

const bk_training_kernels bk_avx2_training = {adamw};

#endif
