// AVX2: weights to codes, panels to strips and back. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "avx2.h"

// Codes of eight weights as 32-bit integers.
AVX2_INLINE __m256i codes8(const float *w, __m256 parameter, bk_alphabet alphabet) {
  __m256 v = _mm256_loadu_ps(w);
  // A true comparison gives -1, all bits set.
  if (alphabet == BK_SIGN)
    return _mm256_and_si256(_mm256_castps_si256(_mm256_cmp_ps(v, parameter, _CMP_GT_OQ)),
                            _mm256_set1_epi32(2));
  v = _mm256_mul_ps(v, parameter);
  __m256i above = _mm256_castps_si256(_mm256_cmp_ps(v, _mm256_set1_ps(0.5f), _CMP_GT_OQ));
  __m256i below = _mm256_castps_si256(_mm256_cmp_ps(v, _mm256_set1_ps(-0.5f), _CMP_LT_OQ));
  return _mm256_add_epi32(_mm256_sub_epi32(_mm256_set1_epi32(1), above), below);
}

// In: row[r] holds quads 0 2 4 6 1 3 5 7 of row r. Out: quad k of all rows at out + 64 * k.
AVX2_INLINE void store_transposed(const __m256i row[8], uint8_t *out) {
  __m256i pair[8], four[8];
  for (int r = 0; r < 8; r += 2) {
    pair[r] = _mm256_unpacklo_epi32(row[r], row[r + 1]);
    pair[r + 1] = _mm256_unpackhi_epi32(row[r], row[r + 1]);
  }
  for (int h = 0; h < 2; h++) {
    four[4 * h] = _mm256_unpacklo_epi64(pair[4 * h], pair[4 * h + 2]);
    four[4 * h + 1] = _mm256_unpackhi_epi64(pair[4 * h], pair[4 * h + 2]);
    four[4 * h + 2] = _mm256_unpacklo_epi64(pair[4 * h + 1], pair[4 * h + 3]);
    four[4 * h + 3] = _mm256_unpackhi_epi64(pair[4 * h + 1], pair[4 * h + 3]);
  }
  // The low halves hold even quads, the high halves odd ones.
  for (int d = 0; d < 4; d++) {
    store(out + 64 * (2 * d), _mm256_permute2x128_si256(four[d], four[4 + d], 0x20));
    store(out + 64 * (2 * d + 1), _mm256_permute2x128_si256(four[d], four[4 + d], 0x31));
  }
}

AVX2_INLINE void encode(const float *weights, size_t stride, size_t columns,
                        const float *parameters, uint8_t *panel, bk_alphabet alphabet) {
  for (size_t i = 0; i < columns / 32 * 2; i++) {
    size_t c = i / 2 * 32, half = i % 2;
    __m256i row[8];
    for (size_t r = 0; r < 8; r++) {
      const float *w = weights + (8 * half + r) * stride + c;
      __m256 parameter = _mm256_set1_ps(parameters[8 * half + r]);
      __m256i low = _mm256_packs_epi32(codes8(w, parameter, alphabet),
                                       codes8(w + 8, parameter, alphabet));
      __m256i high = _mm256_packs_epi32(codes8(w + 16, parameter, alphabet),
                                        codes8(w + 24, parameter, alphabet));
      row[r] = _mm256_packs_epi16(low, high);
    }
    store_transposed(row, panel + BK_PANEL_ROWS * c + 32 * half);
  }
}

// How many columns the vectors do: all but the last ones, and none of a panel that is not full. The
// rest is cleared.
AVX2_INLINE size_t whole_columns(size_t rows, size_t columns, uint8_t *panel) {
  size_t whole = rows == BK_PANEL_ROWS ? columns / 32 * 32 : 0;
  memset(panel + BK_PANEL_ROWS * whole, 0, bk_panel_bytes(columns) - BK_PANEL_ROWS * whole);
  return whole;
}

AVX2 void bk_avx2_encode_ternary(const float *weights, size_t stride, size_t rows,
                                 size_t columns, const float *parameters, uint8_t *panel) {
  size_t whole = whole_columns(rows, columns, panel);
  encode(weights, stride, whole, parameters, panel, BK_TERNARY);
  bk_encode_columns_ternary(weights, stride, rows, whole, columns, parameters, panel);
}

AVX2 void bk_avx2_encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                              const float *parameters, uint8_t *panel) {
  size_t whole = whole_columns(rows, columns, panel);
  encode(weights, stride, whole, parameters, panel, BK_SIGN);
  bk_encode_columns_sign(weights, stride, rows, whole, columns, parameters, panel);
}

// Strips hold columns, panels hold quads. Between them is a buffer of columns of 64 bytes each, in
// the order of a strip's bytes. Half a column, 32 bytes, belongs to two panels.

// Half of four columns to a quad of two panels.
AVX2_INLINE void interleave(const uint8_t *columns, uint8_t *panel, size_t panel_bytes) {
  __m256i c[4];
  for (int j = 0; j < 4; j++) c[j] = load(columns + BK_STRIP_ROWS * j);
  __m256i low[2] = {_mm256_unpacklo_epi8(c[0], c[1]), _mm256_unpacklo_epi8(c[2], c[3])};
  __m256i high[2] = {_mm256_unpackhi_epi8(c[0], c[1]), _mm256_unpackhi_epi8(c[2], c[3])};
  store(panel, _mm256_unpacklo_epi16(low[0], low[1]));
  store(panel + 32, _mm256_unpackhi_epi16(low[0], low[1]));
  store(panel + panel_bytes, _mm256_unpacklo_epi16(high[0], high[1]));
  store(panel + panel_bytes + 32, _mm256_unpackhi_epi16(high[0], high[1]));
}

// A quad of two panels to half of four columns.
AVX2_INLINE void separate(const uint8_t *panel, size_t panel_bytes, uint8_t *columns) {
  __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8,
                                   12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m256i v[4] = {load(panel), load(panel + 32), load(panel + panel_bytes),
                  load(panel + panel_bytes + 32)};
  for (int n = 0; n < 4; n++) v[n] = _mm256_shuffle_epi8(v[n], order);
  __m256i low[2] = {_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpacklo_epi32(v[2], v[3])};
  __m256i high[2] = {_mm256_unpackhi_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[2], v[3])};
  store(columns, _mm256_unpacklo_epi64(low[0], low[1]));
  store(columns + BK_STRIP_ROWS, _mm256_unpackhi_epi64(low[0], low[1]));
  store(columns + 2 * BK_STRIP_ROWS, _mm256_unpacklo_epi64(high[0], high[1]));
  store(columns + 3 * BK_STRIP_ROWS, _mm256_unpackhi_epi64(high[0], high[1]));
}

AVX2_INLINE __m256i triple(__m256i v) { return _mm256_add_epi8(_mm256_add_epi8(v, v), v); }

// Half of a step's columns to its bytes.
AVX2_INLINE __m256i join(const uint8_t *columns, bk_format format) {
  __m256i v[8];
  for (size_t j = 0; j < bk_step_columns(BK_LOOKUP, format); j++) v[j] = load(columns + BK_STRIP_ROWS * j);
  // Codes are small, so a shift of 16-bit words moves no bit into a neighbouring byte.
  if (format == BK_TERNARY2)
    return _mm256_or_si256(
        _mm256_or_si256(v[0], _mm256_slli_epi16(v[1], 2)),
        _mm256_or_si256(_mm256_slli_epi16(v[2], 4), _mm256_slli_epi16(v[3], 6)));
  if (format == BK_TERNARY1_6) {
    for (int j = 1; j < 5; j++) v[0] = _mm256_add_epi8(triple(v[0]), v[j]);
    return v[0];
  }
  __m256i bytes = _mm256_or_si256(_mm256_srli_epi16(v[0], 1), v[1]);
  for (int j = 2; j < 8; j++) bytes = _mm256_or_si256(bytes, _mm256_slli_epi16(v[j], j - 1));
  return bytes;
}

// The digits to base 3 of 0...8 and of 0...26, the highest one first.
static const uint8_t pair_digits[2][16] = {
    {0, 0, 0, 1, 1, 1, 2, 2, 2},
    {0, 1, 2, 0, 1, 2, 0, 1, 2},
};
static const uint8_t triple_digits[3][32] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2},
    {0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2},
    {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2},
};

// Half of a step's bytes to its columns.
AVX2_INLINE void split(__m256i bytes, uint8_t *columns, bk_format format) {
  if (format == BK_TERNARY2) {
    __m256i mask = _mm256_set1_epi8(3);
    for (int j = 0; j < 4; j++)
      store(columns + BK_STRIP_ROWS * j, _mm256_and_si256(_mm256_srli_epi16(bytes, 2 * j), mask));
  } else if (format == BK_TERNARY1_6) {
    trit_fields fields = split_trits(bytes);
    for (int j = 0; j < 2; j++)
      store(columns + BK_STRIP_ROWS * j,
            _mm256_shuffle_epi8(load_twice(pair_digits[j]), fields.pair));
    for (int j = 0; j < 3; j++)
      store(columns + BK_STRIP_ROWS * (2 + j),
            _mm256_or_si256(_mm256_shuffle_epi8(load_twice(triple_digits[j]), fields.low),
                            _mm256_shuffle_epi8(load_twice(triple_digits[j] + 16), fields.high)));
  } else {
    __m256i mask = _mm256_set1_epi8(2);
    store(columns, _mm256_and_si256(_mm256_add_epi8(bytes, bytes), mask));
    for (int j = 1; j < 8; j++)
      store(columns + BK_STRIP_ROWS * j, _mm256_and_si256(_mm256_srli_epi16(bytes, j - 1), mask));
  }
}

// The capacity of the buffer in columns: whole quads and, in every format, whole steps.
enum { BUFFER_COLUMNS = 40 };

AVX2_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                      bk_format format) {
  _Alignas(32) uint8_t buffer[BK_STRIP_ROWS * BUFFER_COLUMNS];
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  for (size_t first = 0; first < columns; first += BUFFER_COLUMNS) {
    size_t count = columns - first < BUFFER_COLUMNS ? columns - first : BUFFER_COLUMNS;
    for (size_t c = 0; c < count; c += 4)
      for (size_t half = 0; half < 2; half++)
        separate(panels + 2 * half * panel_bytes + BK_PANEL_ROWS * (first + c), panel_bytes,
                 buffer + BK_STRIP_ROWS * c + 32 * half);
    size_t step_count = bk_divide_up(count, unit);
    // What pads the last step has the code 0, or a clear bit.
    memset(buffer + BK_STRIP_ROWS * count, format == BK_SIGN1 ? 0 : 1,
           BK_STRIP_ROWS * (step_count * unit - count));
    for (size_t s = 0; s < step_count; s++, steps += BK_STRIP_ROWS)
      for (size_t half = 0; half < 2; half++)
        store(steps + 32 * half, join(buffer + BK_STRIP_ROWS * unit * s + 32 * half, format));
  }
}

AVX2_INLINE void unpack(const uint8_t *steps, size_t columns, uint8_t *panels, size_t panel_bytes,
                        bk_format format) {
  _Alignas(32) uint8_t buffer[BK_STRIP_ROWS * BUFFER_COLUMNS];
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  for (size_t first = 0; first < columns; first += BUFFER_COLUMNS) {
    size_t count = columns - first < BUFFER_COLUMNS ? columns - first : BUFFER_COLUMNS;
    size_t step_count = bk_divide_up(count, unit);
    for (size_t s = 0; s < step_count; s++, steps += BK_STRIP_ROWS)
      for (size_t half = 0; half < 2; half++)
        split(load(steps + 32 * half), buffer + BK_STRIP_ROWS * unit * s + 32 * half, format);
    for (size_t c = 0; c < count; c += 4)
      for (size_t half = 0; half < 2; half++)
        interleave(buffer + BK_STRIP_ROWS * c + 32 * half,
                   panels + 2 * half * panel_bytes + BK_PANEL_ROWS * (first + c), panel_bytes);
  }
}

#define FORMAT_FUNCTIONS(NAME, FORMAT)                                                           \
  AVX2 void bk_avx2_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,       \
                                uint8_t *steps, size_t step_stride) {                            \
    (void)step_stride;                                                                           \
    pack(panels, panel_bytes, columns, steps, FORMAT);                                           \
  }                                                                                              \
  AVX2 void bk_avx2_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,      \
                                  uint8_t *panels, size_t panel_bytes) {                         \
    (void)step_stride;                                                                           \
    unpack(steps, columns, panels, panel_bytes, FORMAT);                                         \
  }

FORMAT_FUNCTIONS(ternary2, BK_TERNARY2)
FORMAT_FUNCTIONS(ternary1_6, BK_TERNARY1_6)
FORMAT_FUNCTIONS(sign1, BK_SIGN1)
#endif
