// AVX-512 with VNNI: products with floats and with blocks of GGUF. Equals scalar_weights.c bit for
// bit.
#if defined(__x86_64__)
#include "avx2_weights.h"

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VECTOR __m512
#define WIDTH 16
#define HAS_TABLES 1
#define TILE_TOKENS 6
enum { TILE_ROWS = 4, ONE_TOKEN_ROWS = 8 };

INLINE VECTOR load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void store(float *p, VECTOR v) { _mm512_storeu_ps(p, v); }
INLINE VECTOR multiplied(VECTOR a, VECTOR b) { return _mm512_mul_ps(a, b); }
INLINE VECTOR fused(VECTOR a, VECTOR b, VECTOR c) { return _mm512_fmadd_ps(a, b, c); }
INLINE VECTOR all_floats(float x) { return _mm512_set1_ps(x); }
INLINE VECTOR all_halves(const uint8_t *p) {
  return _mm512_cvtph_ps(_mm256_set1_epi16((short)(p[0] | p[1] << 8)));
}
INLINE VECTOR halves_at(const uint8_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INLINE VECTOR bf16_at(const uint8_t *p) {
  __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}
INLINE VECTOR bytes_at(const int8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE float total_of(const float *lanes) { return bk_avx2_total_of(lanes); }

INLINE __m512i integers_at(const uint8_t *p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
// A look-up heeds the lower four bits of a number.
INLINE VECTOR low_looked_up(VECTOR table, const uint8_t *p) {
  return _mm512_permutexvar_ps(integers_at(p), table);
}
INLINE VECTOR high_looked_up(VECTOR table, const uint8_t *p) {
  return _mm512_permutexvar_ps(_mm512_srli_epi32(integers_at(p), 4), table);
}
// 16 numbers from -8 or 0 on.
INLINE const float *sixteen_from(int first) {
  static const float numbers[24] = {-8, -7, -6, -5, -4, -3, -2, -1, 0,  1,  2,  3,
                                    4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15};
  return numbers + 8 + first;
}

#include "weight_lanes.h"

// A running sum in each lane, as bk_lengths has them.
TARGET static void lengths(const float *w, const int8_t *q, size_t n, float scale,
                           double *residual, double *length) {
  __m512d errors = _mm512_setzero_pd(), squares = _mm512_setzero_pd(), s = _mm512_set1_pd(scale);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256i integers = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(q + i)));
    __m512d codes = _mm512_cvtepi32_pd(integers), values = _mm512_cvtps_pd(_mm256_loadu_ps(w + i));
    __m512d error = _mm512_sub_pd(values, _mm512_mul_pd(s, codes));
    errors = _mm512_add_pd(errors, _mm512_mul_pd(error, error));
    squares = _mm512_add_pd(squares, _mm512_mul_pd(codes, codes));
  }
  double lanes[2][8];
  _mm512_storeu_pd(lanes[0], errors);
  _mm512_storeu_pd(lanes[1], squares);
  for (; i < n; i++) {
    double code = q[i], error = w[i] - scale * code;
    lanes[0][i % 8] += error * error;
    lanes[1][i % 8] += code * code;
  }
  *residual = bk_lane_total(lanes[0]);
  *length = bk_lane_total(lanes[1]);
}

INLINE __m512i quad(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}

// Codes + 128 as unsigned bytes, and 128 times the sum of the activations less.
INLINE __m512i unsigned_codes(const int8_t *codes) {
  return _mm512_xor_si512(_mm512_loadu_si512(codes), _mm512_set1_epi8((char)0x80));
}

TARGET static void screen(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                          const int8_t *low, int32_t *sums) {
  int32_t offsets[2] = {0};
  for (size_t c = 0; c < 4 * quads; c++) {
    offsets[0] += 128 * high[c];
    offsets[1] += 128 * low[c];
  }
  for (size_t p = 0; p < panels; p++, codes += 64 * quads) {
    __m512i h[2], l[2];
    for (int i = 0; i < 2; i++) {
      h[i] = _mm512_set1_epi32(i ? 0 : -offsets[0]);
      l[i] = _mm512_set1_epi32(i ? 0 : -offsets[1]);
    }
    size_t k = 0;
    for (; k + 2 <= quads; k += 2) {
      for (size_t i = 0; i < 2; i++) {
        const int8_t *line = codes + 64 * (k + i);
        bk_prefetch((const uint8_t *)line + SCREEN_AHEAD, 64);
        __m512i c = unsigned_codes(line);
        h[i] = _mm512_dpbusd_epi32(h[i], c, quad(high + 4 * (k + i)));
        l[i] = _mm512_dpbusd_epi32(l[i], c, quad(low + 4 * (k + i)));
      }
    }
    if (k < quads) {
      __m512i c = unsigned_codes(codes + 64 * k);
      h[0] = _mm512_dpbusd_epi32(h[0], c, quad(high + 4 * k));
      l[0] = _mm512_dpbusd_epi32(l[0], c, quad(low + 4 * k));
    }
    _mm512_storeu_si512(sums + 32 * p, _mm512_add_epi32(h[0], h[1]));
    _mm512_storeu_si512(sums + 32 * p + 16, _mm512_add_epi32(l[0], l[1]));
  }
}

const bk_weight_kernels bk_avx512_weights = {LANE_MEMBERS, .lengths = lengths, .screen = screen};
#endif
