// Few tokens straight from packed codes in the layout BK_DOT, for any width of vectors with dot
// products of four bytes. Included once by a file that first defines what dot_tile.h and dot_fields.h
// need, and
//   add_integers(v, w), subtract_integers(v, w), shift_integers_right(v, n),
//   shift_integers_left(v, n).
#include "../few.h"
#include "dot_masked.h"

// Adds the products of one field of one or two vectors of codes.
PACKED_INLINE void add_codes(const VECTOR *w, const int vectors, tile_bytes bytes,
                             VECTOR (*sum)[TILE_ROWS], const int high, const int low) {
  UNROLL for (int t = 0; t < high; t++) {
    VECTOR x = broadcast(bytes.high + 4 * t);
    UNROLL for (int v = 0; v < vectors; v++) sum[v][t] = dot(sum[v][t], w[v], x);
  }
  UNROLL for (int t = 0; t < low; t++) {
    VECTOR x = broadcast(bytes.low + 4 * t);
    UNROLL for (int v = 0; v < vectors; v++)
      sum[v][high + t] = dot_low(sum[v][high + t], w[v], x);
  }
}

// Adds the products of one or two vectors of a step. Its fields are shifted to the lowest bits one
// by one in a loop: unrolled, compilers make fields and load activations too early, and sums lose
// their registers.
PACKED_INLINE void add_vectors(const uint8_t *step, size_t panel_stride, const int vectors,
                               tile_bytes bytes, VECTOR (*sum)[TILE_ROWS], const int high,
                               const int low, const bk_format format) {
  VECTOR left[2], last[2], w[2];
  UNROLL for (int v = 0; v < vectors; v++) {
    step_codes c = load_step(step + (size_t)v * panel_stride, format);
    left[v] = first_fields(c, format);
    last[v] = c.part[2];
  }
  const int bits = format == BK_SIGN1 ? 1 : 2, fields = format == BK_SIGN1 ? 8 : 4;
  ROLLED for (int f = 0; f < fields; f++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      w[v] = and_bytes(left[v], format == BK_SIGN1 ? 1 : 3);
      left[v] = shift_right(left[v], bits);
    }
    add_codes(w, vectors, bytes, sum, high, low);
    bytes = next_quad(bytes);
  }
  if (format == BK_TERNARY1_6) add_codes(last, vectors, bytes, sum, high, low);
}

// Adds the products of some steps of one panel, vector by vector, or of two at once.
PACKED_INLINE void add_packed(const uint8_t *steps, size_t panel_stride, size_t count,
                              tile_bytes bytes, VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS],
                              const int panel_count, const int high, const int low,
                              const bk_format format) {
  const int together = PANEL_VECTORS == 1 ? panel_count : 1;
  const size_t step_bytes = (size_t)bk_dot_fields(format) * bytes.quad_bytes;
  for (; count > 0; count--) {
    UNROLL for (int p = 0; p < panel_count; p++)
      __builtin_prefetch(steps + (size_t)(panel_count + p) * panel_stride, 0, 2);
    UNROLL for (int first = 0; first < panel_count * PANEL_VECTORS; first += together)
      add_vectors(steps + 64 / PANEL_VECTORS * first, panel_stride, together, bytes, sum + first,
                  high, low, format);
    steps += BK_STEP_BYTES;
    bytes.high += step_bytes;
    bytes.low += step_bytes;
  }
  // The bits of signs were added, not the stored codes, which are twice as much.
  if (format == BK_SIGN1)
    UNROLL for (int v = 0; v < panel_count * PANEL_VECTORS; v++)
      UNROLL for (int t = 0; t < high + low; t++) sum[v][t] = add_integers(sum[v][t], sum[v][t]);
}

// Multiplies the panels of a place with a number of tokens that is the function's own.
typedef void few_function(const few_place *at);

// The scales of the weights for a segment and the rows of a vector; ones without blocks.
PACKED_INLINE FLOATS segment_scales(const few_place *at, size_t column, size_t row) {
  const bk_matrix *m = at->matrix;
  if (!m->block_columns) return all_floats(1);
  size_t scale = at->scale + column / m->block_columns * BK_STRIP_ROWS + row;
  return m->scales ? load_floats(m->scales + scale) : load_halves(m->half_scales + scale);
}

// Adds a segment's sums to the totals.
PACKED_INLINE void add_segment(const few_place *at, size_t segment,
                               const VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS], const int vectors,
                               const int high, const int low) {
  const bk_tokens *tokens = at->tokens;
  size_t column = segment * at->segment_columns;
  FLOATS scales[2 * PANEL_VECTORS];
  UNROLL for (int v = 0; v < vectors; v++)
    scales[v] = segment_scales(at, column, (size_t)(VECTOR_ROWS * v));
  UNROLL for (int t = 0; t < high; t++) {
    size_t offset = (size_t)t * tokens->offset_stride + segment;
    int32_t offsets = tokens->offsets[offset];
    if (low) offsets = 256 * offsets + tokens->low_offsets[offset];
    FLOATS factor = all_floats(few_factor(at, (size_t)t, column));
    UNROLL for (int v = 0; v < vectors; v++) {
      VECTOR s = sum[v][t];
      if (low) s = add_integers(shift_integers_left(s, 8), sum[v][high + t]);
      FLOATS scale = tokens->factors ? multiply_floats(scales[v], factor) : scales[v];
      add_scaled(at->totals + BK_STRIP_ROWS * t + VECTOR_ROWS * v, s, offsets, scale);
    }
  }
}

// Stores the sums of rows that are one segment.
PACKED_INLINE void store_segment(const few_place *at,
                                 const VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS],
                                 const int vectors, const int high, const int low) {
  const bk_tokens *tokens = at->tokens;
  UNROLL for (int t = 0; t < high; t++) {
    VECTOR offset = all_integers(tokens->offsets[(size_t)t * tokens->offset_stride]);
    UNROLL for (int v = 0; v < vectors; v++)
      store_vector(at->sums + BK_STRIP_ROWS * t + VECTOR_ROWS * v,
                   subtract_integers(sum[v][t], offset));
  }
  UNROLL for (int t = 0; t < low; t++) {
    VECTOR offset = all_integers(tokens->low_offsets[(size_t)t * tokens->offset_stride]);
    UNROLL for (int v = 0; v < vectors; v++)
      store_vector(at->sums + BK_STRIP_ROWS * (high + t) + VECTOR_ROWS * v,
                   subtract_integers(sum[v][high + t], offset));
  }
}

// One or two panels and a tile's tokens, all segments.
PACKED_INLINE void few_tile(const few_place *at, const int panel_count, const int high,
                            const int low, const int is_masked, const bk_format format) {
  const bk_tokens *tokens = at->tokens;
  const uint8_t *steps = at->steps;
  size_t width = tokens->rows.width;
  for (size_t g = 0; g < at->segments.blocks; g++) {
    VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS];
    UNROLL for (int v = 0; v < panel_count * PANEL_VECTORS; v++)
      UNROLL for (int t = 0; t < high + low; t++) sum[v][t] = zero_vector();
    size_t count = g + 1 < at->segments.blocks ? at->segments.steps : at->segments.last_steps;
    size_t column = g * at->segment_columns;
    tile_bytes bytes = {tokens->rows.bytes + column * width, tokens->low.bytes + column * width,
                        4 * width};
    if (is_masked)
      add_weighted_steps(steps, count, bytes, sum, high, low, format);
    else
      add_packed(steps, at->panel_stride, count, bytes, sum, panel_count, high, low, format);
    if (at->segment_columns)
      add_segment(at, g, sum, panel_count * PANEL_VECTORS, high, low);
    else
      store_segment(at, sum, panel_count * PANEL_VECTORS, high, low);
    steps += BK_STEP_BYTES * count;
  }
}

// All panels and a tile's tokens.
PACKED_INLINE void few_panels(few_place at, const int high, const int low,
                              const bk_format format) {
  const int rows = high + low;
  // Trits take registers for masks and for what they are looked up from.
  const int can_pair = REGISTERS == 32 && rows <= (format == BK_TERNARY1_6 ? 10 : TILE_ROWS);
  const int can_mask = rows <= weighted_rows(format);
  while (at.panels > 0) {
    size_t panels = 1;
    // Taking the weights off again costs too much after every short segment.
    if (can_mask && (rows == 1 || !at.segment_columns)) {
      few_tile(&at, 1, high, low, 1, format);
    } else if (rows > 1 && can_pair && at.panels > 1) {
      few_tile(&at, 2, high, low, 0, format);
      panels = 2;
    } else if (rows > 1) {
      few_tile(&at, 1, high, low, 0, format);
    }
    few_advance(&at, panels);
  }
}

// A function for each number of tokens, so that the sums of each have registers of their own.
#define FEW_FUNCTION(NAME, FORMAT, COUNT)                                                        \
  TARGET static void few_##NAME##_##COUNT(const few_place *at) {                                 \
    few_panels(*at, COUNT, 0, FORMAT);                                                           \
  }
#define WIDE_FUNCTION(NAME, FORMAT, COUNT)                                                       \
  TARGET static void wide_##NAME##_##COUNT(const few_place *at) {                                \
    few_panels(*at, COUNT, COUNT, FORMAT);                                                       \
  }

#define SIX_FUNCTIONS(NAME, FORMAT)                                                              \
  FEW_FUNCTION(NAME, FORMAT, 1)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 2)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 3)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 4)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 5)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 6)                                                                  \
  WIDE_FUNCTION(NAME, FORMAT, 1)                                                                 \
  WIDE_FUNCTION(NAME, FORMAT, 2)                                                                 \
  WIDE_FUNCTION(NAME, FORMAT, 3)
#define SIX_ENTRIES(NAME)                                                                        \
  few_##NAME##_1, few_##NAME##_2, few_##NAME##_3, few_##NAME##_4, few_##NAME##_5, few_##NAME##_6
#define THREE_WIDE_ENTRIES(NAME) wide_##NAME##_1, wide_##NAME##_2, wide_##NAME##_3

#if TILE_ROWS == 12
#define TILE_FUNCTIONS(NAME, FORMAT)                                                             \
  SIX_FUNCTIONS(NAME, FORMAT)                                                                    \
  FEW_FUNCTION(NAME, FORMAT, 7)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 8)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 9)                                                                  \
  FEW_FUNCTION(NAME, FORMAT, 10)                                                                 \
  FEW_FUNCTION(NAME, FORMAT, 11)                                                                 \
  FEW_FUNCTION(NAME, FORMAT, 12)                                                                 \
  WIDE_FUNCTION(NAME, FORMAT, 4)                                                                 \
  WIDE_FUNCTION(NAME, FORMAT, 5)                                                                 \
  WIDE_FUNCTION(NAME, FORMAT, 6)
#define NARROW_ENTRIES(NAME)                                                                     \
  SIX_ENTRIES(NAME), few_##NAME##_7, few_##NAME##_8, few_##NAME##_9, few_##NAME##_10,            \
      few_##NAME##_11, few_##NAME##_12
#define WIDE_ENTRIES(NAME)                                                                       \
  THREE_WIDE_ENTRIES(NAME), wide_##NAME##_4, wide_##NAME##_5, wide_##NAME##_6
#else
#define TILE_FUNCTIONS(NAME, FORMAT) SIX_FUNCTIONS(NAME, FORMAT)
#define NARROW_ENTRIES(NAME) SIX_ENTRIES(NAME)
#define WIDE_ENTRIES(NAME) THREE_WIDE_ENTRIES(NAME)
#endif

// The functions of a format for the table of kernels, whose names begin with SET.
#define PACKED_FUNCTIONS(SET, NAME, FORMAT)                                                      \
  TILE_FUNCTIONS(NAME, FORMAT)                                                                   \
  TARGET void SET##_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,       \
                                uint8_t *steps, size_t step_stride) {                            \
    pack(panels, panel_bytes, columns, steps, step_stride, FORMAT);                              \
  }                                                                                              \
  TARGET void SET##_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,      \
                                  uint8_t *panels, size_t panel_bytes) {                         \
    unpack(steps, step_stride, columns, panels, panel_bytes, FORMAT);                            \
  }                                                                                              \
  TARGET void SET##_multiply_few_##NAME(const bk_matrix *m, size_t strip,                        \
                                        const bk_tokens *tokens, int32_t *sums, float *totals) { \
    static few_function *const narrow[TILE_ROWS] = {NARROW_ENTRIES(NAME)};                       \
    static few_function *const wide[TILE_ROWS / 2] = {WIDE_ENTRIES(NAME)};                       \
    few_place at = few_strip(m, strip, tokens, sums, totals, FORMAT);                            \
    if (tokens->low.count)                                                                       \
      wide[tokens->rows.count - 1](&at);                                                         \
    else                                                                                         \
      narrow[tokens->rows.count - 1](&at);                                                       \
  }
