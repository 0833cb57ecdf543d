// Many tokens: panels times woven rows of bytes. A tile has a panel or more and all rows of a woven
// tile. The last ones may be missing: their sums are computed from what lies there, and dropped.
// Included once by a file that first defines:
//   TARGET     the attribute of its functions;
//   TILE_SUMS  the most sums[v][t] of a tile, as below, that the registers hold;
//   LEAST_ROWS, TILE_ROWS  the fewest and the most rows of a tile, up to 6;
//   multiply_tile(panels, at, sum, panel_count, width, is_low)  sets sum[v][t] to the sums of rows
//              4v...4v + 3 of the panels and row t of the bytes, signed or unsigned (is_low) ones.
#define TILE_INLINE static inline __attribute__((always_inline)) TARGET

// Adds the sums of four rows, the first of which is `row`, to the results of row t of the bytes.
TILE_INLINE void add_results(const tile_place *at, const int row, const int t, int32x4_t sum) {
  const int out = BK_STRIP_ROWS * t + row;
  if (!at->totals) {
    vst1q_s32(at->sums + out, vaddq_s32(vld1q_s32(at->sums + out), sum));
    return;
  }
  const bk_scaling *s = &at->scaling;
  float factor = s->factors ? s->factors[(size_t)t * s->factor_stride] : 1;
  add_scaled(at->totals + out, sum, s->offsets[(size_t)t * s->offset_stride],
             vld1q_f32(s->scales + row), factor);
}

TILE_INLINE void tile(const bk_panels *panels, tile_place at, size_t row_count,
                      const int panel_count, const int width, const int is_low) {
  int32x4_t sum[STRIP_VECTORS][TILE_ROWS];
  multiply_tile(panels, &at, sum, panel_count, width, is_low);
  UNROLL for (int t = 0; t < width; t++)
    if ((size_t)t < row_count)
      UNROLL for (int v = 0; v < PANEL_VECTORS * panel_count; v++)
        add_results(&at, 4 * v, t, sum[v][t]);
}

// One woven tile and all panels, which stay in the first cache from one tile to the next.
TILE_INLINE void tile_panels(const bk_panels *panels, const bk_rows *rows, tile_place at,
                             size_t row, const int width, const int is_low) {
  const int fit = TILE_SUMS / (PANEL_VECTORS * width), most = fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  size_t left = rows->count - row, row_count = left < rows->width ? left : rows->width, p = 0;
  for (; p + most <= panels->count; p += most)
    tile(panels, place_at(panels, rows, at, p, row), row_count, most, width, is_low);
  if (most > 1)
    for (; p < panels->count; p++)
      tile(panels, place_at(panels, rows, at, p, row), row_count, 1, width, is_low);
}

#define TILE_CASE(WIDTH)                                                                         \
  case WIDTH:                                                                                    \
    if (LEAST_ROWS <= WIDTH && WIDTH <= TILE_ROWS)                                               \
      tile_panels(panels, rows, at, row, WIDTH, is_low);                                         \
    break;

// Tiles whose widths are constants.
TILE_INLINE void multiply_rows(const bk_panels *panels, const bk_rows *rows, tile_place at,
                               const int is_low) {
  for (size_t row = 0; row < rows->count; row += rows->width) switch (rows->width) {
      TILE_CASE(1)
      TILE_CASE(2)
      TILE_CASE(3)
      TILE_CASE(4)
      TILE_CASE(5)
      TILE_CASE(6)
    }
}

// The functions multiply, multiply_low and multiply_scaled by a function like multiply_rows.
#define MULTIPLY_FUNCTIONS(ROWS)                                                                 \
  TARGET static void multiply(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {     \
    ROWS(panels, rows, (tile_place){.sums = sums}, 0);                                           \
  }                                                                                              \
  TARGET static void multiply_low(const bk_panels *panels, const bk_rows *rows, int32_t *sums) { \
    ROWS(panels, rows, (tile_place){.sums = sums}, 1);                                           \
  }                                                                                              \
  TARGET static void multiply_scaled(const bk_panels *panels, const bk_rows *rows,               \
                                     const bk_scaling *scaling, float *totals) {                 \
    ROWS(panels, rows, (tile_place){.totals = totals, .scaling = *scaling}, 0);                  \
  }
