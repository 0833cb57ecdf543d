// The reference: plain C, in the order that bitdecoder.h states, that every other set of kernels
// must equal bit for bit. NaN may have other payloads.
#include "decoder.h"

static void rms_norm(const float *x, size_t n, float epsilon, const float *weight, float *y) {
  float sums[4 * BK_FLOAT_LANES] = {0}, lanes[BK_FLOAT_LANES];
  for (size_t i = 0; i < n; i++) sums[i % 64] = __builtin_fmaf(x[i], x[i], sums[i % 64]);
  for (size_t i = 0; i < 16; i++)
    lanes[i] = (sums[i] + sums[i + 32]) + (sums[i + 16] + sums[i + 48]);
  float inverse = bk_inverse_root(bk_lanes_total(lanes), n, epsilon);
  for (size_t i = 0; i < n; i++) y[i] = weight ? x[i] * inverse * weight[i] : x[i] * inverse;
}

static void rotate(const float *x, size_t length, size_t half, const float *cosines,
                   const float *sines, int interleaved, float *y) {
  for (size_t i = 0; i < half; i++) {
    float first = interleaved ? x[2 * i] : x[i];
    float second = interleaved ? x[2 * i + 1] : x[i + half];
    y[i] = first * cosines[i] - second * sines[i];
    y[i + half] = second * cosines[i] + first * sines[i];
  }
  for (size_t i = 2 * half; i < length; i++) y[i] = x[i];
}

static void gate_silu(const float *g, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = g[i] / (1 + bk_exp(-g[i])) * up[i];
}

static void gate_squared_relu(const float *g, const float *up, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) {
    float v = g[i] < 0 ? 0 : g[i];
    out[i] = v * v * up[i];
  }
}

static void add(float *x, const float *y, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] + y[i];
}

static float exponentials(const float *x, size_t n, float shift, float *out) {
  float lanes[BK_FLOAT_LANES] = {0};
  for (size_t i = 0; i < n; i++) {
    float v = bk_exp(x[i] - shift);
    lanes[i % 16] = lanes[i % 16] + v;
    if (out) out[i] = v;
  }
  return bk_lanes_total(lanes);
}

static float maximum(const float *x, size_t n) {
  float largest = -INFINITY;
  for (size_t i = 0; i < n; i++) largest = bk_larger(largest, x[i]);
  return largest + 0.0f;
}

// ---- The cache ----------------------------------------------------------------------------------

// The nearest half precision float, half to even; infinite from 65520 on.
static uint16_t half_of(float value) {
  uint32_t bits, half;
  memcpy(&bits, &value, 4);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    half = 0x7e00;
  } else if (magnitude >= 0x477ff000) {
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // Below 2^-14, a multiple of 2^-24.
    half = (uint32_t)bk_round(fabsf(value) * 0x1p24f);
  } else {
    half = (magnitude + 0x0fff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
  }
  return (uint16_t)(bits >> 16 & 0x8000) | (uint16_t)half;
}

static float byte_scale(const float *x, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; i++) largest = bk_larger(largest, fabsf(x[i]));
  return bk_byte_scale(largest);
}

// A subnormal scale may be much less than max|x| / 127.
static int8_t byte_of(float value, float scale) {
  return scale > 0 ? (int8_t)bk_clamp((int32_t)bk_round(value / scale), -127, 127) : 0;
}

static void store(const bk_cache_chunk *chunk, size_t position, const float *key,
                  const float *value) {
  size_t n = chunk->length, first = position * n;
  float key_scale = 0, value_scale = 0;
  if (chunk->type == BK_CACHE_Q8) {
    chunk->key_scales[position] = key_scale = byte_scale(key, n);
    chunk->value_scales[position] = value_scale = byte_scale(value, n);
  }
  for (size_t d = 0; d < n; d++) {
    size_t at = bk_key_index(chunk, position, d);
    switch (chunk->type) {
      case BK_CACHE_F16:
        ((uint16_t *)chunk->keys)[at] = half_of(key[d]);
        ((uint16_t *)chunk->values)[first + d] = half_of(value[d]);
        break;
      case BK_CACHE_F32:
        ((float *)chunk->keys)[at] = key[d];
        ((float *)chunk->values)[first + d] = value[d];
        break;
      case BK_CACHE_Q8:
        ((int8_t *)chunk->keys)[at] = byte_of(key[d], key_scale);
        ((int8_t *)chunk->values)[first + d] = byte_of(value[d], value_scale);
        break;
    }
  }
}

// ---- Attention ----------------------------------------------------------------------------------

static float stored(const bk_cache_chunk *chunk, const void *from, size_t index) {
  switch (chunk->type) {
    case BK_CACHE_F16: return bk_half(((const uint16_t *)from)[index]);
    case BK_CACHE_F32: return ((const float *)from)[index];
    default: return ((const int8_t *)from)[index];
  }
}

static void attend_row(const bk_cache_chunk *chunk, const float *query, size_t visible, float scale,
                       float *maximal, float *sum, float *totals) {
  float weights[BK_CHUNK_POSITIONS];
  int has_scales = chunk->type == BK_CACHE_Q8;
  for (size_t p = 0; p < visible; p++) {
    float score = 0;
    for (size_t d = 0; d < chunk->length; d++) {
      float key = stored(chunk, chunk->keys, bk_key_index(chunk, p, d));
      score = __builtin_fmaf(query[d], key, score);
    }
    weights[p] = (has_scales ? score * chunk->key_scales[p] : score) * scale;
  }
  *maximal = maximum(weights, visible);
  *sum = exponentials(weights, visible, *maximal, weights);
  for (size_t d = 0; d < chunk->length; d++) totals[d] = 0;
  for (size_t p = 0; p < visible; p++) {
    float weight = has_scales ? weights[p] * chunk->value_scales[p] : weights[p];
    for (size_t d = 0; d < chunk->length; d++)
      totals[d] =
          __builtin_fmaf(weight, stored(chunk, chunk->values, p * chunk->length + d), totals[d]);
  }
}

static void attend(const bk_cache_chunk *chunk, const bk_attention *rows) {
  for (size_t t = 0; t < rows->tokens; t++)
    for (size_t h = 0; h < rows->heads; h++) {
      size_t row = t * rows->heads + h;
      attend_row(chunk, rows->queries + t * rows->token_stride + h * chunk->length,
                 rows->visible[t], rows->scale, rows->maxima + row, rows->sums + row,
                 rows->totals + row * chunk->length);
    }
}

const bk_decoder_kernels bk_scalar_decoder = {
    .rms_norm = rms_norm,
    .rotate = rotate,
    .gate = {gate_silu, gate_squared_relu},
    .add = add,
    .exponentials = exponentials,
    .maximum = maximum,
    .store = store,
    .attend = attend,
};
