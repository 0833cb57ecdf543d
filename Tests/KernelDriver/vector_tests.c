// Element-wise kernels: floats to codes, sums, the float part of a product, AdamW. All must equal
// the scalar ones bit for bit.
#include "checks.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static guard_side side_of(size_t n) { return n % 2 ? GUARD_ABOVE : GUARD_BELOW; }

static void test_quantizing(const bk_kernels *kernels, float *values, size_t n, const char *what) {
  // Numbers halfway between two integers show how ties are rounded.
  for (size_t i = 0; i < n; i++)
    values[i] = i % 3 ? random_float() * 3 : (float)((int)random_below(511) - 255) / 2;
  float largest = bk_scalar.absmax(values, n);
  for (int round = 0; round < 3; round++) {
    float scale = round == 0 || largest == 0 ? 1 : (round == 1 ? 127 : 128.5f) / largest;
    int32_t low = round == 1 ? -127 : -128;
    guarded q = guarded_new(n, side_of(n), random_below(32));
    int8_t expected[300];
    int32_t sum = bk_scalar.quantize8(values, n, scale, low, 127, expected);
    int32_t got = kernels->quantize8(values, n, scale, low, 127, q.bytes);
    record(sum == got && (n == 0 || memcmp(q.bytes, expected, n) == 0), what);
    guarded_free(q);
  }
}

static void test_sums(const bk_kernels *kernels, float *values, size_t n, const char *what) {
  double expected[2], got[2];
  bk_scalar.sums(values, n, &expected[0], &expected[1]);
  kernels->sums(values, n, &got[0], &got[1]);
  record(memcmp(expected, got, sizeof got) == 0, what);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; round && i < n; i++) values[i] = odd_float();
    float first = bk_scalar.absmax(values, n), second = kernels->absmax(values, n);
    record(memcmp(&first, &second, 4) == 0 || (isnan(first) && isnan(second)), what);
  }
}

static void test_block_sums(const bk_kernels *kernels) {
  static const int extremes[] = {0, 127, -128};
  for (size_t block = 32; block <= 512; block += 32)
    for (size_t blocks = 0; blocks < 4; blocks++)
      for (int e = 0; e < 3; e++) {
        guarded q = guarded_new(block * blocks, side_of(block / 32), random_below(32));
        guarded got = guarded_new(blocks * sizeof(int32_t), side_of(e), 0);
        int8_t *codes = q.bytes;
        for (size_t i = 0; i < block * blocks; i++)
          codes[i] = (int8_t)(e ? extremes[e] : (int)random_below(256) - 128);
        int32_t expected[4] = {0};
        for (size_t i = 0; i < block * blocks; i++) expected[i / block] += codes[i];
        kernels->block_sums(codes, block, blocks, got.bytes);
        record(blocks == 0 || memcmp(expected, got.bytes, blocks * sizeof *expected) == 0,
               "block sums");
        guarded_free(got);
        guarded_free(q);
      }
}

static void test_finishing(const bk_kernels *kernels) {
  for (size_t n = 0; n <= 70; n++)
    for (int has_bias = 0; has_bias < 2; has_bias++) {
      guard_side side = side_of(n);
      guarded sums = new_floats(n, side), scales = new_floats(n, side), bias = new_floats(n, side);
      guarded totals = new_floats(n, side), got[2] = {new_floats(n, side), new_floats(n, side)};
      int32_t offset = (int32_t)random_bits() % 100000;
      float inverse = random_float(), expected[2][70];
      const float *bias_bytes = has_bias ? bias.bytes : NULL;
      for (size_t i = 0; i < n; i++) {
        ((int32_t *)sums.bytes)[i] = (int32_t)random_bits() % 1000000;
        ((float *)scales.bytes)[i] = random_float();
        ((float *)bias.bytes)[i] = random_float();
        ((float *)totals.bytes)[i] = random_float();
      }
      bk_scalar.finish(sums.bytes, n, offset, scales.bytes, inverse, bias_bytes, expected[0]);
      kernels->finish(sums.bytes, n, offset, scales.bytes, inverse, bias_bytes, got[0].bytes);
      const float *own = random_below(2) ? scales.bytes : NULL;
      bk_scalar.finish_scaled(totals.bytes, n, own, inverse, bias_bytes, expected[1]);
      kernels->finish_scaled(totals.bytes, n, own, inverse, bias_bytes, got[1].bytes);
      for (int i = 0; i < 2; i++) {
        record(equal_floats(got[i].bytes, expected[i], n), "the float part of a product");
        guarded_free(got[i]);
      }
      guarded_free(totals);
      guarded_free(bias);
      guarded_free(scales);
      guarded_free(sums);
    }
}

static void test_adamw(const bk_kernels *kernels) {
  bk_adamw_constants constants = {0.5f, 0.999f, 0.1f, 0.99f, 0.01f, 3.0f, 1e-8f};
  for (size_t n = 0; n <= 40; n++) {
    guarded got[4];
    float expected[4][40];
    for (int i = 0; i < 4; i++) {
      got[i] = new_floats(n, side_of(n));
      for (size_t k = 0; k < n; k++)
        expected[i][k] = i == 3 ? fabsf(random_float()) : random_float();
      if (n > 0) memcpy(got[i].bytes, expected[i], n * sizeof(float));
    }
    bk_scalar.training->adamw(n, &constants, expected[0], expected[1], expected[2], expected[3]);
    kernels->training->adamw(n, &constants, got[0].bytes, got[1].bytes, got[2].bytes,
                             got[3].bytes);
    for (int i = 0; i < 4; i++) {
      record(equal_floats(got[i].bytes, expected[i], n), "adamw");
      guarded_free(got[i]);
    }
  }
}

// The kernels that benchmarks measure the machine with.
static void test_peak(const bk_kernels *kernels) {
  for (size_t size = 0; size <= 2048; size += 256) {
    guarded memory = guarded_new(size, side_of(size / 256), random_below(32));
    for (size_t i = 0; i < size; i++) ((uint8_t *)memory.bytes)[i] = (uint8_t)random_bits();
    record(kernels->peak->read_all(memory.bytes, size) ==
               bk_scalar.peak->read_all(memory.bytes, size),
           "reading all of a buffer");
    guarded_free(memory);
  }
  int32_t sink = 1;
  uint64_t once = kernels->peak->dot_product(1, &sink);
  record(once > 0 && kernels->peak->dot_product(7, &sink) == 7 * once, "counting multiplications");
}

// All of them, infinities and NaN included.
static void test_halves(void) {
  int equal = 1;
  for (uint32_t half = 0; half <= UINT16_MAX; half++) {
    float expected = half_value((uint16_t)half), got = bk_half((uint16_t)half);
    if (!equal_floats(&got, &expected, 1) && !(isnan(got) && isnan(expected))) equal = 0;
  }
  record(equal, "half precision floats");
}

void test_vectors(const bk_kernels *kernels) {
  char what[100];
  test_halves();
  for (size_t n = 0; n <= 300; n++) {
    snprintf(what, sizeof what, "%s vectors of %zu", kernels->name, n);
    guarded values = new_floats(n, side_of(n));
    test_quantizing(kernels, values.bytes, n, what);
    test_sums(kernels, values.bytes, n, what);
    guarded_free(values);
  }
  test_block_sums(kernels);
  test_finishing(kernels);
  test_adamw(kernels);
  test_peak(kernels);
}

void test_encoding(const bk_kernels *kernels) {
  char what[100];
  for (size_t rows = 1; rows <= BK_PANEL_ROWS; rows += 3)
    for (size_t columns = 1; columns <= 101; columns++) {
      snprintf(what, sizeof what, "%s encode %zu x %zu", kernels->name, rows, columns);
      size_t stride = columns + random_below(3), bytes = bk_panel_bytes(columns);
      guard_side side = side_of(columns);
      guarded weights = new_floats((rows - 1) * stride + columns, side);
      float parameters[BK_PANEL_ROWS];
      for (size_t r = 0; r < BK_PANEL_ROWS; r++) parameters[r] = 0.1f * (float)r;
      for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
          // Some on a threshold: half of a scale, or the mean itself.
          ((float *)weights.bytes)[r * stride + k] =
              random_below(8)   ? odd_float()
              : random_below(2) ? parameters[r]
                                : copysignf(0.5f / parameters[r], random_float());
      for (int alphabet = 0; alphabet < 2; alphabet++) {
        guarded panel = guarded_new(bytes, side, random_below(32));
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
