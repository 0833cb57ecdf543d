#include "decoder_checks.h"

int same_floats(const float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!equal_floats(a + i, b + i, 1) && !(isnan(a[i]) && isnan(b[i]))) return 0;
  return 1;
}

int near_doubles(const float *values, const double *expected, const double *bounds, size_t count) {
  for (size_t i = 0; i < count; i++) {
    double value = (double)values[i];
    if (isnan(expected[i]) ? !isnan(value)
                           : !(value == expected[i] || fabs(value - expected[i]) <= bounds[i]))
      return 0;
  }
  return 1;
}

guarded_chunk new_chunk(bk_cache_type type, size_t length, guard_side side, int fill) {
  static const size_t sizes[] = {2, 4, 1};
  guarded_chunk new = {.bytes = BK_CHUNK_POSITIONS * length * sizes[type]};
  size_t scales = type == BK_CACHE_Q8 ? BK_CHUNK_POSITIONS * sizeof(float) : 0;
  size_t gap = sizes[type] * random_below(8);
  new.keys = guarded_new(new.bytes, side, gap);
  new.values = guarded_new(new.bytes, side, gap);
  new.key_scales = guarded_new(scales, side, 0);
  new.value_scales = guarded_new(scales, side, 0);
  memset(new.keys.bytes, fill, new.bytes);
  memset(new.values.bytes, fill, new.bytes);
  if (scales) {
    memset(new.key_scales.bytes, fill, scales);
    memset(new.value_scales.bytes, fill, scales);
  }
  new.chunk = (bk_cache_chunk){type,           length,
                               new.keys.bytes, new.values.bytes,
                               scales ? new.key_scales.bytes : NULL,
                               scales ? new.value_scales.bytes : NULL};
  return new;
}

void free_chunk(guarded_chunk chunk) {
  guarded_free(chunk.keys);
  guarded_free(chunk.values);
  guarded_free(chunk.key_scales);
  guarded_free(chunk.value_scales);
}

static double stored(const bk_cache_chunk *chunk, const void *numbers, const float *scales,
                     size_t index, size_t position) {
  if (chunk->type == BK_CACHE_F16) return (double)half_value(((const uint16_t *)numbers)[index]);
  if (chunk->type == BK_CACHE_F32) return (double)((const float *)numbers)[index];
  return ((const int8_t *)numbers)[index] * (double)scales[position];
}

double key_in(const bk_cache_chunk *chunk, size_t position, size_t d) {
  size_t index = (position / 16 * chunk->length + d) * 16 + position % 16;
  return stored(chunk, chunk->keys, chunk->key_scales, index, position);
}

double value_in(const bk_cache_chunk *chunk, size_t position, size_t d) {
  return stored(chunk, chunk->values, chunk->value_scales, position * chunk->length + d, position);
}
