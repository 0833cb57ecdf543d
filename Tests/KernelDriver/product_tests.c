// Whole products against plain loops over codes.
#include "checks.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const format_names[] = {"ternary2", "ternary1.6", "sign1", "panels"};

// How codes are filled: at random, or so that 16-bit sums must survive the extremes.
typedef enum { RANDOM, ALL_PLUS, ALL_MINUS } code_pattern;

// Which path a product takes: the set's own choice, that of many tokens, or that of few.
typedef enum { OWN_PATH, MANY_PATH, FEW_PATH } product_path;

typedef struct {
  size_t rows, columns, block, tokens;
  size_t x_block;  // columns of activations that share a scale; 0 for all
  bk_format format;
  bk_alphabet alphabet;  // differs from the format's own for BK_PANELS only
  code_pattern codes;
  int bits;        // of activations, 2...16
  int activation;  // of all columns; 0 for random ones
  product_path path;
  int has_bias, has_half_scales;
  guard_side side;
  size_t gap;  // between a guard and codes or activations
} test_case;

static int8_t code_of(const test_case *c) {
  if (c->codes == ALL_PLUS) return 1;
  if (c->codes == ALL_MINUS) return -1;
  return (int8_t)(c->alphabet == BK_SIGN ? 2 * random_below(2) : random_below(3)) - 1;
}

static int activation_of(const test_case *c) {
  if (c->activation) return c->activation;
  return (int)random_below((size_t)1 << c->bits) - (1 << (c->bits - 1));
}

static guarded random_floats(const test_case *c, size_t count) {
  guarded memory = guarded_new(count * sizeof(float), c->side, c->gap / 2 * 4);
  for (size_t i = 0; i < count; i++) ((float *)memory.bytes)[i] = random_float();
  return memory;
}

// A finite half precision float: subnormal ones and zeros are among them.
static uint16_t random_half(void) {
  uint16_t bits = (uint16_t)random_bits();
  return (bits & 0x7c00) == 0x7c00 ? bits & 0x83ff : bits;
}

// Half precision floats, whose values replace those of `floats`.
static guarded random_halves(const test_case *c, size_t count, float *floats) {
  guarded memory = guarded_new(count * sizeof(uint16_t), c->side, c->gap / 2 * 2);
  for (size_t i = 0; i < count; i++) {
    uint16_t half = random_half();
    ((uint16_t *)memory.bytes)[i] = half;
    floats[i] = half_value(half);
  }
  return memory;
}

// The activations of a case: one of narrow and wide, and all as wide ones for the reference.
typedef struct {
  guarded memory, inverse;
  int16_t *values;
  int32_t *sums;
  bk_activations x;
} tokens;

static tokens new_tokens(const test_case *c) {
  size_t stride = bk_padded_columns(c->columns), count = c->tokens * stride, wide = c->bits > 8;
  tokens t = {.values = calloc(count, sizeof(int16_t)), .sums = calloc(c->tokens, sizeof(int32_t))};
  t.memory = wide ? guarded_new(2 * count, c->side, 2 * c->gap)
                  : guarded_new(count, c->side, c->gap);
  t.inverse = random_floats(c, c->tokens * bk_block_count(c->columns, c->x_block));
  for (size_t i = 0; i < count; i++) {
    if (i % stride < c->columns) t.values[i] = (int16_t)activation_of(c);
    if (wide) {
      ((int16_t *)t.memory.bytes)[i] = t.values[i];
    } else {
      ((int8_t *)t.memory.bytes)[i] = (int8_t)t.values[i];
      t.sums[i / stride] += t.values[i];
    }
  }
  t.x = (bk_activations){stride, wide ? NULL : t.memory.bytes, wide ? t.memory.bytes : NULL,
                         wide ? NULL : t.sums, t.inverse.bytes, c->x_block};
  return t;
}

static void free_tokens(tokens t) {
  guarded_free(t.memory);
  guarded_free(t.inverse);
  free(t.values);
  free(t.sums);
}

// The outputs from codes alone, in the order of operations that bitkernels.h promises.
static void expected_outputs(const test_case *c, const int8_t *codes, const tokens *x,
                             const float *scales, const float *bias, float *y) {
  size_t blocks = bk_block_count(c->columns, c->block);
  size_t x_blocks = bk_block_count(c->columns, c->x_block);
  size_t segment = c->block == 0 || (c->x_block > 0 && c->x_block < c->block) ? c->x_block
                                                                              : c->block;
  for (size_t t = 0; t < c->tokens; t++)
    for (size_t r = 0; r < c->rows; r++) {
      float total = 0;
      int64_t sum = 0;
      for (size_t k = 0; k < c->columns; k++) {
        sum += codes[r * c->columns + k] * x->values[t * x->x.stride + k];
        if (segment == 0 || ((k + 1) % segment && k + 1 < c->columns)) continue;
        size_t b = c->block ? k / c->block : 0;
        size_t scale = (r / BK_STRIP_ROWS * blocks + b) * BK_STRIP_ROWS + r % BK_STRIP_ROWS;
        float factor = c->x_block ? x->x.inverse_scales[t * x_blocks + k / c->x_block] : 1;
        volatile float product = (c->block ? scales[scale] : 1) * factor;
        total = fmaf((float)sum, product, total);
        sum = 0;
      }
      volatile float v = segment ? total : (float)sum;
      if (!c->block) v = v * scales[r];
      if (!c->x_block) v = v * x->x.inverse_scales[t];
      y[t * c->rows + r] = bias ? v + bias[r] : v;
    }
}

// The codes of a matrix in the layout of its format, packed by `kernels`; tests unpacking too.
static guarded layout_codes(const test_case *c, const bk_kernels *kernels, const int8_t *codes,
                            const char *what) {
  size_t strips = bk_strip_count(c->rows), panel_bytes = bk_panel_bytes(c->columns);
  bk_layout layout = c->format == BK_PANELS ? BK_LOOKUP : kernels->layout[c->format];
  size_t strip_bytes = bk_strip_bytes(layout, c->columns, c->format, c->block);
  guarded result = guarded_new(strips * strip_bytes, c->side, c->gap);
  for (size_t s = 0; s < strips; s++) {
    guarded panels = guarded_new(BK_STRIP_PANELS * panel_bytes, c->side, c->gap);
    uint8_t *bytes = panels.bytes, *strip = (uint8_t *)result.bytes + s * strip_bytes;
    memset(bytes, 0, BK_STRIP_PANELS * panel_bytes);
    for (size_t i = 0; i < BK_STRIP_ROWS && s * BK_STRIP_ROWS + i < c->rows; i++)
      for (size_t k = 0; k < c->columns; k++)
        bytes[i / BK_PANEL_ROWS * panel_bytes + 64 * (k / 4) + 4 * (i % BK_PANEL_ROWS) + k % 4] =
            (uint8_t)(codes[(s * BK_STRIP_ROWS + i) * c->columns + k] + 1);
    if (c->format == BK_PANELS) {
      memcpy(strip, bytes, strip_bytes);
    } else {
      bk_pack_strip(kernels, bytes, c->columns, c->format, c->block, strip);
      guarded back = guarded_new(BK_STRIP_PANELS * panel_bytes, c->side, c->gap);
      bk_unpack_strip(kernels, strip, c->columns, c->format, c->block, back.bytes);
      int equal = 1;
      for (size_t i = 0; i < BK_STRIP_PANELS * panel_bytes; i++) {
        size_t column = i % panel_bytes / 64 * 4 + i % 4;
        if (column < c->columns && ((uint8_t *)back.bytes)[i] != bytes[i]) equal = 0;
      }
      record(equal, what);
      guarded_free(back);
    }
    guarded_free(panels);
  }
  return result;
}

static void run(const test_case *c, const bk_kernels *set) {
  char what[200];
  snprintf(what, sizeof what,
           "%s %s blocks %zu and %zu, %zu x %zu, %zu tokens of %d bits, codes %d, activations %d, "
           "path %d",
           set->name, format_names[c->format], c->block, c->x_block, c->rows, c->columns, c->tokens,
           c->bits, (int)c->codes, c->activation, (int)c->path);
  bk_kernels kernels = *set;
  for (int format = 0; format < BK_PACKED_FORMATS && c->path != OWN_PATH; format++)
    kernels.few_tokens[format] = c->path == FEW_PATH ? SIZE_MAX : 0;

  size_t strips = bk_strip_count(c->rows), outputs = c->tokens * c->rows;
  int8_t *codes = malloc(c->rows * c->columns + 1);
  for (size_t i = 0; i < c->rows * c->columns; i++) codes[i] = code_of(c);
  guarded code_memory = layout_codes(c, &kernels, codes, what);
  size_t scale_count =
      c->block ? strips * bk_block_count(c->columns, c->block) * BK_STRIP_ROWS : c->rows;
  guarded scales = random_floats(c, scale_count);
  guarded halves = random_halves(c, c->has_half_scales ? scale_count : 0, scales.bytes);
  guarded bias_memory = random_floats(c, c->rows);
  const float *bias = c->has_bias ? bias_memory.bytes : NULL;
  tokens x = new_tokens(c);
  float *expected = malloc(outputs * sizeof *expected);
  expected_outputs(c, codes, &x, scales.bytes, bias, expected);

  bk_matrix matrix = {c->rows, c->columns, c->format, code_memory.bytes,
                      c->has_half_scales ? NULL : scales.bytes,
                      c->has_half_scales ? halves.bytes : NULL, c->block};
  guarded scratch = guarded_new(bk_scratch_bytes(&kernels, &matrix, &x.x, c->tokens), c->side,
                                c->gap / 2 * 4);
  guarded y = random_floats(c, outputs);
  // In parts, as two threads would.
  bk_matmul_job job = {&kernels, matrix, x.x, c->tokens, scratch.bytes, bias, y.bytes, c->rows};
  size_t middle = strips / 2, half = c->tokens / 2;
  bk_prepare(&job, (bk_range){half, c->tokens});
  bk_prepare(&job, (bk_range){0, half});
  bk_matmul(&job, (bk_range){0, middle}, (bk_range){0, c->tokens});
  bk_matmul(&job, (bk_range){middle, strips}, (bk_range){0, half});
  bk_matmul(&job, (bk_range){middle, strips}, (bk_range){half, c->tokens});
  record(equal_floats(y.bytes, expected, outputs), what);

  guarded_free(y);
  guarded_free(scratch);
  free(expected);
  free_tokens(x);
  guarded_free(bias_memory);
  guarded_free(halves);
  guarded_free(scales);
  guarded_free(code_memory);
  free(codes);
}

// One shape in every format and with every kind of scale.
static void run_formats(const bk_kernels *kernels, test_case c) {
  static const size_t blocks[] = {0, 64, 128, 256};
  if (c.bits == 0) c.bits = 8;
  for (int format = 0; format <= BK_PANELS; format++)
    for (size_t b = 0; b < (format == BK_PANELS ? 1 : 4); b++)
      for (int sign = 0; sign < 2; sign++) {
        if (format != BK_PANELS && sign != (format == BK_SIGN1)) continue;
        c.format = (bk_format)format;
        c.alphabet = sign ? BK_SIGN : BK_TERNARY;
        c.block = blocks[b];
        c.has_bias = random_below(2);
        c.has_half_scales = c.block && random_below(2);
        c.x_block = random_below(2) ? 0 : (size_t)32 << random_below(4);
        c.side = random_below(2) ? GUARD_ABOVE : GUARD_BELOW;
        c.gap = random_below(2) ? random_below(32) : 0;
        run(&c, kernels);
      }
}

static const size_t token_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33};
enum { TOKEN_COUNTS = sizeof token_counts / sizeof *token_counts };

static product_path random_path(void) { return (product_path)random_below(3); }

// Every number of rows and of columns with a random number of tokens and a random other extent; all
// numbers of tokens with some shapes.
static void test_shapes(const bk_kernels *kernels, amount amount) {
  static const size_t wide[] = {127, 128, 129, 255, 256, 257, 511, 640, 2560, 6912};
  size_t times = amount == FULL ? 3 : 1;
  for (size_t n = 1; n <= 70; n += amount == FULL || n < 2 ? 1 : 1 + random_below(6))
    for (size_t i = 0; i < times; i++)
      run_formats(kernels, (test_case){.rows = n, .columns = 1 + random_below(300),
                                       .tokens = token_counts[random_below(TOKEN_COUNTS)],
                                       .path = random_path()});
  for (size_t k = 1; k <= 65; k++)
    for (size_t i = 0; i < times; i++)
      run_formats(kernels, (test_case){.rows = 1 + random_below(amount == FULL ? 140 : 70),
                                       .columns = k, .path = random_path(),
                                       .tokens = token_counts[random_below(TOKEN_COUNTS)]});
  for (size_t t = 0; t < TOKEN_COUNTS; t++)
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
      int is_long = wide[i] > 2000;
      if (amount == QUICK && (is_long ? t > 0 : random_below(4) > 0)) continue;
      for (int path = MANY_PATH; path <= FEW_PATH; path++)
        run_formats(kernels, (test_case){.rows = 1 + random_below(is_long ? 20 : 70),
                                         .columns = wide[i], .tokens = token_counts[t],
                                         .path = (product_path)path});
    }
  // Tokens for several passes, rows for many strips, and no columns at all.
  run_formats(kernels, (test_case){.rows = 20, .columns = 70, .tokens = 300});
  run_formats(kernels, (test_case){.rows = 2560, .columns = 33, .tokens = amount == FULL ? 5 : 1});
  if (amount == FULL) run_formats(kernels, (test_case){.rows = 2560, .columns = 257, .tokens = 16});
  run_formats(kernels, (test_case){.rows = 3, .columns = 0, .tokens = 2});
}

// The largest sums, of one sign.
static void test_extremes(const bk_kernels *kernels, amount amount) {
  static const int activations[] = {127, -127, -128};
  static const size_t columns[] = {64, 256, 520, 2560, 6912};
  for (size_t k = 0; k < (amount == FULL ? 5 : 3); k++)
    for (int a = 0; a < 3; a++)
      for (int p = ALL_PLUS; p <= ALL_MINUS; p++)
        for (int path = MANY_PATH; path <= FEW_PATH; path++)
          for (size_t tokens = 1; tokens <= (amount == FULL ? 13 : 7); tokens += 6)
            run_formats(kernels, (test_case){.rows = columns[k] > 1000 || amount == QUICK ? 17 : 65,
                                             .columns = columns[k], .tokens = tokens,
                                             .codes = (code_pattern)p,
                                             .activation = activations[a],
                                             .path = (product_path)path});
}

// Activations of 9 to 16 bits, and narrow ones of fewer than 8.
static void test_bits(const bk_kernels *kernels, amount amount) {
  for (int bits = 2; bits <= 16; bits++)
    for (size_t i = 0; i < (amount == FULL ? 9 : 3); i++)
      run_formats(kernels, (test_case){.rows = 1 + random_below(70),
                                       .columns = 1 + random_below(bits > 8 ? 600 : 300),
                                       .tokens = 1 + random_below(i % 3 == 2 ? 70 : 8),
                                       .bits = bits, .path = random_path(),
                                       .activation = i == 1   ? (1 << (bits - 1)) - 1
                                                     : i == 2 ? -(1 << (bits - 1))
                                                              : 0});
  if (amount == FULL)
    run_formats(kernels, (test_case){.rows = 5, .columns = 6912, .tokens = 1, .bits = 16,
                                     .codes = ALL_PLUS, .activation = -32768});
  // More than 32 bits hold, in the sums of weighted codes and in those of 16-bit activations.
  run_formats(kernels, (test_case){.rows = 1, .columns = 530000, .tokens = 1, .codes = ALL_PLUS,
                                   .activation = -128, .path = FEW_PATH});
  run_formats(kernels, (test_case){.rows = 1, .columns = 70000, .tokens = 1, .bits = 16,
                                   .codes = ALL_PLUS, .activation = 32767, .path = FEW_PATH});
  run_formats(kernels, (test_case){.rows = 1, .columns = 70000, .tokens = 2, .bits = 16,
                                   .codes = ALL_PLUS, .activation = -32768, .path = MANY_PATH});
}

void test_products(const bk_kernels *kernels, amount amount) {
  test_shapes(kernels, amount);
  test_extremes(kernels, amount);
  test_bits(kernels, amount);
}
