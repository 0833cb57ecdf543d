// What the AVX2 files share with one another and with the sets that extend AVX2.
#ifndef BITKERNELS_AVX2_H
#define BITKERNELS_AVX2_H

#include "../internal.h"
#include <immintrin.h>

// Every CPU with AVX2 has FMA and F16C too; dispatch.c asks for all of them.
#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

AVX2_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2_INLINE void store(void *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

// The four codes of a quad in every lane.
AVX2_INLINE __m256i broadcast_quad(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm256_set1_epi32(four);
}

// p = fma(float(sum - offset), scale, p)
AVX2_INLINE void add_scaled_lanes(float *p, __m256i sum, int32_t offset, __m256 scale) {
  __m256 value = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(offset)));
  _mm256_storeu_ps(p, _mm256_fmadd_ps(value, scale, _mm256_loadu_ps(p)));
}

// The same 16 bytes in both halves.
AVX2_INLINE __m256i twice(__m128i v) { return _mm256_broadcastsi128_si256(v); }
AVX2_INLINE __m256i load_twice(const void *p) {
  return twice(_mm_loadu_si128((const __m128i *)p));
}

// Ternary bytes are 27 * pair + triple. Pairs, 0...8, index one table of 16 bytes.
AVX2_INLINE __m256i trit_pairs(__m256i bytes) {
  // 19 / 512 is close enough to 1 / 27 for all of 0...242. Even and odd bytes separately.
  __m256i even = _mm256_maddubs_epi16(bytes, _mm256_set1_epi16(19));
  __m256i odd = _mm256_maddubs_epi16(bytes, _mm256_set1_epi16(19 << 8));
  return _mm256_blendv_epi8(_mm256_srli_epi16(even, 9), _mm256_srli_epi16(odd, 1),
                            _mm256_set1_epi16((short)0xff00));
}

// Triples, 0...26, plus an offset.
AVX2_INLINE __m256i trit_triples(__m256i bytes, __m256i pairs, int offset) {
  __m128i multiples = _mm_setr_epi8(0, 27, 54, 81, 108, (char)135, (char)162, (char)189,
                                    (char)216, 0, 0, 0, 0, 0, 0, 0);
  __m256i less = twice(_mm_sub_epi8(multiples, _mm_set1_epi8((char)offset)));
  return _mm256_sub_epi8(bytes, _mm256_shuffle_epi8(less, pairs));
}

// Triples as indices of two tables: low selects from 0...15 and high from 16...26. Where one of
// them selects, the other has its top bit set, for which a shuffle gives 0.
typedef struct {
  __m256i pair, low, high;
} trit_fields;

AVX2_INLINE trit_fields split_trits(__m256i bytes) {
  __m256i pairs = trit_pairs(bytes), low = trit_triples(bytes, pairs, 0x70);
  return (trit_fields){pairs, low, _mm256_xor_si256(low, _mm256_set1_epi8((char)0x80))};
}

float bk_avx2_absmax(const float *x, size_t n);
int32_t bk_avx2_quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                          int8_t *q);
void bk_avx2_sums(const float *x, size_t n, double *sum, double *absolute_sum);
void bk_avx2_encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                            const float *parameters, uint8_t *panel);
void bk_avx2_encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                         const float *parameters, uint8_t *panel);
void bk_avx2_block_sums(const int8_t *q, size_t block, size_t blocks, int32_t *sums);
void bk_avx2_finish(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                    float inverse, const float *bias, float *out);
void bk_avx2_finish_wide(const int32_t *high, const int32_t *low, size_t rows, const float *scales,
                         float inverse, const float *bias, float *out);
void bk_avx2_finish_scaled(const float *totals, size_t rows, const float *scales, float inverse,
                           const float *bias, float *out);
void bk_avx2_expand_halves(const uint16_t *halves, size_t n, float *floats);
void bk_avx2_add_totals(const int32_t *sums, int32_t offset, const float *scales, float factor,
                        float *totals);
uint64_t bk_avx2_read_all(const uint8_t *memory, size_t bytes);
extern const bk_training_kernels bk_avx2_training;

// What a set of kernels has for a format, under names that begin with SET.
#define FORMAT_MEMBERS(SET, NAME)                                                                    \
  void SET##_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,              \
                         uint8_t *steps, size_t step_stride);                                    \
  void SET##_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,             \
                           uint8_t *panels, size_t panel_bytes);                                 \
  void SET##_multiply_few_##NAME(const bk_matrix *m, size_t strip, const bk_tokens *tokens,      \
                                 int32_t *sums, float *totals);

#define AVX2_FORMAT(NAME)                                                                        \
  FORMAT_MEMBERS(bk_avx2, NAME)                                                                      \
  int32_t bk_avx2_prepare_##NAME(const int8_t *q, size_t steps, uint8_t *tables);

AVX2_FORMAT(ternary2)
AVX2_FORMAT(ternary1_6)
AVX2_FORMAT(sign1)

enum { NIBBLE_TABLE_BYTES = 64, TRIT_TABLE_BYTES = 96 };

// The members of the table of kernels that sets beyond AVX2 share with it: those that do not depend
// on the layout.
#define AVX2_MEMBERS                                                                             \
  .absmax = bk_avx2_absmax, .quantize8 = bk_avx2_quantize8, .sums = bk_avx2_sums,                \
  .encode_panel = {bk_avx2_encode_ternary, bk_avx2_encode_sign},                                 \
  .weights = &bk_avx2_weights, AVX2_RESULT_MEMBERS
// Those of sums and outputs.
#define AVX2_RESULT_MEMBERS                                                                      \
  .block_sums = bk_avx2_block_sums, .finish = bk_avx2_finish,                                    \
  .finish_wide = bk_avx2_finish_wide, .finish_scaled = bk_avx2_finish_scaled,                    \
  .add_totals = bk_avx2_add_totals, .expand_halves = bk_avx2_expand_halves, .training = &bk_avx2_training

#endif
