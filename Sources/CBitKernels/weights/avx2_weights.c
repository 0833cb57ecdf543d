// AVX2: products with floats and with blocks of GGUF. Equals scalar_weights.c bit for bit.
#if defined(__x86_64__)
#include "avx2_weights.h"

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE AVX2_WEIGHTS_INLINE
#define VECTOR __m256
#define WIDTH 8
#define HAS_TABLES 0
#define TILE_TOKENS 3
enum { TILE_ROWS = 2, ONE_TOKEN_ROWS = 4 };

INLINE VECTOR load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void store(float *p, VECTOR v) { _mm256_storeu_ps(p, v); }
INLINE VECTOR multiplied(VECTOR a, VECTOR b) { return _mm256_mul_ps(a, b); }
INLINE VECTOR fused(VECTOR a, VECTOR b, VECTOR c) { return _mm256_fmadd_ps(a, b, c); }
INLINE VECTOR all_floats(float x) { return _mm256_set1_ps(x); }
INLINE VECTOR all_halves(const uint8_t *p) {
  return _mm256_cvtph_ps(_mm_set1_epi16((short)(p[0] | p[1] << 8)));
}
INLINE VECTOR halves_at(const uint8_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
INLINE VECTOR bf16_at(const uint8_t *p) {
  __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
}
INLINE VECTOR bytes_at(const int8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE float total_of(const float *lanes) { return bk_avx2_total_of(lanes); }

#include "weight_lanes.h"

TARGET static void lengths(const float *w, const int8_t *q, size_t n, float scale,
                           double *residual, double *length) {
  bk_lengths(w, q, n, scale, residual, length);
}

// Adds the products of four bytes each; the magnitudes of codes times activations with the codes'
// signs, of which two fit into 16 bits.
INLINE __m256i add_products(__m256i sum, __m256i codes, __m256i magnitudes, const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  __m256i signed_activations = _mm256_sign_epi8(_mm256_set1_epi32(four), codes);
  __m256i pairs = _mm256_maddubs_epi16(magnitudes, signed_activations);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

TARGET static void screen(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                          const int8_t *low, int32_t *sums) {
  for (size_t p = 0; p < panels; p++) {
    __m256i h[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, l[2] = {h[0], h[0]};
    for (size_t k = 0; k < quads; k++, codes += 64) {
      bk_prefetch((const uint8_t *)codes + SCREEN_AHEAD, 64);
      for (int i = 0; i < 2; i++) {
        __m256i c = _mm256_loadu_si256((const __m256i *)codes + i), m = _mm256_abs_epi8(c);
        h[i] = add_products(h[i], c, m, high + 4 * k);
        l[i] = add_products(l[i], c, m, low + 4 * k);
      }
    }
    for (int i = 0; i < 2; i++) {
      _mm256_storeu_si256((__m256i *)(sums + 32 * p + 8 * i), h[i]);
      _mm256_storeu_si256((__m256i *)(sums + 32 * p + 16 + 8 * i), l[i]);
    }
  }
}

const bk_weight_kernels bk_avx2_weights = {LANE_MEMBERS, .lengths = lengths, .screen = screen};
#endif
