// Many tokens: panels times activations, for any width of vectors and any kind of byte products.
// Included once by a file that first defines:
//   TARGET         the attribute of its functions;
//   VECTOR         the type of a vector of integers;
//   PANEL_VECTORS  vectors of a panel's quad;
//   TILE_PANELS, TILE_TOKENS, TILE_REST  the extents of a tile, whose sums all stay in registers,
//                  and the tokens of a smaller tile for the rest;
//   zero_vector(), load_vector(p), broadcast(q),
//   dot(sum, codes, q)  adds the products of a quad to sums of 32 bits, or of 16 bits that stay
//                  exact over a call's quads;
//   add_sums(p, sum), add_totals(p, sum, offset, scales)  add the sums to memory.
#define TILE_INLINE static inline __attribute__((always_inline)) TARGET

// Where the results of a tile go: to integer sums or, where `totals` is set, to floats.
typedef struct {
  int32_t *sums;
  const int32_t *offsets;
  size_t offset_stride;
  const float *scales;
  float *totals;
} tile_results;

TILE_INLINE void tile(const uint8_t *panels, size_t panel_bytes, size_t panel_count, size_t quads,
                      const int8_t *q, size_t stride, size_t tokens, tile_results results) {
  enum { VECTORS = TILE_PANELS * PANEL_VECTORS };
  VECTOR sum[VECTORS][TILE_TOKENS];
  size_t vectors = panel_count * PANEL_VECTORS;
  for (size_t v = 0; v < vectors; v++)
    for (size_t t = 0; t < tokens; t++) sum[v][t] = zero_vector();
  for (size_t k = 0; k < quads; k++) {
    VECTOR w[VECTORS];
    for (size_t v = 0; v < vectors; v++)
      w[v] = load_vector(panels + v / PANEL_VECTORS * panel_bytes + 64 * k +
                         64 / PANEL_VECTORS * (v % PANEL_VECTORS));
    for (size_t t = 0; t < tokens; t++) {
      VECTOR x = broadcast(q + t * stride + 4 * k);
      for (size_t v = 0; v < vectors; v++) sum[v][t] = dot(sum[v][t], w[v], x);
    }
  }
  for (size_t t = 0; t < tokens; t++)
    for (size_t v = 0; v < vectors; v++) {
      size_t row = BK_PANEL_ROWS / PANEL_VECTORS * v, out = BK_STRIP_ROWS * t + row;
      if (results.totals)
        add_totals(results.totals + out, sum[v][t], results.offsets[t * results.offset_stride],
                   results.scales + row);
      else
        add_sums(results.sums + out, sum[v][t]);
    }
}

TILE_INLINE tile_results results_from(tile_results r, size_t token, size_t row) {
  if (r.totals)
    return (tile_results){NULL, r.offsets + token * r.offset_stride, r.offset_stride,
                          r.scales + row, r.totals + BK_STRIP_ROWS * token + row};
  return (tile_results){r.sums + BK_STRIP_ROWS * token + row, NULL, 0, NULL, NULL};
}

// Some tokens and all panels: the panels stay in the first cache from one call to the next.
TILE_INLINE void tiles(const uint8_t *panels, size_t panel_bytes, size_t panel_count, size_t quads,
                       const int8_t *q, size_t stride, size_t tokens, tile_results results) {
  size_t p = 0;
  for (; p + TILE_PANELS <= panel_count; p += TILE_PANELS)
    tile(panels + p * panel_bytes, panel_bytes, TILE_PANELS, quads, q, stride, tokens,
         results_from(results, 0, BK_PANEL_ROWS * p));
  for (; p < panel_count; p++)
    tile(panels + p * panel_bytes, panel_bytes, 1, quads, q, stride, tokens,
         results_from(results, 0, BK_PANEL_ROWS * p));
}

// Full tiles of tokens, then smaller ones, then single tokens, with constant sizes so that the
// compiler unrolls them.
#define MULTIPLY_TOKENS(COUNT)                                                                   \
  for (; t + (COUNT) <= tokens; t += (COUNT))                                                    \
    tiles(panels, panel_bytes, panel_count, quads, q + t * stride, stride, COUNT,                \
          results_from(results, t, 0));

TILE_INLINE void multiply_tokens(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                                 size_t quads, const int8_t *q, size_t stride, size_t tokens,
                                 tile_results results) {
  size_t t = 0;
  MULTIPLY_TOKENS(TILE_TOKENS)
  MULTIPLY_TOKENS(TILE_REST)
  MULTIPLY_TOKENS(1)
}

TARGET static void multiply(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                            size_t quads, const int8_t *q, size_t stride, size_t tokens,
                            int32_t *sums) {
  multiply_tokens(panels, panel_bytes, panel_count, quads, q, stride, tokens,
                  (tile_results){sums, NULL, 0, NULL, NULL});
}

TARGET static void multiply_scaled(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                                   size_t quads, const int8_t *q, size_t stride, size_t tokens,
                                   const int32_t *offsets, size_t offset_stride,
                                   const float *scales, float *totals) {
  multiply_tokens(panels, panel_bytes, panel_count, quads, q, stride, tokens,
                  (tile_results){NULL, offsets, offset_stride, scales, totals});
}
