// Element-wise rules that need no hand-written vector code: compilers vectorize these loops.
#include "internal.h"

void bk_ternary_values(const float *weights, size_t n, float inverse_scale, float scale,
                       float *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = (float)bk_ternary_code(weights[i], inverse_scale) * scale;
}

void bk_sign_values(const float *weights, size_t n, float mean, float scale, float *out) {
  for (size_t i = 0; i < n; i++)
    out[i] = (float)(2 * bk_sign_code(weights[i], mean) - 1) * scale;
}

void bk_bf16_values(const float *x, size_t n, uint16_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = bk_bf16(x[i]);
}

void bk_quantize16(const float *x, size_t n, float scale, int32_t low, int32_t high, int16_t *q) {
  for (size_t i = 0; i < n; i++)
    q[i] = (int16_t)bk_clamp((int32_t)bk_round(x[i] * scale), low, high);
}

void bk_dequantize8(const int8_t *q, size_t n, float scale, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = (float)q[i] / scale;
}

void bk_dequantize16(const int16_t *q, size_t n, float scale, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = (float)q[i] / scale;
}
