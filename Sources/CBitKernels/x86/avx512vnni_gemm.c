// AVX-512 VNNI for many tokens and, with VBMI, one token of ternary codes at 1.6 bits, whose 27
// sums are looked up by one permutation. The rest is AVX2's. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "avx2_gemv.h"

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define AVX512_INLINE static inline __attribute__((always_inline)) TARGET
#define VECTOR __m512i
#define PANEL_VECTORS 1
#define TILE_PANELS 2
#define TILE_TOKENS 12
#define TILE_REST 4

AVX512_INLINE VECTOR zero_vector(void) { return _mm512_setzero_si512(); }
AVX512_INLINE VECTOR load_vector(const uint8_t *p) { return _mm512_loadu_si512(p); }
AVX512_INLINE VECTOR broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}
AVX512_INLINE VECTOR dot(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm512_dpbusd_epi32(sum, codes, x);
}
AVX512_INLINE void add_sums(int32_t *p, VECTOR sum) {
  _mm512_storeu_si512(p, _mm512_add_epi32(_mm512_loadu_si512(p), sum));
}
AVX512_INLINE void add_totals(float *p, VECTOR sum, int32_t offset, const float *scales) {
  __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(offset)));
  _mm512_storeu_ps(p, _mm512_fmadd_ps(value, _mm512_loadu_ps(scales), _mm512_loadu_ps(p)));
}

#include "gemm_tile.h"
#include "vnni_peak.h"

#define VBMI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define VBMI_INLINE static inline __attribute__((always_inline)) VBMI

// As add_trits of avx2_gemv.c: the two tables of a triple's sums lie side by side.
VBMI_INLINE void add_trits(const uint8_t *step, const uint8_t *tables, byte_sums sums[2]) {
  __m256i pair[2] = {load_twice(tables), load_twice(tables + 16)};
  __m256i triple[2] = {load(tables + 32), load(tables + 64)};
  for (int half = 0; half < 2; half++) {
    __m256i bytes = load(step + 32 * half), pairs = trit_pairs(bytes), v[2];
    __m256i triples = trit_triples(bytes, pairs, 0);
    for (int n = 0; n < 2; n++)
      v[n] = _mm256_add_epi8(_mm256_permutexvar_epi8(triples, triple[n]),
                             _mm256_shuffle_epi8(pair[n], pairs));
    sums[half].low = _mm256_add_epi8(sums[half].low, v[0]);
    sums[half].high = _mm256_add_epi8(sums[half].high, v[1]);
  }
}

VBMI static void multiply_token_ternary1_6(const bk_matrix *m, const bk_token *token,
                                           size_t first_strip, size_t strips, int32_t *sums,
                                           float *totals) {
  multiply_token(m, token, first_strip, strips, sums, totals, BK_TERNARY1_6, add_trits);
}

#define AVX512_MEMBERS                                                                           \
  AVX2_MEMBERS, .name = "avx512vnni", .multiply = multiply, .multiply_scaled = multiply_scaled,  \
                .few_tokens = {2, 2, 4}, .peak = &peak

const bk_kernels bk_avx512vnni = {
    AVX512_MEMBERS,
    .multiply_token = {bk_avx2_multiply_token_ternary2, bk_avx2_multiply_token_ternary1_6,
                       bk_avx2_multiply_token_sign1},
};

const bk_kernels bk_avx512vbmi = {
    AVX512_MEMBERS,
    .multiply_token = {bk_avx2_multiply_token_ternary2, multiply_token_ternary1_6,
                       bk_avx2_multiply_token_sign1},
};
#endif
