// Dot products of four bytes (sdot), few tokens, straight from ternary codes at 2 bits in the layout
// BK_DOT: 16 rows and 16 columns for each step, the four quads of a vector of activations. Equals
// scalar.c: integers are exact, and the float operations are the same.
#if defined(__aarch64__)
#include "../few.h"
#include "dotprod.h"

enum {
  FIELDS = 4,
  // The most rows of bytes of a tile, and of one whose fields are weighted (see below).
  TILE_ROWS = DOTPROD_TILE_ROWS,
  WEIGHTED_ROWS = 3,
  // The most vectors of sums: with more, half of a panel's rows at a time.
  MOST_SUMS = 20,
  PREFETCH_BYTES = 4096,
};

// Woven rows of bytes: those of all tokens, and the low bytes of as many or of none.
typedef struct {
  const int8_t *high, *low;
} tile_bytes;

// Sums of the panel's rows 4v...4v + 3 for each row of bytes, those of low bytes last.
typedef int32x4_t panel_sums[PANEL_VECTORS][TILE_ROWS];

// The vectors of a panel at a time, for this many vectors of sums for each.
DOTPROD_INLINE int vectors_at_once(const int sums) {
  return PANEL_VECTORS * sums <= MOST_SUMS ? PANEL_VECTORS : PANEL_VECTORS / 2;
}

// ---- Weighted fields ----------------------------------------------------------------------------

// For up to three rows of bytes, fields are masked where they are: a code of field 1 counts 4 times
// and one of field 2 16 times, and each of these has sums of its own. Field 3 would be too large for
// a signed byte; shifted, it needs no mask.
enum { WEIGHTS = 3 };

typedef int32x4_t weighted_sums[PANEL_VECTORS][WEIGHTED_ROWS][WEIGHTS];

// The most steps whose weighted sums fit 31 bits: one adds no more than 16 * 2 * 4 * 255.
enum { WEIGHTED_STEPS = 65536 };

DOTPROD_INLINE int8x16_t weighted_field(uint8x16_t step, const int f) {
  uint8x16_t field = f == 0   ? vandq_u8(step, vdupq_n_u8(0x03))
                     : f == 1 ? vandq_u8(step, vdupq_n_u8(0x0c))
                     : f == 2 ? vandq_u8(step, vdupq_n_u8(0x30))
                              : vshrq_n_u8(step, 6);
  return vreinterpretq_s8_u8(field);
}

// Adds the products of some vectors of a step, one after the other. A row of low bytes comes with one
// row of others.
DOTPROD_INLINE void add_weighted(const uint8_t *step, tile_bytes bytes, weighted_sums sum,
                                 const int vectors, const int high, const int low) {
  int8x16_t x[WEIGHTED_ROWS], x_low = vdupq_n_s8(0);
  UNROLL for (int i = 0; i < high; i++) x[i] = vld1q_s8(bytes.high + 16 * i);
  if (low) x_low = vld1q_s8(bytes.low);
  UNROLL for (int v = 0; v < vectors; v++) {
    uint8x16_t codes = vld1q_u8(step + 16 * v);
    UNROLL for (int f = 0; f < FIELDS; f++) {
      int8x16_t w = weighted_field(codes, f);
      UNROLL for (int t = 0; t < high; t++) {
        const int place = high * f + t;
        sum[v][t][f % WEIGHTS] = dot(sum[v][t][f % WEIGHTS], w, x[place / 4], place % 4);
      }
      if (low) sum[v][high][f % WEIGHTS] = dot_low(sum[v][high][f % WEIGHTS], w, x_low, f);
    }
  }
}

// Adds the products of some steps and of the vectors of each from number `first` on.
DOTPROD_INLINE void multiply_weighted(const uint8_t *steps, size_t count, tile_bytes bytes,
                                      panel_sums total, const int first, const int vectors,
                                      const int high, const int low) {
  for (size_t left; count > 0; count -= left) {
    weighted_sums sum;
    left = count < WEIGHTED_STEPS ? count : WEIGHTED_STEPS;
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++)
        UNROLL for (int i = 0; i < WEIGHTS; i++) sum[v][t][i] = vdupq_n_s32(0);
    for (size_t s = 0; s < left; s++) {
      __builtin_prefetch(steps + PREFETCH_BYTES);
      add_weighted(steps + 16 * first, bytes, sum, vectors, high, low);
      steps += BK_STEP_BYTES;
      bytes.high += 16 * high;
      bytes.low += 16 * low;
    }
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++) {
        int32x4_t *to = &total[first + v][t], *of = sum[v][t];
        *to = vaddq_s32(*to, vaddq_s32(of[0], vshrq_n_s32(of[1], 2)));
        *to = vaddq_s32(*to, vshrq_n_s32(of[2], 4));
      }
  }
}

// ---- Shifted fields -----------------------------------------------------------------------------

DOTPROD_INLINE int8x16_t shifted_field(uint8x16_t step, const int f) {
  uint8x16_t mask = vdupq_n_u8(3);
  uint8x16_t field = f == 0   ? vandq_u8(step, mask)
                     : f == 1 ? vandq_u8(vshrq_n_u8(step, 2), mask)
                     : f == 2 ? vandq_u8(vshrq_n_u8(step, 4), mask)
                              : vshrq_n_u8(step, 6);
  return vreinterpretq_s8_u8(field);
}

// Adds the products of some vectors of a step, one field after the other.
DOTPROD_INLINE void add_shifted(const uint8_t *step, tile_bytes bytes, panel_sums sum,
                                const int vectors, const int high, const int low) {
  int8x16_t x[TILE_ROWS], x_low[TILE_ROWS];
  UNROLL for (int f = 0; f < FIELDS; f++) {
    UNROLL for (int t = high * f; t < high * (f + 1); t++)
      if (t % 4 == 0) {
        x[t / 4] = vld1q_s8(bytes.high + 4 * t);
        if (low) x_low[t / 4] = vld1q_s8(bytes.low + 4 * t);
      }
    UNROLL for (int v = 0; v < vectors; v++) {
      int8x16_t w = shifted_field(vld1q_u8(step + 16 * v), f);
      UNROLL for (int t = 0; t < high; t++) {
        const int place = high * f + t;
        sum[v][t] = dot(sum[v][t], w, x[place / 4], place % 4);
        if (low) sum[v][high + t] = dot_low(sum[v][high + t], w, x_low[place / 4], place % 4);
      }
    }
  }
}

// As multiply_weighted.
DOTPROD_INLINE void multiply_shifted(const uint8_t *steps, size_t count, tile_bytes bytes,
                                     panel_sums total, const int first, const int vectors,
                                     const int high, const int low) {
  for (size_t s = 0; s < count; s++) {
    __builtin_prefetch(steps + PREFETCH_BYTES);
    add_shifted(steps + 16 * first, bytes, total + first, vectors, high, low);
    steps += BK_STEP_BYTES;
    bytes.high += 16 * high;
    bytes.low += 16 * low;
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
DOTPROD_INLINE void multiply_panel(const few_place *at, const int high, const int low) {
  const uint8_t *steps = at->steps;
  const int is_weighted = high + low <= WEIGHTED_ROWS;
  const int vectors = vectors_at_once((high + low) * (is_weighted ? WEIGHTS : 1));
  for (size_t g = 0; g < at->segments.blocks; g++) {
    panel_sums sum;
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
      UNROLL for (int t = 0; t < high + low; t++) sum[v][t] = vdupq_n_s32(0);
    size_t count = g + 1 < at->segments.blocks ? at->segments.steps : at->segments.last_steps;
    size_t first = g * at->segment_columns * (size_t)high;
    tile_bytes bytes = {at->tokens->rows.bytes + first, at->tokens->low.bytes + first};
    UNROLL for (int v = 0; v < PANEL_VECTORS; v += vectors)
      if (is_weighted)
        multiply_weighted(steps, count, bytes, sum, v, vectors, high, low);
      else
        multiply_shifted(steps, count, bytes, sum, v, vectors, high, low);
    put_segment(at, g, sum, high, low);
    steps += BK_STEP_BYTES * count;
  }
}

#define WIDTH_CASE(WIDTH, LOW)                                                                   \
  case WIDTH:                                                                                    \
    for (; at.panels > 0; few_advance(&at, 1)) multiply_panel(&at, WIDTH, LOW);                  \
    break;

DOTPROD void bk_dotprod_multiply_few_ternary2(const bk_matrix *m, size_t strip,
                                              const bk_tokens *tokens, int32_t *sums,
                                              float *totals) {
  few_place at = few_strip(m, strip, tokens, sums, totals, BK_TERNARY2);
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
#endif
