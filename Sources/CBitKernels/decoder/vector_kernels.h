// The kernels of decoders over 16 lanes, for any width of vectors. Equals scalar_decoder.c bit for
// bit. Included once by a file that first defines:
//   TARGET        the attribute of its functions;
//   lanes         the type of 16 floats;
//   zero_lanes(), all_lanes(x), load_lanes(p), store_lanes(p, v);
//   load_some(p, n), store_some(p, v, n)  the first n lanes, 0 < n < 16; the others become zeros;
//   load_halves(p), load_bytes(p)   lanes from half precision floats and from signed bytes;
//   store_halves(p, v)              half precision floats, half to even;
//   added(a, b), subtracted(a, b), multiplied(a, b), divided(a, b);
//   fused(a, b, c)                  a * b + c, rounded once;
//   larger(a, b)                    NaN if one of them is; any of two zeros;
//   bounded(x, low, high)           NaN stays;
//   scaled_by_power(p, n)           p * 2^n for integers n from -151 to 129, rounded once; if p is
//                                   NaN, n may be too;
//   only_first(v, n, other)         the first n lanes of v, and other's after them;
//   TILE_ROWS, TILE_SUMS, MOST_BLOCKS, VALUE_POSITIONS, for attend.h, which this includes.
#include "../tiles.h"
#include "decoder.h"

#define LANES_INLINE static inline __attribute__((always_inline)) TARGET

// Does something to the `count` lanes from index i on, for all of N numbers; LOAD and STORE are for
// use in there.
#define LOAD(p) (count == BK_FLOAT_LANES ? load_lanes((p) + i) : load_some((p) + i, count))
#define STORE(p, v)                                                                              \
  (count == BK_FLOAT_LANES ? store_lanes((p) + i, v) : store_some((p) + i, v, count))
#define FOR_LANES(N, ...)                                                                        \
  do {                                                                                           \
    size_t i = 0;                                                                                \
    for (; i + BK_FLOAT_LANES <= (N); i += BK_FLOAT_LANES) {                                     \
      const size_t count = BK_FLOAT_LANES;                                                       \
      __VA_ARGS__                                                                                \
    }                                                                                            \
    if (i < (N)) {                                                                               \
      const size_t count = (N) - i;                                                              \
      __VA_ARGS__                                                                                \
    }                                                                                            \
  } while (0)

LANES_INLINE float lanes_total(lanes v) {
  float numbers[BK_FLOAT_LANES];
  store_lanes(numbers, v);
  return bk_lanes_total(numbers);
}

LANES_INLINE float lanes_largest(lanes v) {
  float numbers[BK_FLOAT_LANES];
  store_lanes(numbers, v);
  return bk_lanes_largest(numbers);
}

// As bk_exp.
LANES_INLINE lanes exponential(lanes x) {
  x = bounded(x, BK_EXP_LOW, BK_EXP_HIGH);
  lanes n = fused(x, all_lanes(BK_LOG2_E), all_lanes(BK_ROUNDER));
  n = subtracted(n, all_lanes(BK_ROUNDER));
  lanes r = fused(n, all_lanes(-BK_LN2_HIGH), x);
  r = fused(n, all_lanes(-BK_LN2_LOW), r);
  lanes p = fused(all_lanes(BK_EXP_6), r, all_lanes(BK_EXP_5));
  p = fused(p, r, all_lanes(BK_EXP_4));
  p = fused(p, r, all_lanes(BK_EXP_3));
  p = fused(p, r, all_lanes(BK_EXP_2));
  p = fused(p, r, all_lanes(1));
  p = fused(p, r, all_lanes(1));
  return scaled_by_power(p, n);
}

// Up to 16 of n numbers from index i on, or the lanes `others` in place of those that do not exist.
LANES_INLINE lanes load_or(const float *x, size_t n, size_t i, lanes others) {
  if (i >= n) return others;
  size_t left = n - i;
  return left >= BK_FLOAT_LANES ? load_lanes(x + i)
                                : only_first(load_some(x + i, left), left, others);
}

TARGET static void rms_norm(const float *x, size_t n, float epsilon, const float *weight,
                            float *y) {
  // Four vectors, because a sum waits for the one before.
  lanes sum[4];
  UNROLL for (int l = 0; l < 4; l++) sum[l] = zero_lanes();
  size_t whole = n / (4 * BK_FLOAT_LANES) * (4 * BK_FLOAT_LANES);
  for (size_t i = 0; i < whole; i += 4 * BK_FLOAT_LANES)
    UNROLL for (size_t l = 0; l < 4; l++) {
      lanes v = load_lanes(x + i + BK_FLOAT_LANES * l);
      sum[l] = fused(v, v, sum[l]);
    }
  UNROLL for (size_t l = 0; l < 4; l++) {
    lanes v = load_or(x, n, whole + BK_FLOAT_LANES * l, zero_lanes());
    sum[l] = fused(v, v, sum[l]);
  }
  lanes squares = added(added(sum[0], sum[2]), added(sum[1], sum[3]));
  lanes inverse = all_lanes(bk_inverse_root(lanes_total(squares), n, epsilon));
  if (weight)
    FOR_LANES(n, STORE(y, multiplied(multiplied(LOAD(x), inverse), LOAD(weight))););
  else
    FOR_LANES(n, STORE(y, multiplied(LOAD(x), inverse)););
}

// The pairs of a head that lie side by side; y is not x.
LANES_INLINE void rotate_pairs(const float *restrict x, size_t half, const float *restrict cosines,
                               const float *restrict sines, float *restrict y) {
  for (size_t i = 0; i < half; i++) {
    float first = x[2 * i], second = x[2 * i + 1];
    y[i] = first * cosines[i] - second * sines[i];
    y[i + half] = second * cosines[i] + first * sines[i];
  }
}

TARGET static void rotate(const float *x, size_t length, size_t half, const float *cosines,
                          const float *sines, int interleaved, float *y) {
  if (interleaved)
    rotate_pairs(x, half, cosines, sines, y);
  else
    FOR_LANES(half, {
      lanes first = LOAD(x), second = LOAD(x + half), c = LOAD(cosines), s = LOAD(sines);
      STORE(y, subtracted(multiplied(first, c), multiplied(second, s)));
      STORE(y + half, added(multiplied(second, c), multiplied(first, s)));
    });
  if (x != y && length > 2 * half)
    memcpy(y + 2 * half, x + 2 * half, (length - 2 * half) * sizeof *y);
}

TARGET static void gate_silu(const float *g, const float *up, size_t n, float *out) {
  FOR_LANES(n, {
    lanes v = LOAD(g);
    lanes divisor = added(all_lanes(1), exponential(subtracted(zero_lanes(), v)));
    STORE(out, multiplied(divided(v, divisor), LOAD(up)));
  });
}

TARGET static void gate_squared_relu(const float *g, const float *up, size_t n, float *out) {
  FOR_LANES(n, {
    lanes v = larger(LOAD(g), zero_lanes());
    STORE(out, multiplied(multiplied(v, v), LOAD(up)));
  });
}

TARGET static void add(float *x, const float *y, size_t n) {
  FOR_LANES(n, STORE(x, added(LOAD(x), LOAD(y))););
}

TARGET static float exponentials(const float *x, size_t n, float shift, float *out) {
  lanes sum = zero_lanes(), less = all_lanes(shift);
  FOR_LANES(n, {
    lanes v = exponential(subtracted(LOAD(x), less));
    sum = added(sum, count == BK_FLOAT_LANES ? v : only_first(v, count, zero_lanes()));
    if (out) STORE(out, v);
  });
  return lanes_total(sum);
}

TARGET static float maximum(const float *x, size_t n) {
  lanes least = all_lanes(-INFINITY), largest[4];
  UNROLL for (int l = 0; l < 4; l++) largest[l] = least;
  size_t whole = n / (4 * BK_FLOAT_LANES) * (4 * BK_FLOAT_LANES);
  for (size_t i = 0; i < whole; i += 4 * BK_FLOAT_LANES)
    UNROLL for (size_t l = 0; l < 4; l++)
      largest[l] = larger(largest[l], load_lanes(x + i + BK_FLOAT_LANES * l));
  UNROLL for (size_t l = 0; l < 4; l++)
    largest[l] = larger(largest[l], load_or(x, n, whole + BK_FLOAT_LANES * l, least));
  return lanes_largest(
      larger(larger(largest[0], largest[1]), larger(largest[2], largest[3])));
}

// ---- The cache ----------------------------------------------------------------------------------

LANES_INLINE float byte_scale(const float *x, size_t n) {
  lanes largest = zero_lanes();
  FOR_LANES(n, {
    lanes v = LOAD(x);
    largest = larger(largest, larger(v, subtracted(zero_lanes(), v)));
  });
  return bk_byte_scale(lanes_largest(largest));
}

// A subnormal scale may be much less than max|x| / 127.
LANES_INLINE void store_bytes(int8_t *bytes, lanes v, float scale) {
  float numbers[BK_FLOAT_LANES];
  store_lanes(numbers, scale > 0 ? bounded(divided(v, all_lanes(scale)), -127, 127) : zero_lanes());
  for (int i = 0; i < BK_FLOAT_LANES; i++) bytes[i] = (int8_t)bk_round(numbers[i]);
}

// 16 elements as the cache stores them.
typedef union {
  uint16_t halves[BK_FLOAT_LANES];
  float floats[BK_FLOAT_LANES];
  int8_t bytes[BK_FLOAT_LANES];
} elements;

// Some elements of a key, each to its place, and of a value, side by side.
#define PUT(TYPE, MEMBER)                                                                        \
  do {                                                                                           \
    for (size_t j = 0; j < count; j++)                                                           \
      ((TYPE *)chunk->keys)[key_at + BK_KEY_LANES * j] = k.MEMBER[j];                            \
    memcpy((TYPE *)chunk->values + value_at, v.MEMBER, count * sizeof(TYPE));                    \
  } while (0)

TARGET static void store(const bk_cache_chunk *chunk, size_t position, const float *key,
                         const float *value) {
  size_t n = chunk->length;
  float key_scale = 0, value_scale = 0;
  elements k, v;
  if (chunk->type == BK_CACHE_Q8) {
    chunk->key_scales[position] = key_scale = byte_scale(key, n);
    chunk->value_scales[position] = value_scale = byte_scale(value, n);
  }
  FOR_LANES(n, {
    size_t key_at = bk_key_index(chunk, position, i), value_at = position * n + i;
    switch (chunk->type) {
      case BK_CACHE_F16:
        store_halves(k.halves, LOAD(key));
        store_halves(v.halves, LOAD(value));
        PUT(uint16_t, halves);
        break;
      case BK_CACHE_F32:
        store_lanes(k.floats, LOAD(key));
        store_lanes(v.floats, LOAD(value));
        PUT(float, floats);
        break;
      case BK_CACHE_Q8:
        store_bytes(k.bytes, LOAD(key), key_scale);
        store_bytes(v.bytes, LOAD(value), value_scale);
        PUT(int8_t, bytes);
        break;
    }
  });
}

#include "cached.h"
#include "attend.h"

const bk_decoder_kernels DECODER = {
    .rms_norm = rms_norm,
    .rotate = rotate,
    .gate = {gate_silu, gate_squared_relu},
    .add = add,
    .exponentials = exponentials,
    .maximum = maximum,
    .store = store,
    .attend = attend,
};
