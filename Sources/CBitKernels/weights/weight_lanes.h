// The kernels for weights in vectors. A file that includes this has defined
//   TARGET, INLINE    the attributes of its functions,
//   VECTOR, WIDTH     a vector of floats and their number,
//   TILE_ROWS, TILE_TOKENS   the running sums that fit into its registers,
//   ONE_TOKEN_ROWS    rows of one token, more of them: each sum waits for its last product,
// and the operations load, store, multiplied, fused (a * b + c), all_floats, all_halves (one half),
// halves_at, bf16_at, bytes_at (signed bytes as floats) and total_of (16 running sums); with
// HAS_TABLES also low_looked_up and high_looked_up, the floats of a vector that the nibbles of 16
// bytes number, and sixteen_from, 16 numbers in a row.
#include "weights.h"
#include "../tiles.h"

enum { PARTS = BK_WEIGHT_LANES / WIDTH };

// Whole vectors of plain numbers of `bytes` bytes each, and then one by one.
#define PLAIN_VALUES(NAME, BYTES, VECTOR_AT, ONE)                                                \
  TARGET static void NAME(const uint8_t *bytes, size_t columns, const uint8_t *ahead,            \
                          float *values) {                                                       \
    size_t c = 0;                                                                                \
    for (; c + 64 / BYTES <= columns; c += 64 / BYTES) {                                         \
      bk_prefetch((const uint8_t *)((uintptr_t)ahead + BYTES * c), 64);                          \
      for (size_t i = c; i < c + 64 / BYTES; i += WIDTH)                                         \
        store(values + i, VECTOR_AT(bytes + BYTES * i));                                         \
    }                                                                                            \
    bk_scalar_weights.values[ONE](bytes + BYTES * c, columns - c, NULL, values + c);             \
  }

INLINE VECTOR floats_at(const uint8_t *bytes) { return load((const float *)(const void *)bytes); }

PLAIN_VALUES(f32_values, 4, floats_at, BK_F32)
PLAIN_VALUES(f16_values, 2, halves_at, BK_F16)
PLAIN_VALUES(bf16_values, 2, bf16_at, BK_BF16)

// codes * scale
INLINE void scaled(const int8_t *codes, size_t n, VECTOR scale, float *values) {
  UNROLL for (size_t i = 0; i < n; i += WIDTH)
    store(values + i, multiplied(bytes_at(codes + i), scale));
}

TARGET static void q8_0_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  for (size_t c = 0; c < columns; c += 32, bytes += 34) {
    bk_prefetch(ahead + 34 * c / 32, 34);
    scaled((const int8_t *)bytes + 2, 32, all_halves(bytes), values + c);
  }
}

#if HAS_TABLES
// The 32 numbers of 16 bytes of nibbles, low ones first, of which there are 16.
INLINE void looked_up_nibbles(const uint8_t *bytes, VECTOR table, float *values) {
  store(values, low_looked_up(table, bytes));
  store(values + 16, high_looked_up(table, bytes));
}

// The numbers that nibbles stand for: scale * (0 - 8) ... scale * (15 - 8).
INLINE VECTOR q4_0_table(const uint8_t *block) {
  return multiplied(load(sixteen_from(-8)), all_halves(block));
}
INLINE VECTOR q4_1_table(const uint8_t *block) {
  return fused(load(sixteen_from(0)), all_halves(block), all_halves(block + 2));
}

TARGET static void q4_0_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  for (size_t c = 0; c < columns; c += 32, bytes += 18) {
    bk_prefetch(ahead + 18 * c / 32, 18);
    looked_up_nibbles(bytes + 2, q4_0_table(bytes), values + c);
  }
}

// The products are exact, so fusing changes nothing.
TARGET static void q4_1_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  for (size_t c = 0; c < columns; c += 32, bytes += 20) {
    bk_prefetch(ahead + 20 * c / 32, 20);
    looked_up_nibbles(bytes + 4, q4_1_table(bytes), values + c);
  }
}
#else
TARGET static void q4_0_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  int8_t codes[32];
  for (size_t c = 0; c < columns; c += 32, bytes += 18) {
    bk_prefetch(ahead + 18 * c / 32, 18);
    bk_nibbles(bytes + 2, 8, codes);
    scaled(codes, 32, all_halves(bytes), values + c);
  }
}

// The products are exact, so fusing changes nothing.
TARGET static void q4_1_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  int8_t codes[32];
  for (size_t c = 0; c < columns; c += 32, bytes += 20) {
    bk_prefetch(ahead + 20 * c / 32, 20);
    bk_nibbles(bytes + 4, 0, codes);
    VECTOR scale = all_halves(bytes), least = all_halves(bytes + 2);
    UNROLL for (size_t i = 0; i < 32; i += WIDTH)
      store(values + c + i, fused(bytes_at(codes + i), scale, least));
  }
}

#endif

TARGET static void q6_k_values(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                               float *values) {
  int8_t codes[256];
  float scales[16];
  for (size_t c = 0; c < columns; c += 256, bytes += BK_Q6_K_BYTES) {
    bk_prefetch(ahead + BK_Q6_K_BYTES * c / 256, BK_Q6_K_BYTES);
    bk_q6_codes(bytes, codes);
    scaled((const int8_t *)bytes + 192, 16, all_halves(bytes + 208), scales);
    for (size_t i = 0; i < 16; i++)
      scaled(codes + 16 * i, 16, all_floats(scales[i]), values + c + 16 * i);
  }
}

// Whole steps of 16 columns of `rows` rows and `tokens` tokens.
INLINE void multiply_tile(const float *weights, size_t columns, const float *x, size_t x_stride,
                          float *lanes, const size_t rows, const size_t tokens) {
  VECTOR sums[TILE_TOKENS][BK_WEIGHT_ROWS][PARTS];
  UNROLL for (size_t t = 0; t < tokens; t++)
    UNROLL for (size_t r = 0; r < rows; r++)
      UNROLL for (size_t p = 0; p < PARTS; p++)
        sums[t][r][p] = load(lanes + BK_WEIGHT_LANES * (BK_WEIGHT_ROWS * t + r) + WIDTH * p);
  for (size_t c = 0; c + BK_WEIGHT_LANES <= columns; c += BK_WEIGHT_LANES) {
    UNROLL for (size_t p = 0; p < PARTS; p++) {
      VECTOR w[BK_WEIGHT_ROWS];
      UNROLL for (size_t r = 0; r < rows; r++)
        w[r] = load(weights + r * BK_WEIGHT_COLUMNS + c + WIDTH * p);
      UNROLL for (size_t t = 0; t < tokens; t++) {
        VECTOR v = load(x + t * x_stride + c + WIDTH * p);
        UNROLL for (size_t r = 0; r < rows; r++)
          sums[t][r][p] = fused(w[r], v, sums[t][r][p]);
      }
    }
  }
  UNROLL for (size_t t = 0; t < tokens; t++)
    UNROLL for (size_t r = 0; r < rows; r++)
      UNROLL for (size_t p = 0; p < PARTS; p++)
        store(lanes + BK_WEIGHT_LANES * (BK_WEIGHT_ROWS * t + r) + WIDTH * p, sums[t][r][p]);
}

INLINE void multiply_rows(const float *weights, size_t columns, const float *x, size_t x_stride,
                          float *lanes, const size_t rows, const size_t tokens) {
  for (size_t r = 0; r < BK_WEIGHT_ROWS; r += rows)
    multiply_tile(weights + r * BK_WEIGHT_COLUMNS, columns, x, x_stride,
                  lanes + BK_WEIGHT_LANES * r, rows, tokens);
}

// The columns that are no whole step.
TARGET static void multiply_rest(const float *weights, size_t columns, const float *x,
                                 size_t x_stride, size_t tokens, float *lanes) {
  size_t first = columns / BK_WEIGHT_LANES * BK_WEIGHT_LANES;
  for (size_t t = 0; t < tokens; t++)
    for (size_t r = 0; r < BK_WEIGHT_ROWS; r++, lanes += BK_WEIGHT_LANES)
      for (size_t c = first; c < columns; c++)
        lanes[c - first] = __builtin_fmaf(weights[r * BK_WEIGHT_COLUMNS + c], x[t * x_stride + c],
                                          lanes[c - first]);
}

TARGET static void multiply(const float *weights, size_t columns, const float *x, size_t x_stride,
                            size_t tokens, float *lanes) {
  for (size_t t = 0; t < tokens; t += TILE_TOKENS) {
    const float *from = x + t * x_stride;
    float *to = lanes + BK_WEIGHT_LANES * BK_WEIGHT_ROWS * t;
    switch (tokens - t) {
      case 1: multiply_rows(weights, columns, from, x_stride, to, ONE_TOKEN_ROWS, 1); break;
      case 2: multiply_rows(weights, columns, from, x_stride, to, TILE_ROWS, 2); break;
#if TILE_TOKENS > 3
      case 3: multiply_rows(weights, columns, from, x_stride, to, TILE_ROWS, 3); break;
      case 4: multiply_rows(weights, columns, from, x_stride, to, TILE_ROWS, 4); break;
      case 5: multiply_rows(weights, columns, from, x_stride, to, TILE_ROWS, 5); break;
#endif
      default: multiply_rows(weights, columns, from, x_stride, to, TILE_ROWS, TILE_TOKENS); break;
    }
  }
  if (columns % BK_WEIGHT_LANES) multiply_rest(weights, columns, x, x_stride, tokens, lanes);
}

TARGET static void totals(const float *lanes, size_t rows, const float *bias, float *y) {
  for (size_t r = 0; r < rows; r++) {
    float total = total_of(lanes + BK_WEIGHT_LANES * r);
    y[r] = bias ? total + bias[r] : total;
  }
}

#define LANE_MEMBERS                                                                             \
  .values = {f32_values, f16_values, bf16_values, q8_0_values, q4_0_values, q4_1_values,         \
             q6_k_values},                                                                       \
  .multiply = multiply, .totals = totals
