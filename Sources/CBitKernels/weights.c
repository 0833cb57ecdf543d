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

// The products of up to BK_WEIGHT_ROWS rows from `first` on and of up to BK_WEIGHT_TOKENS tokens, as
// running sums. The rows lie in columns of BK_WEIGHT_COLUMNS in the caches, one after the other.
static void multiply_block(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                           const float *x, size_t x_stride, size_t tokens, float *values,
                           float *lanes) {
  size_t row_bytes = bk_weight_row_bytes(weights->type, weights->columns);
  size_t count = rows.end - rows.first;
  memset(lanes, 0, tokens * LANE_BYTES);
  if (count < BK_WEIGHT_ROWS) memset(values, 0, VALUE_BYTES);
  for (size_t c = 0; c < weights->columns; c += BK_WEIGHT_COLUMNS) {
    size_t rest = weights->columns - c, part = rest < BK_WEIGHT_COLUMNS ? rest : BK_WEIGHT_COLUMNS;
    size_t offset = bk_weight_row_bytes(weights->type, c);
    // What comes next: the same rows further on, or the start of later rows.
    size_t next = rest > BK_WEIGHT_COLUMNS ? offset + bk_weight_row_bytes(weights->type, part)
                                           : BK_WEIGHT_ROWS * row_bytes;
    for (size_t r = 0; r < count; r++) {
      const uint8_t *row = weights->bytes + (rows.first + r) * row_bytes;
      kernels->weights->values[weights->type](row + offset, part, row + next,
                                              values + r * BK_WEIGHT_COLUMNS);
    }
    kernels->weights->multiply(values, part, x + c, x_stride, tokens, lanes);
  }
}

void bk_weights_matmul(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       size_t x_stride, size_t tokens, bk_range rows, const float *bias, float *y,
                       size_t y_stride, uint8_t *scratch) {
  float *values = (float *)(void *)scratch, *lanes = values + VALUE_BYTES / sizeof(float);
  for (size_t first = rows.first; first < rows.end; first += BK_WEIGHT_ROWS) {
    size_t end = rows.end - first < BK_WEIGHT_ROWS ? rows.end : first + BK_WEIGHT_ROWS;
    for (size_t t = 0; t < tokens; t += BK_WEIGHT_TOKENS) {
      size_t some = tokens - t < BK_WEIGHT_TOKENS ? tokens - t : BK_WEIGHT_TOKENS;
      multiply_block(kernels, weights, (bk_range){first, end}, x + t * x_stride, x_stride, some,
                     values, lanes);
      for (size_t i = 0; i < some; i++)
        kernels->weights->totals(lanes + i * LANE_BYTES / sizeof(float), end - first,
                                 bias ? bias + first : NULL, y + (t + i) * y_stride + first);
    }
  }
}
