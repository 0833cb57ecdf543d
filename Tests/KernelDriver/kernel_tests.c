// Every set of kernels that this CPU can run, against plain loops over codes, bit for bit, with
// guard pages on both sides of every buffer. Needs nothing but a C compiler, so that it can run
// with sanitizers and under an emulator of another CPU.
//
//   kernel_tests [NAME...]   only the sets of these names; fails if the CPU cannot run one of them
#include "../../Sources/CBitKernels/internal.h"
#include "guarded.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const format_names[] = {"ternary2", "ternary1.6", "sign1", "panels"};

static size_t passed, failed;

static void record(int holds, const char *what) {
  if (holds) {
    passed++;
  } else {
    failed++;
    if (failed <= 50) printf("FAILED: %s\n", what);
  }
}

// xorshift64*
static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint32_t random_bits(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (uint32_t)(random_state * 0x2545f4914f6cdd1d >> 32);
}

// How codes and activations are filled: chance, and the extremes that 16-bit sums must survive.
typedef enum { CHANCE, ALL_PLUS, ALL_MINUS, PATTERNS } code_pattern;

typedef struct {
  size_t rows, columns, block, tokens;
  bk_format format;
  bk_alphabet alphabet;  // differs from the format's own for BK_PANELS only
  code_pattern codes;
  int activation;  // of all columns; 0 for chance
  int has_bias, has_half_scales;
  guard_side side;
} test_case;

static int8_t code_of(const test_case *c) {
  if (c->codes == ALL_PLUS) return 1;
  if (c->codes == ALL_MINUS) return -1;
  return c->alphabet == BK_SIGN ? (random_bits() & 1 ? 1 : -1) : (int8_t)(random_bits() % 3) - 1;
}

static float random_float(void) { return (float)(int32_t)random_bits() * 0x1p-31f; }

// A half precision float that is finite: subnormal, normal, positive and negative ones.
static uint16_t random_half(void) {
  uint16_t bits = (uint16_t)random_bits();
  return (bits & 0x7c00) == 0x7c00 ? bits & 0x83ff : bits;
}

// Its value, by the definition of the format.
static float half_value(uint16_t half) {
  int exponent = half >> 10 & 31, fraction = half & 1023;
  float magnitude = exponent ? ldexpf((float)(1024 + fraction), exponent - 25)
                             : ldexpf((float)fraction, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

static guarded copy_floats(const float *values, size_t count, guard_side side) {
  guarded memory = guarded_new(count * sizeof(float), side);
  if (count > 0) memcpy(memory.bytes, values, count * sizeof(float));
  return memory;
}

// The outputs from codes alone, in the order of operations that bitkernels.h promises.
static void expected_outputs(const test_case *c, const int8_t *codes, const int8_t *q,
                             size_t stride, const float *row_scales, const float *block_scales,
                             const float *inverse, const float *bias, float *y) {
  size_t blocks = bk_block_count(c->columns, c->block);
  for (size_t t = 0; t < c->tokens; t++)
    for (size_t r = 0; r < c->rows; r++) {
      float total = 0;
      int32_t sum = 0;
      for (size_t b = 0; b < blocks; b++) {
        size_t end = c->block && b + 1 < blocks ? (b + 1) * c->block : c->columns;
        if (c->block) sum = 0;
        for (size_t k = b * c->block; k < end; k++)
          sum += codes[r * c->columns + k] * q[t * stride + k];
        if (c->block)
          total = fmaf((float)sum,
                       block_scales[(r / BK_STRIP_ROWS * blocks + b) * BK_STRIP_ROWS +
                                    r % BK_STRIP_ROWS],
                       total);
      }
      float v = c->block ? total : (float)sum * row_scales[r];
      v = v * inverse[t];
      y[t * c->rows + r] = bias ? v + bias[r] : v;
    }
}

// The codes of a matrix in the layout of its format, packed by `kernels`.
static guarded layout_codes(const test_case *c, const bk_kernels *kernels, const int8_t *codes,
                            const char *what) {
  size_t strips = bk_strip_count(c->rows), panel_bytes = bk_panel_bytes(c->columns);
  size_t strip_bytes = bk_strip_bytes(c->columns, c->format, c->block);
  guarded result = guarded_new(strips * strip_bytes, c->side);
  for (size_t s = 0; s < strips; s++) {
    guarded panels = guarded_new(BK_STRIP_PANELS * panel_bytes, c->side);
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
      uint8_t *reference = malloc(strip_bytes + 1);
      bk_pack_strip(&bk_scalar, bytes, c->columns, c->format, c->block, reference);
      record(memcmp(strip, reference, strip_bytes) == 0, what);
      free(reference);
      guarded back = guarded_new(BK_STRIP_PANELS * panel_bytes, c->side);
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

static int equal_floats(const float *a, const float *b, size_t count) {
  return count == 0 || memcmp(a, b, count * sizeof *a) == 0;
}

static void run(const test_case *c, const bk_kernels *kernels) {
  char what[200];
  snprintf(what, sizeof what, "%s %s block %zu, %zu x %zu, %zu tokens, codes %d, activations %d",
           kernels->name, format_names[c->format], c->block, c->rows, c->columns, c->tokens,
           c->codes, c->activation);
  size_t stride = bk_padded_columns(c->columns), blocks = bk_block_count(c->columns, c->block);
  size_t scale_count =
      c->block ? bk_strip_count(c->rows) * blocks * BK_STRIP_ROWS : c->rows;
  int8_t *codes = malloc(c->rows * c->columns + 1);
  for (size_t i = 0; i < c->rows * c->columns; i++) codes[i] = code_of(c);
  guarded q_memory = guarded_new(c->tokens * stride, c->side);
  int8_t *q = q_memory.bytes;
  memset(q, 0, c->tokens * stride);
  int32_t *q_sums = calloc(c->tokens, sizeof *q_sums);
  float *inverse = malloc(c->tokens * sizeof *inverse);
  for (size_t t = 0; t < c->tokens; t++) {
    inverse[t] = random_float();
    for (size_t k = 0; k < c->columns; k++) {
      q[t * stride + k] =
          (int8_t)(c->activation ? c->activation : (int)(random_bits() % 256) - 128);
      q_sums[t] += q[t * stride + k];
    }
  }
  float *scales = malloc(scale_count * sizeof *scales), *bias = malloc(c->rows * sizeof *bias);
  uint16_t *halves = malloc(scale_count * sizeof *halves);
  for (size_t i = 0; i < scale_count; i++) {
    halves[i] = random_half();
    scales[i] = c->has_half_scales ? half_value(halves[i]) : random_float();
  }
  for (size_t r = 0; r < c->rows; r++) bias[r] = random_float();
  float *expected = malloc(c->tokens * c->rows * sizeof *expected);
  expected_outputs(c, codes, q, stride, scales, scales, inverse, c->has_bias ? bias : NULL,
                   expected);

  guarded code_memory = layout_codes(c, kernels, codes, what);
  guarded scale_memory = copy_floats(scales, scale_count, c->side);
  guarded bias_memory = copy_floats(bias, c->rows, c->side);
  guarded y = guarded_new(c->tokens * c->rows * sizeof(float), c->side);
  guarded half_memory = guarded_new(scale_count * sizeof *halves, c->side);
  memcpy(half_memory.bytes, halves, scale_count * sizeof *halves);
  bk_matrix matrix = {c->rows, c->columns, c->format, code_memory.bytes,
                      c->has_half_scales ? NULL : scale_memory.bytes,
                      c->has_half_scales ? half_memory.bytes : NULL, c->block};
  bk_activations x = {stride, q, NULL, q_sums, inverse};
  guarded scratch = guarded_new(bk_scratch_bytes(kernels, &matrix, c->tokens), c->side);
  bk_prepare(kernels, &matrix, &x, c->tokens, 0, c->tokens, scratch.bytes);
  // In two parts, as two threads would.
  size_t strips = bk_strip_count(c->rows), middle = strips / 2, half = c->tokens / 2;
  const float *bias_bytes = c->has_bias ? bias_memory.bytes : NULL;
  bk_matmul(kernels, &matrix, &x, scratch.bytes, c->tokens, 0, middle, 0, c->tokens, bias_bytes,
            y.bytes, c->rows);
  bk_matmul(kernels, &matrix, &x, scratch.bytes, c->tokens, middle, strips, 0, half, bias_bytes,
            y.bytes, c->rows);
  bk_matmul(kernels, &matrix, &x, scratch.bytes, c->tokens, middle, strips, half, c->tokens,
            bias_bytes, y.bytes, c->rows);
  record(equal_floats(y.bytes, expected, c->tokens * c->rows), what);

  guarded_free(scratch);
  guarded_free(y);
  guarded_free(bias_memory);
  guarded_free(half_memory);
  guarded_free(scale_memory);
  guarded_free(code_memory);
  guarded_free(q_memory);
  free(expected);
  free(bias);
  free(halves);
  free(scales);
  free(inverse);
  free(q_sums);
  free(codes);
}

// One shape in every format and with every kind of scale.
static void run_formats(const bk_kernels *kernels, test_case c) {
  static const size_t blocks[] = {0, 64, 128, 256};
  for (int format = 0; format <= BK_PANELS; format++)
    for (size_t b = 0; b < (format == BK_PANELS ? 1 : 4); b++) {
      c.format = (bk_format)format;
      c.block = blocks[b];
      c.has_bias = random_bits() & 1;
      c.has_half_scales = c.block && random_bits() & 1;
      c.side = random_bits() & 1 ? GUARD_ABOVE : GUARD_BELOW;
      for (int sign = 0; sign < 2; sign++) {
        c.alphabet = sign ? BK_SIGN : BK_TERNARY;
        if (format != BK_PANELS && sign != (format == BK_SIGN1)) continue;
        run(&c, kernels);
      }
    }
}

static void test_products(const bk_kernels *kernels) {
  static const size_t many_tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33};
  static const size_t wide[] = {127, 128, 129, 255, 256, 257, 511, 640, 2560, 6912};
  test_case c = {.codes = CHANCE};
  for (c.rows = 1; c.rows <= 70; c.rows++)
    for (size_t i = 0; i < 2; i++) {
      c.columns = 1 + random_bits() % 300;
      c.tokens = many_tokens[random_bits() % 11];
      run_formats(kernels, c);
    }
  for (c.columns = 1; c.columns <= 65; c.columns++)
    for (size_t i = 0; i < 2; i++) {
      c.rows = 1 + random_bits() % 140;
      c.tokens = i ? 1 + random_bits() % 4 : many_tokens[random_bits() % 11];
      run_formats(kernels, c);
    }
  for (size_t i = 0; i < 10; i++)
    for (size_t t = 0; t < 11; t++) {
      c.columns = wide[i];
      c.tokens = many_tokens[t];
      c.rows = c.columns > 2000 ? 7 + t : 1 + random_bits() % 70;
      if (c.columns > 2000 && t % 4) continue;
      run_formats(kernels, c);
    }
  // Tokens beyond what is multiplied at once.
  c.rows = 20, c.columns = 70, c.tokens = 300;
  run_formats(kernels, c);
  c.rows = 2560, c.columns = 33, c.tokens = 2;
  run_formats(kernels, c);
  c.columns = 0, c.rows = 3, c.tokens = 2;
  run_formats(kernels, c);
}

static void test_extremes(const bk_kernels *kernels) {
  static const int activations[] = {127, -127, -128};
  static const size_t columns[] = {64, 256, 520, 2560, 6912};
  for (size_t k = 0; k < 5; k++)
    for (int a = 0; a < 3; a++)
      for (int p = ALL_PLUS; p <= ALL_MINUS; p++)
        for (size_t tokens = 1; tokens <= 13; tokens += 6) {
          test_case c = {.rows = 65, .columns = columns[k], .tokens = tokens,
                         .codes = (code_pattern)p, .activation = activations[a]};
          if (columns[k] > 1000) c.rows = 17;
          run_formats(kernels, c);
        }
}

// Every byte that ternary codes at 1.6 bits have, in every row.
static void test_trits(const bk_kernels *kernels) {
  uint8_t strip[BK_STRIP_ROWS], panels[BK_STRIP_PANELS][128], expected[BK_STRIP_PANELS][128];
  for (unsigned first = 0; first < 243; first++) {
    for (size_t i = 0; i < BK_STRIP_ROWS; i++) strip[i] = (uint8_t)((first + i) % 243);
    memset(panels, 0, sizeof panels);
    memset(expected, 0, sizeof expected);
    kernels->unpack[BK_TERNARY1_6](strip, 5, panels[0], sizeof panels[0]);
    bk_scalar.unpack[BK_TERNARY1_6](strip, 5, expected[0], sizeof expected[0]);
    int equal = 1;
    for (size_t p = 0; p < BK_STRIP_PANELS; p++)
      for (size_t i = 0; i < 128; i++)
        if ((i < 64 || i % 4 == 0) && panels[p][i] != expected[p][i]) equal = 0;
    record(equal, "ternary1.6: every byte");
  }
}

// Floats that a quantizer may meet; NaN and infinity now and then.
static float odd_float(void) {
  static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f};
  return random_bits() % 40 ? random_float() : special[random_bits() % 7];
}

static void test_vectors(const bk_kernels *kernels) {
  char what[100];
  for (size_t n = 0; n <= 300; n++) {
    snprintf(what, sizeof what, "%s vectors of %zu", kernels->name, n);
    guard_side side = n % 2 ? GUARD_ABOVE : GUARD_BELOW;
    guarded x = guarded_new(n * sizeof(float), side), q = guarded_new(n, side);
    float *values = x.bytes;
    int8_t expected[300];
    for (size_t i = 0; i < n; i++) values[i] = random_float() * 3;
    float scale = 127 / bk_scalar.absmax(values, n);
    if (n == 0) scale = 1;
    for (int wide = 0; wide < 2; wide++) {
      int32_t low = wide ? -128 : -127;
      int32_t sum = bk_scalar.quantize8(values, n, scale * 1.01f, low, 127, expected);
      int32_t got = kernels->quantize8(values, n, scale * 1.01f, low, 127, q.bytes);
      record(sum == got && (n == 0 || memcmp(q.bytes, expected, n) == 0), what);
    }
    double a[2], b[2];
    bk_scalar.sums(values, n, &a[0], &a[1]);
    kernels->sums(values, n, &b[0], &b[1]);
    record(memcmp(a, b, sizeof a) == 0, what);
    for (int round = 0; round < 3; round++) {
      for (size_t i = 0; round && i < n; i++) values[i] = odd_float();
      float first = bk_scalar.absmax(values, n), second = kernels->absmax(values, n);
      record(memcmp(&first, &second, 4) == 0 || (first != first && second != second), what);
    }
    guarded_free(q);
    guarded_free(x);
  }
}

static void test_encoding(const bk_kernels *kernels) {
  char what[100];
  for (size_t rows = 1; rows <= BK_PANEL_ROWS; rows += 3)
    for (size_t columns = 1; columns <= 101; columns++) {
      snprintf(what, sizeof what, "%s encode %zu x %zu", kernels->name, rows, columns);
      size_t stride = columns + random_bits() % 3, bytes = bk_panel_bytes(columns);
      guard_side side = columns % 2 ? GUARD_ABOVE : GUARD_BELOW;
      guarded weights = guarded_new(((rows - 1) * stride + columns) * sizeof(float), side);
      float parameters[BK_PANEL_ROWS];
      for (size_t r = 0; r < BK_PANEL_ROWS; r++) parameters[r] = 0.1f * (float)r;
      for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
          ((float *)weights.bytes)[r * stride + k] = odd_float();
      for (int alphabet = 0; alphabet < 2; alphabet++) {
        guarded panel = guarded_new(bytes, side);
        uint8_t *expected = malloc(bytes);
        bk_scalar.encode_panel[alphabet](weights.bytes, stride, rows, columns, parameters,
                                         expected);
        kernels->encode_panel[alphabet](weights.bytes, stride, rows, columns, parameters,
                                        panel.bytes);
        record(memcmp(panel.bytes, expected, bytes) == 0, what);
        free(expected);
        guarded_free(panel);
      }
      guarded_free(weights);
    }
}

static void test_adamw(const bk_kernels *kernels) {
  bk_adamw_constants constants = {0.5f, 0.999f, 0.1f, 0.99f, 0.01f, 3.0f, 1e-8f};
  for (size_t n = 0; n <= 40; n++) {
    guarded got[4];
    float expected[4][40];
    for (int i = 0; i < 4; i++) {
      for (size_t k = 0; k < n; k++) expected[i][k] = i == 3 ? fabsf(random_float()) : random_float();
      got[i] = copy_floats(expected[i], n, n % 2 ? GUARD_ABOVE : GUARD_BELOW);
    }
    bk_scalar.adamw(n, &constants, expected[0], expected[1], expected[2], expected[3]);
    kernels->adamw(n, &constants, got[0].bytes, got[1].bytes, got[2].bytes, got[3].bytes);
    for (int i = 0; i < 4; i++) {
      record(equal_floats(got[i].bytes, expected[i], n), "adamw");
      guarded_free(got[i]);
    }
  }
}

static int is_wanted(const char *name, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return 1;
  return count == 0;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (bk_kernels_named(argv[i])) continue;
    printf("no kernels \"%s\" on this CPU\n", argv[i]);
    return 2;
  }
  for (const char *const *name = bk_kernel_names(); *name; name++) {
    const bk_kernels *kernels = bk_kernels_named(*name);
    if (!is_wanted(*name, argc - 1, argv + 1)) continue;
    if (!kernels) {
      printf("%s: not on this CPU\n", *name);
      continue;
    }
    size_t before = passed;
    test_vectors(kernels);
    test_encoding(kernels);
    test_adamw(kernels);
    test_trits(kernels);
    test_products(kernels);
    test_extremes(kernels);
    printf("%s: %zu checks passed\n", kernels->name, passed - before);
    fflush(stdout);
  }
  printf("%zu passed, %zu failed\n", passed, failed);
  return failed > 0;
}
