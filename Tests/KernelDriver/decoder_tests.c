// Element-wise kernels of decoders, and storing keys and values. Each set must equal the scalar one
// bit for bit; the scalar one must be close to plain loops over doubles.
#include "decoder_checks.h"
#include <stdio.h>

enum { MOST = 200 };

static guard_side side_of(size_t n) { return n % 2 ? GUARD_ABOVE : GUARD_BELOW; }

// Floats of any magnitude.
static float any_float(void) {
  float value;
  uint32_t bits = random_bits();
  memcpy(&value, &bits, 4);
  return value;
}

static void fill(float *x, size_t n, float range, int has_odd) {
  for (size_t i = 0; i < n; i++) x[i] = range * (has_odd ? odd_float() : random_float());
}

// Two or three inputs of n floats, and an output that may be the first input.
typedef struct {
  guarded x, weight, y, expected;
} vectors;

static vectors new_vectors(size_t n, float range, int has_odd) {
  guard_side side = side_of(n);
  vectors v = {new_floats(n, side), new_floats(n, side), new_floats(n, side), new_floats(n, side)};
  fill(v.x.bytes, n, range, has_odd);
  fill(v.weight.bytes, n, 1, has_odd);
  return v;
}

static void free_vectors(vectors v) {
  guarded_free(v.x);
  guarded_free(v.weight);
  guarded_free(v.y);
  guarded_free(v.expected);
}

static void test_norm(const bk_kernels *kernels, size_t n, const char *what) {
  for (int round = 0; round < 8; round++) {
    int in_place = round & 1, has_odd = round >> 2;
    vectors v = new_vectors(n, 3, has_odd);
    const float *x = v.x.bytes, *weight = round & 2 ? v.weight.bytes : NULL;
    double squares = 0, plain[MOST], bounds[MOST];
    for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < n; i++) {
      plain[i] = x[i] / sqrt(squares / (double)n + 1e-3) * (weight ? (double)weight[i] : 1);
      bounds[i] = 1e-6 * fabs(plain[i]) + 1e-37;
    }
    bk_scalar.decoder->rms_norm(x, n, 1e-3f, weight, v.expected.bytes);
    record(has_odd || near_doubles(v.expected.bytes, plain, bounds, n), what);
    float *y = in_place ? v.x.bytes : v.y.bytes;
    kernels->decoder->rms_norm(x, n, 1e-3f, weight, y);
    record(same_floats(y, v.expected.bytes, n), what);
    free_vectors(v);
  }
}

static void test_gates(const bk_kernels *kernels, size_t n, const char *what) {
  for (int round = 0; round < 8; round++) {
    int in_place = round & 1, gate = round >> 1 & 1, has_odd = round >> 2;
    vectors v = new_vectors(n, has_odd ? 120 : 20, has_odd);
    const float *g = v.x.bytes, *up = v.weight.bytes;
    double plain[MOST], bounds[MOST];
    for (size_t i = 0; i < n; i++) {
      double x = (double)g[i], positive = x < 0 ? 0 : x;
      plain[i] = (gate ? positive * positive : x / (1 + exp(-x))) * (double)up[i];
      bounds[i] = 1e-6 * fabs(plain[i]) + 1e-37;
    }
    bk_scalar.decoder->gate[gate](g, up, n, v.expected.bytes);
    record(has_odd || near_doubles(v.expected.bytes, plain, bounds, n), what);
    float *out = in_place ? v.x.bytes : v.y.bytes;
    kernels->decoder->gate[gate](g, up, n, out);
    record(same_floats(out, v.expected.bytes, n), what);
    free_vectors(v);
  }
}

static void test_adding(const bk_kernels *kernels, size_t n, const char *what) {
  vectors v = new_vectors(n, 3, 1);
  float *x = v.x.bytes, *y = v.weight.bytes, *sums = v.expected.bytes;
  for (size_t i = 0; i < n; i++) sums[i] = x[i] + y[i];
  kernels->decoder->add(x, y, n);
  record(same_floats(x, sums, n), what);
  free_vectors(v);
}

static void test_rotating(const bk_kernels *kernels, size_t half, const char *what) {
  for (int round = 0; round < 4; round++) {
    int interleaved = round & 1;
    size_t length = 2 * half + random_below(20);
    vectors v = new_vectors(length, 3, round >> 1);
    guarded angles[2] = {new_floats(half, side_of(half)), new_floats(half, side_of(half))};
    float *x = v.x.bytes, *c = angles[0].bytes, *s = angles[1].bytes, *plain = v.expected.bytes;
    fill(c, half, 1, 0);
    fill(s, half, 1, 0);
    for (size_t i = 0; i < half; i++) {
      size_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + half;
      volatile float products[4] = {x[a] * c[i], x[b] * s[i], x[b] * c[i], x[a] * s[i]};
      plain[i] = products[0] - products[1];
      plain[i + half] = products[2] + products[3];
    }
    for (size_t i = 2 * half; i < length; i++) plain[i] = x[i];
    float *y = interleaved || random_below(2) ? v.y.bytes : x;
    kernels->decoder->rotate(x, length, half, c, s, interleaved, y);
    record(same_floats(y, plain, length), what);
    guarded_free(angles[0]);
    guarded_free(angles[1]);
    free_vectors(v);
  }
}

// Within one unit in the last place, and exact where the result is 0, infinite or NaN.
static int is_exponential(float x, float got) {
  double expected = exp((double)x);
  if (isnan(x)) return isnan(got);
  // From halfway between the largest float and the next one, and up to half of the least one.
  if (expected >= 0x1.ffffffp127) return isinf(got) && got > 0;
  if (expected <= 0x1p-150) return got == 0 && !signbit(got);
  int exponent;
  frexp(expected, &exponent);
  return fabs((double)got - expected) < ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void test_exponentials(const bk_kernels *kernels, size_t n, const char *what) {
  for (int round = 0; round < 8; round++) {
    vectors v = new_vectors(n, 110, round & 1);
    float *x = v.x.bytes, *expected = v.expected.bytes, shift = round & 2 ? 20 * random_float() : 0;
    for (size_t i = 0; round == 4 && i < n; i++) x[i] = any_float();
    float sum = bk_scalar.decoder->exponentials(x, n, shift, expected);
    double plain = 0, bound = 1e-6;
    int holds = 1;
    for (size_t i = 0; i < n; i++) {
      holds &= is_exponential(x[i] - shift, expected[i]);
      plain += (double)expected[i];
    }
    record(holds, what);
    bound *= plain;
    record(isinf(sum) || near_doubles(&sum, &plain, &bound, 1), what);
    float *out = round == 7 ? NULL : round & 1 ? v.y.bytes : x;
    float got = kernels->decoder->exponentials(x, n, shift, out);
    record(same_floats(&got, &sum, 1) && (!out || same_floats(out, expected, n)), what);
    free_vectors(v);
  }
}

static void test_maximum(const bk_kernels *kernels, size_t n, const char *what) {
  for (int round = 0; round < 4; round++) {
    vectors v = new_vectors(n, 3, round & 1);
    float *x = v.x.bytes, expected = -INFINITY;
    // Zeros with both signs, whose maximum is +0.
    for (size_t i = 0; round == 2 && i < n; i++) x[i] = random_below(2) ? 0.0f : -0.0f;
    for (size_t i = 0; i < n; i++)
      if (isnan(x[i]) || x[i] > expected) expected = isnan(expected) ? expected : x[i];
    expected += 0.0f;
    float got = kernels->decoder->maximum(x, n);
    record(same_floats(&got, &expected, 1), what);
    free_vectors(v);
  }
}

// ---- The cache ----------------------------------------------------------------------------------

static int same_numbers(const bk_cache_chunk *a, const void *first, const void *second,
                        size_t count) {
  if (a->type == BK_CACHE_F32) return same_floats(first, second, count);
  if (a->type == BK_CACHE_Q8) return memcmp(first, second, count) == 0;
  for (size_t i = 0; i < count; i++) {
    uint16_t half = ((const uint16_t *)first)[i], other = ((const uint16_t *)second)[i];
    if (half != other && !(isnan(half_value(half)) && isnan(half_value(other)))) return 0;
  }
  return 1;
}

// Whether a stored number is as near to x as its type allows.
static int is_nearest(bk_cache_type type, float x, double got, float largest) {
  if (type == BK_CACHE_Q8) {
    // Except for subnormal scales.
    if (!(largest <= 0x1.fffffep127f)) return isnan(got);
    return largest < 1e-30f || fabs(got - (double)x) <= (double)largest / 254 * 1.0001;
  }
  if (isnan(x) || isinf(x)) return isnan(x) ? isnan(got) : got == (double)x;
  if (type == BK_CACHE_F32) return got == (double)x;
  // Half an ulp: 2^-11 of the power of two below, and 2^-25 for subnormal halves.
  if (fabsf(x) >= 65520) return isinf(got);
  int exponent;
  frexp((double)x, &exponent);
  return fabs(got - (double)x) <= ldexp(1, (exponent < -13 ? -13 : exponent) - 12);
}

static float largest_of(const float *x, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; i++)
    if (!(fabsf(x[i]) <= largest)) largest = isnan(largest) ? largest : fabsf(x[i]);
  return largest;
}

static void test_storing(const bk_kernels *kernels, bk_cache_type type, size_t n) {
  char what[100];
  snprintf(what, sizeof what, "%s storing %zu numbers of type %d", kernels->name, n, type);
  guarded_chunk got = new_chunk(type, n, side_of(n), 0xa5);
  guarded_chunk expected = new_chunk(type, n, side_of(n), 0xa5);
  int holds = 1;
  for (int round = 0; round < 6; round++) {
    static const float ranges[] = {1, 1e-3f, 1e5f, 1e-6f, 3e-43f, 3e38f};
    vectors v = new_vectors(n, ranges[round], 0);
    float *key = v.x.bytes, *value = v.weight.bytes;
    if (round == 1) fill(key, n, 1, 1);
    // Halfway between two halves; all zeros.
    for (size_t i = 0; round == 2 && i < n; i++)
      value[i] = type == BK_CACHE_F16 ? (float)(2049 + 2 * random_below(1000)) : -0.0f;
    size_t p = random_below(BK_CHUNK_POSITIONS);
    bk_scalar.decoder->store(&expected.chunk, p, key, value);
    kernels->decoder->store(&got.chunk, p, key, value);
    float largest[2] = {largest_of(key, n), largest_of(value, n)};
    for (size_t d = 0; d < n; d++)
      holds &= is_nearest(type, key[d], key_in(&expected.chunk, p, d), largest[0]) &&
               is_nearest(type, value[d], value_in(&expected.chunk, p, d), largest[1]);
    free_vectors(v);
  }
  record(holds, what);
  size_t count = BK_CHUNK_POSITIONS * n;
  holds = same_numbers(&got.chunk, got.keys.bytes, expected.keys.bytes, count) &&
          same_numbers(&got.chunk, got.values.bytes, expected.values.bytes, count);
  if (type == BK_CACHE_Q8)
    holds &= same_floats(got.key_scales.bytes, expected.key_scales.bytes, BK_CHUNK_POSITIONS) &&
             same_floats(got.value_scales.bytes, expected.value_scales.bytes, BK_CHUNK_POSITIONS);
  record(holds, what);
  free_chunk(expected);
  free_chunk(got);
}

void test_decoders(const bk_kernels *kernels) {
  char what[100];
  for (size_t n = 0; n <= MOST; n += n < 70 ? 1 : 13) {
    snprintf(what, sizeof what, "%s decoder vectors of %zu", kernels->name, n);
    test_norm(kernels, n, what);
    test_gates(kernels, n, what);
    test_adding(kernels, n, what);
    test_rotating(kernels, n / 2, what);
    test_exponentials(kernels, n, what);
    test_maximum(kernels, n, what);
  }
  for (size_t n = 1; n <= 130; n += n < 34 ? 1 : 16)
    for (int type = BK_CACHE_F16; type <= BK_CACHE_Q8; type++) test_storing(kernels, type, n);
}
