// What multiply_few does for the layout BK_DOT whatever the vectors are: where the panels of a
// strip and the segments of its columns begin, and how they are scaled.
#ifndef BITKERNELS_FEW_H
#define BITKERNELS_FEW_H

#include "internal.h"

// Some panels of a strip and all tokens: the arguments of multiply_few from there on.
typedef struct {
  const bk_matrix *matrix;
  const bk_tokens *tokens;
  const uint8_t *steps;
  // Between the steps of two panels.
  size_t panel_stride;
  // The panels from here on that have rows.
  size_t panels;
  size_t segment_columns;  // 0 where a row is one segment
  bk_block_steps segments;
  // Where the scales of these rows begin, for a matrix with blocks.
  size_t scale;
  int32_t *sums;
  float *totals;
} few_place;

// The beginning of a strip, whose totals are cleared.
BK_INLINE few_place few_strip(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                              int32_t *sums, float *totals, bk_format format) {
  size_t columns = bk_step_columns(BK_DOT, format);
  size_t segment = bk_segment_columns(m->block_columns, tokens->block_columns);
  bk_block_steps steps = bk_steps(m->columns, columns, m->block_columns);
  size_t panel_stride = BK_STEP_BYTES * bk_step_count(steps);
  size_t rows = m->rows - strip * BK_STRIP_ROWS;
  if (rows > BK_STRIP_ROWS) rows = BK_STRIP_ROWS;
  if (segment) memset(totals, 0, tokens->rows.count * BK_STRIP_ROWS * sizeof *totals);
  return (few_place){.matrix = m,
                     .tokens = tokens,
                     .steps = m->codes + strip * BK_STRIP_PANELS * panel_stride,
                     .panel_stride = panel_stride,
                     .panels = bk_divide_up(rows, BK_PANEL_ROWS),
                     .segment_columns = segment,
                     .segments = bk_steps(m->columns, columns, segment),
                     .scale = strip * steps.blocks * BK_STRIP_ROWS,
                     .sums = sums,
                     .totals = totals};
}

// Goes on to a later panel.
BK_INLINE void few_advance(few_place *at, size_t panels) {
  at->panels -= panels;
  at->steps += at->panel_stride * panels;
  at->scale += BK_PANEL_ROWS * panels;
  if (at->segment_columns)
    at->totals += BK_PANEL_ROWS * panels;
  else
    at->sums += BK_PANEL_ROWS * panels;
}

// The scales of the weights for the segment at a column and for a panel's rows from `row` on; ones
// without blocks. The buffer is for those that do not lie in memory as floats.
BK_INLINE const float *few_scales(const few_place *at, size_t column, size_t row,
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

// The scale of a token's activations for the segment at a column; 1 without blocks.
BK_INLINE float few_factor(const few_place *at, size_t token, size_t column) {
  const bk_tokens *tokens = at->tokens;
  if (!tokens->factors) return 1;
  return tokens->factors[token * tokens->factor_stride + column / tokens->block_columns];
}

#endif
