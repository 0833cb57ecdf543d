// NEON: weights to codes, panels to strips (BK_LOOKUP) and back. Equals scalar.c bit for bit.
#if defined(__aarch64__)
#include "neon.h"

// Four weights as 32-bit integers: the code (ternary), or 2 for +1 and 0 for -1 (sign).
BK_INLINE uint32x4_t codes4(const float *w, float parameter, bk_alphabet alphabet) {
  float32x4_t v = vld1q_f32(w);
  // A true comparison gives -1, all bits set.
  if (alphabet == BK_SIGN)
    return vandq_u32(vcgtq_f32(v, vdupq_n_f32(parameter)), vdupq_n_u32(2));
  v = vmulq_n_f32(v, parameter);
  return vsubq_u32(vcltq_f32(v, vdupq_n_f32(-0.5f)), vcgtq_f32(v, vdupq_n_f32(0.5f)));
}

// Codes of 16 weights of a row: four quads.
BK_INLINE uint32x4_t codes16(const float *w, float parameter, bk_alphabet alphabet) {
  uint16x8_t half[2];
  for (int h = 0; h < 2; h++)
    half[h] = vmovn_high_u32(vmovn_u32(codes4(w + 8 * h, parameter, alphabet)),
                             codes4(w + 8 * h + 4, parameter, alphabet));
  uint8x16_t codes = vmovn_high_u16(vmovn_u16(half[0]), half[1]);
  if (alphabet == BK_TERNARY) codes = vaddq_u8(codes, vdupq_n_u8(1));
  return vreinterpretq_u32_u8(codes);
}

BK_INLINE void encode(const float *weights, size_t stride, size_t columns,
                      const float *parameters, uint8_t *panel, bk_alphabet alphabet) {
  for (size_t c = 0; c < columns; c += 16)
    for (size_t r = 0; r < BK_PANEL_ROWS; r += 4) {
      uint32x4_t row[4];
      for (size_t i = 0; i < 4; i++)
        row[i] = codes16(weights + (r + i) * stride + c, parameters[r + i], alphabet);
      // Four rows of four quads to four quads of four rows.
      uint32x4x2_t even = vzipq_u32(row[0], row[2]), odd = vzipq_u32(row[1], row[3]);
      for (size_t pair = 0; pair < 2; pair++) {
        uint32x4x2_t quads = vzipq_u32(even.val[pair], odd.val[pair]);
        for (size_t k = 0; k < 2; k++)
          vst1q_u8(panel + BK_PANEL_ROWS * c + 64 * (2 * pair + k) + 4 * r,
                   vreinterpretq_u8_u32(quads.val[k]));
      }
    }
}

// How many columns the vectors do: all but the last ones, and none of a panel that is not full. The
// rest is cleared.
BK_INLINE size_t whole_columns(size_t rows, size_t columns, uint8_t *panel) {
  size_t whole = rows == BK_PANEL_ROWS ? columns / 16 * 16 : 0;
  memset(panel + BK_PANEL_ROWS * whole, 0, bk_panel_bytes(columns) - BK_PANEL_ROWS * whole);
  return whole;
}

void bk_neon_encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                            const float *parameters, uint8_t *panel) {
  size_t whole = whole_columns(rows, columns, panel);
  encode(weights, stride, whole, parameters, panel, BK_TERNARY);
  bk_encode_columns_ternary(weights, stride, rows, whole, columns, parameters, panel);
}

void bk_neon_encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                         const float *parameters, uint8_t *panel) {
  size_t whole = whole_columns(rows, columns, panel);
  encode(weights, stride, whole, parameters, panel, BK_SIGN);
  bk_encode_columns_sign(weights, stride, rows, whole, columns, parameters, panel);
}

// Strips hold columns, panels hold quads. Between them is a buffer of columns of 64 bytes each, in
// the order of a strip's bytes. A vector of a column, 16 bytes, belongs to two panels.

// The offset of four rows of a quad: rows 8v + 4h...8v + 4h + 3 of 32 in two panels, `vector` being
// the index of the vector in its step.
BK_INLINE size_t panel_vector(size_t vector, size_t v, size_t panel_bytes) {
  return (vector / 2 * 2 + v / 2) * panel_bytes + 32 * (v % 2) + 16 * (vector % 2);
}

// A quad to a vector of four columns.
BK_INLINE void separate(const uint8_t *panels, size_t panel_bytes, size_t vector,
                        uint8_t *columns) {
  uint8x16_t rows[4];
  for (size_t v = 0; v < 4; v++) rows[v] = vld1q_u8(panels + panel_vector(vector, v, panel_bytes));
  uint8x16x2_t first = vuzpq_u8(rows[0], rows[1]), last = vuzpq_u8(rows[2], rows[3]);
  for (size_t j = 0; j < 2; j++) {
    uint8x16x2_t pair = vuzpq_u8(first.val[j], last.val[j]);
    vst1q_u8(columns + BK_STRIP_ROWS * j + 16 * vector, pair.val[0]);
    vst1q_u8(columns + BK_STRIP_ROWS * (j + 2) + 16 * vector, pair.val[1]);
  }
}

// A vector of a step's columns to its bytes.
BK_INLINE uint8x16_t join(const uint8_t *columns, bk_format format) {
  uint8x16_t v[8];
  for (size_t j = 0; j < bk_step_columns(BK_LOOKUP, format); j++)
    v[j] = vld1q_u8(columns + BK_STRIP_ROWS * j);
  if (format == BK_TERNARY2) {
    // Codes are below 4, so every one is inserted above those before it.
    return vsliq_n_u8(vsliq_n_u8(v[0], v[1], 2), vsliq_n_u8(v[2], v[3], 2), 4);
  }
  if (format == BK_TERNARY1_6) {
    for (int j = 1; j < 5; j++) v[0] = vmlaq_u8(v[j], v[0], vdupq_n_u8(3));
    return v[0];
  }
  // A stored 2 is a set bit. From the last column to the first, each below the ones after it.
  uint8x16_t bytes = vshrq_n_u8(v[7], 1);
  for (int j = 6; j >= 0; j--) bytes = vorrq_u8(vaddq_u8(bytes, bytes), vshrq_n_u8(v[j], 1));
  return bytes;
}

const uint8_t bk_neon_pair_digits[2][16] = {
    {0, 0, 0, 1, 1, 1, 2, 2, 2},
    {0, 1, 2, 0, 1, 2, 0, 1, 2},
};
const uint8_t bk_neon_triple_digits[3][32] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2},
    {0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2},
    {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2},
};

// The capacity of the buffer in columns: whole quads and, in every format, whole steps.
enum { BUFFER_COLUMNS = 40 };

BK_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                    bk_format format) {
  uint8_t buffer[BK_STRIP_ROWS * BUFFER_COLUMNS];
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  for (size_t first = 0; first < columns; first += BUFFER_COLUMNS) {
    size_t count = columns - first < BUFFER_COLUMNS ? columns - first : BUFFER_COLUMNS;
    for (size_t c = 0; c < count; c += 4)
      for (size_t v = 0; v < STEP_VECTORS; v++)
        separate(panels + BK_PANEL_ROWS * (first + c), panel_bytes, v, buffer + BK_STRIP_ROWS * c);
    size_t step_count = bk_divide_up(count, unit);
    // What pads the last step has the code 0, or a clear bit.
    memset(buffer + BK_STRIP_ROWS * count, format == BK_SIGN1 ? 0 : 1,
           BK_STRIP_ROWS * (step_count * unit - count));
    for (size_t s = 0; s < step_count; s++, steps += BK_STRIP_ROWS)
      for (size_t v = 0; v < STEP_VECTORS; v++)
        vst1q_u8(steps + 16 * v, join(buffer + BK_STRIP_ROWS * unit * s + 16 * v, format));
  }
}

// Four copies of every byte of a vector: those of four rows in each result.
BK_INLINE void copy_rows(uint8x16_t bytes, uint8x16_t copies[4]) {
  uint8x16x2_t twice = vzipq_u8(bytes, bytes);
  for (int half = 0; half < 2; half++) {
    uint16x8_t pairs = vreinterpretq_u16_u8(twice.val[half]);
    copies[2 * half] = vreinterpretq_u8_u16(vzip1q_u16(pairs, pairs));
    copies[2 * half + 1] = vreinterpretq_u8_u16(vzip2q_u16(pairs, pairs));
  }
}

// Bytes of BK_TERNARY2 and BK_SIGN1 are whole quads: one or two. In four copies of a byte, each
// takes the bits of its own column.
BK_INLINE uint8x16_t take_quad(uint8x16_t copies, size_t quad, bk_format format) {
  if (format == BK_SIGN1) {
    uint8x16_t bits = vreinterpretq_u8_u32(vdupq_n_u32(quad ? 0x80402010 : 0x08040201));
    return vandq_u8(vtstq_u8(copies, bits), vdupq_n_u8(2));
  }
  // A negative count shifts to the right.
  int8x16_t shifts = vreinterpretq_s8_u32(vdupq_n_u32(0xfafcfe00));
  return vandq_u8(vshlq_u8(copies, shifts), vdupq_n_u8(3));
}

BK_INLINE void unpack_quads(const uint8_t *steps, size_t columns, uint8_t *panels,
                            size_t panel_bytes, bk_format format) {
  size_t step_quads = format == BK_SIGN1 ? 2 : 1, quads = bk_divide_up(columns, 4);
  for (size_t q = 0; q < quads; q += step_quads, steps += BK_STEP_BYTES) {
    size_t count = quads - q < step_quads ? quads - q : step_quads;
    UNROLL for (size_t n = 0; n < STEP_VECTORS; n++) {
      uint8x16_t copies[4];
      copy_rows(vld1q_u8(steps + 16 * n), copies);
      UNROLL for (size_t i = 0; i < step_quads; i++)
        UNROLL for (size_t v = 0; v < 4 && i < count; v++)
          vst1q_u8(panels + 64 * (q + i) + panel_vector(n, v, panel_bytes),
                   take_quad(copies[v], i, format));
    }
  }
}

// A vector of bytes of BK_TERNARY1_6 to its columns.
BK_INLINE void split(uint8x16_t bytes, uint8_t *columns) {
  trit_fields fields = split_trits(bytes);
  UNROLL for (int j = 0; j < 5; j++)
    vst1q_u8(columns + BK_STRIP_ROWS * j, trit_digit(fields, j));
}

// A vector of four columns to a quad.
BK_INLINE void interleave(const uint8_t *columns, size_t vector, uint8_t *panels,
                          size_t panel_bytes) {
  uint8x16_t c[4];
  for (size_t j = 0; j < 4; j++) c[j] = vld1q_u8(columns + BK_STRIP_ROWS * j + 16 * vector);
  uint8x16x2_t left = vzipq_u8(c[0], c[1]), right = vzipq_u8(c[2], c[3]);
  for (size_t half = 0; half < 2; half++) {
    uint16x8x2_t quad = vzipq_u16(vreinterpretq_u16_u8(left.val[half]),
                                  vreinterpretq_u16_u8(right.val[half]));
    for (size_t v = 0; v < 2; v++)
      vst1q_u8(panels + panel_vector(vector, 2 * half + v, panel_bytes),
               vreinterpretq_u8_u16(quad.val[v]));
  }
}

BK_INLINE void unpack_trits(const uint8_t *steps, size_t columns, uint8_t *panels,
                            size_t panel_bytes) {
  uint8_t buffer[BK_STRIP_ROWS * BUFFER_COLUMNS];
  for (size_t first = 0; first < columns; first += BUFFER_COLUMNS) {
    size_t count = columns - first < BUFFER_COLUMNS ? columns - first : BUFFER_COLUMNS;
    for (size_t c = 0; c < count; c += 5, steps += BK_STEP_BYTES)
      for (size_t v = 0; v < STEP_VECTORS; v++)
        split(vld1q_u8(steps + 16 * v), buffer + BK_STRIP_ROWS * c + 16 * v);
    for (size_t c = 0; c < count; c += 4)
      for (size_t v = 0; v < STEP_VECTORS; v++)
        interleave(buffer + BK_STRIP_ROWS * c, v, panels + BK_PANEL_ROWS * (first + c),
                   panel_bytes);
  }
}

#define FORMAT_FUNCTIONS(NAME, FORMAT)                                                           \
  void bk_neon_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,            \
                           uint8_t *steps, size_t step_stride) {                                 \
    (void)step_stride;                                                                           \
    pack(panels, panel_bytes, columns, steps, FORMAT);                                           \
  }                                                                                              \
  void bk_neon_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,           \
                             uint8_t *panels, size_t panel_bytes) {                              \
    (void)step_stride;                                                                           \
    if (FORMAT == BK_TERNARY1_6)                                                                 \
      unpack_trits(steps, columns, panels, panel_bytes);                                         \
    else                                                                                         \
      unpack_quads(steps, columns, panels, panel_bytes, FORMAT);                                 \
  }

FORMAT_FUNCTIONS(ternary2, BK_TERNARY2)
FORMAT_FUNCTIONS(ternary1_6, BK_TERNARY1_6)
FORMAT_FUNCTIONS(sign1, BK_SIGN1)
#endif
