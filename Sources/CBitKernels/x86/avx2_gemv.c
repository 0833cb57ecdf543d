// AVX2, one token: packed codes are not unpacked; their sums are looked up. For four columns of
// sign codes, or two of ternary ones, a token has 16 possible sums. A shuffle reads the sums of 32
// rows, with a nibble of each row's byte as the index. A byte of BK_TERNARY1_6 has two sums: of its
// first two columns (9 of them) and of its last three (27). Equals scalar.c: integers are exact,
// and the float operations are the same.
//
// A sum v, |v| <= 384, is stored as two signed bytes, 32 * high + low, so that eight can be added
// within bytes: |low| <= 16, |high| <= 12.
#if defined(__x86_64__)
#include "avx2_gemv.h"

// The 16 sums v to their low bytes and their high bytes.
AVX2_INLINE void store_sums(__m256i v, uint8_t *low, uint8_t *high) {
  __m256i h = _mm256_srai_epi16(_mm256_add_epi16(v, _mm256_set1_epi16(16)), 5);
  __m256i l = _mm256_sub_epi16(v, _mm256_slli_epi16(h, 5));
  __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(l, h), 0xd8);
  _mm_storeu_si128((__m128i *)low, _mm256_castsi256_si128(bytes));
  _mm_storeu_si128((__m128i *)high, _mm256_extracti128_si256(bytes, 1));
}

// 16 sums f * q[0] + g * q[1], for pairs of factors 0, 1 or 2 (f first).
AVX2_INLINE __m256i pair_sums(const int8_t *q, __m256i factors) {
  int16_t pair;
  memcpy(&pair, q, 2);
  return _mm256_maddubs_epi16(factors, _mm256_set1_epi16(pair));
}

// Pairs of bytes from 16 pairs of digits, written as f + 16 * g.
AVX2_INLINE __m256i digit_pairs(const uint8_t digits[16]) {
  __m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)digits));
  return _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi16(15)),
                         _mm256_slli_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0xf0)), 4));
}

AVX2 int32_t bk_avx2_prepare_ternary2(const int8_t *q, size_t steps, uint8_t *tables) {
  static const uint8_t digits[16] = {0x00, 0x01, 0x02, 0, 0x10, 0x11, 0x12, 0,
                                     0x20, 0x21, 0x22, 0, 0,    0,    0,    0};
  __m256i factors = digit_pairs(digits), ones = _mm256_set1_epi8(1);
  for (size_t i = 0; i < 2 * steps; i++, q += 2, tables += 32)
    store_sums(_mm256_sub_epi16(pair_sums(q, factors), pair_sums(q, ones)), tables, tables + 16);
  return 0;
}

AVX2 int32_t bk_avx2_prepare_sign1(const int8_t *q, size_t steps, uint8_t *tables) {
  // The sum of the selected columns minus half the sum of all four, rounded down. Twice that is the
  // sum of +-q, or one more where the sum of all four is odd.
  static const uint8_t low_bits[16] = {0x00, 0x01, 0x10, 0x11, 0x00, 0x01, 0x10, 0x11,
                                       0x00, 0x01, 0x10, 0x11, 0x00, 0x01, 0x10, 0x11};
  static const uint8_t high_bits[16] = {0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x01, 0x01,
                                        0x10, 0x10, 0x10, 0x10, 0x11, 0x11, 0x11, 0x11};
  __m256i low = digit_pairs(low_bits), high = digit_pairs(high_bits), ones = _mm256_set1_epi8(1);
  int32_t odd = 0;
  for (size_t i = 0; i < 2 * steps; i++, q += 4, tables += 32) {
    __m256i v = _mm256_add_epi16(pair_sums(q, low), pair_sums(q + 2, high));
    __m256i all = _mm256_add_epi16(pair_sums(q, ones), pair_sums(q + 2, ones));
    odd += (q[0] + q[1] + q[2] + q[3]) & 1;
    store_sums(_mm256_sub_epi16(v, _mm256_srai_epi16(all, 1)), tables, tables + 16);
  }
  return -odd;
}

AVX2 int32_t bk_avx2_prepare_ternary1_6(const int8_t *q, size_t steps, uint8_t *tables) {
  // Codes of 0...8, the first digit in the low nibble; of the first two digits of 0...26; and the
  // third digit.
  static const uint8_t pairs[16] = {0x00, 0x10, 0x20, 0x01, 0x11, 0x21, 0x02, 0x12, 0x22};
  static const uint8_t triples[32] = {0x00, 0x00, 0x00, 0x10, 0x10, 0x10, 0x20, 0x20, 0x20,
                                      0x01, 0x01, 0x01, 0x11, 0x11, 0x11, 0x21, 0x21, 0x21,
                                      0x02, 0x02, 0x02, 0x12, 0x12, 0x12, 0x22, 0x22, 0x22};
  static const uint8_t thirds[32] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1,
                                     2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  __m256i pair = digit_pairs(pairs), one = _mm256_set1_epi16(1), ones = _mm256_set1_epi8(1);
  __m256i triple[2] = {digit_pairs(triples), digit_pairs(triples + 16)};
  __m256i third[2] = {digit_pairs(thirds), digit_pairs(thirds + 16)};
  for (size_t s = 0; s < steps; s++, q += 5, tables += TRIT_TABLE_BYTES) {
    store_sums(_mm256_sub_epi16(pair_sums(q, pair), pair_sums(q, ones)), tables, tables + 16);
    __m256i all = _mm256_add_epi16(pair_sums(q + 2, ones), pair_sums(q + 4, one));
    for (int half = 0; half < 2; half++) {
      __m256i v = _mm256_add_epi16(pair_sums(q + 2, triple[half]), pair_sums(q + 4, third[half]));
      store_sums(_mm256_sub_epi16(v, all), tables + 32 + 16 * half, tables + 64 + 16 * half);
    }
  }
  return 0;
}

// One step of BK_TERNARY1_6.
AVX2_INLINE void add_trits(const uint8_t *step, const uint8_t *tables, byte_sums sums[2]) {
  __m256i pair[2] = {load_twice(tables), load_twice(tables + 16)};
  __m256i low[2] = {load_twice(tables + 32), load_twice(tables + 64)};
  __m256i high[2] = {load_twice(tables + 48), load_twice(tables + 80)};
  for (int half = 0; half < 2; half++) {
    trit_fields f = split_trits(load(step + 32 * half));
    __m256i v[2];
    for (int n = 0; n < 2; n++) {
      v[n] = _mm256_or_si256(_mm256_shuffle_epi8(low[n], f.low),
                             _mm256_shuffle_epi8(high[n], f.high));
      v[n] = _mm256_add_epi8(v[n], _mm256_shuffle_epi8(pair[n], f.pair));
    }
    sums[half].low = _mm256_add_epi8(sums[half].low, v[0]);
    sums[half].high = _mm256_add_epi8(sums[half].high, v[1]);
  }
}

#define FEW_TOKENS(NAME, FORMAT, ADD)                                                            \
  AVX2 void bk_avx2_multiply_few_##NAME(const bk_matrix *m, size_t strip,                        \
                                        const bk_tokens *tokens, int32_t *sums, float *totals) { \
    multiply_few(m, strip, tokens, sums, totals, FORMAT, ADD);                                   \
  }

FEW_TOKENS(ternary2, BK_TERNARY2, add_nibbles)
FEW_TOKENS(ternary1_6, BK_TERNARY1_6, add_trits)
FEW_TOKENS(sign1, BK_SIGN1, add_nibbles)
#endif
