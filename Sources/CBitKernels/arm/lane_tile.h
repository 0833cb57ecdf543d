// The sums of a tile, as gemm_tile.h wants them, from products of four bytes of codes with one lane
// of a vector of bytes. Included once by a file that first defines:
//   TARGET, TILE_ROWS  see gemm_tile.h;
//   LANE_SUM           four sums of 32 bits, or more sums of fewer bits;
//   zero_sum(), dot(sum, codes, x, lane), dot_low(sum, codes, x, lane), total(sum).
#define LANE_INLINE static inline __attribute__((always_inline)) TARGET

typedef LANE_SUM lane_sums[STRIP_VECTORS][TILE_ROWS];

// A vector of codes of a quad.
LANE_INLINE int8x16_t load_rows(const bk_panels *panels, const uint8_t *codes, const int v) {
  return load_codes(codes + (size_t)(v / PANEL_VECTORS) * panels->stride +
                    16 * (v % PANEL_VECTORS));
}

// Adds the products of a quad of codes with the lanes first, first + 1... of the woven vectors that
// begin at `bytes`, one lane for each row. Vectors are loaded where a quad needs them first.
LANE_INLINE void add_quad(const bk_panels *panels, const uint8_t *codes, const int8_t *bytes,
                          int8x16_t x[TILE_ROWS], lane_sums sum, const int first,
                          const int panel_count, const int width, const int is_low) {
  UNROLL for (int t = first; t < first + width; t++)
    if (t % 4 == 0) x[t / 4] = vld1q_s8(bytes + 4 * t);
  UNROLL for (int v = 0; v < PANEL_VECTORS * panel_count; v++) {
    int8x16_t w = load_rows(panels, codes, v);
    UNROLL for (int t = 0; t < width; t++) {
      const int lane = first + t;
      sum[v][t] = is_low ? dot_low(sum[v][t], w, x[lane / 4], lane % 4)
                         : dot(sum[v][t], w, x[lane / 4], lane % 4);
    }
  }
}

// The same without lanes: the quads of all rows, one by one.
LANE_INLINE void add_last_quad(const bk_panels *panels, const uint8_t *codes, const int8_t *bytes,
                               lane_sums sum, const int panel_count, const int width,
                               const int is_low) {
  UNROLL for (int v = 0; v < PANEL_VECTORS * panel_count; v++) {
    int8x16_t w = load_rows(panels, codes, v);
    UNROLL for (int t = 0; t < width; t++) {
      int8x16_t x = broadcast_quad(bytes + 4 * t);
      sum[v][t] = is_low ? dot_low(sum[v][t], w, x, 0) : dot(sum[v][t], w, x, 0);
    }
  }
}

LANE_INLINE void multiply_tile(const bk_panels *panels, const tile_place *at,
                               int32x4_t totals[STRIP_VECTORS][TILE_ROWS],
                               const int panel_count, const int width, const int is_low) {
  lane_sums sum;
  UNROLL for (int v = 0; v < PANEL_VECTORS * panel_count; v++)
    UNROLL for (int t = 0; t < width; t++) sum[v][t] = zero_sum();
  const uint8_t *codes = at->codes;
  const int8_t *bytes = at->bytes;
  tile_ahead ahead = ahead_of(panels, at);
  size_t k = 0;
  for (; k + 4 <= panels->quads; k += 4) {
    int8x16_t x[TILE_ROWS];
    UNROLL for (int q = 0; q < 4; q++) {
      __builtin_prefetch(ahead.line + (size_t)q * ahead.stride);
      add_quad(panels, codes + 64 * q, bytes, x, sum, width * q, panel_count, width, is_low);
    }
    ahead.line += ahead.step;
    codes += 4 * 64;
    bytes += 16 * width;
  }
  for (; k < panels->quads; k++) {
    add_last_quad(panels, codes, bytes, sum, panel_count, width, is_low);
    codes += 64;
    bytes += 4 * width;
  }
  UNROLL for (int v = 0; v < PANEL_VECTORS * panel_count; v++)
    UNROLL for (int t = 0; t < width; t++) totals[v][t] = total(sum[v][t]);
}
