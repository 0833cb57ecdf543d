// Packed codes against the layouts that bitkernels.h describes.
#include "checks.h"
#include <stdio.h>

enum { MOST_COLUMNS = 90, MOST_STEPS = 23, PANEL_BYTES = BK_PANEL_ROWS * 92 };

static size_t panel_byte(size_t row, size_t column) {
  return row / BK_PANEL_ROWS * PANEL_BYTES + 64 * (column / 4) + 4 * (row % BK_PANEL_ROWS) +
         column % 4;
}

// The byte of a step that holds the columns from `first` on of a row.
static uint8_t packed_byte(const int8_t *codes, size_t first, size_t columns, bk_format format) {
  static const int powers[] = {81, 27, 9, 3, 1};
  int byte = 0;
  for (size_t j = 0; j < bk_format_columns(format); j++) {
    int code = first + j < columns ? codes[first + j] : 0;
    byte += format == BK_TERNARY2     ? (code + 1) << (2 * j)
            : format == BK_TERNARY1_6 ? (code + 1) * powers[j]
                                      : (code == 1) << j;
  }
  return (uint8_t)byte;
}

static void test_columns(const bk_kernels *kernels, size_t columns, bk_format format) {
  char what[100];
  snprintf(what, sizeof what, "%s: packing %zu columns, format %d", kernels->name, columns,
           (int)format);
  size_t steps = bk_divide_up(columns, bk_format_columns(format)), quads = bk_divide_up(columns, 4);
  size_t panel_bytes = (BK_STRIP_PANELS - 1) * PANEL_BYTES + 64 * quads;
  guard_side side = columns % 2 ? GUARD_ABOVE : GUARD_BELOW;
  guarded panels = guarded_new(panel_bytes, side, random_below(32));
  guarded strip = guarded_new(BK_STRIP_ROWS * steps, side, random_below(32));
  guarded back = guarded_new(panel_bytes, side, random_below(32));
  uint8_t expected[BK_STRIP_ROWS * MOST_STEPS], *bytes = panels.bytes, *unpacked = back.bytes;
  for (size_t k = 0; k < 2; k++)
    for (size_t v = 0; v < 4; v++)
      for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < 4; i++) {
          int8_t codes[MOST_COLUMNS];
          size_t row = 32 * k + 8 * v + 4 * h + i;
          for (size_t c = 0; c < columns; c++) {
            codes[c] = (int8_t)(format == BK_SIGN1 ? 2 * random_below(2) : random_below(3)) - 1;
            bytes[panel_byte(row, c)] = (uint8_t)(codes[c] + 1);
          }
          for (size_t s = 0; s < steps; s++)
            expected[BK_STRIP_ROWS * s + 32 * k + 16 * h + 4 * v + i] =
                packed_byte(codes, s * bk_format_columns(format), columns, format);
        }
  kernels->pack[format](bytes, PANEL_BYTES, columns, strip.bytes);
  record(memcmp(strip.bytes, expected, BK_STRIP_ROWS * steps) == 0, what);
  kernels->unpack[format](expected, columns, unpacked, PANEL_BYTES);
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

// Every byte that ternary codes at 1.6 bits have, in every row.
static void test_trits(const bk_kernels *kernels) {
  static const unsigned powers[] = {81, 27, 9, 3, 1};
  for (unsigned first = 0; first < 243; first++) {
    uint8_t strip[BK_STRIP_ROWS], panels[BK_STRIP_PANELS][128];
    for (size_t i = 0; i < BK_STRIP_ROWS; i++) strip[i] = (uint8_t)((first + i) % 243);
    kernels->unpack[BK_TERNARY1_6](strip, 5, panels[0], sizeof panels[0]);
    int equal = 1;
    for (size_t row = 0; row < BK_STRIP_ROWS; row++)
      for (size_t c = 0; c < 5; c++)
        if (panels[row / 16][64 * (c / 4) + 4 * (row % 16) + c % 4] !=
            strip[row / 32 * 32 + row / 4 % 2 * 16 + row / 8 % 4 * 4 + row % 4] / powers[c] % 3)
          equal = 0;
    record(equal, "ternary1.6: every byte");
  }
}

void test_packing(const bk_kernels *kernels) {
  for (int format = 0; format < BK_PACKED_FORMATS; format++)
    for (size_t columns = 1; columns <= MOST_COLUMNS; columns++)
      test_columns(kernels, columns, (bk_format)format);
  test_trits(kernels);
}
