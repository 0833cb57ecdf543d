// The product of a matrix with quantized activations. Few tokens go straight through the packed
// codes, one after the other; for many, chunks of columns are unpacked into a buffer that stays in
// the first cache and multiplied with all of them.
#include "internal.h"

enum {
  TOKENS_AT_ONCE = 128,
  STRIPS_AT_ONCE = 2,
  // Chunks of a matrix without blocks: quads and whole steps of every format.
  TERNARY1_6_CHUNK = 240,
  CHUNK_PANEL_BYTES = BK_PANEL_ROWS * BK_CHUNK_COLUMNS,
};

// The scratch memory begins with the tables of each token, then come the integers of each token
// and block: what prepare_token returned (few tokens) or the sums of codes (many, with blocks).
typedef struct {
  size_t table_bytes, integers;
} scratch_layout;

static int is_few(const bk_kernels *kernels, const bk_matrix *m, size_t tokens) {
  return m->format != BK_PANELS && tokens <= kernels->few_tokens[m->format];
}

size_t bk_tokens_at_once(const bk_kernels *kernels, const bk_matrix *matrix, size_t tokens) {
  return is_few(kernels, matrix, tokens) && tokens > BK_PACKED_TOKENS ? BK_PACKED_TOKENS : tokens;
}

static scratch_layout layout_of(const bk_kernels *kernels, const bk_matrix *m, size_t tokens) {
  bk_block_steps steps = bk_steps(m->columns, m->format, m->block_columns);
  if (is_few(kernels, m, tokens))
    return (scratch_layout){bk_step_count(steps) * kernels->table_bytes[m->format], steps.blocks};
  return (scratch_layout){0, m->block_columns ? steps.blocks : 0};
}

size_t bk_scratch_bytes(const bk_kernels *kernels, const bk_matrix *matrix, size_t tokens) {
  scratch_layout layout = layout_of(kernels, matrix, tokens);
  return tokens * (layout.table_bytes + layout.integers * sizeof(int32_t));
}

static void sum_blocks(const bk_kernels *kernels, const bk_matrix *m, const int8_t *q,
                       int32_t *sums) {
  size_t whole = m->columns / m->block_columns, rest = m->columns % m->block_columns;
  kernels->block_sums(q, m->block_columns, whole, sums);
  // Zeros follow the last column.
  if (rest)
    kernels->block_sums(q + whole * m->block_columns, bk_divide_up(rest, 32) * 32, 1,
                        sums + whole);
}

void bk_prepare(const bk_kernels *kernels, const bk_matrix *matrix, const bk_activations *x,
                size_t tokens, size_t first_token, size_t end_token, uint8_t *scratch) {
  if (x->wide) return;
  scratch_layout layout = layout_of(kernels, matrix, tokens);
  int32_t *integers = (int32_t *)(scratch + tokens * layout.table_bytes);
  bk_block_steps steps = bk_steps(matrix->columns, matrix->format, matrix->block_columns);
  for (size_t t = first_token; t < end_token; t++) {
    const int8_t *q = x->narrow + t * x->stride;
    if (!is_few(kernels, matrix, tokens)) {
      if (matrix->block_columns) sum_blocks(kernels, matrix, q, integers + t * layout.integers);
      continue;
    }
    size_t step_bytes = kernels->table_bytes[matrix->format];
    for (size_t b = 0; b < steps.blocks; b++)
      integers[t * layout.integers + b] = kernels->prepare_token[matrix->format](
          q + b * matrix->block_columns,
          b + 1 < steps.blocks ? steps.steps : steps.last_steps,
          scratch + t * layout.table_bytes + b * steps.steps * step_bytes);
  }
}

static size_t rows_of_strips(const bk_matrix *m, size_t strip, size_t strips) {
  size_t left = m->rows - strip * BK_STRIP_ROWS;
  return left < strips * BK_STRIP_ROWS ? left : strips * BK_STRIP_ROWS;
}

static void matmul_few(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                       const uint8_t *scratch, size_t tokens, size_t first_strip,
                       size_t end_strip, size_t first_token, size_t end_token, const float *bias,
                       float *y, size_t y_stride) {
  _Alignas(64) int32_t sums[STRIPS_AT_ONCE * BK_STRIP_ROWS];
  _Alignas(64) float totals[STRIPS_AT_ONCE * BK_STRIP_ROWS];
  scratch_layout layout = layout_of(kernels, m, tokens);
  const int32_t *constants = (const int32_t *)(scratch + tokens * layout.table_bytes);
  for (size_t strip = first_strip; strip < end_strip; strip += STRIPS_AT_ONCE) {
    size_t strips = end_strip - strip < STRIPS_AT_ONCE ? end_strip - strip : STRIPS_AT_ONCE;
    size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, strips);
    for (size_t t = first_token; t < end_token; t++) {
      bk_token token = {x->narrow + t * x->stride, scratch + t * layout.table_bytes,
                        constants + t * layout.integers};
      kernels->multiply_token[m->format](m, &token, strip, strips, sums, totals);
      const float *row_bias = bias ? bias + row : NULL;
      float *out = y + t * y_stride + row;
      if (m->block_columns)
        kernels->finish_scaled(totals, rows, x->inverse_scales[t], row_bias, out);
      else
        kernels->finish(sums, rows, 0, m->scales + row, x->inverse_scales[t], row_bias, out);
    }
  }
}

// Codes of `columns` columns of a strip as panels: those of the matrix itself, or unpacked ones.
typedef struct {
  const uint8_t *panels;
  size_t panel_bytes;
} panel_view;

static panel_view view_columns(const bk_kernels *kernels, const bk_matrix *m,
                               const uint8_t *strip, size_t step, size_t column, size_t columns,
                               uint8_t *buffer) {
  if (m->format == BK_PANELS)
    return (panel_view){strip + BK_PANEL_ROWS * column, bk_panel_bytes(m->columns)};
  kernels->unpack[m->format](strip + BK_STRIP_ROWS * step, columns, buffer, CHUNK_PANEL_BYTES);
  return (panel_view){buffer, CHUNK_PANEL_BYTES};
}

// Columns that are unpacked at a time.
static size_t chunk_columns(const bk_matrix *m) {
  if (m->block_columns) return m->block_columns;
  return m->format == BK_TERNARY1_6 ? TERNARY1_6_CHUNK : BK_CHUNK_COLUMNS;
}

static void matmul_many(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                        const uint8_t *scratch, size_t first_strip, size_t end_strip,
                        size_t first_token, size_t end_token, const float *bias, float *y,
                        size_t y_stride) {
  _Alignas(64) uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  // A word for each output: an integer sum or, with blocks, a float total. Zero is zero in both.
  _Alignas(64) union {
    int32_t sums[TOKENS_AT_ONCE * BK_STRIP_ROWS];
    float totals[TOKENS_AT_ONCE * BK_STRIP_ROWS];
  } words;
  size_t strip_bytes = bk_strip_bytes(m->columns, m->format, m->block_columns);
  size_t chunk = chunk_columns(m), chunks = bk_divide_up(m->columns, chunk);
  size_t chunk_steps = bk_divide_up(chunk, bk_format_columns(m->format));
  const int32_t *offsets = (const int32_t *)scratch;
  for (size_t token = first_token; token < end_token; token += TOKENS_AT_ONCE) {
    size_t tokens = end_token - token < TOKENS_AT_ONCE ? end_token - token : TOKENS_AT_ONCE;
    for (size_t strip = first_strip; strip < end_strip; strip++) {
      size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, 1);
      size_t panels = bk_divide_up(rows, BK_PANEL_ROWS);
      memset(&words, 0, tokens * BK_STRIP_ROWS * sizeof(int32_t));
      for (size_t c = 0; c < chunks; c++) {
        size_t column = c * chunk;
        size_t columns = m->columns - column < chunk ? m->columns - column : chunk;
        panel_view view = view_columns(kernels, m, m->codes + strip * strip_bytes,
                                       c * chunk_steps, column, columns, buffer);
        const int8_t *q = x->narrow + token * x->stride + column;
        size_t quads = bk_divide_up(columns, 4);
        if (m->block_columns) {
          float scales[BK_STRIP_ROWS];
          for (size_t r = 0; r < BK_STRIP_ROWS; r++)
            scales[r] = bk_block_scale(m, (strip * chunks + c) * BK_STRIP_ROWS + r);
          kernels->multiply_scaled(view.panels, view.panel_bytes, panels, quads, q, x->stride,
                                   tokens, offsets + token * chunks + c, chunks, scales,
                                   words.totals);
        } else {
          kernels->multiply(view.panels, view.panel_bytes, panels, quads, q, x->stride, tokens,
                            words.sums);
        }
      }
      for (size_t t = 0; t < tokens; t++) {
        const float *row_bias = bias ? bias + row : NULL;
        float inverse = x->inverse_scales[token + t], *out = y + (token + t) * y_stride + row;
        if (m->block_columns)
          kernels->finish_scaled(words.totals + t * BK_STRIP_ROWS, rows, inverse, row_bias, out);
        else
          kernels->finish(words.sums + t * BK_STRIP_ROWS, rows, x->sums[token + t],
                          m->scales + row, inverse, row_bias, out);
      }
    }
  }
}

// 9 to 16 bits: rare, so one plain path for all CPUs, exact in 64 bits.
static void matmul_wide(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                        size_t first_strip, size_t end_strip, size_t first_token,
                        size_t end_token, const float *bias, float *y, size_t y_stride) {
  uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  size_t strip_bytes = bk_strip_bytes(m->columns, m->format, m->block_columns);
  size_t chunk = chunk_columns(m), chunks = bk_divide_up(m->columns, chunk);
  size_t chunk_steps = bk_divide_up(chunk, bk_format_columns(m->format));
  for (size_t strip = first_strip; strip < end_strip; strip++)
    for (size_t t = first_token; t < end_token; t++) {
      size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, 1);
      int64_t sums[BK_STRIP_ROWS] = {0};
      float totals[BK_STRIP_ROWS] = {0};
      for (size_t c = 0; c < chunks; c++) {
        size_t column = c * chunk;
        size_t columns = m->columns - column < chunk ? m->columns - column : chunk;
        panel_view view = view_columns(kernels, m, m->codes + strip * strip_bytes,
                                       c * chunk_steps, column, columns, buffer);
        const int16_t *q = x->wide + t * x->stride + column;
        for (size_t r = 0; r < rows; r++) {
          const uint8_t *codes =
              view.panels + r / BK_PANEL_ROWS * view.panel_bytes + 4 * (r % BK_PANEL_ROWS);
          for (size_t k = 0; k < columns; k++)
            sums[r] += (codes[4 * BK_PANEL_ROWS * (k / 4) + k % 4] - 1) * q[k];
          if (m->block_columns) {
            float scale = bk_block_scale(m, (strip * chunks + c) * BK_STRIP_ROWS + r);
            totals[r] = __builtin_fmaf((float)sums[r], scale, totals[r]);
            sums[r] = 0;
          }
        }
      }
      for (size_t r = 0; r < rows; r++) {
        float v = m->block_columns ? totals[r] : (float)sums[r] * m->scales[row + r];
        v = v * x->inverse_scales[t];
        y[t * y_stride + row + r] = bias ? v + bias[row + r] : v;
      }
    }
}

void bk_matmul(const bk_kernels *kernels, const bk_matrix *matrix, const bk_activations *x,
               const uint8_t *scratch, size_t tokens, size_t first_strip, size_t end_strip,
               size_t first_token, size_t end_token, const float *bias, float *y,
               size_t y_stride) {
  if (x->wide)
    matmul_wide(kernels, matrix, x, first_strip, end_strip, first_token, end_token, bias, y,
                y_stride);
  else if (is_few(kernels, matrix, tokens))
    matmul_few(kernels, matrix, x, scratch, tokens, first_strip, end_strip, first_token,
               end_token, bias, y, y_stride);
  else
    matmul_many(kernels, matrix, x, scratch, first_strip, end_strip, first_token, end_token,
                bias, y, y_stride);
}
