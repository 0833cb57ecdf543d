// Rules that need no hand-written vector code: compilers vectorize these loops.
#include "internal.h"

void bk_ternary_values(const float *weights, size_t n, float inverse_scale, float scale,
                       float *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = (float)bk_ternary_code(weights[i], inverse_scale) * scale;
}

void bk_sign_values(const float *weights, size_t n, float mean, float scale, float *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = (float)(2 * bk_sign_code(weights[i], mean) - 1) * scale;
}

void bk_bf16_values(const float *x, size_t n, uint16_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = bk_bf16(x[i]);
}

// Columns whose codes are unpacked at a time: 64 rows of them, a byte each, fit the first cache. A
// multiple of the columns of every step.
enum { PIECE_COLUMNS = 320 };

// The values of one row of a panel, whose quads lie 64 bytes apart. A quad is 16 or 8 bytes of
// values, for which compilers use a vector.
BK_INLINE void write_floats(const uint8_t *codes, size_t columns, float scale, float *out) {
  for (size_t c = 0; c + 4 <= columns; c += 4)
    for (size_t j = 0; j < 4; j++)
      out[c + j] = (float)((int)codes[BK_PANEL_ROWS * c + j] - 1) * scale;
  for (size_t c = columns / 4 * 4; c < columns; c++)
    out[c] = (float)((int)codes[BK_PANEL_ROWS * (columns / 4 * 4) + c % 4] - 1) * scale;
}

// There are only three values: those of -1 and +1 differ from that of 0 by the bits `minus` and
// `plus`.
BK_INLINE void write_bf16(const uint8_t *codes, size_t columns, float scale, uint16_t *out) {
  uint16_t zero = bk_bf16(0 * scale);
  uint16_t minus = zero ^ bk_bf16(-1 * scale), plus = zero ^ bk_bf16(scale);
  for (size_t c = 0; c < columns; c++) {
    uint16_t code = codes[BK_PANEL_ROWS * (c / 4 * 4) + c % 4];
    uint16_t is_minus = code == 0 ? 0xffff : 0, is_plus = code == 2 ? 0xffff : 0;
    out[c] = zero ^ (minus & is_minus) ^ (plus & is_plus);
  }
}

void bk_strip_values(const bk_kernels *kernels, const bk_matrix *matrix, size_t strip,
                     float *floats, uint16_t *halves) {
  bk_format format = matrix->format;
  bk_layout layout = format == BK_PANELS ? BK_LOOKUP : kernels->layout[format];
  size_t columns = matrix->columns, block_columns = matrix->block_columns;
  size_t first_row = strip * BK_STRIP_ROWS, rows = matrix->rows - first_row;
  if (rows > BK_STRIP_ROWS) rows = BK_STRIP_ROWS;
  const uint8_t *codes =
      matrix->codes + strip * bk_strip_bytes(layout, columns, format, block_columns);
  size_t step_columns = bk_step_columns(layout, format);
  bk_block_steps steps = bk_steps(columns, step_columns, block_columns);
  _Alignas(64) uint8_t unpacked[BK_STRIP_ROWS * PIECE_COLUMNS];

  for (size_t b = 0; b < steps.blocks; b++) {
    size_t begin = b * block_columns;
    size_t end = b + 1 < steps.blocks ? begin + block_columns : columns;
    for (size_t first = begin; first < end; first += PIECE_COLUMNS) {
      size_t count = end - first < PIECE_COLUMNS ? end - first : PIECE_COLUMNS;
      const uint8_t *panels = codes + BK_PANEL_ROWS * first;
      size_t panel_bytes = bk_panel_bytes(columns);
      if (format != BK_PANELS) {
        size_t step = b * steps.steps + (first - begin) / step_columns;
        panel_bytes = BK_PANEL_ROWS * PIECE_COLUMNS;
        kernels->unpack[format](codes + BK_STEP_BYTES * step, bk_step_stride(layout, steps), count,
                                unpacked, panel_bytes);
        panels = unpacked;
      }
      for (size_t r = 0; r < rows; r++) {
        const uint8_t *row = panels + r / BK_PANEL_ROWS * panel_bytes + 4 * (r % BK_PANEL_ROWS);
        float scale = bk_block_scale(matrix, (strip * steps.blocks + b) * BK_STRIP_ROWS + r);
        size_t place = (first_row + r) * columns + first;
        if (floats)
          write_floats(row, count, scale, floats + place);
        else
          write_bf16(row, count, scale, halves + place);
      }
    }
  }
}

void bk_quantize16(const float *x, size_t n, float scale, int32_t low, int32_t high, int16_t *q) {
  for (size_t i = 0; i < n; i++)
    q[i] = (int16_t)bk_clamp((int32_t)bk_round(x[i] * scale), low, high);
}

void bk_dequantize8(const int8_t *q, size_t n, float scale, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = (float)q[i] / scale;
}

void bk_dequantize16(const int16_t *q, size_t n, float scale, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = (float)q[i] / scale;
}
