// Products of float activations with weights of files.
#include "weights.h"

// The weights and bytes of a block.
typedef struct {
  size_t columns, bytes;
} block_shape;

static block_shape shape_of(bk_weight_type type) {
  static const block_shape shapes[BK_WEIGHT_TYPES] = {
      {1, 4}, {1, 2}, {1, 2}, {32, 34}, {32, 18}, {32, 20}, {256, BK_Q6_K_BYTES}};
  return shapes[type];
}

size_t bk_weight_block(bk_weight_type type) { return shape_of(type).columns; }

size_t bk_weight_row_bytes(bk_weight_type type, size_t columns) {
  return columns / shape_of(type).columns * shape_of(type).bytes;
}

void bk_weight_values(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                      float *values) {
  size_t row_bytes = bk_weight_row_bytes(weights->type, weights->columns);
  for (size_t r = rows.first; r < rows.end; r++) {
    const uint8_t *row = weights->bytes + r * row_bytes;
    kernels->weights->values[weights->type](row, weights->columns, row + row_bytes,
                                            values + (r - rows.first) * weights->columns);
  }
}

enum {
  VALUE_BYTES = BK_WEIGHT_ROWS * BK_WEIGHT_COLUMNS * sizeof(float),
  LANE_BYTES = BK_WEIGHT_ROWS * BK_WEIGHT_LANES * sizeof(float),  // of a token
};

size_t bk_weights_scratch_bytes(size_t tokens) {
  return VALUE_BYTES + (tokens < BK_WEIGHT_TOKENS ? tokens : BK_WEIGHT_TOKENS) * LANE_BYTES;
}

// Up to BK_WEIGHT_ROWS rows, and what will be multiplied after each of them.
typedef struct {
  size_t count;
  const uint8_t *rows[BK_WEIGHT_ROWS], *following[BK_WEIGHT_ROWS];
} row_block;

// The products of some rows and of up to BK_WEIGHT_TOKENS tokens, as running sums. The rows become
// floats in the caches, BK_WEIGHT_COLUMNS columns at a time.
static void multiply_block(const bk_kernels *kernels, const bk_weights *weights,
                           const row_block *block, const float *x, size_t x_stride, size_t tokens,
                           float *values, float *lanes) {
  bk_weight_type type = weights->type;
  memset(lanes, 0, tokens * LANE_BYTES);
  for (size_t r = block->count; r < BK_WEIGHT_ROWS; r++)
    memset(values + r * BK_WEIGHT_COLUMNS, 0, BK_WEIGHT_COLUMNS * sizeof(float));
  for (size_t c = 0; c < weights->columns; c += BK_WEIGHT_COLUMNS) {
    size_t rest = weights->columns - c, part = rest < BK_WEIGHT_COLUMNS ? rest : BK_WEIGHT_COLUMNS;
    size_t offset = bk_weight_row_bytes(type, c), bytes = bk_weight_row_bytes(type, part);
    for (size_t r = 0; r < block->count; r++) {
      const uint8_t *from = block->rows[r] + offset;
      const uint8_t *ahead = rest > part ? from + bytes : block->following[r];
      kernels->weights->values[type](from, part, ahead, values + r * BK_WEIGHT_COLUMNS);
    }
    kernels->weights->multiply(values, part, x + c, x_stride, tokens, lanes);
  }
}

void bk_weights_matmul(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       size_t x_stride, size_t tokens, bk_range rows, const float *bias, float *y,
                       size_t y_stride, uint8_t *scratch) {
  size_t row_bytes = bk_weight_row_bytes(weights->type, weights->columns);
  float *values = (float *)(void *)scratch, *lanes = values + VALUE_BYTES / sizeof(float);
  for (size_t first = rows.first; first < rows.end; first += BK_WEIGHT_ROWS) {
    size_t left = rows.end - first;
    row_block block = {.count = left < BK_WEIGHT_ROWS ? left : BK_WEIGHT_ROWS};
    for (size_t r = 0; r < block.count; r++) {
      block.rows[r] = weights->bytes + (first + r) * row_bytes;
      block.following[r] = block.rows[r] + BK_WEIGHT_ROWS * row_bytes;
    }
    for (size_t t = 0; t < tokens; t += BK_WEIGHT_TOKENS) {
      size_t some = tokens - t < BK_WEIGHT_TOKENS ? tokens - t : BK_WEIGHT_TOKENS;
      multiply_block(kernels, weights, &block, x + t * x_stride, x_stride, some, values, lanes);
      for (size_t i = 0; i < some; i++)
        kernels->weights->totals(lanes + i * LANE_BYTES / sizeof(float), block.count,
                                 bias ? bias + first : NULL, y + (t + i) * y_stride + first);
    }
  }
}

void bk_weights_select(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       const uint32_t *rows, size_t count, float *y, uint8_t *scratch) {
  size_t row_bytes = bk_weight_row_bytes(weights->type, weights->columns);
  float *values = (float *)(void *)scratch, *lanes = values + VALUE_BYTES / sizeof(float);
  for (size_t first = 0; first < count; first += BK_WEIGHT_ROWS) {
    row_block block = {.count = count - first < BK_WEIGHT_ROWS ? count - first : BK_WEIGHT_ROWS};
    for (size_t r = 0; r < block.count; r++) {
      size_t next = first + r + BK_WEIGHT_ROWS < count ? first + r + BK_WEIGHT_ROWS : first + r;
      block.rows[r] = weights->bytes + rows[first + r] * row_bytes;
      block.following[r] = weights->bytes + rows[next] * row_bytes;
    }
    multiply_block(kernels, weights, &block, x, 0, 1, values, lanes);
    kernels->weights->totals(lanes, block.count, NULL, y + first);
  }
}
