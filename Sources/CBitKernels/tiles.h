// How a call of multiply, multiply_low or multiply_scaled is cut into tiles: some panels by some
// rows of bytes, whose sums all stay in registers.
#ifndef BITKERNELS_TILES_H
#define BITKERNELS_TILES_H

#include "internal.h"

// Loops over the sums of a tile must be unrolled: sums that are indexed live in memory.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL
#endif

// A tile's place: its first panel and row of bytes, and where its results go: sums, or else totals
// as `scaling` says.
typedef struct {
  const uint8_t *codes;
  const int8_t *bytes;
  int32_t *sums;
  float *totals;
  bk_scaling scaling;
  // Whether to prefetch what is ahead of the panels.
  int is_first;
} tile_place;

// The place of a tile that begins with a later panel and a later row, the first one of woven rows.
BK_INLINE tile_place place_at(const bk_panels *panels, const bk_rows *rows, tile_place at,
                              size_t panel, size_t row) {
  size_t out = BK_STRIP_ROWS * row + BK_PANEL_ROWS * panel;
  at.codes = panels->codes + panel * panels->stride;
  at.bytes = rows->bytes + row * rows->stride;
  at.is_first = panel == 0 && row == 0;
  if (!at.totals) {
    at.sums += out;
    return at;
  }
  at.totals += out;
  at.scaling.offsets += row * at.scaling.offset_stride;
  at.scaling.scales += BK_PANEL_ROWS * panel;
  if (at.scaling.factors) at.scaling.factors += row * at.scaling.factor_stride;
  return at;
}

// Where a tile prefetches: line i + 4j (i < 4) is at line + i * stride + j * step. Only the first
// tile does; the others touch a line that is there.
typedef struct {
  const uint8_t *line;
  size_t stride, step;
} tile_ahead;

BK_INLINE tile_ahead ahead_of(const bk_panels *panels, const tile_place *at) {
  if (!at->is_first) return (tile_ahead){at->codes, 0, 0};
  return (tile_ahead){panels->ahead, panels->ahead_stride, panels->ahead_step};
}

#endif
