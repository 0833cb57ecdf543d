// Attention to a chunk, over the lanes of vector_kernels.h, which includes this.
//
// Rows are cut into groups whose scores fit the caches, and groups into tiles, whose sums stay in
// registers: first of scores, some rows by some blocks of 16 positions; then of totals, some rows by
// some blocks of 16 elements. Keys and values become floats some positions at a time, once for all
// tiles of a group.
#include "../tiles.h"

// Rows of scores (in place of which their weights come) that are in memory at once.
typedef struct {
  const bk_cache_chunk *chunk;
  const bk_attention *rows;
  // Keys and values as floats; [count][BK_CHUNK_POSITIONS] scores.
  float *floats, *scores;
  size_t first, count;
} row_group;

// `count` rows of a group from number `first` on; those before `fewest` see none of the positions
// at hand.
typedef struct {
  size_t first, count;
  const float *queries[TILE_ROWS];
  size_t visible[TILE_ROWS];
} row_tile;

LANES_INLINE size_t seen_by(const row_group *group, size_t row) {
  return group->rows->visible[(group->first + row) / group->rows->heads];
}

// ---- Keys and values as floats ------------------------------------------------------------------

// The `count` numbers of a cache at an index.
LANES_INLINE lanes cached(const bk_cache_chunk *chunk, const void *from, size_t index,
                          size_t count) {
  elements some = {{0}};
  switch (chunk->type) {
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

// `rows` rows of the cache, which lie `length` numbers apart, as floats that lie `stride` apart.
LANES_INLINE void expand(const bk_cache_chunk *chunk, const void *from, size_t index, size_t rows,
                         size_t length, size_t stride, float *floats) {
  for (size_t r = 0; r < rows; r++, index += length, floats += stride) {
    size_t i = 0;
    for (; i + BK_FLOAT_LANES <= length; i += BK_FLOAT_LANES)
      store_lanes(floats + i, cached(chunk, from, index + i, BK_FLOAT_LANES));
    if (i < length) store_lanes(floats + i, cached(chunk, from, index + i, length - i));
  }
}

LANES_INLINE const float *expand_any(const bk_cache_chunk *chunk, const void *from, size_t index,
                                     size_t rows, size_t length, size_t stride, float *floats) {
  bk_cache_chunk known = *chunk;
  switch (chunk->type) {
    case BK_CACHE_F16:
      known.type = BK_CACHE_F16;
      expand(&known, from, index, rows, length, stride, floats);
      return floats;
    case BK_CACHE_F32:
      if (length == stride) return (const float *)from + index;
      known.type = BK_CACHE_F32;
      expand(&known, from, index, rows, length, stride, floats);
      return floats;
    default:
      known.type = BK_CACHE_Q8;
      expand(&known, from, index, rows, length, stride, floats);
      return floats;
  }
}

// ---- Scores -------------------------------------------------------------------------------------

LANES_INLINE void score_tile(const row_tile *tile, const float *keys, size_t length, float *scores,
                             const int rows, const int blocks) {
  lanes sum[TILE_ROWS][MOST_BLOCKS];
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = zero_lanes();
  for (size_t d = 0; d < length; d++) {
    lanes key[MOST_BLOCKS];
    UNROLL for (int b = 0; b < blocks; b++)
      key[b] = load_lanes(keys + ((size_t)b * length + d) * BK_KEY_LANES);
    UNROLL for (int r = 0; r < rows; r++) {
      lanes query = all_lanes(tile->queries[r][d]);
      UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = fused(query, key[b], sum[r][b]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++)
      store_lanes(scores + BK_CHUNK_POSITIONS * r + BK_KEY_LANES * b, sum[r][b]);
}

// The most blocks of a tile of so many rows.
#define BLOCKS_OF(ROWS)                                                                          \
  (TILE_SUMS / (ROWS) >= MOST_BLOCKS ? MOST_BLOCKS : TILE_SUMS / (ROWS) >= 2 ? 2 : 1)

LANES_INLINE void score_rows(const row_tile *tile, const float *keys, size_t blocks, size_t length,
                             float *scores, const int rows) {
  const int most = BLOCKS_OF(rows);
  size_t b = 0;
  for (; b + (size_t)most <= blocks; b += (size_t)most)
    score_tile(tile, keys + b * length * BK_KEY_LANES, length, scores + b * BK_KEY_LANES, rows,
               most);
  for (; b < blocks; b++)
    score_tile(tile, keys + b * length * BK_KEY_LANES, length, scores + b * BK_KEY_LANES, rows, 1);
}

// Calls F for a tile of `rows` rows, with this number as a constant.
#define FOR_ROWS(ROWS, F, ...)                                                                   \
  switch (ROWS) {                                                                                \
    case 1: F(__VA_ARGS__, 1); break;                                                            \
    case 2: F(__VA_ARGS__, 2); break;                                                            \
    case 3: F(__VA_ARGS__, 3); break;                                                            \
    case 4: F(__VA_ARGS__, 4); break;                                                            \
    case 5: F(__VA_ARGS__, 5); break;                                                            \
    default: F(__VA_ARGS__, 6); break;                                                           \
  }
_Static_assert(TILE_ROWS == 6, "FOR_ROWS has a case for each number of rows");

LANES_INLINE row_tile tile_at(const row_group *group, size_t first, size_t most) {
  const bk_attention *rows = group->rows;
  size_t left = group->count - first, row = group->first + first;
  row_tile tile = {.first = first, .count = left < most ? left : most};
  size_t token = row / rows->heads, head = row % rows->heads;
  for (size_t r = 0; r < tile.count; r++) {
    tile.queries[r] = rows->queries + token * rows->token_stride + head * group->chunk->length;
    tile.visible[r] = rows->visible[token];
    if (++head == rows->heads) head = 0, token++;
  }
  return tile;
}

// Rows of a tile, so that all tiles of a group have nearly the same number.
LANES_INLINE size_t rows_of_tiles(const row_group *group) {
  return bk_divide_up(group->count, bk_divide_up(group->count, TILE_ROWS));
}

TARGET static void score_group(const row_group *group) {
  size_t length = group->chunk->length, most = rows_of_tiles(group);
  size_t block_count = bk_divide_up(seen_by(group, group->count - 1), BK_KEY_LANES);
  for (size_t first = 0, count; first < block_count; first += count) {
    count = block_count - first < MOST_BLOCKS ? block_count - first : MOST_BLOCKS;
    const float *keys =
        expand_any(group->chunk, group->chunk->keys, first * length * BK_KEY_LANES, 1,
                   count * length * BK_KEY_LANES, count * length * BK_KEY_LANES, group->floats);
    for (size_t row = 0; row < group->count; row += most) {
      row_tile tile = tile_at(group, row, most);
      size_t end = bk_divide_up(tile.visible[tile.count - 1], BK_KEY_LANES);
      if (end <= first) continue;
      size_t blocks = end - first < count ? end - first : count;
      float *scores = group->scores + BK_CHUNK_POSITIONS * row + BK_KEY_LANES * first;
      FOR_ROWS(tile.count, score_rows, &tile, keys, blocks, length, scores)
    }
  }
}

// ---- Weights ------------------------------------------------------------------------------------

// Scales the scores of a row that sees something, and turns them into weights.
LANES_INLINE void weigh(const row_group *group, size_t row) {
  float *scores = group->scores + BK_CHUNK_POSITIONS * row;
  const float *key_scales = NULL, *value_scales = NULL;
  if (group->chunk->type == BK_CACHE_Q8) {
    key_scales = group->chunk->key_scales;
    value_scales = group->chunk->value_scales;
  }
  size_t seen = seen_by(group, row);
  lanes scale = all_lanes(group->rows->scale), nothing = all_lanes(-INFINITY), largest = nothing;
  for (size_t p = 0; p < seen; p += BK_FLOAT_LANES) {
    lanes score = load_lanes(scores + p);
    if (key_scales) score = multiplied(score, load_lanes(key_scales + p));
    score = multiplied(score, scale);
    if (seen - p < BK_FLOAT_LANES) score = only_first(score, seen - p, nothing);
    store_lanes(scores + p, score);
    largest = larger(largest, score);
  }
  float maximal = lanes_largest(largest);
  lanes less = all_lanes(maximal), sum = zero_lanes();
  for (size_t p = 0; p < seen; p += BK_FLOAT_LANES) {
    lanes weight = exponential(subtracted(load_lanes(scores + p), less));
    sum = added(sum, weight);
    if (value_scales) weight = multiplied(weight, load_lanes(value_scales + p));
    store_lanes(scores + p, weight);
  }
  group->rows->maxima[group->first + row] = maximal;
  group->rows->sums[group->first + row] = lanes_total(sum);
}

// ---- Totals -------------------------------------------------------------------------------------

// Where the values of some positions lie as floats, and a place in weights and totals.
typedef struct {
  const float *values, *weights;
  float *totals;
  size_t stride, length;
} total_place;

// Adds `positions` positions to `blocks` blocks of the totals, the last of which has `last`
// elements.
LANES_INLINE void total_tile(total_place at, size_t positions, size_t last, const int rows,
                             const int blocks) {
  lanes sum[TILE_ROWS][MOST_BLOCKS];
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++) {
      const float *from = at.totals + (size_t)r * at.length + BK_FLOAT_LANES * b;
      sum[r][b] = last < BK_FLOAT_LANES ? load_some(from, last) : load_lanes(from);
    }
  for (size_t p = 0; p < positions; p++) {
    lanes value[MOST_BLOCKS];
    UNROLL for (int b = 0; b < blocks; b++)
      value[b] = load_lanes(at.values + at.stride * p + BK_FLOAT_LANES * b);
    UNROLL for (int r = 0; r < rows; r++) {
      lanes weight = all_lanes(at.weights[BK_CHUNK_POSITIONS * r + p]);
      UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = fused(weight, value[b], sum[r][b]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++) {
      float *to = at.totals + (size_t)r * at.length + BK_FLOAT_LANES * b;
      if (last < BK_FLOAT_LANES)
        store_some(to, sum[r][b], last);
      else
        store_lanes(to, sum[r][b]);
    }
}

LANES_INLINE void total_rows(total_place at, size_t positions, const int rows) {
  const int most = BLOCKS_OF(rows);
  size_t left = at.length, step = BK_FLOAT_LANES * (size_t)most;
  for (; left >= step; left -= step, at.values += step, at.totals += step)
    total_tile(at, positions, BK_FLOAT_LANES, rows, most);
  step = BK_FLOAT_LANES;
  for (; left >= step; left -= step, at.values += step, at.totals += step)
    total_tile(at, positions, BK_FLOAT_LANES, rows, 1);
  if (left > 0) total_tile(at, positions, left, rows, 1);
}

TARGET static void total_group(const row_group *group) {
  const bk_cache_chunk *chunk = group->chunk;
  size_t most = rows_of_tiles(group), seen = seen_by(group, group->count - 1);
  size_t stride = bk_divide_up(chunk->length, BK_FLOAT_LANES) * BK_FLOAT_LANES;
  for (size_t first = 0, end; first < seen; first = end) {
    end = seen - first < VALUE_POSITIONS ? seen : first + VALUE_POSITIONS;
    const float *values = expand_any(chunk, chunk->values, first * chunk->length, end - first,
                                     chunk->length, stride, group->floats);
    for (size_t row = 0; row < group->count; row += most) {
      row_tile tile = tile_at(group, row, most);
      // Values that a row does not see may be anything, even NaN, and must not meet its weights: so
      // rows leave the tile one after the other, those that see less first.
      size_t position = first;
      for (size_t r = 0; r < tile.count && position < end; r++) {
        size_t next = tile.visible[r] < end ? tile.visible[r] : end;
        if (next <= position) continue;
        total_place at = {values + (position - first) * stride,
                          group->scores + BK_CHUNK_POSITIONS * (row + r) + position,
                          group->rows->totals + (group->first + row + r) * chunk->length, stride,
                          chunk->length};
        FOR_ROWS(tile.count - r, total_rows, at, next - position)
        position = next;
      }
    }
  }
}

TARGET static void attend(const bk_cache_chunk *chunk, const bk_attention *rows) {
  size_t row_count = rows->tokens * rows->heads;
  size_t offset = (0 - (uintptr_t)rows->scratch / sizeof(float)) % BK_FLOAT_LANES;
  row_group group = {chunk, rows, rows->scratch + offset, NULL, 0, 0};
  size_t stride = bk_divide_up(chunk->length, BK_FLOAT_LANES) * BK_FLOAT_LANES;
  group.scores = group.floats + BK_ATTENTION_POSITIONS * stride;
  for (; group.first < row_count; group.first += group.count) {
    size_t left = row_count - group.first;
    group.count = left < BK_ATTENTION_ROWS ? left : BK_ATTENTION_ROWS;
    if (chunk->length > 0)
      memset(rows->totals + group.first * chunk->length, 0,
             group.count * chunk->length * sizeof(float));
    score_group(&group);
    for (size_t r = 0; r < group.count; r++) {
      if (seen_by(&group, r) > 0) {
        weigh(&group, r);
        continue;
      }
      rows->maxima[group.first + r] = -INFINITY;
      rows->sums[group.first + r] = 0;
    }
    total_group(&group);
  }
}
