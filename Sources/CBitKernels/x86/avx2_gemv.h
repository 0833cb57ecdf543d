// The loops over the steps of a strip that add up sums from tables; see avx2_gemv.c.
#ifndef BITKERNELS_AVX2_TOKEN_H
#define BITKERNELS_AVX2_TOKEN_H

#include "avx2.h"

// Sums 32 * high + low of 32 rows.
typedef struct {
  __m256i low, high;
} byte_sums;

// Adds one step of both halves of a strip: two sums per row.
typedef void add_step(const uint8_t *step, const uint8_t *tables, byte_sums sums[2]);

AVX2_INLINE void add_nibbles(const uint8_t *step, const uint8_t *tables, byte_sums sums[2]) {
  __m256i mask = _mm256_set1_epi8(15);
  __m256i low[2] = {load_twice(tables), load_twice(tables + 32)};
  __m256i high[2] = {load_twice(tables + 16), load_twice(tables + 48)};
  for (int half = 0; half < 2; half++) {
    __m256i v = load(step + 32 * half);
    __m256i nibble[2] = {_mm256_and_si256(v, mask),
                         _mm256_and_si256(_mm256_srli_epi16(v, 4), mask)};
    for (int n = 0; n < 2; n++) {
      sums[half].low = _mm256_add_epi8(sums[half].low, _mm256_shuffle_epi8(low[n], nibble[n]));
      sums[half].high = _mm256_add_epi8(sums[half].high, _mm256_shuffle_epi8(high[n], nibble[n]));
    }
  }
}

enum {
  // Steps whose sums fit bytes, at two sums per step.
  BYTE_STEPS = 4,
  // Steps whose sums fit 16 bits, at no more than 640 per step.
  WORD_STEPS = 32,
  // How far ahead of the codes memory is prefetched.
  PREFETCH_BYTES = 8192,
};

// Adds up to WORD_STEPS steps, `factor` times, to the 32-bit sums of a strip's rows.
AVX2_INLINE void add_steps(const uint8_t *codes, size_t steps, const uint8_t *tables,
                           size_t table_bytes, add_step *add, int factor, __m256i sums[8]) {
  __m256i zero = _mm256_setzero_si256(), words[2][2] = {{zero, zero}, {zero, zero}};
  __m256i weights = _mm256_set1_epi16(32 << 8 | 1);
  while (steps > 0) {
    byte_sums bytes[2] = {{zero, zero}, {zero, zero}};
    size_t count = steps < BYTE_STEPS ? steps : BYTE_STEPS;
    if (count == BYTE_STEPS) {
      for (size_t s = 0; s < BYTE_STEPS; s++) {
        _mm_prefetch((const char *)codes + PREFETCH_BYTES + BK_STRIP_ROWS * s, _MM_HINT_T0);
        add(codes + BK_STRIP_ROWS * s, tables + table_bytes * s, bytes);
      }
    } else {
      for (size_t s = 0; s < count; s++)
        add(codes + BK_STRIP_ROWS * s, tables + table_bytes * s, bytes);
    }
    for (int half = 0; half < 2; half++) {
      __m256i low = bytes[half].low, high = bytes[half].high;
      words[half][0] = _mm256_add_epi16(
          words[half][0], _mm256_maddubs_epi16(weights, _mm256_unpacklo_epi8(low, high)));
      words[half][1] = _mm256_add_epi16(
          words[half][1], _mm256_maddubs_epi16(weights, _mm256_unpackhi_epi8(low, high)));
    }
    codes += BK_STRIP_ROWS * count;
    tables += table_bytes * count;
    steps -= count;
  }
  // To 32 bits with their sign, times the factor. The order of a strip's bytes is made for this: it
  // leaves eight consecutive rows in a vector.
  int shift = factor == 2 ? 15 : 16;
  for (int half = 0; half < 2; half++)
    for (int w = 0; w < 2; w++) {
      __m256i *out = sums + 4 * half + 2 * w;
      __m256i first = _mm256_unpacklo_epi16(zero, words[half][w]);
      __m256i second = _mm256_unpackhi_epi16(zero, words[half][w]);
      out[0] = _mm256_add_epi32(out[0], _mm256_srai_epi32(first, shift));
      out[1] = _mm256_add_epi32(out[1], _mm256_srai_epi32(second, shift));
    }
}

// Scales first...first + 7 of a matrix with blocks.
AVX2_INLINE __m256 load_scales(const bk_matrix *m, size_t first) {
  if (m->scales) return _mm256_loadu_ps(m->scales + first);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(m->half_scales + first)));
}

AVX2_INLINE void multiply_token(const bk_matrix *m, size_t strip, const uint8_t *tables,
                                const int32_t *constants, int32_t *sums, float *totals,
                                bk_format format, add_step *add) {
  bk_block_steps layout =
      bk_steps(m->columns, bk_step_columns(BK_LOOKUP, format), m->block_columns);
  size_t table_bytes = format == BK_TERNARY1_6 ? TRIT_TABLE_BYTES : NIBBLE_TABLE_BYTES;
  int factor = format == BK_SIGN1 ? 2 : 1;
  const uint8_t *codes = m->codes + strip * BK_STEP_BYTES * bk_step_count(layout);
  size_t scale = strip * BK_STRIP_ROWS * layout.blocks;
  if (m->block_columns) memset(totals, 0, BK_STRIP_ROWS * sizeof(float));
  for (size_t b = 0; b < layout.blocks; b++) {
    __m256i sum[8];
    for (int v = 0; v < 8; v++) sum[v] = _mm256_set1_epi32(constants[b]);
    size_t steps = b + 1 < layout.blocks ? layout.steps : layout.last_steps;
    while (steps > 0) {
      size_t count = steps < WORD_STEPS ? steps : WORD_STEPS;
      add_steps(codes, count, tables, table_bytes, add, factor, sum);
      codes += BK_STEP_BYTES * count;
      tables += table_bytes * count;
      steps -= count;
    }
    if (m->block_columns) {
      for (int v = 0; v < 8; v++) {
        float *out = totals + 8 * v;
        _mm256_storeu_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[v]),
                                              load_scales(m, scale + 8 * (size_t)v),
                                              _mm256_loadu_ps(out)));
      }
      scale += BK_STRIP_ROWS;
    } else {
      for (int v = 0; v < 8; v++) store(sums + 8 * v, sum[v]);
    }
  }
}

AVX2_INLINE void multiply_few(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                              int32_t *sums, float *totals, bk_format format, add_step *add) {
  for (size_t t = 0; t < tokens->rows.count; t++)
    multiply_token(m, strip, tokens->tables + t * tokens->table_stride,
                   tokens->offsets + t * tokens->offset_stride, sums + t * BK_STRIP_ROWS,
                   totals + t * BK_STRIP_ROWS, format, add);
}

#endif
