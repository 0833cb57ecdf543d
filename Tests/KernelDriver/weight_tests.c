// Products with floats and with blocks of GGUF against plain loops over the weights, which are decoded
// by the definition of each type.
#include "checks.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static guard_side side_of(size_t n) { return n % 2 ? GUARD_ABOVE : GUARD_BELOW; }

static uint16_t half_at(const uint8_t *bytes) { return (uint16_t)(bytes[0] + 256 * bytes[1]); }

// A weight by the definition in bitweights.h.
static float weight_at(bk_weight_type type, const uint8_t *row, size_t c) {
  const uint8_t *block = row + c / 32 * (type == BK_Q8_0 ? 34 : type == BK_Q4_0 ? 18 : 20);
  const uint8_t *super = row + c / 256 * 210;
  size_t i = c % 32, half = c % 256 / 128, k = c % 128 / 32;
  uint32_t bits = 0;
  float value;
  switch (type) {
    case BK_F32: memcpy(&value, row + 4 * c, 4); return value;
    case BK_F16: return half_value(half_at(row + 2 * c));
    case BK_BF16:
      bits = (uint32_t)half_at(row + 2 * c) << 16;
      memcpy(&value, &bits, 4);
      return value;
    case BK_Q8_0: return half_value(half_at(block)) * (float)(int8_t)block[2 + i];
    case BK_Q4_0:
      return half_value(half_at(block)) * (float)((block[2 + i % 16] >> (i / 16 * 4) & 15) - 8);
    case BK_Q4_1: {
      float product = half_value(half_at(block)) * (float)(block[4 + i % 16] >> (i / 16 * 4) & 15);
      return product + half_value(half_at(block + 2));
    }
    default: {
      int low = super[64 * half + 32 * (k % 2) + i] >> (k / 2 * 4) & 15;
      int high = super[128 + 32 * half + i] >> (2 * k) & 3;
      float scale = half_value(half_at(super + 208)) * (float)(int8_t)super[192 + c % 256 / 16];
      return scale * (float)(low + 16 * high - 32);
    }
  }
}

static int equal_or_nan(float a, float b) { return equal_floats(&a, &b, 1) || (isnan(a) && isnan(b)); }

// Random bytes; halves that are scales, and floats, are odd now and then if `odd`, else moderate.
static void fill_row(bk_weight_type type, uint8_t *row, size_t columns, int odd) {
  size_t bytes = bk_weight_row_bytes(type, columns);
  for (size_t i = 0; i < bytes; i++) row[i] = (uint8_t)random_bits();
  if (odd) return;
  size_t unit = type == BK_F32 ? 4 : type == BK_F16 || type == BK_BF16 ? 2 : 0;
  size_t steps[] = {4, 2, 2, 34, 18, 20, 210}, places[] = {2, 0, 0, 0, 0, 0, 208};
  for (size_t i = places[type]; i < bytes; i += steps[type]) {
    // The upper byte of an exponent near 1, with either sign.
    uint8_t top = unit && type != BK_F16 ? 0x3e : 0x34;
    row[i + 1] = (uint8_t)(top | (row[i + 1] & 0x81));
    if (type == BK_Q4_1) row[i + 3] = (uint8_t)(top | (row[i + 3] & 0x81));
  }
}

static void test_values(const bk_kernels *kernels, bk_weight_type type, size_t columns) {
  char what[100];
  snprintf(what, sizeof what, "%s: values of type %d, %zu columns", kernels->name, (int)type, columns);
  size_t row_bytes = bk_weight_row_bytes(type, columns);
  for (int odd = 0; odd < 2; odd++)
    for (int side = 0; side < 2; side++) {
      guarded bytes = guarded_new(3 * row_bytes, side ? GUARD_ABOVE : GUARD_BELOW, random_below(2));
      guarded values = guarded_new(2 * columns * sizeof(float), side ? GUARD_ABOVE : GUARD_BELOW, 0);
      for (size_t r = 0; r < 3; r++)
        fill_row(type, (uint8_t *)bytes.bytes + r * row_bytes, columns, odd);
      bk_weights weights = {type, 3, columns, bytes.bytes};
      bk_weight_values(kernels, &weights, (bk_range){1, 3}, values.bytes);
      int equal = 1;
      for (size_t i = 0; i < 2 * columns; i++) {
        const uint8_t *row = (uint8_t *)bytes.bytes + (1 + i / columns) * row_bytes;
        if (!equal_or_nan(((float *)values.bytes)[i], weight_at(type, row, i % columns))) equal = 0;
      }
      record(equal, what);
      guarded_free(values);
      guarded_free(bytes);
    }
}

// The sum that bitweights.h defines.
static float product(bk_weight_type type, const uint8_t *row, const float *x, size_t columns) {
  float s[16] = {0};
  for (size_t c = 0; c < columns; c++) s[c % 16] = fmaf(weight_at(type, row, c), x[c], s[c % 16]);
  for (size_t apart = 8; apart > 0; apart /= 2)
    for (size_t l = 0; l < apart; l++) s[l] += s[l + apart];
  return s[0];
}

typedef struct {
  size_t rows, columns, tokens;
  int has_bias, odd;
} shape;

// Rows in any order, some of them more than once, against the product y of rows from `first` on.
static void test_selection(const bk_kernels *kernels, const bk_weights *weights, const guarded *x,
                           const guarded *y, const guarded *scratch, size_t first,
                           const char *what) {
  uint32_t rows[21];
  size_t count = 1 + random_below(21);
  for (size_t i = 0; i < count; i++)
    rows[i] = (uint32_t)(first + random_below(weights->rows - first));
  guarded out = guarded_new(4 * count, GUARD_ABOVE, 0);
  bk_weights_select(kernels, weights, x->bytes, rows, count, out.bytes, scratch->bytes);
  int equal = 1;
  for (size_t i = 0; i < count; i++)
    if (!equal_or_nan(((float *)out.bytes)[i], ((float *)y->bytes)[rows[i]])) equal = 0;
  record(equal, what);
  guarded_free(out);
}

static void test_product(const bk_kernels *kernels, bk_weight_type type, shape s) {
  char what[120];
  snprintf(what, sizeof what, "%s: type %d, %zu x %zu, %zu tokens", kernels->name, (int)type, s.rows,
           s.columns, s.tokens);
  size_t row_bytes = bk_weight_row_bytes(type, s.columns), first = s.rows > 2 ? 1 : 0;
  size_t x_stride = s.columns + random_below(4), y_stride = s.rows + random_below(4);
  guard_side side = side_of(s.rows + s.tokens);
  guarded bytes = guarded_new(s.rows * row_bytes, side, random_below(2));
  guarded x = guarded_new(((s.tokens - 1) * x_stride + s.columns) * 4, side, 4 * random_below(3));
  guarded y = guarded_new(((s.tokens - 1) * y_stride + s.rows) * 4, side, 4 * random_below(3));
  guarded bias = guarded_new(s.rows * 4, side, 0);
  size_t scratch_bytes = bk_weights_scratch_bytes(s.tokens);
  guarded scratch = guarded_new(scratch_bytes, GUARD_ABOVE, 0);
  for (size_t r = 0; r < s.rows; r++) {
    fill_row(type, (uint8_t *)bytes.bytes + r * row_bytes, s.columns, s.odd);
    ((float *)bias.bytes)[r] = random_float();
  }
  size_t x_count = (s.tokens - 1) * x_stride + s.columns;
  for (size_t i = 0; i < x_count; i++) ((float *)x.bytes)[i] = s.odd ? odd_float() : random_float();
  bk_weights weights = {type, s.rows, s.columns, bytes.bytes};
  uint32_t untouched;
  memset(&untouched, 0xa5, 4);
  bk_weights_matmul(kernels, &weights, x.bytes, x_stride, s.tokens, (bk_range){first, s.rows},
                    s.has_bias ? bias.bytes : NULL, y.bytes, y_stride, scratch.bytes);
  int equal = 1;
  for (size_t t = 0; t < s.tokens; t++)
    for (size_t r = 0; r < s.rows; r++) {
      float *out = (float *)y.bytes + t * y_stride + r;
      if (r < first) {
        if (memcmp(out, &untouched, 4) != 0) equal = 0;
        continue;
      }
      float expected = product(type, (uint8_t *)bytes.bytes + r * row_bytes,
                               (float *)x.bytes + t * x_stride, s.columns);
      if (s.has_bias) expected = expected + ((float *)bias.bytes)[r];
      if (!equal_or_nan(*out, expected)) equal = 0;
    }
  record(equal, what);
  if (!s.has_bias) test_selection(kernels, &weights, &x, &y, &scratch, first, what);
  guarded_free(scratch);
  guarded_free(bias);
  guarded_free(y);
  guarded_free(x);
  guarded_free(bytes);
}

static void test_type(const bk_kernels *kernels, bk_weight_type type, amount amount) {
  static const size_t columns[] = {0,  1,   5,   15,  16,  31,  32,  33,  64,  96,  160,
                                   255, 256, 511, 512, 515, 544, 768, 1024, 1040, 1280, 2560};
  static const size_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 70, 96, 97, 193};
  size_t column_count = sizeof columns / sizeof *columns;
  size_t token_count = sizeof tokens / sizeof *tokens;
  for (size_t c = 0; c < column_count; c++) {
    if (columns[c] % bk_weight_block(type) || (amount == QUICK && columns[c] > 1280)) continue;
    if (columns[c] > 0) test_values(kernels, type, columns[c]);
    for (size_t t = 0; t < token_count; t++) {
      if (tokens[t] > 13 && (columns[c] > 96 || (amount == QUICK && tokens[t] != 97))) continue;
      if (amount == QUICK && columns[c] > 544 && tokens[t] > 3) continue;
      shape s = {1 + random_below(19), columns[c], tokens[t], (int)random_below(2),
                 random_below(4) == 0};
      test_product(kernels, type, s);
    }
  }
  for (size_t rows = 1; rows <= 18; rows++)
    test_product(kernels, type, (shape){rows, 256, 1 + random_below(7), rows % 2, 0});
}

void test_weights(const bk_kernels *kernels, amount amount) {
  for (int type = 0; type < BK_WEIGHT_TYPES; type++)
    test_type(kernels, (bk_weight_type)type, amount);
}
