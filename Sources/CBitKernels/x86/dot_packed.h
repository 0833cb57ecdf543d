// Few tokens straight from packed codes in the layout BK_DOT, and packing to it, for any width of
// vectors with dot products of four bytes. Included once by a file that first defines what
// dot_tile.h needs, and
//   and_bytes(v, mask), shift_right(v, n), shift_left(v, n), add_bytes(v, w), or_bytes(v, w),
//   and_integers(v, w), add_integers(v, w), subtract_integers(v, w), all_integers(n),
//   shift_integers_right(v, n), shift_integers_left(v, n), store_vector(p, v);
//   HAS_TRITS: 1 where BK_TERNARY1_6 has this layout, and then permuted(indices, table of 64),
//   masked_exclusive_or(v, w, mask), looked_up(indices, table of 256).
// A shift of bytes moves bits across them, and masks remove those.

#define PACKED_INLINE TILE_INLINE

enum { MOST_FIELDS = 8 };

PACKED_INLINE int field_count(const bk_format format) {
  return format == BK_TERNARY2 ? 4 : format == BK_TERNARY1_6 ? 5 : 8;
}

// A vector of a step, ready to be split into fields.
typedef struct {
  VECTOR part[3];
} step_codes;

#if HAS_TRITS
PACKED_INLINE VECTOR trit_table(const uint8_t table[64]) { return load_vector(table); }

PACKED_INLINE step_codes decode_trits(VECTOR v) {
  // The permutation takes the low six bits of each byte.
  VECTOR high = shift_right(v, 2);
  return (step_codes){{permuted(v, trit_table(bk_trit_low)),
                       permuted(high, trit_table(bk_trit_high)),
                       permuted(high, trit_table(bk_trit_last))}};
}
#endif

PACKED_INLINE step_codes load_step(const uint8_t *step, const bk_format format) {
  VECTOR v = load_vector(step);
#if HAS_TRITS
  if (format == BK_TERNARY1_6) return decode_trits(v);
#endif
  (void)format;
  return (step_codes){{v, v, v}};
}

// Field f of each byte as a stored code, 0...2.
PACKED_INLINE VECTOR field(step_codes c, const int f, const bk_format format) {
  VECTOR v = c.part[0];
  if (format == BK_SIGN1)
    return and_bytes(f == 0 ? add_bytes(v, v) : f == 1 ? v : shift_right(v, f - 1), 2);
#if HAS_TRITS
  if (format == BK_TERNARY1_6) {
    if (f == 4) return c.part[2];
    v = masked_exclusive_or(c.part[0], c.part[1], 3 << (2 * f));
    return f == 0 ? v : shift_right(v, 2 * f);
  }
#endif
  return and_bytes(f == 0 ? v : shift_right(v, 2 * f), 3);
}

// Rows of bytes of a tile: those of `high` tokens, and the low bytes of as many or of none. A quad of
// all rows has quad_bytes bytes.
typedef struct {
  const int8_t *high, *low;
  size_t quad_bytes;
} tile_bytes;

// ---- Masked fields ------------------------------------------------------------------------------

// For the fewest tokens, fields are not shifted but masked where they are, and so weighted: four
// sums for each row of bytes, in which a code counts 1, 4, 16 and 64 times, or 1, 2, 4 and 8 times
// for signs. The most that a step adds to one of them is 2 * 4 * 128 * 128, so 32 bits hold the sums
// of this many steps.
enum { WEIGHTED_STEPS = 8192, WEIGHTS = 4, WEIGHTED_ROWS = TILE_SUMS / (WEIGHTS * PANEL_VECTORS) };

typedef VECTOR weighted_sums[WEIGHTS];

// Adds the products of one field, which has the weight of sums `f`. As signed bytes, which the
// product with low bytes takes, codes must not count 64 times.
PACKED_INLINE void add_field(VECTOR w, const int f, const int bits, tile_bytes bytes,
                             weighted_sums sum[WEIGHTED_ROWS], const int high, const int low) {
  UNROLL for (int t = 0; t < high; t++)
    sum[t][f] = dot(sum[t][f], w, broadcast(bytes.high + 4 * t));
  const int is_large = bits * f == 6;
  VECTOR signed_w = low && is_large ? shift_right(w, bits) : w;
  UNROLL for (int t = 0; t < low; t++) {
    VECTOR *to = &sum[high + t][is_large ? f - 1 : f];
    *to = dot_low(*to, signed_w, broadcast(bytes.low + 4 * t));
  }
}

// Adds the products of one vector of a step.
PACKED_INLINE void add_weighted(const uint8_t *step, tile_bytes bytes,
                                weighted_sums sum[WEIGHTED_ROWS], const int high, const int low,
                                const bk_format format) {
  step_codes c = load_step(step, format);
  const int bits = format == BK_SIGN1 ? 1 : 2;
  VECTOR v = c.part[0];
  UNROLL for (int f = 0; f < field_count(format); f++) {
    VECTOR w = v;
    if (format == BK_SIGN1) {
      if (f == 4) v = shift_right(v, 4);
      w = and_bytes(v, 1 << f % 4);
    } else if (f == 4) {
      w = c.part[2];
#if HAS_TRITS
    } else if (format == BK_TERNARY1_6) {
      w = masked_exclusive_or(c.part[0], c.part[1], 3 << (2 * f));
#endif
    } else {
      w = and_bytes(v, 3 << (2 * f));
    }
    add_field(w, f % WEIGHTS, bits, bytes, sum, high, low);
    bytes.high += bytes.quad_bytes;
    bytes.low += bytes.quad_bytes;
  }
}

// The sums of stored codes.
PACKED_INLINE VECTOR unweighted(const weighted_sums sum, const bk_format format) {
  const int bits = format == BK_SIGN1 ? 1 : 2;
  VECTOR total = sum[0];
  UNROLL for (int f = 1; f < WEIGHTS; f++)
    total = add_integers(total, shift_integers_right(sum[f], bits * f));
  return format == BK_SIGN1 ? add_integers(total, total) : total;
}

enum { WEIGHTED_PREFETCH = 8192 };

// Adds the products of some steps of a panel.
PACKED_INLINE void add_weighted_steps(const uint8_t *steps, size_t count, tile_bytes bytes,
                                      VECTOR total[2 * PANEL_VECTORS][TILE_ROWS], const int high,
                                      const int low, const bk_format format) {
  // A single row's sums need not wait for one another if two vectors have sums of their own.
  const int vectors = high + low == 1 ? 2 : PANEL_VECTORS, at_once = vectors / PANEL_VECTORS;
  const size_t step_bytes = (size_t)field_count(format) * bytes.quad_bytes;
  while (count > 0) {
    weighted_sums sum[2][WEIGHTED_ROWS];
    size_t left = count < WEIGHTED_STEPS ? count : WEIGHTED_STEPS;
    count -= left;
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++)
        UNROLL for (int f = 0; f < WEIGHTS; f++) sum[v][t][f] = zero_vector();
    for (; left >= (size_t)at_once; left -= (size_t)at_once) {
      UNROLL for (int v = 0; v < vectors; v++) {
        if (v % PANEL_VECTORS == 0)
          __builtin_prefetch(steps + WEIGHTED_PREFETCH + 64 / PANEL_VECTORS * v);
        add_weighted(steps + 64 / PANEL_VECTORS * v, bytes, sum[v], high, low, format);
        if (v % PANEL_VECTORS == PANEL_VECTORS - 1) {
          bytes.high += step_bytes;
          bytes.low += step_bytes;
        }
      }
      steps += BK_STEP_BYTES * at_once;
    }
    if (left > 0) {
      add_weighted(steps, bytes, sum[0], high, low, format);
      steps += BK_STEP_BYTES;
      bytes.high += step_bytes;
      bytes.low += step_bytes;
    }
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++)
        total[v % PANEL_VECTORS][t] =
            add_integers(total[v % PANEL_VECTORS][t], unweighted(sum[v][t], format));
  }
}

// ---- Shifted fields -----------------------------------------------------------------------------

// Adds the products of some steps of one or two panels.
PACKED_INLINE void add_packed(const uint8_t *steps, size_t panel_stride, size_t count,
                              tile_bytes bytes, VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS],
                              const int panel_count, const int high, const int low,
                              const bk_format format) {
  const int vectors = panel_count * PANEL_VECTORS;
  for (; count > 0; count--) {
    step_codes c[2 * PANEL_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      const uint8_t *step = steps + (size_t)(v / PANEL_VECTORS) * panel_stride;
      if (v % PANEL_VECTORS == 0)
        __builtin_prefetch(step + (size_t)panel_count * panel_stride, 0, 2);
      c[v] = load_step(step + 64 / PANEL_VECTORS * (v % PANEL_VECTORS), format);
    }
    UNROLL for (int f = 0; f < field_count(format); f++) {
      VECTOR w[2 * PANEL_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) w[v] = field(c[v], f, format);
      UNROLL for (int t = 0; t < high; t++) {
        VECTOR x = broadcast(bytes.high + 4 * t);
        UNROLL for (int v = 0; v < vectors; v++) sum[v][t] = dot(sum[v][t], w[v], x);
      }
      UNROLL for (int t = 0; t < low; t++) {
        VECTOR x = broadcast(bytes.low + 4 * t);
        UNROLL for (int v = 0; v < vectors; v++)
          sum[v][high + t] = dot_low(sum[v][high + t], w[v], x);
      }
      bytes.high += bytes.quad_bytes;
      bytes.low += bytes.quad_bytes;
    }
    steps += BK_STEP_BYTES;
  }
}

// ---- A strip ------------------------------------------------------------------------------------

// Some panels of a strip and some tokens: the arguments of multiply_few from there on.
typedef struct {
  const bk_matrix *matrix;
  const bk_tokens *tokens;
  const uint8_t *steps;
  size_t panel_stride, segment_columns;
  bk_block_steps segments;
  // Where the scales of these rows begin, for a matrix with blocks.
  size_t scale;
  int32_t *sums;
  float *totals;
} few_place;

// The scales of the weights for a segment and some rows, as floats; ones without blocks.
PACKED_INLINE const float *segment_scales(const few_place *at, size_t column, size_t row,
                                          float buffer[BK_PANEL_ROWS]) {
  const bk_matrix *m = at->matrix;
  if (!m->block_columns) {
    for (int r = 0; r < BK_PANEL_ROWS; r++) buffer[r] = 1;
    return buffer;
  }
  size_t scale = at->scale + column / m->block_columns * BK_STRIP_ROWS + row;
  if (m->scales) return m->scales + scale;
  for (int r = 0; r < BK_PANEL_ROWS; r++) buffer[r] = bk_half(m->half_scales[scale + (size_t)r]);
  return buffer;
}

// Adds a segment's sums to the totals, or stores the sums of a row that is one segment.
PACKED_INLINE void put_segment(const few_place *at, size_t segment,
                               const VECTOR sum[2 * PANEL_VECTORS][TILE_ROWS],
                               const int panel_count, const int high, const int low) {
  const bk_tokens *tokens = at->tokens;
  size_t column = segment * at->segment_columns;
  float buffer[2][BK_PANEL_ROWS];
  const float *scales[2] = {NULL, NULL};
  if (at->segment_columns)
    UNROLL for (int p = 0; p < panel_count; p++)
      scales[p] = segment_scales(at, column, (size_t)p * BK_PANEL_ROWS, buffer[p]);
  UNROLL for (int t = 0; t < high; t++) {
    size_t offset = (size_t)t * tokens->offset_stride + segment;
    float factor = tokens->factors ? tokens->factors[(size_t)t * tokens->factor_stride +
                                                     column / tokens->block_columns]
                                   : 1;
    int32_t offsets = tokens->offsets[offset], low_offsets = low ? tokens->low_offsets[offset] : 0;
    UNROLL for (int v = 0; v < panel_count * PANEL_VECTORS; v++) {
      const int row = BK_PANEL_ROWS / PANEL_VECTORS * v;
      size_t out = (size_t)t * BK_STRIP_ROWS + (size_t)row;
      VECTOR s = sum[v][t];
      if (at->segment_columns) {
        if (low) {
          s = add_integers(shift_integers_left(s, 8), sum[v][high + t]);
          offsets = 256 * tokens->offsets[offset] + low_offsets;
        }
        add_scaled(at->totals + out, s, offsets,
                   scales[row / BK_PANEL_ROWS] + row % BK_PANEL_ROWS, factor);
        continue;
      }
      store_vector(at->sums + out, subtract_integers(s, all_integers(offsets)));
      if (low)
        store_vector(at->sums + out + tokens->rows.count * BK_STRIP_ROWS,
                     subtract_integers(sum[v][high + t], all_integers(low_offsets)));
    }
  }
}

// One or two panels and a tile's tokens, all segments.
PACKED_INLINE void few_tile(const few_place *at, const int panel_count, const int high,
                            const int low, const bk_format format) {
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
    if (high + low <= WEIGHTED_ROWS)
      add_weighted_steps(steps, count, bytes, sum, high, low, format);
    else
      add_packed(steps, at->panel_stride, count, bytes, sum, panel_count, high, low, format);
    put_segment(at, g, sum, panel_count, high, low);
    steps += BK_STEP_BYTES * count;
  }
}

// All panels and a tile's tokens.
PACKED_INLINE void few_panels(few_place at, size_t panels, const int high, const int low,
                              const bk_format format) {
  const int most = format == BK_TERNARY1_6 ? TILE_SUMS / 2 : TILE_SUMS;
  const int pair =
      high + low > WEIGHTED_ROWS && 2 * PANEL_VECTORS * (high + low) <= most ? 2 : 1;
  for (size_t p = 0; p < panels;) {
    few_place now = at;
    now.steps += p * at.panel_stride;
    now.scale += BK_PANEL_ROWS * p;
    if (at.segment_columns)
      now.totals += BK_PANEL_ROWS * p;
    else
      now.sums += BK_PANEL_ROWS * p;
    if (pair == 2 && p + 2 <= panels) {
      few_tile(&now, 2, high, low, format);
      p += 2;
    } else {
      few_tile(&now, 1, high, low, format);
      p += 1;
    }
  }
}

#define FEW_CASE(COUNT)                                                                          \
  case COUNT:                                                                                    \
    if (COUNT <= TILE_ROWS) few_panels(at, panels, COUNT, 0, format);                            \
    break;
#define WIDE_CASE(COUNT)                                                                         \
  case COUNT:                                                                                    \
    if (2 * COUNT <= TILE_ROWS) few_panels(at, panels, COUNT, COUNT, format);                    \
    break;

PACKED_INLINE void multiply_few(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                                int32_t *sums, float *totals, const bk_format format) {
  const size_t columns = 4 * (size_t)field_count(format);
  bk_block_steps steps = bk_steps(m->columns, columns, m->block_columns);
  size_t segment = m->block_columns, count = tokens->rows.count;
  if (tokens->factors && (segment == 0 || tokens->block_columns < segment))
    segment = tokens->block_columns;
  few_place at = {.matrix = m,
                  .tokens = tokens,
                  .panel_stride = BK_STEP_BYTES * bk_step_count(steps),
                  .segment_columns = segment,
                  .segments = bk_steps(m->columns, columns, segment),
                  .scale = strip * steps.blocks * BK_STRIP_ROWS,
                  .sums = sums,
                  .totals = totals};
  at.steps = m->codes + strip * BK_STRIP_PANELS * at.panel_stride;
  if (segment) memset(totals, 0, count * BK_STRIP_ROWS * sizeof *totals);
  size_t rows = m->rows - strip * BK_STRIP_ROWS;
  size_t panels = rows < BK_STRIP_ROWS ? bk_divide_up(rows, BK_PANEL_ROWS) : BK_STRIP_PANELS;
  if (tokens->low.count) {
    switch (count) {
      WIDE_CASE(1)
      WIDE_CASE(2)
      WIDE_CASE(3)
#if TILE_ROWS > 6
      WIDE_CASE(4)
      WIDE_CASE(5)
      WIDE_CASE(6)
#endif
    }
    return;
  }
  switch (count) {
    FEW_CASE(1)
    FEW_CASE(2)
    FEW_CASE(3)
    FEW_CASE(4)
    FEW_CASE(5)
    FEW_CASE(6)
#if TILE_ROWS > 6
    FEW_CASE(7)
    FEW_CASE(8)
    FEW_CASE(9)
    FEW_CASE(10)
    FEW_CASE(11)
    FEW_CASE(12)
#endif
  }
}

// ---- Packing ------------------------------------------------------------------------------------

// The inverse of field: the codes of all fields as a vector of a step.
PACKED_INLINE VECTOR join(const VECTOR v[MOST_FIELDS], const bk_format format) {
#if HAS_TRITS
  if (format == BK_TERNARY1_6) {
    VECTOR number = v[0];
    UNROLL for (int f = 1; f < 5; f++)
      number = add_bytes(add_bytes(number, add_bytes(number, number)), v[f]);
    return looked_up(number, bk_trit_bytes);
  }
#endif
  VECTOR joined = format == BK_SIGN1 ? and_bytes(shift_right(v[0], 1), 1) : v[0];
  UNROLL for (int f = 1; f < field_count(format); f++) {
    const int bits = format == BK_SIGN1 ? f - 1 : 2 * f;
    joined = or_bytes(joined, bits == 0 ? v[f] : shift_left(v[f], bits));
  }
  return joined;
}

// What lies at the columns that pad a quad, or beyond the last quad, becomes a stored 0.
PACKED_INLINE VECTOR load_quad(const uint8_t *panel, size_t quad, size_t columns) {
  if (4 * quad >= columns) return zero_vector();
  VECTOR v = load_vector(panel + 64 * quad);
  if (4 * quad + 4 <= columns) return v;
  return and_integers(v, all_integers((int32_t)((1u << 8 * (columns % 4)) - 1)));
}

PACKED_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                        size_t step_stride, const bk_format format) {
  const size_t fields = (size_t)field_count(format), whole = columns / (4 * fields);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; 4 * fields * s < columns; s++)
      for (size_t half = 0; half < PANEL_VECTORS; half++) {
        const uint8_t *panel = panels + 64 / PANEL_VECTORS * half;
        VECTOR v[MOST_FIELDS];
        if (s < whole) {
          UNROLL for (size_t f = 0; f < fields; f++)
            v[f] = load_vector(panel + 64 * (fields * s + f));
        } else {
          UNROLL for (size_t f = 0; f < fields; f++)
            v[f] = load_quad(panel, fields * s + f, columns);
        }
        store_vector(steps + BK_STEP_BYTES * s + 64 / PANEL_VECTORS * half, join(v, format));
      }
}

PACKED_INLINE void unpack(const uint8_t *steps, size_t step_stride, size_t columns,
                          uint8_t *panels, size_t panel_bytes, const bk_format format) {
  const size_t fields = (size_t)field_count(format), quads = bk_divide_up(columns, 4);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; fields * s < quads; s++)
      for (size_t half = 0; half < PANEL_VECTORS; half++) {
        const size_t at = 64 / PANEL_VECTORS * half;
        uint8_t *panel = panels + 64 * fields * s + at;
        step_codes c = load_step(steps + BK_STEP_BYTES * s + at, format);
        if (fields * (s + 1) <= quads) {
          UNROLL for (size_t f = 0; f < fields; f++)
            store_vector(panel + 64 * f, field(c, (int)f, format));
        } else {
          UNROLL for (size_t f = 0; f < fields; f++)
            if (fields * s + f < quads) store_vector(panel + 64 * f, field(c, (int)f, format));
        }
      }
}

#define PACKED_FUNCTIONS(NAME, FORMAT)                                                           \
  TARGET static void pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,      \
                                 uint8_t *steps, size_t step_stride) {                           \
    pack(panels, panel_bytes, columns, steps, step_stride, FORMAT);                              \
  }                                                                                              \
  TARGET static void unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,     \
                                   uint8_t *panels, size_t panel_bytes) {                        \
    unpack(steps, step_stride, columns, panels, panel_bytes, FORMAT);                            \
  }                                                                                              \
  TARGET static void multiply_few_##NAME(const bk_matrix *m, size_t strip,                       \
                                         const bk_tokens *tokens, int32_t *sums,                 \
                                         float *totals) {                                        \
    multiply_few(m, strip, tokens, sums, totals, FORMAT);                                        \
  }
