// Numbers of a cache as floats, over the lanes of vector_kernels.h, which includes this.

// `count` numbers of a cache at an index, without a scale.
LANES_INLINE lanes cached(const void *from, size_t index, size_t count, const bk_cache_type type) {
  elements some = {{0}};
  switch (type) {
    case BK_CACHE_F16: {
      const uint16_t *halves = (const uint16_t *)from + index;
      if (count == BK_FLOAT_LANES) return load_halves(halves);
      memcpy(some.halves, halves, count * sizeof *halves);
      return load_halves(some.halves);
    }
    case BK_CACHE_F32: {
      const float *floats = (const float *)from + index;
      return count == BK_FLOAT_LANES ? load_lanes(floats) : load_some(floats, count);
    }
    default: {
      const int8_t *bytes = (const int8_t *)from + index;
      if (count == BK_FLOAT_LANES) return load_bytes(bytes);
      memcpy(some.bytes, bytes, count);
      return load_bytes(some.bytes);
    }
  }
}

LANES_INLINE size_t element_size(const bk_cache_type type) {
  return type == BK_CACHE_F16 ? 2 : type == BK_CACHE_F32 ? 4 : 1;
}

// Numbers from an index on. Tiles prefetch those that are `ahead` numbers further, which may lie
// anywhere.
typedef struct {
  const void *from;
  size_t index, ahead;
  bk_cache_type type;
} cache_place;

LANES_INLINE void prefetch(cache_place at, size_t index, const bk_cache_type type) {
  __builtin_prefetch((const void *)((uintptr_t)at.from + (index + at.ahead) * element_size(type)));
}

// `rows` rows of the cache, which lie `length` numbers apart, as floats that lie `stride` apart.
LANES_INLINE void expand_rows(cache_place at, size_t rows, size_t length, size_t stride,
                              float *floats, const bk_cache_type type) {
  for (size_t r = 0; r < rows; r++, at.index += length, floats += stride) {
    size_t i = 0;
    for (; i + BK_FLOAT_LANES <= length; i += BK_FLOAT_LANES)
      store_lanes(floats + i, cached(at.from, at.index + i, BK_FLOAT_LANES, type));
    if (i < length) store_lanes(floats + i, cached(at.from, at.index + i, length - i, type));
  }
}

// The floats, at `floats` unless the cache has floats that lie so.
LANES_INLINE cache_place expanded(cache_place at, size_t rows, size_t length, size_t stride,
                                  float *floats) {
  switch (at.type) {
    case BK_CACHE_F16: expand_rows(at, rows, length, stride, floats, BK_CACHE_F16); break;
    case BK_CACHE_F32:
      if (length == stride) return at;
      expand_rows(at, rows, length, stride, floats, BK_CACHE_F32);
      break;
    case BK_CACHE_Q8: expand_rows(at, rows, length, stride, floats, BK_CACHE_Q8); break;
  }
  return (cache_place){floats, 0, 0, BK_CACHE_F32};
}
