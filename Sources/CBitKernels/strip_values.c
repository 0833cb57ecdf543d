// The values of a strip's codes, straight from its bytes: four at a time are looked up by the bits
// of their codes, 8 (BK_TERNARY2) or 4 (BK_SIGN1). Memory hardly takes values faster, so no
// instruction set has a kernel of its own for this.
#include "internal.h"

// f(bits) for all numbers of 4 or 8 bits.
#define TABLE4(F, B) F(B), F((B) + 1), F((B) + 2), F((B) + 3)
#define TABLE16(F, B) TABLE4(F, B), TABLE4(F, (B) + 4), TABLE4(F, (B) + 8), TABLE4(F, (B) + 12)
#define TABLE64(F, B)                                                                            \
  TABLE16(F, B), TABLE16(F, (B) + 16), TABLE16(F, (B) + 32), TABLE16(F, (B) + 48)
#define TABLE256(F) TABLE64(F, 0), TABLE64(F, 64), TABLE64(F, 128), TABLE64(F, 192)

#define TERNARY_CODE(B, J) (((B) >> 2 * (J)&3) - 1)
#define SIGN_CODE(B, J) (((B) >> (J)&1) * 2 - 1)
#define TERNARY_CODES(B)                                                                         \
  { TERNARY_CODE(B, 0), TERNARY_CODE(B, 1), TERNARY_CODE(B, 2), TERNARY_CODE(B, 3) }
#define SIGN_CODES(B)                                                                            \
  { SIGN_CODE(B, 0), SIGN_CODE(B, 1), SIGN_CODE(B, 2), SIGN_CODE(B, 3) }

// All bits where a code is 0, and where it is +1.
#define MASK(IS_SET) ((IS_SET) ? 0xffff : 0)
#define TERNARY_ZEROS(B)                                                                         \
  {                                                                                              \
    MASK(TERNARY_CODE(B, 0) == 0), MASK(TERNARY_CODE(B, 1) == 0),                                \
        MASK(TERNARY_CODE(B, 2) == 0), MASK(TERNARY_CODE(B, 3) == 0)                             \
  }
#define TERNARY_ONES(B)                                                                          \
  {                                                                                              \
    MASK(TERNARY_CODE(B, 0) == 1), MASK(TERNARY_CODE(B, 1) == 1),                                \
        MASK(TERNARY_CODE(B, 2) == 1), MASK(TERNARY_CODE(B, 3) == 1)                             \
  }
#define SIGN_ONES(B)                                                                             \
  {                                                                                              \
    MASK(SIGN_CODE(B, 0) == 1), MASK(SIGN_CODE(B, 1) == 1), MASK(SIGN_CODE(B, 2) == 1),          \
        MASK(SIGN_CODE(B, 3) == 1)                                                               \
  }

static const float ternary_codes[256][4] = {TABLE256(TERNARY_CODES)};
static const float sign_codes[16][4] = {TABLE16(SIGN_CODES, 0)};
static const uint16_t ternary_zeros[256][4] = {TABLE256(TERNARY_ZEROS)};
static const uint16_t ternary_ones[256][4] = {TABLE256(TERNARY_ONES)};
static const uint16_t sign_ones[16][4] = {TABLE16(SIGN_ONES, 0)};

// The scale of a run of columns: itself, or the bits of four bfloat16 values of the code -1 and how
// those of 0 and +1 differ from them.
typedef struct {
  float scale;
  uint64_t minus, zero_bits, one_bits;
} run_scale;

BK_INLINE uint64_t four_times(uint16_t bits) { return bits * UINT64_C(0x0001000100010001); }

BK_INLINE run_scale prepare_scale(float scale) {
  uint16_t minus = bk_bf16(-1 * scale), zero = bk_bf16(0 * scale), one = bk_bf16(scale);
  return (run_scale){scale, four_times(minus), four_times(minus ^ zero), four_times(minus ^ one)};
}

BK_INLINE uint64_t load_mask(const uint16_t four[4]) {
  uint64_t mask;
  memcpy(&mask, four, 8);
  return mask;
}

BK_INLINE void write_four_floats(bk_format format, uint32_t bits, const run_scale *s, float *out) {
  const float *codes = format == BK_TERNARY2 ? ternary_codes[bits] : sign_codes[bits];
  for (int j = 0; j < 4; j++) out[j] = codes[j] * s->scale;
}

BK_INLINE void write_four_halves(bk_format format, uint32_t bits, const run_scale *s,
                                 uint16_t *out) {
  uint64_t four = s->minus;
  if (format == BK_TERNARY2) {
    four ^= load_mask(ternary_zeros[bits]) & s->zero_bits;
    four ^= load_mask(ternary_ones[bits]) & s->one_bits;
  } else {
    four ^= load_mask(sign_ones[bits]) & s->one_bits;
  }
  memcpy(out, &four, 8);
}

// The values of a step of one row, to floats or halves, one of which is NULL.
BK_INLINE void write_step(bk_layout layout, bk_format format, const uint8_t *step,
                          const run_scale *scale, float *floats, uint16_t *halves) {
  uint32_t word = *step;
  if (layout == BK_DOT) {
    memcpy(&word, step, 4);
    word = bk_row_from_step(word, format);
  }
  int width = format == BK_TERNARY2 ? 8 : 4, fours = (layout == BK_DOT ? 32 : 8) / width;
  for (int k = 0; k < fours; k++) {
    uint32_t bits = word >> width * k & ((1u << width) - 1);
    if (floats)
      write_four_floats(format, bits, scale, floats + 4 * k);
    else
      write_four_halves(format, bits, scale, halves + 4 * k);
  }
}

// The values of some columns of one row that share a scale, whose steps begin at `steps`.
BK_INLINE void write_run(bk_layout layout, bk_format format, const uint8_t *steps, size_t columns,
                         float row_scale, float *floats, uint16_t *halves) {
  size_t step_columns = bk_step_columns(layout, format), c = 0;
  run_scale scale = prepare_scale(row_scale);
  for (; c + step_columns <= columns; c += step_columns, steps += BK_STEP_BYTES)
    write_step(layout, format, steps, &scale, floats ? floats + c : NULL,
               floats ? NULL : halves + c);
  if (c == columns) return;
  float last_floats[32];
  uint16_t last_halves[32];
  write_step(layout, format, steps, &scale, floats ? last_floats : NULL, last_halves);
  if (floats)
    memcpy(floats + c, last_floats, (columns - c) * sizeof *floats);
  else
    memcpy(halves + c, last_halves, (columns - c) * sizeof *halves);
}

BK_INLINE void write_strip(bk_layout layout, bk_format format, const bk_matrix *matrix,
                           size_t strip, float *floats, uint16_t *halves) {
  size_t columns = matrix->columns, step_columns = bk_step_columns(layout, format);
  bk_block_steps steps = bk_steps(columns, step_columns, matrix->block_columns);
  const uint8_t *codes =
      matrix->codes + strip * bk_strip_bytes(layout, columns, format, matrix->block_columns);
  size_t first_row = strip * BK_STRIP_ROWS, rows = matrix->rows - first_row;
  if (rows > BK_STRIP_ROWS) rows = BK_STRIP_ROWS;
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *row = codes + bk_strip_byte(r);
    if (layout == BK_DOT)
      row = codes + r / BK_PANEL_ROWS * (BK_STEP_BYTES * bk_step_count(steps)) +
            4 * (r % BK_PANEL_ROWS);
    for (size_t b = 0; b < steps.blocks; b++) {
      size_t first = b * matrix->block_columns;
      size_t count = b + 1 < steps.blocks ? matrix->block_columns : columns - first;
      size_t place = (first_row + r) * columns + first;
      write_run(layout, format, row + BK_STEP_BYTES * steps.steps * b, count,
                bk_block_scale(matrix, (strip * steps.blocks + b) * BK_STRIP_ROWS + r),
                floats ? floats + place : NULL, floats ? NULL : halves + place);
    }
  }
}

void bk_strip_values(bk_layout layout, const bk_matrix *matrix, size_t strip, float *floats,
                     uint16_t *halves) {
  // Each call has constants where it matters, so that its loops are made for them.
  int is_ternary = matrix->format == BK_TERNARY2;
#define WRITE(LAYOUT, FORMAT)                                                                    \
  floats ? write_strip(LAYOUT, FORMAT, matrix, strip, floats, NULL)                              \
         : write_strip(LAYOUT, FORMAT, matrix, strip, NULL, halves)
  if (layout == BK_DOT)
    is_ternary ? (WRITE(BK_DOT, BK_TERNARY2)) : (WRITE(BK_DOT, BK_SIGN1));
  else
    is_ternary ? (WRITE(BK_LOOKUP, BK_TERNARY2)) : (WRITE(BK_LOOKUP, BK_SIGN1));
#undef WRITE
}
