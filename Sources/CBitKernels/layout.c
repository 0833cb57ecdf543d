// The geometry of strips and panels.
#include "internal.h"

size_t bk_padded_columns(size_t columns) {
  return bk_divide_up(columns + BK_ZERO_COLUMNS, 32) * 32;
}

size_t bk_format_columns(bk_format format) {
  switch (format) {
    case BK_TERNARY2: return 4;
    case BK_TERNARY1_6: return 5;
    case BK_SIGN1: return 8;
    case BK_PANELS: return 1;
  }
  return 1;
}

size_t bk_strip_count(size_t rows) { return bk_divide_up(rows, BK_STRIP_ROWS); }

size_t bk_block_count(size_t columns, size_t block_columns) {
  return bk_steps(columns, BK_PANELS, block_columns).blocks;
}

size_t bk_panel_bytes(size_t columns) { return BK_PANEL_ROWS * 4 * bk_divide_up(columns, 4); }

size_t bk_strip_bytes(size_t columns, bk_format format, size_t block_columns) {
  if (format == BK_PANELS) return BK_STRIP_PANELS * bk_panel_bytes(columns);
  return BK_STRIP_ROWS * bk_step_count(bk_steps(columns, format, block_columns));
}

void bk_pack_strip(const bk_kernels *kernels, const uint8_t *panels, size_t columns,
                   bk_format format, size_t block_columns, uint8_t *strip) {
  bk_block_steps steps = bk_steps(columns, format, block_columns);
  size_t panel_bytes = bk_panel_bytes(columns);
  for (size_t b = 0; b < steps.blocks; b++) {
    size_t first = b * block_columns;
    size_t count = b + 1 < steps.blocks ? block_columns : columns - first;
    kernels->pack[format](panels + BK_PANEL_ROWS * first, panel_bytes, count,
                          strip + BK_STRIP_ROWS * steps.steps * b);
  }
}

void bk_unpack_strip(const bk_kernels *kernels, const uint8_t *strip, size_t columns,
                     bk_format format, size_t block_columns, uint8_t *panels) {
  bk_block_steps steps = bk_steps(columns, format, block_columns);
  size_t panel_bytes = bk_panel_bytes(columns);
  for (size_t b = 0; b < steps.blocks; b++) {
    size_t first = b * block_columns;
    size_t count = b + 1 < steps.blocks ? block_columns : columns - first;
    kernels->unpack[format](strip + BK_STRIP_ROWS * steps.steps * b, count,
                            panels + BK_PANEL_ROWS * first, panel_bytes);
  }
}

// Bytes of a row per pass: those of 64 rows fit the first cache.
enum { ROW_PIECE = 128 };

void bk_strip_from_rows(const uint8_t *row_codes, size_t rows, size_t row_bytes, uint8_t *strip) {
  if (rows < BK_STRIP_ROWS) memset(strip, 0, BK_STRIP_ROWS * row_bytes);
  for (size_t first = 0; first < row_bytes; first += ROW_PIECE) {
    size_t end = row_bytes - first < ROW_PIECE ? row_bytes : first + ROW_PIECE;
    for (size_t r = 0; r < rows; r++) {
      uint8_t *to = strip + bk_strip_byte(r);
      for (size_t s = first; s < end; s++) to[BK_STRIP_ROWS * s] = row_codes[r * row_bytes + s];
    }
  }
}

void bk_rows_from_strip(const uint8_t *strip, size_t rows, size_t row_bytes, uint8_t *row_codes) {
  for (size_t first = 0; first < row_bytes; first += ROW_PIECE) {
    size_t end = row_bytes - first < ROW_PIECE ? row_bytes : first + ROW_PIECE;
    for (size_t r = 0; r < rows; r++) {
      const uint8_t *from = strip + bk_strip_byte(r);
      for (size_t s = first; s < end; s++) row_codes[r * row_bytes + s] = from[BK_STRIP_ROWS * s];
    }
  }
}
