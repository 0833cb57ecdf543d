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

void bk_widen_halves(const uint16_t *halves, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = bk_half(halves[i]);
}

// The half with a finite float's value, if there is one; something else if not.
static uint16_t half_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  int exponent = (int)(bits >> 23 & 255) - 127;
  uint32_t significand = (bits & 0x7fffff) | 0x800000;
  if (exponent < -24 || exponent > 15) return sign;
  if (exponent < -14) return (uint16_t)(sign | significand >> (-1 - exponent));
  return (uint16_t)(sign | (uint32_t)(exponent + 15) << 10 | (significand >> 13 & 0x3ff));
}

int bk_narrow_to_halves(const float *values, size_t n, uint16_t *halves) {
  for (size_t i = 0; i < n; i++) {
    halves[i] = half_of(values[i]);
    float back = bk_half(halves[i]);
    if (memcmp(&back, values + i, 4) != 0) return 0;
  }
  return 1;
}
