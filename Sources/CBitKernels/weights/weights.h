// What the files of kernels for weights share: the codes of blocks, and the lines to prefetch.
#ifndef BITKERNELS_WEIGHTS_H
#define BITKERNELS_WEIGHTS_H

#include "../include/bitweights.h"
#include "../internal.h"

enum { BK_WEIGHT_LANES = 16, BK_Q6_K_BYTES = 210 };

BK_INLINE float bk_half_at(const uint8_t *bytes) {
  return bk_half((uint16_t)(bytes[0] | bytes[1] << 8));
}

BK_INLINE void bk_prefetch(const uint8_t *address, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64)
    __builtin_prefetch((const void *)((uintptr_t)address + i));
}

// The 32 codes of 16 bytes of nibbles, low ones first, less an offset.
BK_INLINE void bk_nibbles(const uint8_t *bytes, int offset, int8_t *codes) {
  for (int i = 0; i < 16; i++) codes[i] = (int8_t)((bytes[i] & 15) - offset);
  for (int i = 0; i < 16; i++) codes[16 + i] = (int8_t)((bytes[i] >> 4) - offset);
}

// The 256 codes of a block of BK_Q6_K.
BK_INLINE void bk_q6_codes(const uint8_t *block, int8_t *codes) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half;
    int8_t *out = codes + 128 * half;
    for (int i = 0; i < 32; i++) {
      out[i] = (int8_t)(((low[i] & 15) | (high[i] & 3) << 4) - 32);
      out[i + 32] = (int8_t)(((low[i + 32] & 15) | (high[i] >> 2 & 3) << 4) - 32);
      out[i + 64] = (int8_t)((low[i] >> 4 | (high[i] >> 4 & 3) << 4) - 32);
      out[i + 96] = (int8_t)((low[i + 32] >> 4 | high[i] >> 6 << 4) - 32);
    }
  }
}

// See `lengths` in bitweights.h: compilers make vectors of it in each set's own width.
BK_INLINE void bk_lengths(const float *w, const int8_t *q, size_t n, float scale, double *residual,
                          double *length) {
  double errors[8] = {0}, squares[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t l = 0; l < 8; l++) {
      double code = q[i + l], error = w[i + l] - scale * code;
      errors[l] += error * error;
      squares[l] += code * code;
    }
  for (; i < n; i++) {
    double code = q[i], error = w[i] - scale * code;
    errors[i % 8] += error * error;
    squares[i % 8] += code * code;
  }
  *residual = bk_lane_total(errors);
  *length = bk_lane_total(squares);
}

#endif
