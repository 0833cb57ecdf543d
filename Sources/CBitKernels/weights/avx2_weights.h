// What the kernels for weights of AVX2 and AVX-512 share.
#ifndef BITKERNELS_AVX2_WEIGHTS_H
#define BITKERNELS_AVX2_WEIGHTS_H

#include "weights.h"
#include <immintrin.h>

#define AVX2_WEIGHTS_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

// How far ahead of a screen's codes to prefetch.
enum { SCREEN_AHEAD = 4096 };

// 16 running sums added up: eight apart, four, two, one.
AVX2_WEIGHTS_INLINE float bk_avx2_total_of(const float *lanes) {
  __m256 eight = _mm256_add_ps(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
