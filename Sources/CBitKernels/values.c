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

BK_INLINE uint64_t checksum_step(uint64_t sum, uint64_t word) {
  sum ^= word;
  sum = sum << 29 | sum >> 35;
  sum *= 0x9e3779b97f4a7c15u;
  // A product moves no bit down: otherwise a change of the highest bits would meet those of the next
  // word, and could cancel.
  sum ^= sum >> 32;
  // Compilers would put several sums into a vector, for whose products there are no instructions.
  __asm__("" : "+r"(sum));
  return sum;
}

uint64_t bk_checksum(const uint8_t *bytes, size_t n, uint64_t start) {
  // Enough running sums that a product of each waits for none of the others.
  // The processor itself reads ahead no further than to the end of a page.
  enum { SUMS = 8, STEP = 8 * SUMS, AHEAD = 2048 };
  uint64_t sums[SUMS];
  for (uint64_t k = 0; k < SUMS; k++) sums[k] = checksum_step(start, n ^ k);
  size_t i = 0;
  for (; n - i >= STEP; i += STEP) {
    if (n - i > AHEAD) __builtin_prefetch(bytes + i + AHEAD);
    uint64_t words[SUMS];
    memcpy(words, bytes + i, STEP);
    for (int k = 0; k < SUMS; k++) sums[k] = checksum_step(sums[k], words[k]);
  }
  for (; i < n; i += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, n - i < 8 ? n - i : 8);
    sums[i / 8 % SUMS] = checksum_step(sums[i / 8 % SUMS], word);
  }
  uint64_t sum = start;
  for (int k = 0; k < SUMS; k++) sum = checksum_step(sum, checksum_step(sums[k], n));
  return sum;
}
