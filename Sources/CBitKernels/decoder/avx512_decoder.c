// AVX-512: 16 lanes are a vector. Equals scalar_decoder.c bit for bit.
#if defined(__x86_64__)
#include "decoder.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define AVX512_INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512 lanes;

enum {
  TILE_ROWS = 6,
  // 24 sums, four keys or values, and a query or weight: 29 of 32 registers.
  TILE_SUMS = 24,
  MOST_BLOCKS = 4,
  // 32 KiB of values with 128 elements.
  VALUE_POSITIONS = 64,
};

AVX512_INLINE __mmask16 first_bits(size_t n) { return (__mmask16)((1u << n) - 1); }

AVX512_INLINE lanes zero_lanes(void) { return _mm512_setzero_ps(); }
AVX512_INLINE lanes all_lanes(float x) { return _mm512_set1_ps(x); }
AVX512_INLINE lanes load_lanes(const float *p) { return _mm512_loadu_ps(p); }
AVX512_INLINE void store_lanes(float *p, lanes v) { _mm512_storeu_ps(p, v); }
AVX512_INLINE lanes load_some(const float *p, size_t n) {
  return _mm512_maskz_loadu_ps(first_bits(n), p);
}
AVX512_INLINE void store_some(float *p, lanes v, size_t n) {
  _mm512_mask_storeu_ps(p, first_bits(n), v);
}
AVX512_INLINE lanes load_halves(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
AVX512_INLINE lanes load_bytes(const int8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
AVX512_INLINE void store_halves(uint16_t *p, lanes v) {
  __m256i halves = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256((__m256i *)p, halves);
}

AVX512_INLINE lanes added(lanes a, lanes b) { return _mm512_add_ps(a, b); }
AVX512_INLINE lanes subtracted(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
AVX512_INLINE lanes multiplied(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
AVX512_INLINE lanes divided(lanes a, lanes b) { return _mm512_div_ps(a, b); }
AVX512_INLINE lanes fused(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
// The instructions give the second number if one of them is NaN.
AVX512_INLINE lanes larger(lanes a, lanes b) {
  return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
AVX512_INLINE lanes bounded(lanes x, float low, float high) {
  return _mm512_min_ps(all_lanes(high), _mm512_max_ps(all_lanes(low), x));
}
AVX512_INLINE lanes scaled_by_power(lanes p, lanes n) { return _mm512_scalef_ps(p, n); }
AVX512_INLINE lanes only_first(lanes v, size_t n, lanes other) {
  return _mm512_mask_mov_ps(other, first_bits(n), v);
}

#define DECODER bk_avx512_decoder
#include "vector_kernels.h"
#endif
