// NEON, few tokens, one after the other: packed codes are not unpacked; their sums are looked up.
// For four columns of sign codes, or two of ternary ones, a token has 16 possible sums. A table
// lookup reads the sums of 16 rows, with a nibble of each row's byte as the index. A byte of
// BK_TERNARY1_6 has two sums: of its first two columns (9 of them) and of its last three (27).
// Equals scalar.c: integers are exact, and the float operations are the same.
//
// A sum v, |v| <= 384, is stored as two signed bytes, 32 * high + low, so that eight can be added
// within bytes: -16 <= low < 16, |high| <= 12.
#if defined(__aarch64__)
#include "neon.h"

// Adds q times 16 factors to 16 sums.
BK_INLINE int16x8x2_t add_multiples(int16x8x2_t sums, int8_t q, int8x16_t factors) {
  int8x16_t every = vdupq_n_s8(q);
  sums.val[0] = vmlal_s8(sums.val[0], vget_low_s8(every), vget_low_s8(factors));
  sums.val[1] = vmlal_high_s8(sums.val[1], every, factors);
  return sums;
}

// The 16 sums v to their low bytes and their high bytes.
BK_INLINE void store_sums(int16x8x2_t v, uint8_t *low, uint8_t *high) {
  int16x8_t l[2], h[2];
  for (int half = 0; half < 2; half++) {
    h[half] = vrshrq_n_s16(v.val[half], 5);
    l[half] = vmlsq_n_s16(v.val[half], h[half], 32);
  }
  vst1q_s8((int8_t *)low, vmovn_high_s16(vmovn_s16(l[0]), l[1]));
  vst1q_s8((int8_t *)high, vmovn_high_s16(vmovn_s16(h[0]), h[1]));
}

BK_INLINE int16x8x2_t sums_from(int start) {
  return (int16x8x2_t){{vdupq_n_s16((int16_t)start), vdupq_n_s16((int16_t)start)}};
}

int32_t bk_neon_prepare_ternary2(const int8_t *q, size_t steps, uint8_t *tables) {
  static const int8_t codes[2][16] = {
      {-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0},
      {-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0},
  };
  for (size_t i = 0; i < 2 * steps; i++, q += 2, tables += 32) {
    int16x8x2_t v = sums_from(0);
    for (int j = 0; j < 2; j++) v = add_multiples(v, q[j], vld1q_s8(codes[j]));
    store_sums(v, tables, tables + 16);
  }
  return 0;
}

int32_t bk_neon_prepare_sign1(const int8_t *q, size_t steps, uint8_t *tables) {
  // The sum of the selected columns minus half the sum of all four, rounded down. Twice that is the
  // sum of +-q, or one more where the sum of all four is odd.
  static const int8_t bits[4][16] = {
      {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
      {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1},
      {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1},
      {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
  };
  int32_t odd = 0;
  for (size_t i = 0; i < 2 * steps; i++, q += 4, tables += 32) {
    int sum = q[0] + q[1] + q[2] + q[3];
    odd += sum & 1;
    int16x8x2_t v = sums_from(-(sum >> 1));
    for (int j = 0; j < 4; j++) v = add_multiples(v, q[j], vld1q_s8(bits[j]));
    store_sums(v, tables, tables + 16);
  }
  return -odd;
}

// 16 digits as codes.
BK_INLINE int8x16_t digit_codes(const uint8_t *digits) {
  return vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(digits), vdupq_n_u8(1)));
}

int32_t bk_neon_prepare_ternary1_6(const int8_t *q, size_t steps, uint8_t *tables) {
  for (size_t s = 0; s < steps; s++, q += 5, tables += TRIT_TABLE_BYTES) {
    int16x8x2_t v = sums_from(0);
    for (int j = 0; j < 2; j++) v = add_multiples(v, q[j], digit_codes(bk_neon_pair_digits[j]));
    store_sums(v, tables, tables + 16);
    for (size_t half = 0; half < 2; half++) {
      v = sums_from(0);
      for (int j = 0; j < 3; j++)
        v = add_multiples(v, q[2 + j], digit_codes(bk_neon_triple_digits[j] + 16 * half));
      store_sums(v, tables + 32 + 16 * half, tables + 64 + 16 * half);
    }
  }
  return 0;
}

// Sums 32 * high + low of a strip's rows, in the order of its bytes.
typedef struct {
  int8x16_t low[STEP_VECTORS], high[STEP_VECTORS];
} byte_sums;

// Adds one step of a strip: two sums per row.
typedef void add_step(const uint8_t *step, const uint8_t *tables, byte_sums *sums);

BK_INLINE int8x16_t look_up(const uint8_t *table, uint8x16_t indices) {
  return vreinterpretq_s8_u8(vqtbl1q_u8(vld1q_u8(table), indices));
}

BK_INLINE int8x16_t look_up_twice(const uint8_t *table, uint8x16_t indices) {
  return vreinterpretq_s8_u8(vqtbl2q_u8(vld1q_u8_x2(table), indices));
}

BK_INLINE void add_nibbles(const uint8_t *step, const uint8_t *tables, byte_sums *sums) {
  for (int v = 0; v < STEP_VECTORS; v++) {
    uint8x16_t bytes = vld1q_u8(step + 16 * v);
    uint8x16_t nibble[2] = {vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8(bytes, 4)};
    for (int n = 0; n < 2; n++) {
      sums->low[v] = vaddq_s8(sums->low[v], look_up(tables + 32 * n, nibble[n]));
      sums->high[v] = vaddq_s8(sums->high[v], look_up(tables + 32 * n + 16, nibble[n]));
    }
  }
}

BK_INLINE void add_trits(const uint8_t *step, const uint8_t *tables, byte_sums *sums) {
  for (int v = 0; v < STEP_VECTORS; v++) {
    trit_fields f = split_trits(vld1q_u8(step + 16 * v));
    sums->low[v] = vaddq_s8(sums->low[v], look_up(tables, f.pair));
    sums->high[v] = vaddq_s8(sums->high[v], look_up(tables + 16, f.pair));
    sums->low[v] = vaddq_s8(sums->low[v], look_up_twice(tables + 32, f.triple));
    sums->high[v] = vaddq_s8(sums->high[v], look_up_twice(tables + 64, f.triple));
  }
}

enum {
  // Steps whose sums fit bytes, at two sums per step.
  BYTE_STEPS = 4,
  // Steps whose sums fit 16 bits, at no more than 640 per step.
  WORD_STEPS = 32,
  // How far ahead of the codes memory is prefetched.
  PREFETCH_BYTES = 4096,
};

// Adds up to WORD_STEPS steps, `factor` times, to the 32-bit sums of a strip's rows: four rows of
// sums[n] for each of the four dwords of vector n of a step.
BK_INLINE void add_steps(const uint8_t *codes, size_t steps, const uint8_t *tables,
                         size_t table_bytes, add_step *add, int16_t factor,
                         int32x4_t sums[STEP_VECTORS][4]) {
  int16x8_t words[STEP_VECTORS][2];
  for (int n = 0; n < STEP_VECTORS; n++) words[n][0] = words[n][1] = vdupq_n_s16(0);
  while (steps > 0) {
    byte_sums bytes;
    for (int n = 0; n < STEP_VECTORS; n++) bytes.low[n] = bytes.high[n] = vdupq_n_s8(0);
    size_t count = steps < BYTE_STEPS ? steps : BYTE_STEPS;
    if (count == BYTE_STEPS) {
      for (size_t s = 0; s < BYTE_STEPS; s++) {
        __builtin_prefetch(codes + PREFETCH_BYTES + BK_STEP_BYTES * s);
        add(codes + BK_STEP_BYTES * s, tables + table_bytes * s, &bytes);
      }
    } else {
      for (size_t s = 0; s < count; s++)
        add(codes + BK_STEP_BYTES * s, tables + table_bytes * s, &bytes);
    }
    int8x16_t weight = vdupq_n_s8(32);
    for (int n = 0; n < STEP_VECTORS; n++) {
      int8x16_t low = bytes.low[n], high = bytes.high[n];
      words[n][0] = vmlal_s8(vaddw_s8(words[n][0], vget_low_s8(low)), vget_low_s8(high),
                             vget_low_s8(weight));
      words[n][1] = vmlal_high_s8(vaddw_high_s8(words[n][1], low), high, weight);
    }
    codes += BK_STEP_BYTES * count;
    tables += table_bytes * count;
    steps -= count;
  }
  for (int n = 0; n < STEP_VECTORS; n++)
    for (int h = 0; h < 2; h++) {
      int32x4_t *out = sums[n] + 2 * h;
      out[0] = vmlal_n_s16(out[0], vget_low_s16(words[n][h]), factor);
      out[1] = vmlal_high_n_s16(out[1], words[n][h], factor);
    }
}

// Scales first...first + 3 of a matrix with blocks.
BK_INLINE float32x4_t load_scales(const bk_matrix *m, size_t first) {
  if (m->scales) return vld1q_f32(m->scales + first);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(m->half_scales + first)));
}

BK_INLINE void multiply_token(const bk_matrix *m, size_t strip, const uint8_t *tables,
                              const int32_t *constants, int32_t *sums, float *totals,
                              bk_format format, add_step *add) {
  bk_block_steps layout =
      bk_steps(m->columns, bk_step_columns(BK_LOOKUP, format), m->block_columns);
  size_t table_bytes = format == BK_TERNARY1_6 ? TRIT_TABLE_BYTES : NIBBLE_TABLE_BYTES;
  int16_t factor = format == BK_SIGN1 ? 2 : 1;
  const uint8_t *codes = m->codes + strip * BK_STEP_BYTES * bk_step_count(layout);
  size_t scale = strip * BK_STRIP_ROWS * layout.blocks;
  if (m->block_columns) memset(totals, 0, BK_STRIP_ROWS * sizeof(float));
  for (size_t b = 0; b < layout.blocks; b++) {
    int32x4_t sum[STEP_VECTORS][4];
    for (int n = 0; n < STEP_VECTORS; n++)
      for (int v = 0; v < 4; v++) sum[n][v] = vdupq_n_s32(constants[b]);
    size_t steps = b + 1 < layout.blocks ? layout.steps : layout.last_steps;
    while (steps > 0) {
      size_t count = steps < WORD_STEPS ? steps : WORD_STEPS;
      add_steps(codes, count, tables, table_bytes, add, factor, sum);
      codes += BK_STEP_BYTES * count;
      tables += table_bytes * count;
      steps -= count;
    }
    for (size_t n = 0; n < STEP_VECTORS; n++)
      for (size_t v = 0; v < 4; v++) {
        size_t row = n / 2 * 32 + n % 2 * 4 + 8 * v;
        if (m->block_columns)
          add_scaled(totals + row, sum[n][v], 0, load_scales(m, scale + row), 1);
        else
          vst1q_s32(sums + row, sum[n][v]);
      }
    if (m->block_columns) scale += BK_STRIP_ROWS;
  }
}

BK_INLINE void multiply_few(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                            int32_t *sums, float *totals, bk_format format, add_step *add) {
  for (size_t t = 0; t < tokens->rows.count; t++)
    multiply_token(m, strip, tokens->tables + t * tokens->table_stride,
                   tokens->offsets + t * tokens->offset_stride, sums + t * BK_STRIP_ROWS,
                   totals + t * BK_STRIP_ROWS, format, add);
}

#define FEW_TOKENS(NAME, FORMAT, ADD)                                                            \
  void bk_neon_multiply_few_##NAME(const bk_matrix *m, size_t strip, const bk_tokens *tokens,    \
                                   int32_t *sums, float *totals) {                               \
    multiply_few(m, strip, tokens, sums, totals, FORMAT, ADD);                                   \
  }

FEW_TOKENS(ternary2, BK_TERNARY2, add_nibbles)
FEW_TOKENS(ternary1_6, BK_TERNARY1_6, add_trits)
FEW_TOKENS(sign1, BK_SIGN1, add_nibbles)
#endif
