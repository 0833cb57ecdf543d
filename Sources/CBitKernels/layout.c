// The geometry of strips and panels.
#include "internal.h"

size_t bk_padded_columns(size_t columns) {
  return bk_divide_up(columns + BK_ZERO_COLUMNS, 32) * 32;
}

size_t bk_step_columns(bk_layout layout, bk_format format) {
  static const uint8_t columns[2][BK_PACKED_FORMATS] = {{4, 5, 8}, {16, 20, 32}};
  return format == BK_PANELS ? 1 : columns[layout][format];
}

size_t bk_strip_count(size_t rows) { return bk_divide_up(rows, BK_STRIP_ROWS); }

size_t bk_block_count(size_t columns, size_t block_columns) {
  return bk_steps(columns, 1, block_columns).blocks;
}

size_t bk_panel_bytes(size_t columns) { return BK_PANEL_ROWS * 4 * bk_divide_up(columns, 4); }

// Bytes between the steps of two panels of a strip.
static size_t step_stride(bk_layout layout, bk_block_steps steps) {
  return layout == BK_DOT ? BK_STEP_BYTES * bk_step_count(steps) : 0;
}

size_t bk_strip_bytes(bk_layout layout, size_t columns, bk_format format, size_t block_columns) {
  if (format == BK_PANELS) return BK_STRIP_PANELS * bk_panel_bytes(columns);
  bk_block_steps steps = bk_steps(columns, bk_step_columns(layout, format), block_columns);
  return (layout == BK_DOT ? BK_STRIP_PANELS : 1) * BK_STEP_BYTES * bk_step_count(steps);
}

void bk_pack_strip(const bk_kernels *kernels, const uint8_t *panels, size_t columns,
                   bk_format format, size_t block_columns, uint8_t *strip) {
  bk_layout layout = kernels->layout[format];
  bk_block_steps steps = bk_steps(columns, bk_step_columns(layout, format), block_columns);
  size_t panel_bytes = bk_panel_bytes(columns);
  for (size_t b = 0; b < steps.blocks; b++) {
    size_t first = b * block_columns;
    size_t count = b + 1 < steps.blocks ? block_columns : columns - first;
    kernels->pack[format](panels + BK_PANEL_ROWS * first, panel_bytes, count,
                          strip + BK_STEP_BYTES * steps.steps * b, step_stride(layout, steps));
  }
}

void bk_unpack_strip(const bk_kernels *kernels, const uint8_t *strip, size_t columns,
                     bk_format format, size_t block_columns, uint8_t *panels) {
  bk_layout layout = kernels->layout[format];
  bk_block_steps steps = bk_steps(columns, bk_step_columns(layout, format), block_columns);
  size_t panel_bytes = bk_panel_bytes(columns);
  for (size_t b = 0; b < steps.blocks; b++) {
    size_t first = b * block_columns;
    size_t count = b + 1 < steps.blocks ? block_columns : columns - first;
    kernels->unpack[format](strip + BK_STEP_BYTES * steps.steps * b, step_stride(layout, steps),
                            count, panels + BK_PANEL_ROWS * first, panel_bytes);
  }
}

void bk_panels_from_codes(const int8_t *codes, size_t rows, size_t columns, uint8_t *panels) {
  size_t panel_bytes = bk_panel_bytes(columns);
  if (rows < BK_STRIP_ROWS || columns % 4 != 0) memset(panels, 0, BK_STRIP_PANELS * panel_bytes);
  for (size_t first = 0; first < rows; first += BK_PANEL_ROWS) {
    size_t count = rows - first < BK_PANEL_ROWS ? rows - first : BK_PANEL_ROWS;
    uint8_t *panel = panels + first / BK_PANEL_ROWS * panel_bytes;
    const int8_t *from = codes + first * columns;
    for (size_t c = 0; c + 4 <= columns; c += 4)
      for (size_t r = 0; r < count; r++) {
        uint32_t word;
        memcpy(&word, from + r * columns + c, 4);
        // One more in each byte, without carrying into its neighbour.
        word = ((word & 0x7f7f7f7f) + 0x01010101) ^ (word & 0x80808080);
        memcpy(panel + BK_PANEL_ROWS * c + 4 * r, &word, 4);
      }
    for (size_t c = columns / 4 * 4; c < columns; c++)
      for (size_t r = 0; r < count; r++)
        panel[BK_PANEL_ROWS * (c / 4 * 4) + 4 * r + c % 4] = (uint8_t)(from[r * columns + c] + 1);
  }
}

// Bytes of a row per pass: those of 64 rows fit the first cache.
enum { ROW_PIECE = 128 };

// Bytes first...end - 1 of each row to a strip and back.
static void lookup_from_rows(const uint8_t *row_codes, size_t rows, size_t row_bytes, size_t first,
                             size_t end, uint8_t *strip) {
  for (size_t r = 0; r < rows; r++) {
    uint8_t *to = strip + bk_strip_byte(r);
    for (size_t s = first; s < end; s++) to[BK_STEP_BYTES * s] = row_codes[r * row_bytes + s];
  }
}

static void rows_from_lookup(const uint8_t *strip, size_t rows, size_t row_bytes, size_t first,
                             size_t end, uint8_t *row_codes) {
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *from = strip + bk_strip_byte(r);
    for (size_t s = first; s < end; s++) row_codes[r * row_bytes + s] = from[BK_STEP_BYTES * s];
  }
}

static void dot_from_rows(bk_format format, const uint8_t *row_codes, size_t rows,
                          size_t row_bytes, size_t first, size_t end, uint8_t *strip) {
  size_t panel_bytes = BK_STEP_BYTES * bk_divide_up(row_bytes, 4);
  for (size_t r = 0; r < rows; r++) {
    uint8_t *to = strip + r / BK_PANEL_ROWS * panel_bytes + 4 * (r % BK_PANEL_ROWS);
    for (size_t s = first; s < end; s += 4) {
      uint32_t word = 0;
      memcpy(&word, row_codes + r * row_bytes + s, end - s < 4 ? end - s : 4);
      word = bk_step_from_row(word, format);
      memcpy(to + BK_STEP_BYTES * (s / 4), &word, 4);
    }
  }
}

static void rows_from_dot(bk_format format, const uint8_t *strip, size_t rows, size_t row_bytes,
                          size_t first, size_t end, uint8_t *row_codes) {
  size_t panel_bytes = BK_STEP_BYTES * bk_divide_up(row_bytes, 4);
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *from = strip + r / BK_PANEL_ROWS * panel_bytes + 4 * (r % BK_PANEL_ROWS);
    for (size_t s = first; s < end; s += 4) {
      uint32_t word;
      memcpy(&word, from + BK_STEP_BYTES * (s / 4), 4);
      word = bk_row_from_step(word, format);
      memcpy(row_codes + r * row_bytes + s, &word, end - s < 4 ? end - s : 4);
    }
  }
}

void bk_strip_from_rows(bk_layout layout, bk_format format, const uint8_t *row_codes, size_t rows,
                        size_t row_bytes, uint8_t *strip) {
  size_t columns = row_bytes * (format == BK_TERNARY2 ? 4 : 8);
  if (rows < BK_STRIP_ROWS) memset(strip, 0, bk_strip_bytes(layout, columns, format, 0));
  for (size_t first = 0; first < row_bytes; first += ROW_PIECE) {
    size_t end = row_bytes - first < ROW_PIECE ? row_bytes : first + ROW_PIECE;
    if (layout == BK_DOT)
      dot_from_rows(format, row_codes, rows, row_bytes, first, end, strip);
    else
      lookup_from_rows(row_codes, rows, row_bytes, first, end, strip);
  }
}

void bk_rows_from_strip(bk_layout layout, bk_format format, const uint8_t *strip, size_t rows,
                        size_t row_bytes, uint8_t *row_codes) {
  for (size_t first = 0; first < row_bytes; first += ROW_PIECE) {
    size_t end = row_bytes - first < ROW_PIECE ? row_bytes : first + ROW_PIECE;
    if (layout == BK_DOT)
      rows_from_dot(format, strip, rows, row_bytes, first, end, row_codes);
    else
      rows_from_lookup(strip, rows, row_bytes, first, end, row_codes);
  }
}
