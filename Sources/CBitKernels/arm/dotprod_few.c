// Dot products of four bytes (sdot), few tokens, straight from packed codes in the layout BK_DOT:
// 16 rows and four, five or eight quads of columns for each step. Equals scalar.c: integers are
// exact, and the float operations are the same.
//
// Why not look-ups, as in neon_gemv.c: cycles for the codes of a step and one token, by llvm-mca 19
// (whose model of Apple M1 has three of its four vector units), with vector instructions:
//                        instructions  M1    N1    N2    V1    V2   (N1...V2: Neoverse)
//   ternary2    sdot               32  10.7  16    16     8     8
//               look-ups           44  18.4  31    29    21    14
//   ternary1.6  sdot               60  23    32    31    21    16
//               look-ups           58  25    40    36    21    18
//   sign1       sdot               64  21.4  32    32    16    16
//               look-ups           44  18.4  31    29    21    14
// Look-ups need tables, too, which one thread prepares in the time of about one strip, and take the
// same time again for every further token; sdot needs half of it for the second one (ternary2 5.3,
// ternary1.6 8, sign1 10.6 cycles of M1). So sdot is better even for signs.
#if defined(__aarch64__)
#include "../few.h"
#include "dotprod.h"

enum {
  // The most rows of bytes of a tile.
  TILE_ROWS = DOTPROD_TILE_ROWS,
  // The most sums whose total is the sum of a row of weights and a row of bytes.
  MOST_PARTS = 3,
  // The most rows of bytes whose ternary codes are weighted; see field.
  WEIGHTED_ROWS = 3,
  // The most steps whose weighted sums fit 31 bits: one adds no more than 16 * 2 * 4 * 255.
  WEIGHTED_STEPS = 65536,
  PREFETCH_BYTES = 4096,
};

// Woven rows of bytes: those of all tokens, and the low bytes of as many or of none.
typedef struct {
  const int8_t *high, *low;
} tile_bytes;

// Sums of the panel's rows 4v...4v + 3 for each row of bytes, those of low bytes last; and their
// parts.
typedef int32x4_t panel_sums[PANEL_VECTORS][TILE_ROWS];
typedef int32x4_t part_sums[PANEL_VECTORS][TILE_ROWS][MOST_PARTS];

// ---- A step -------------------------------------------------------------------------------------

// How many parts the sums of `rows` rows of bytes have. Two keep the additions of a single row from
// waiting for one another; for more rows there are sums enough. For three, see field.
DOTPROD_INLINE int part_count(const int rows, const bk_format format) {
  if (format == BK_TERNARY2) return rows <= WEIGHTED_ROWS ? MOST_PARTS : 1;
  return rows == 1 ? 2 : 1;
}

// The vectors of a panel at a time: half of them where the registers do not hold more sums. Signs
// need eight registers for masks, trits as many for tables and two for each vector.
DOTPROD_INLINE int vectors_at_once(const int rows, const bk_format format) {
  const int most = format == BK_TERNARY2 ? 20 : format == BK_SIGN1 ? 12 : 8;
  return PANEL_VECTORS * rows * part_count(rows, format) <= most ? PANEL_VECTORS
                                                                 : PANEL_VECTORS / 2;
}

// Ternary codes at 2 bits. Those with three parts are masked where they are: codes of field 1 count
// 4 times and those of field 2 16 times, and each of these is a part of its own. Field 3 would be
// too large for a signed byte; shifted, it needs no mask.
DOTPROD_INLINE uint8x16_t ternary_field(uint8x16_t step, const int f, const int parts) {
  uint8x16_t low = vdupq_n_u8(3);
  if (f == 3) return vshrq_n_u8(step, 6);
  if (parts == MOST_PARTS) return vandq_u8(step, vdupq_n_u8((uint8_t)(3 << (2 * f))));
  return vandq_u8(f == 0 ? step : f == 1 ? vshrq_n_u8(step, 2) : vshrq_n_u8(step, 4), low);
}

// Signs: -1 where the bit is set.
DOTPROD_INLINE uint8x16_t sign_field(uint8x16_t step, const int f) {
  uint8x16_t bit = vdupq_n_u8((uint8_t)(1 << f));
  // Of a bit 0 that it knows clang makes two instructions.
  if (f == 0) __asm__("" : "+w"(bit));
  return vtstq_u8(step, bit);
}

// Field f of each byte of a step.
DOTPROD_INLINE int8x16_t field(uint8x16_t step, const int f, const int parts,
                               const bk_format format) {
  return vreinterpretq_s8_u8(format == BK_SIGN1      ? sign_field(step, f)
                             : format == BK_TERNARY2 ? ternary_field(step, f, parts)
                                                     : trit_digit(split_trits(step), f));
}

// The sum of stored codes times bytes from its parts.
DOTPROD_INLINE int32x4_t total(const int32x4_t part[MOST_PARTS], const int parts, const int is_low,
                               const bk_format format) {
  if (parts == MOST_PARTS)
    return vaddq_s32(vaddq_s32(part[0], vshrq_n_s32(part[1], 2)), vshrq_n_s32(part[2], 4));
  int32x4_t sum = parts == 2 ? vaddq_s32(part[0], part[1]) : part[0];
  if (format != BK_SIGN1) return sum;
  // A set bit is a stored 2. As a byte without sign it counted 255, which times -0x01010101 is 1 in
  // 32 bits.
  uint32_t factor = is_low ? 0u - 2 * 0x01010101u : 0u - 2;
  return vreinterpretq_s32_u32(vmulq_n_u32(vreinterpretq_u32_s32(sum), factor));
}

// Adds the products of some vectors of a step, one field after the other. A vector of bytes has
// four quads: those of several rows, or of several fields. The last vector may reach beyond the
// step, by less than the zeros that follow the columns.
DOTPROD_INLINE void add_step(const uint8_t *step, tile_bytes bytes, part_sums sum,
                             const int vectors, const int high, const int low,
                             const bk_format format) {
  const int parts = part_count(high + low, format), fields = bk_dot_fields(format);
  int8x16_t x[2 * TILE_ROWS], x_low[TILE_ROWS];
  UNROLL for (int f = 0; f < fields; f++) {
    const int first = high * f, part = f % parts;
    UNROLL for (int i = first; i < first + high; i++)
      if (i % 4 == 0) {
        x[i / 4] = vld1q_s8(bytes.high + 4 * i);
        if (low) x_low[i / 4] = vld1q_s8(bytes.low + 4 * i);
      }
    UNROLL for (int v = 0; v < vectors; v++) {
      int8x16_t w = field(vld1q_u8(step + 16 * v), f, parts, format);
      UNROLL for (int t = 0; t < high; t++) {
        const int i = first + t;
        sum[v][t][part] = dot(sum[v][t][part], w, x[i / 4], i % 4);
        if (!low) continue;
        int32x4_t *to = &sum[v][high + t][part];
        *to = dot_low(*to, w, x_low[i / 4], i % 4);
      }
    }
  }
}

// Adds the products of some steps and of the vectors of each from number `first` on.
DOTPROD_INLINE void add_steps(const uint8_t *steps, size_t count, tile_bytes bytes,
                              panel_sums sums, const int first, const int vectors,
                              const int high, const int low, const bk_format format) {
  const int rows = high + low, parts = part_count(rows, format);
  for (size_t left; count > 0; count -= left) {
    part_sums sum;
    left = count < WEIGHTED_STEPS ? count : WEIGHTED_STEPS;
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < rows; t++)
        UNROLL for (int i = 0; i < parts; i++) sum[v][t][i] = vdupq_n_s32(0);
    for (size_t s = 0; s < left; s++) {
      __builtin_prefetch(steps + PREFETCH_BYTES);
      add_step(steps + 16 * first, bytes, sum, vectors, high, low, format);
      steps += BK_STEP_BYTES;
      bytes.high += 4 * bk_dot_fields(format) * high;
      bytes.low += 4 * bk_dot_fields(format) * low;
    }
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < rows; t++)
        sums[first + v][t] =
            vaddq_s32(sums[first + v][t], total(sum[v][t], parts, t >= high, format));
  }
}

// ---- A strip ------------------------------------------------------------------------------------

// Adds a segment's sums to the totals, or stores the sums of a row that is one segment.
DOTPROD_INLINE void put_segment(const few_place *at, size_t segment, panel_sums sum,
                                const int high, const int low) {
  const bk_tokens *tokens = at->tokens;
  size_t column = segment * at->segment_columns, count = tokens->rows.count;
  float buffer[BK_PANEL_ROWS];
  const float *scales = at->segment_columns ? few_scales(at, column, 0, buffer) : NULL;
  UNROLL for (int t = 0; t < high; t++) {
    size_t token = (size_t)t, index = token * tokens->offset_stride + segment;
    if (token >= count) continue;
    int32_t offset = tokens->offsets[index], low_offset = low ? tokens->low_offsets[index] : 0;
    float factor = few_factor(at, token, column);
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
      size_t out = token * BK_STRIP_ROWS + (size_t)(4 * v);
      int32x4_t exact = vsubq_s32(sum[v][t], vdupq_n_s32(offset)), exact_low = exact;
      if (low) exact_low = vsubq_s32(sum[v][high + t], vdupq_n_s32(low_offset));
      if (scales) {
        if (low) exact = vaddq_s32(vshlq_n_s32(exact, 8), exact_low);
        add_scaled(at->totals + out, exact, 0, vld1q_f32(scales + 4 * v), factor);
      } else {
        vst1q_s32(at->sums + out, exact);
        if (low) vst1q_s32(at->sums + count * BK_STRIP_ROWS + out, exact_low);
      }
    }
  }
}

// All segments of one panel, for a tile that is `high` tokens wide, some of which may be missing.
DOTPROD_INLINE void multiply_panel(const few_place *at, const int high, const int low,
                                   const bk_format format) {
  const int vectors = vectors_at_once(high + low, format);
  const uint8_t *steps = at->steps;
  for (size_t g = 0; g < at->segments.blocks; g++) {
    panel_sums sums;
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
      UNROLL for (int t = 0; t < high + low; t++) sums[v][t] = vdupq_n_s32(0);
    size_t count = g + 1 < at->segments.blocks ? at->segments.steps : at->segments.last_steps;
    size_t first = g * at->segment_columns * (size_t)high;
    tile_bytes bytes = {at->tokens->rows.bytes + first, at->tokens->low.bytes + first};
    UNROLL for (int v = 0; v < PANEL_VECTORS; v += vectors)
      add_steps(steps, count, bytes, sums, v, vectors, high, low, format);
    put_segment(at, g, sums, high, low);
    steps += BK_STEP_BYTES * count;
  }
}

#define WIDTH_CASE(WIDTH, LOW)                                                                   \
  case WIDTH:                                                                                    \
    for (; at.panels > 0; few_advance(&at, 1)) multiply_panel(&at, WIDTH, LOW, format);          \
    break;

DOTPROD_INLINE void multiply_few(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                                 int32_t *sums, float *totals, const bk_format format) {
  few_place at = few_strip(m, strip, tokens, sums, totals, format);
  if (tokens->low.count) {
    switch (tokens->rows.width) {
      WIDTH_CASE(1, 1)
      WIDTH_CASE(2, 2)
      WIDTH_CASE(3, 3)
    }
    return;
  }
  switch (tokens->rows.width) {
    WIDTH_CASE(1, 0)
    WIDTH_CASE(2, 0)
    WIDTH_CASE(3, 0)
    WIDTH_CASE(4, 0)
    WIDTH_CASE(5, 0)
    WIDTH_CASE(6, 0)
  }
}

#define FEW_TOKENS(NAME, FORMAT)                                                                 \
  DOTPROD void bk_dotprod_multiply_few_##NAME(const bk_matrix *m, size_t strip,                  \
                                              const bk_tokens *tokens, int32_t *sums,            \
                                              float *totals) {                                   \
    multiply_few(m, strip, tokens, sums, totals, FORMAT);                                        \
  }

FEW_TOKENS(ternary2, BK_TERNARY2)
FEW_TOKENS(ternary1_6, BK_TERNARY1_6)
FEW_TOKENS(sign1, BK_SIGN1)
#endif
