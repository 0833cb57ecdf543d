// Many tokens: panels times rows of bytes, for any width of vectors and any kind of byte products.
// Included once by a file that first defines:
//   TARGET         the attribute of its functions;
//   VECTOR         the type of a vector of integers;
//   PANEL_VECTORS  vectors of a panel's quad;
//   REGISTERS      of vectors;
//   TILE_ROWS      the most rows of bytes of a tile, whose sums all stay in registers;
//   zero_vector(), load_vector(p), broadcast(q),
//   dot(sum, codes, x), dot_low(sum, codes, x)  add the products of a quad with signed or unsigned
//                  bytes to sums of 32 bits, or of 16 bits that stay exact over a call's quads;
//   add_sums(p, sum), add_low_sums(p, sum)  add the sums to memory;
//   FLOATS         the type of a vector of floats, with load_floats(p), load_halves(p), all_floats(x),
//                  multiply_floats(a, b);
//   add_scaled(p, sum, offset, scale)  p = fma(float(sum - offset), scale, p).
#include "dot.h"

// What becomes of the sums.
typedef enum { ADD_SUMS, ADD_LOW_SUMS, ADD_SCALED } tile_kind;

// The sums of a tile become part of totals.
TILE_INLINE void add_tile_totals(const tile_place *at, VECTOR sum[4 * PANEL_VECTORS][TILE_ROWS],
                                 const int vectors, const int row_count) {
  const bk_scaling *s = &at->scaling;
  FLOATS scales[4 * PANEL_VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) scales[v] = load_floats(s->scales + VECTOR_ROWS * v);
  if (!s->factors) {
    UNROLL for (int t = 0; t < row_count; t++)
      UNROLL for (int v = 0; v < vectors; v++)
        add_scaled(at->totals + BK_STRIP_ROWS * t + VECTOR_ROWS * v, sum[v][t],
                   s->offsets[(size_t)t * s->offset_stride], scales[v]);
    return;
  }
  UNROLL for (int t = 0; t < row_count; t++) {
    FLOATS factor = all_floats(s->factors[(size_t)t * s->factor_stride]);
    UNROLL for (int v = 0; v < vectors; v++)
      add_scaled(at->totals + BK_STRIP_ROWS * t + VECTOR_ROWS * v, sum[v][t],
                 s->offsets[(size_t)t * s->offset_stride], multiply_floats(scales[v], factor));
  }
}

TILE_INLINE void tile(const bk_panels *panels, const bk_rows *rows, tile_place at,
                      const int panel_count, const int row_count, const tile_kind kind) {
  const int vectors = panel_count * PANEL_VECTORS;
  VECTOR sum[4 * PANEL_VECTORS][TILE_ROWS];
  UNROLL for (int v = 0; v < vectors; v++)
    UNROLL for (int t = 0; t < row_count; t++) sum[v][t] = zero_vector();
  const uint8_t *codes = at.codes;
  const int8_t *bytes = at.bytes;
  size_t quad_bytes = 4 * rows->width, panel_stride = panels->stride;
  tile_ahead ahead = ahead_of(panels, &at);
  for (size_t k = 0; k < panels->quads; k++) {
    VECTOR w[4 * PANEL_VECTORS];
    __builtin_prefetch(ahead.line + k % 4 * ahead.stride + k / 4 * ahead.step);
    UNROLL for (int v = 0; v < vectors; v++)
      w[v] = load_vector(codes + (size_t)(v / PANEL_VECTORS) * panel_stride +
                         64 / PANEL_VECTORS * (v % PANEL_VECTORS));
    UNROLL for (int t = 0; t < row_count; t++) {
      VECTOR x = broadcast(bytes + 4 * t);
      UNROLL for (int v = 0; v < vectors; v++)
        sum[v][t] = kind == ADD_LOW_SUMS ? dot_low(sum[v][t], w[v], x) : dot(sum[v][t], w[v], x);
    }
    codes += 64;
    bytes += quad_bytes;
  }
  if (kind == ADD_SCALED) {
    add_tile_totals(&at, sum, vectors, row_count);
    return;
  }
  UNROLL for (int t = 0; t < row_count; t++)
    UNROLL for (int v = 0; v < vectors; v++) {
      int32_t *out = at.sums + BK_STRIP_ROWS * t + VECTOR_ROWS * v;
      if (kind == ADD_LOW_SUMS)
        add_low_sums(out, sum[v][t]);
      else
        add_sums(out, sum[v][t]);
    }
}

// Some rows of bytes and all panels, which stay in the first cache from one call to the next.
TILE_INLINE void tile_rows(const bk_panels *panels, const bk_rows *rows, tile_place at, size_t row,
                           const int row_count, const tile_kind kind) {
  // Registers for the sums and codes of as many panels, and two for activations and products.
  const int fit = (REGISTERS - 2) / (PANEL_VECTORS * (row_count + 1));
  const int most = fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  size_t p = 0;
  for (; p + most <= panels->count; p += most)
    tile(panels, rows, place_at(panels, rows, at, p, row), most, row_count, kind);
  if (most > 1)
    for (; p < panels->count; p++)
      tile(panels, rows, place_at(panels, rows, at, p, row), 1, row_count, kind);
}

#define TILE_CASE(COUNT)                                                                         \
  case COUNT:                                                                                    \
    if (COUNT <= TILE_ROWS) tile_rows(panels, rows, at, row, COUNT, kind);                       \
    break;

// Tiles whose numbers of rows are constants.
TILE_INLINE void multiply_rows(const bk_panels *panels, const bk_rows *rows, tile_place at,
                               const tile_kind kind) {
  for (size_t row = 0; row < rows->count; row += rows->width) {
    size_t left = rows->count - row;
    switch (left < rows->width ? left : rows->width) {
      TILE_CASE(1)
      TILE_CASE(2)
      TILE_CASE(3)
      TILE_CASE(4)
      TILE_CASE(5)
      TILE_CASE(6)
#if TILE_ROWS > 6
      TILE_CASE(7)
      TILE_CASE(8)
      TILE_CASE(9)
      TILE_CASE(10)
      TILE_CASE(11)
      TILE_CASE(12)
#endif
    }
  }
}

TARGET static void multiply(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  multiply_rows(panels, rows, (tile_place){.sums = sums}, ADD_SUMS);
}

TARGET static void multiply_low(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  multiply_rows(panels, rows, (tile_place){.sums = sums}, ADD_LOW_SUMS);
}

TARGET static void multiply_scaled(const bk_panels *panels, const bk_rows *rows,
                                   const bk_scaling *scaling, float *totals) {
  multiply_rows(panels, rows, (tile_place){.totals = totals, .scaling = *scaling}, ADD_SCALED);
}
