// Packed codes against the layouts that bitkernels.h describes.
#include "../../Sources/CBitKernels/x86/trits.h"
#include "checks.h"
#include <stdio.h>

enum { MOST_COLUMNS = 90, CODE_COLUMNS = 96, MOST_STEPS = 24, PANEL_BYTES = BK_PANEL_ROWS * 92 };

static size_t panel_byte(size_t row, size_t column) {
  return row / BK_PANEL_ROWS * PANEL_BYTES + 64 * (column / 4) + 4 * (row % BK_PANEL_ROWS) +
         column % 4;
}

// The byte of five trits, 81 a + 27 b + 9 c + 3 d + e.
static uint8_t trit_byte(unsigned number, bk_layout layout) {
#if defined(__x86_64__)
  if (layout == BK_DOT) return bk_trit_bytes[number];
#endif
  (void)layout;
  return (uint8_t)number;
}

// The byte of stored codes, one for each field of a byte, in the given layout.
static uint8_t packed_byte(const uint8_t *stored, bk_format format, bk_layout layout) {
  static const int powers[] = {81, 27, 9, 3, 1};
  int byte = 0, fields = format == BK_TERNARY2 ? 4 : format == BK_TERNARY1_6 ? 5 : 8;
  for (int f = 0; f < fields; f++)
    byte += format == BK_TERNARY2     ? stored[f] << (2 * f)
            : format == BK_TERNARY1_6 ? stored[f] * powers[f]
                                      : (stored[f] == 2) << f;
  return format == BK_TERNARY1_6 ? trit_byte((unsigned)byte, layout) : (uint8_t)byte;
}

// The place in a strip, whose panels' steps lie `stride` bytes apart, of a row's byte `j` of a step,
// and the column of the byte's field f.
typedef struct {
  size_t byte, column;
} place;

static place place_of(size_t row, size_t step, size_t j, size_t f, bk_format format,
                      bk_layout layout, size_t stride) {
  size_t columns = bk_step_columns(layout, format);
  if (layout == BK_DOT)
    return (place){row / 16 * stride + 64 * step + 4 * (row % 16) + j, step * columns + 4 * f + j};
  // Row 32k + 8v + 4h + i has byte 32k + 16h + 4v + i.
  size_t k = row / 32, v = row / 8 % 4, h = row / 4 % 2, i = row % 4;
  return (place){64 * step + 32 * k + 16 * h + 4 * v + i, step * columns + f};
}

// The packed form of codes[row][column], as bitkernels.h describes it.
static void expected_steps(int8_t codes[BK_STRIP_ROWS][CODE_COLUMNS], size_t columns,
                           bk_format format, bk_layout layout, size_t stride, uint8_t *strip) {
  size_t steps = bk_divide_up(columns, bk_step_columns(layout, format));
  for (size_t row = 0; row < BK_STRIP_ROWS; row++)
    for (size_t step = 0; step < steps; step++)
      for (size_t j = 0; j < (layout == BK_DOT ? 4 : 1); j++) {
        uint8_t stored[8];
        for (size_t f = 0; f < 8; f++) {
          size_t column = place_of(row, step, j, f, format, layout, stride).column;
          stored[f] = column < columns  ? (uint8_t)(codes[row][column] + 1)
                      : layout == BK_DOT ? 0
                                         : 1;
        }
        strip[place_of(row, step, j, 0, format, layout, stride).byte] =
            packed_byte(stored, format, layout);
      }
}

static void test_columns(const bk_kernels *kernels, size_t columns, bk_format format) {
  char what[100];
  snprintf(what, sizeof what, "%s: packing %zu columns, format %d", kernels->name, columns,
           (int)format);
  bk_layout layout = kernels->layout[format];
  size_t quads = bk_divide_up(columns, 4);
  size_t panel_bytes = (BK_STRIP_PANELS - 1) * PANEL_BYTES + 64 * quads;
  size_t strip_bytes = bk_strip_bytes(layout, columns, format, 0);
  size_t stride = layout == BK_DOT ? strip_bytes / BK_STRIP_PANELS : 0;
  guard_side side = columns % 2 ? GUARD_ABOVE : GUARD_BELOW;
  guarded panels = guarded_new(panel_bytes, side, random_below(32));
  guarded strip = guarded_new(strip_bytes, side, random_below(32));
  guarded back = guarded_new(panel_bytes, side, random_below(32));
  uint8_t expected[BK_STRIP_ROWS * MOST_STEPS], *bytes = panels.bytes, *unpacked = back.bytes;
  int8_t codes[BK_STRIP_ROWS][CODE_COLUMNS];
  for (size_t row = 0; row < BK_STRIP_ROWS; row++)
    for (size_t c = 0; c < columns; c++) {
      codes[row][c] = (int8_t)(format == BK_SIGN1 ? 2 * random_below(2) : random_below(3)) - 1;
      bytes[panel_byte(row, c)] = (uint8_t)(codes[row][c] + 1);
    }
  expected_steps(codes, columns, format, layout, stride, expected);
  kernels->pack[format](bytes, PANEL_BYTES, columns, strip.bytes, stride);
  record(memcmp(strip.bytes, expected, strip_bytes) == 0, what);
  kernels->unpack[format](expected, stride, columns, unpacked, PANEL_BYTES);
  int equal = 1;
  for (size_t row = 0; row < BK_STRIP_ROWS; row++)
    for (size_t c = 0; c < columns; c++)
      if (unpacked[panel_byte(row, c)] != bytes[panel_byte(row, c)]) equal = 0;
  // The bytes between two panels stay untouched.
  for (size_t p = 0; p + 1 < BK_STRIP_PANELS; p++)
    for (size_t i = 64 * quads; i < PANEL_BYTES; i++)
      if (unpacked[p * PANEL_BYTES + i] != 0xa5) equal = 0;
  record(equal, what);
  guarded_free(back);
  guarded_free(strip);
  guarded_free(panels);
}

// The values of a strip's codes, as floats and as bfloat16, which fill their memory and no more.
static void test_values(bk_layout layout, bk_format format, size_t rows, size_t columns,
                        int8_t codes[BK_STRIP_ROWS][CODE_COLUMNS], const uint8_t *strip) {
  char what[100];
  snprintf(what, sizeof what, "layout %d, format %d: values of %zu x %zu", (int)layout,
           (int)format, rows, columns);
  float scales[BK_STRIP_ROWS];
  for (size_t row = 0; row < rows; row++) scales[row] = random_float();
  bk_matrix matrix = {
      .rows = rows, .columns = columns, .format = format, .codes = strip, .scales = scales};
  guard_side side = columns % 2 ? GUARD_ABOVE : GUARD_BELOW;
  guarded floats = guarded_new(4 * rows * columns, side, 0);
  guarded halves = guarded_new(2 * rows * columns, side, 0);
  bk_strip_values(layout, &matrix, 0, floats.bytes, NULL);
  bk_strip_values(layout, &matrix, 0, NULL, halves.bytes);
  int equal = 1;
  for (size_t row = 0; row < rows; row++)
    for (size_t c = 0; c < columns; c++) {
      float expected = (float)codes[row][c] * scales[row];
      if (!equal_floats((float *)floats.bytes + row * columns + c, &expected, 1)) equal = 0;
      if (((uint16_t *)halves.bytes)[row * columns + c] != bk_bf16(expected)) equal = 0;
    }
  record(equal, what);
  guarded_free(halves);
  guarded_free(floats);
}

// Rows of bytes to a strip and back, against packing the same codes.
static void test_rows(const bk_kernels *kernels, size_t columns, bk_format format) {
  char what[100];
  snprintf(what, sizeof what, "%s: rows of %zu columns, format %d", kernels->name, columns,
           (int)format);
  bk_layout layout = kernels->layout[format];
  size_t per_byte = format == BK_TERNARY2 ? 4 : 8, row_bytes = bk_divide_up(columns, per_byte);
  size_t strip_bytes = bk_strip_bytes(layout, row_bytes * per_byte, format, 0);
  size_t stride = layout == BK_DOT ? strip_bytes / BK_STRIP_PANELS : 0;
  size_t rows = 1 + random_below(BK_STRIP_ROWS);
  int8_t codes[BK_STRIP_ROWS][CODE_COLUMNS];
  memset(codes, -1, sizeof codes);
  guarded source = guarded_new(rows * row_bytes, GUARD_BELOW, random_below(4));
  guarded back = guarded_new(rows * row_bytes, GUARD_ABOVE, random_below(4));
  memset(source.bytes, 0, rows * row_bytes);
  for (size_t row = 0; row < rows; row++)
    for (size_t c = 0; c < columns; c++) {
      unsigned stored = format == BK_SIGN1 ? random_below(2) : (unsigned)random_below(3);
      codes[row][c] = (int8_t)(format == BK_SIGN1 ? 2 * stored : stored) - 1;
      ((uint8_t *)source.bytes)[row * row_bytes + c / per_byte] |=
          (uint8_t)(stored << (8 / per_byte * (c % per_byte)));
    }
  uint8_t expected[BK_STRIP_ROWS * MOST_STEPS];
  guarded strip = guarded_new(strip_bytes, GUARD_ABOVE, random_below(32));
  // Codes -1 are zero bits, as are those that pad the last step.
  expected_steps(codes, row_bytes * per_byte, format, layout, stride, expected);
  bk_strip_from_rows(layout, format, source.bytes, rows, row_bytes, strip.bytes);
  record(memcmp(strip.bytes, expected, strip_bytes) == 0, what);
  bk_rows_from_strip(layout, format, strip.bytes, rows, row_bytes, back.bytes);
  record(memcmp(back.bytes, source.bytes, rows * row_bytes) == 0, what);
  test_values(layout, format, rows, columns, codes, strip.bytes);
  guarded_free(strip);
  guarded_free(back);
  guarded_free(source);
}

// Every byte that ternary codes at 1.6 bits have, in every row.
static void test_trits(const bk_kernels *kernels) {
  static const unsigned powers[] = {81, 27, 9, 3, 1};
  bk_layout layout = kernels->layout[BK_TERNARY1_6];
  size_t columns = bk_step_columns(layout, BK_TERNARY1_6), bytes = layout == BK_DOT ? 4 : 1;
  for (unsigned first = 0; first < 243; first++) {
    uint8_t strip[BK_STRIP_PANELS * 64], panels[BK_STRIP_PANELS][320];
    for (size_t i = 0; i < sizeof strip; i++) {
      unsigned number = (first + (unsigned)i) % 243;
      strip[i] = trit_byte(number, layout);
    }
    kernels->unpack[BK_TERNARY1_6](strip, 64, columns, panels[0], sizeof panels[0]);
    int equal = 1;
    for (size_t row = 0; row < BK_STRIP_ROWS; row++)
      for (size_t j = 0; j < bytes; j++)
        for (size_t f = 0; f < 5; f++) {
          place at = place_of(row, 0, j, f, BK_TERNARY1_6, layout, 64);
          unsigned number = (first + (unsigned)at.byte) % 243;
          if (panels[row / 16][64 * (at.column / 4) + 4 * (row % 16) + at.column % 4] !=
              number / powers[f] % 3)
            equal = 0;
        }
    record(equal, "ternary1.6: every byte");
  }
}

void test_packing(const bk_kernels *kernels) {
  for (int format = 0; format < BK_PACKED_FORMATS; format++)
    for (size_t columns = 1; columns <= MOST_COLUMNS; columns++)
      test_columns(kernels, columns, (bk_format)format);
  for (size_t columns = 1; columns <= MOST_COLUMNS; columns++) {
    test_rows(kernels, columns, BK_TERNARY2);
    test_rows(kernels, columns, BK_SIGN1);
  }
  test_trits(kernels);
}
