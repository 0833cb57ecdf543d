// AVX2: 16 lanes are two vectors. Equals scalar_decoder.c bit for bit.
#if defined(__x86_64__)
#include "decoder.h"
#include <immintrin.h>

// As x86/avx2.h has it.
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE static inline __attribute__((always_inline)) TARGET

typedef struct {
  __m256 low, high;
} lanes;

enum {
  TILE_ROWS = 6,
  // Six rows of one block: 12 registers of sums and two of a key or value, and one for a query or
  // weight. Two blocks need two registers more.
  TILE_SUMS = 5,
  MOST_BLOCKS = 4,
  // 16 KiB of values with 128 elements.
  VALUE_POSITIONS = 32,
};

// Does the same to both vectors.
#define BOTH(OPERATION, ...) ((lanes){OPERATION(low, __VA_ARGS__), OPERATION(high, __VA_ARGS__)})
#define OF_TWO(HALF, F, a, b) F((a).HALF, (b).HALF)
#define OF_THREE(HALF, F, a, b, c) F((a).HALF, (b).HALF, (c).HALF)

AVX2_INLINE __m256i first_of_eight(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2_INLINE lanes zero_lanes(void) {
  return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
AVX2_INLINE lanes all_lanes(float x) { return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
AVX2_INLINE lanes load_lanes(const float *p) {
  return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
AVX2_INLINE void store_lanes(float *p, lanes v) {
  _mm256_storeu_ps(p, v.low);
  _mm256_storeu_ps(p + 8, v.high);
}
// What a mask leaves out is not read or written, whatever its address.
AVX2_INLINE lanes load_some(const float *p, size_t n) {
  return (lanes){_mm256_maskload_ps(p, first_of_eight((int)n)),
                 _mm256_maskload_ps(p + 8, first_of_eight((int)n - 8))};
}
AVX2_INLINE void store_some(float *p, lanes v, size_t n) {
  _mm256_maskstore_ps(p, first_of_eight((int)n), v.low);
  _mm256_maskstore_ps(p + 8, first_of_eight((int)n - 8), v.high);
}
AVX2_INLINE lanes load_halves(const uint16_t *p) {
  return (lanes){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}
AVX2_INLINE __m256 eight_bytes(const int8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
AVX2_INLINE lanes load_bytes(const int8_t *p) {
  return (lanes){eight_bytes(p), eight_bytes(p + 8)};
}
AVX2_INLINE void store_halves(uint16_t *p, lanes v) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(v.high, _MM_FROUND_TO_NEAREST_INT));
}

AVX2_INLINE lanes added(lanes a, lanes b) { return BOTH(OF_TWO, _mm256_add_ps, a, b); }
AVX2_INLINE lanes subtracted(lanes a, lanes b) { return BOTH(OF_TWO, _mm256_sub_ps, a, b); }
AVX2_INLINE lanes multiplied(lanes a, lanes b) { return BOTH(OF_TWO, _mm256_mul_ps, a, b); }
AVX2_INLINE lanes divided(lanes a, lanes b) { return BOTH(OF_TWO, _mm256_div_ps, a, b); }
AVX2_INLINE lanes fused(lanes a, lanes b, lanes c) {
  return BOTH(OF_THREE, _mm256_fmadd_ps, a, b, c);
}
// The instructions give the second number if one of them is NaN.
AVX2_INLINE __m256 larger_eight(__m256 a, __m256 b) {
  return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
AVX2_INLINE lanes larger(lanes a, lanes b) { return BOTH(OF_TWO, larger_eight, a, b); }
AVX2_INLINE lanes bounded(lanes x, float low, float high) {
  x = BOTH(OF_TWO, _mm256_max_ps, all_lanes(low), x);
  return BOTH(OF_TWO, _mm256_min_ps, all_lanes(high), x);
}
AVX2_INLINE __m256 power_of_two(__m256i exponent) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23));
}
// The first product is exact, as in bk_exp.
AVX2_INLINE __m256 scaled_eight(__m256 p, __m256 n) {
  __m256i exponent = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(exponent, 1);
  return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)),
                       power_of_two(_mm256_sub_epi32(exponent, half)));
}
AVX2_INLINE lanes scaled_by_power(lanes p, lanes n) { return BOTH(OF_TWO, scaled_eight, p, n); }
AVX2_INLINE __m256 select_first(__m256 v, int n, __m256 other) {
  return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(first_of_eight(n)));
}
AVX2_INLINE lanes only_first(lanes v, size_t n, lanes other) {
  return (lanes){select_first(v.low, (int)n, other.low),
                 select_first(v.high, (int)n - 8, other.high)};
}

#define DECODER bk_avx2_decoder
#include "vector_kernels.h"
#endif
