// The reference of the kernels for weights.
#include "weights.h"
#include <math.h>

static void f32_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead, float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    uint32_t bits = bytes[4 * c] | (uint32_t)bytes[4 * c + 1] << 8 |
                    (uint32_t)bytes[4 * c + 2] << 16 | (uint32_t)bytes[4 * c + 3] << 24;
    memcpy(values + c, &bits, 4);
  }
}

static void f16_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead, float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) values[c] = bk_half_at(bytes + 2 * c);
}

static void bf16_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                        float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    uint32_t bits = (uint32_t)bytes[2 * c] << 16 | (uint32_t)bytes[2 * c + 1] << 24;
    memcpy(values + c, &bits, 4);
  }
}

static void q8_0_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                        float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    const uint8_t *block = bytes + c / 32 * 34;
    values[c] = bk_half_at(block) * (float)(int8_t)block[2 + c % 32];
  }
}

static void q4_0_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                        float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    const uint8_t *block = bytes + c / 32 * 18;
    int q = block[2 + c % 16] >> (c % 32 < 16 ? 0 : 4) & 15;
    values[c] = bk_half_at(block) * (float)(q - 8);
  }
}

static void q4_1_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                        float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    const uint8_t *block = bytes + c / 32 * 20;
    int q = block[4 + c % 16] >> (c % 32 < 16 ? 0 : 4) & 15;
    values[c] = bk_half_at(block) * (float)q + bk_half_at(block + 2);
  }
}

static void q6_k_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                        float *values) {
  (void)ahead;
  for (size_t c = 0; c < columns; c++) {
    const uint8_t *block = bytes + c / 256 * BK_Q6_K_BYTES;
    size_t half = c % 256 / 128, k = c % 128 / 32, i = c % 32;
    int low = block[64 * half + 32 * (k % 2) + i] >> (k < 2 ? 0 : 4) & 15;
    int high = block[128 + 32 * half + i] >> (2 * k) & 3;
    float scale = bk_half_at(block + 208) * (float)(int8_t)block[192 + c % 256 / 16];
    values[c] = scale * (float)((low | high << 4) - 32);
  }
}

static void multiply(const float *weights, size_t columns, const float *x, size_t x_stride,
                     size_t tokens, float *lanes) {
  for (size_t t = 0; t < tokens; t++)
    for (size_t r = 0; r < BK_WEIGHT_ROWS; r++, lanes += BK_WEIGHT_LANES)
      for (size_t c = 0; c < columns; c++)
        lanes[c % BK_WEIGHT_LANES] = fmaf(weights[r * BK_WEIGHT_COLUMNS + c], x[t * x_stride + c],
                                          lanes[c % BK_WEIGHT_LANES]);
}

static void totals(const float *lanes, size_t rows, const float *bias, float *y) {
  for (size_t r = 0; r < rows; r++) {
    float s[BK_WEIGHT_LANES];
    memcpy(s, lanes + BK_WEIGHT_LANES * r, sizeof s);
    for (size_t apart = BK_WEIGHT_LANES / 2; apart > 0; apart /= 2)
      for (size_t l = 0; l < apart; l++) s[l] = s[l] + s[l + apart];
    y[r] = bias ? s[0] + bias[r] : s[0];
  }
}

static void lengths(const float *w, const int8_t *q, size_t n, float scale, double *residual,
                    double *length) {
  bk_lengths(w, q, n, scale, residual, length);
}

static void screen(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                   const int8_t *low, int32_t *sums) {
  memset(sums, 0, 32 * panels * sizeof *sums);
  for (size_t p = 0; p < panels; p++, sums += 32)
    for (size_t k = 0; k < quads; k++)
      for (size_t r = 0; r < BK_PANEL_ROWS; r++, codes += 4)
        for (size_t j = 0; j < 4; j++) {
          sums[r] += codes[j] * high[4 * k + j];
          sums[16 + r] += codes[j] * low[4 * k + j];
        }
}

const bk_weight_kernels bk_scalar_weights = {
    .values = {f32_values, f16_values, bf16_values, q8_0_values, q4_0_values, q4_1_values,
               q6_k_values},
    .multiply = multiply,
    .totals = totals,
    .lengths = lengths,
    .screen = screen,
};
