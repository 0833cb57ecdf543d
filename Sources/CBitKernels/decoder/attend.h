// Attention to a chunk, over the lanes of vector_kernels.h, which includes this.
//
// Rows are cut into groups whose scores fit the caches, and groups into tiles, whose sums stay in
// registers: first of scores, some rows by some blocks of 16 positions; then of totals, some rows
// by some blocks of 16 elements. Keys and values become floats in registers if there are few rows;
// else in memory, some positions at a time, once for all tiles.

// The most rows of a group for which numbers of the cache become floats in registers, anew for each
// tile. With 4096 positions of 128 halves, AVX-512 took 13.9 instead of 16.8 us a chunk for eight
// rows, 17.9 instead of 19.7 for twelve; AVX2 19.4 instead of 24.0 and 30.4 instead of 25.9.
enum { DIRECT_ROWS = 8 };

// Rows of scores (in place of which their weights come) that are in memory at once.
typedef struct {
  const bk_cache_chunk *chunk;
  const bk_attention *rows;
  // Keys and values as floats; [count][BK_CHUNK_POSITIONS] scores.
  float *floats, *scores;
  size_t first, count;
} row_group;

// Some rows of a group.
typedef struct {
  size_t count;
  const float *queries[TILE_ROWS];
  size_t visible[TILE_ROWS];
} row_tile;

// ---- Tiles --------------------------------------------------------------------------------------

LANES_INLINE size_t seen_by(const row_group *group, size_t row) {
  return group->rows->visible[(group->first + row) / group->rows->heads];
}

LANES_INLINE row_tile tile_at(const row_group *group, size_t first, size_t most) {
  const bk_attention *rows = group->rows;
  size_t left = group->count - first, row = group->first + first;
  row_tile tile = {.count = left < most ? left : most};
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

// The most blocks of a tile of so many rows.
#define BLOCKS_OF(ROWS)                                                                          \
  (TILE_SUMS / (ROWS) >= MOST_BLOCKS ? MOST_BLOCKS : TILE_SUMS / (ROWS) >= 2 ? 2 : 1)

// Calls F for a tile of ROWS rows and numbers of a TYPE, with both as constants.
#define FOR_ROWS(ROWS, TYPE, F, ...)                                                             \
  switch (ROWS) {                                                                                \
    case 1: F(__VA_ARGS__, 1, TYPE); break;                                                      \
    case 2: F(__VA_ARGS__, 2, TYPE); break;                                                      \
    case 3: F(__VA_ARGS__, 3, TYPE); break;                                                      \
    case 4: F(__VA_ARGS__, 4, TYPE); break;                                                      \
    case 5: F(__VA_ARGS__, 5, TYPE); break;                                                      \
    default: F(__VA_ARGS__, 6, TYPE); break;                                                     \
  }
_Static_assert(TILE_ROWS == 6, "FOR_ROWS has a case for each number of rows");

#define FOR_TILE(ROWS, TYPE, F, ...)                                                             \
  do {                                                                                           \
    if ((TYPE) == BK_CACHE_F32)                                                                  \
      FOR_ROWS(ROWS, BK_CACHE_F32, F, __VA_ARGS__)                                               \
    else if ((TYPE) == BK_CACHE_F16)                                                             \
      FOR_ROWS(ROWS, BK_CACHE_F16, F, __VA_ARGS__)                                               \
    else                                                                                         \
      FOR_ROWS(ROWS, BK_CACHE_Q8, F, __VA_ARGS__)                                                \
  } while (0)

// ---- Scores -------------------------------------------------------------------------------------

LANES_INLINE void score_tile(const row_tile *tile, cache_place keys, size_t length, float *scores,
                             const int rows, const int blocks, const bk_cache_type type) {
  lanes sum[TILE_ROWS][MOST_BLOCKS];
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = zero_lanes();
  for (size_t d = 0; d < length; d++) {
    lanes key[MOST_BLOCKS];
    UNROLL for (int b = 0; b < blocks; b++) {
      size_t index = keys.index + ((size_t)b * length + d) * BK_KEY_LANES;
      key[b] = cached(keys.from, index, BK_FLOAT_LANES, type);
      prefetch(keys, index, type);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      lanes query = all_lanes(tile->queries[r][d]);
      UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = fused(query, key[b], sum[r][b]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++)
      store_lanes(scores + BK_CHUNK_POSITIONS * r + BK_KEY_LANES * b, sum[r][b]);
}

LANES_INLINE void score_rows(const row_tile *tile, cache_place keys, size_t blocks, size_t length,
                             float *scores, const int rows, const bk_cache_type type) {
  const size_t most = BLOCKS_OF(rows), block = length * BK_KEY_LANES;
  for (; blocks >= most; blocks -= most, keys.index += most * block, scores += most * BK_KEY_LANES)
    score_tile(tile, keys, length, scores, rows, BLOCKS_OF(rows), type);
  for (; blocks > 0; blocks--, keys.index += block, scores += BK_KEY_LANES)
    score_tile(tile, keys, length, scores, rows, 1, type);
}

TARGET static void score_group(const row_group *group) {
  size_t block = group->chunk->length * BK_KEY_LANES, most = rows_of_tiles(group);
  size_t block_count = bk_divide_up(seen_by(group, group->count - 1), BK_KEY_LANES);
  for (size_t first = 0, count; first < block_count; first += count) {
    count = block_count - first < MOST_BLOCKS ? block_count - first : MOST_BLOCKS;
    cache_place keys = {group->chunk->keys, first * block, MOST_BLOCKS * block,
                        group->chunk->type};
    if (group->count > DIRECT_ROWS)
      keys = expanded(keys, 1, count * block, count * block, group->floats);
    for (size_t row = 0; row < group->count; row += most) {
      row_tile tile = tile_at(group, row, most);
      size_t end = bk_divide_up(tile.visible[tile.count - 1], BK_KEY_LANES);
      if (end <= first) continue;
      size_t blocks = end - first < count ? end - first : count;
      float *scores = group->scores + BK_CHUNK_POSITIONS * row + BK_KEY_LANES * first;
      FOR_TILE(tile.count, keys.type, score_rows, &tile, keys, blocks, group->chunk->length,
               scores);
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

// Values, whose positions lie `stride` numbers apart, and a place in weights and totals.
typedef struct {
  cache_place values;
  const float *weights;
  float *totals;
  size_t stride, length;
} total_place;

LANES_INLINE float *total_at(total_place at, int row, int block) {
  return at.totals + (size_t)row * at.length + BK_FLOAT_LANES * block;
}

// Adds `positions` positions to `blocks` blocks of the totals, which have `size` elements.
LANES_INLINE void total_tile(total_place at, size_t positions, size_t size, const int rows,
                             const int blocks, const bk_cache_type type) {
  lanes sum[TILE_ROWS][MOST_BLOCKS];
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++)
      sum[r][b] = size == BK_FLOAT_LANES ? load_lanes(total_at(at, r, b))
                                         : load_some(total_at(at, r, b), size);
  for (size_t p = 0; p < positions; p++) {
    lanes value[MOST_BLOCKS];
    UNROLL for (int b = 0; b < blocks; b++) {
      size_t index = at.values.index + at.stride * p + (size_t)(BK_FLOAT_LANES * b);
      value[b] = cached(at.values.from, index, size, type);
      prefetch(at.values, index, type);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      lanes weight = all_lanes(at.weights[BK_CHUNK_POSITIONS * (size_t)r + p]);
      UNROLL for (int b = 0; b < blocks; b++) sum[r][b] = fused(weight, value[b], sum[r][b]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int b = 0; b < blocks; b++)
      if (size == BK_FLOAT_LANES)
        store_lanes(total_at(at, r, b), sum[r][b]);
      else
        store_some(total_at(at, r, b), sum[r][b], size);
}

LANES_INLINE void total_rows(total_place at, size_t positions, const int rows,
                             const bk_cache_type type) {
  const size_t step = BK_FLOAT_LANES * BLOCKS_OF(rows);
  size_t left = at.length;
  for (; left >= step; left -= step, at.values.index += step, at.totals += step)
    total_tile(at, positions, BK_FLOAT_LANES, rows, BLOCKS_OF(rows), type);
  for (size_t size; left > 0; left -= size, at.values.index += size, at.totals += size) {
    size = left < BK_FLOAT_LANES ? left : BK_FLOAT_LANES;
    total_tile(at, positions, size, rows, 1, type);
  }
}

// Adds positions first..<end, whose values are at a place, to the totals of a tile.
//
// Values that a row does not see may be anything, even NaN, and must not meet its weights: so rows
// leave the tile one after the other, those that see less first.
LANES_INLINE void total_rows_of_tile(const row_group *group, size_t row, size_t most,
                                     size_t first, size_t end, cache_place values, size_t stride) {
  row_tile tile = tile_at(group, row, most);
  size_t position = first, length = group->chunk->length;
  for (size_t r = 0; r < tile.count && position < end; r++, row++) {
    size_t next = tile.visible[r] < end ? tile.visible[r] : end;
    if (next <= position) continue;
    total_place at = {values, group->scores + BK_CHUNK_POSITIONS * row + position,
                      group->rows->totals + (group->first + row) * length, stride, length};
    at.values.index += (position - first) * stride;
    FOR_TILE(tile.count - r, values.type, total_rows, at, next - position);
    position = next;
  }
}

TARGET static void total_group(const row_group *group) {
  const bk_cache_chunk *chunk = group->chunk;
  size_t length = chunk->length, padded = bk_divide_up(length, BK_FLOAT_LANES) * BK_FLOAT_LANES;
  size_t most = rows_of_tiles(group), seen = seen_by(group, group->count - 1);
  for (size_t first = 0, end; first < seen; first = end) {
    end = seen - first < VALUE_POSITIONS ? seen : first + VALUE_POSITIONS;
    cache_place values = {chunk->values, first * length, VALUE_POSITIONS * length, chunk->type};
    size_t stride = length;
    if (group->count > DIRECT_ROWS) {
      values = expanded(values, end - first, length, padded, group->floats);
      stride = padded;
    }
    for (size_t row = 0; row < group->count; row += most)
      total_rows_of_tile(group, row, most, first, end, values, stride);
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
