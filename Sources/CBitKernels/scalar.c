// The reference: plain C that every other kernel file must equal bit for bit.
#include "internal.h"
#include <math.h>

static float absmax(const float *x, size_t n) {
  // The bits of |x| order as |x| does; NaN and infinity come last.
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  if (largest >= 0x7f800000) largest = 0x7fc00000;
  float result;
  memcpy(&result, &largest, 4);
  return result;
}

static int32_t quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                         int8_t *q) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    int32_t v = bk_clamp((int32_t)bk_round(x[i] * scale), low, high);
    q[i] = (int8_t)v;
    sum += v;
  }
  return sum;
}

static void sums(const float *x, size_t n, double *sum, double *absolute_sum) {
  double lanes[8] = {0}, absolute_lanes[8] = {0};
  for (size_t i = 0; i < n; i++) {
    double v = x[i];
    lanes[i % 8] += v;
    absolute_lanes[i % 8] += v < 0 ? -v : v;
  }
  *sum = bk_lane_total(lanes);
  *absolute_sum = bk_lane_total(absolute_lanes);
}

void bk_encode_columns_ternary(const float *weights, size_t stride, size_t rows, size_t first,
                               size_t columns, const float *parameters, uint8_t *panel) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = first; c < columns; c++)
      panel[32 * (c / 4) + 4 * r + c % 4] =
          (uint8_t)(1 + bk_ternary_code(weights[r * stride + c], parameters[r]));
}

void bk_encode_columns_sign(const float *weights, size_t stride, size_t rows, size_t first,
                            size_t columns, const float *parameters, uint8_t *panel) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = first; c < columns; c++)
      panel[32 * (c / 4) + 4 * r + c % 4] =
          (uint8_t)bk_sign_code(weights[r * stride + c], parameters[r]);
}

static void encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                           const float *parameters, uint8_t *panel) {
  memset(panel, 0, bk_panel_bytes(columns, 8));
  bk_encode_columns_ternary(weights, stride, rows, 0, columns, parameters, panel);
}

static void encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                        const float *parameters, uint8_t *panel) {
  memset(panel, 0, bk_panel_bytes(columns, 8));
  bk_encode_columns_sign(weights, stride, rows, 0, columns, parameters, panel);
}

static void unpack2(const uint8_t *packed, size_t blocks, uint8_t *codes) {
  for (size_t b = 0; b < blocks; b++)
    for (size_t n = 0; n < 4; n++)
      for (size_t i = 0; i < 32; i++)
        codes[128 * b + 32 * n + i] = (packed[32 * b + i] >> (2 * n)) & 3;
}

static void unpack1(const uint8_t *packed, size_t blocks, uint8_t *codes) {
  for (size_t b = 0; b < blocks; b++)
    for (size_t n = 0; n < 8; n++)
      for (size_t i = 0; i < 32; i++)
        codes[256 * b + 32 * n + i] = (packed[32 * b + i] >> n) & 1;
}

static void multiply_block(const uint8_t *const *panels, size_t panel_count, size_t quads,
                           const int8_t *q, size_t stride, size_t tokens, int32_t *sums) {
  for (size_t t = 0; t < tokens; t++)
    for (size_t p = 0; p < panel_count; p++)
      for (size_t k = 0; k < quads; k++)
        for (size_t r = 0; r < BK_PANEL_ROWS; r++) {
          const uint8_t *code = panels[p] + 32 * k + 4 * r;
          const int8_t *x = q + t * stride + 4 * k;
          sums[t * BK_SUM_STRIDE + BK_PANEL_ROWS * p + r] +=
              code[0] * x[0] + code[1] * x[1] + code[2] * x[2] + code[3] * x[3];
        }
}

static void multiply_token(const uint8_t *packed, size_t panel_count, size_t blocks,
                           const int8_t *q, int32_t *sums, int bits) {
  size_t parts = 8 / (size_t)bits;
  unsigned mask = (1u << bits) - 1;
  for (size_t p = 0; p < panel_count; p++)
    for (size_t r = 0; r < BK_PANEL_ROWS; r++) {
      int32_t sum = 0;
      for (size_t b = 0; b < blocks; b++)
        for (size_t n = 0; n < parts; n++)
          for (size_t j = 0; j < 4; j++) {
            unsigned byte = packed[32 * (p * blocks + b) + 4 * r + j];
            sum += (int32_t)(byte >> (n * (size_t)bits) & mask) * q[4 * (b * parts + n) + j];
          }
      sums[BK_PANEL_ROWS * p + r] = sum;
    }
}

static void multiply_token2(const uint8_t *packed, size_t panel_count, size_t blocks,
                            const int8_t *q, int32_t *sums) {
  multiply_token(packed, panel_count, blocks, q, sums, 2);
}

static void multiply_token1(const uint8_t *packed, size_t panel_count, size_t blocks,
                            const int8_t *q, int32_t *sums) {
  multiply_token(packed, panel_count, blocks, q, sums, 1);
}

static uint64_t read_all(const uint8_t *memory, size_t bytes) {
  uint64_t words[4] = {0};
  for (size_t i = 0; i < bytes; i += 32)
    for (size_t l = 0; l < 4; l++) {
      uint64_t word;
      memcpy(&word, memory + i + 8 * l, 8);
      words[l] ^= word;
    }
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

static uint64_t dot_product_peak(size_t rounds, int32_t *sink) {
  int32_t sums[8] = {0};
  int32_t code = *sink | 1;
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++) sums[l] += code * (l + 1);
    // The compiler must not do the rounds at once.
    __asm__ volatile("" : "+r"(code));
  }
  for (int l = 0; l < 8; l++) *sink += sums[l];
  return 8 * (uint64_t)rounds;
}

static void adamw(size_t n, const bk_adamw_constants *c, const float *g, float *p, float *m,
                  float *v) {
  for (size_t i = 0; i < n; i++) {
    float s = g[i] * c->scale;
    m[i] = m[i] + c->keep1 * (s - m[i]);
    v[i] = c->keep2 * v[i] + (1 - c->keep2) * s * s;
    p[i] = p[i] * c->decay - c->rate * m[i] / (sqrtf(v[i]) * c->inverse_root + c->epsilon);
  }
}

const bk_kernels bk_scalar = {
    .name = "scalar",
    .absmax = absmax,
    .quantize8 = quantize8,
    .sums = sums,
    .encode_panel = {encode_ternary, encode_sign},
    .unpack2 = unpack2,
    .unpack1 = unpack1,
    .multiply_block = multiply_block,
    .multiply_token2 = multiply_token2,
    .multiply_token1 = multiply_token1,
    .read_all = read_all,
    .dot_product_peak = dot_product_peak,
    .adamw = adamw,
};
