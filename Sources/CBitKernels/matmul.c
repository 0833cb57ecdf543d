// The product of a matrix with quantized activations. Few tokens go straight through the packed
// codes, one after the other; for many, chunks of columns are unpacked into a buffer that stays in
// the first cache and multiplied with all of them.
#include "internal.h"

enum {
  // Tokens that are multiplied with a chunk of columns in one pass.
  TOKENS_PER_PASS = 128,
  // Strips that are multiplied with a token in one call.
  STRIPS_PER_CALL = 2,
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

size_t bk_tokens_per_job(const bk_kernels *kernels, const bk_matrix *matrix, size_t tokens) {
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

void bk_prepare(const bk_matmul_job *job, bk_range tokens) {
  const bk_kernels *kernels = job->kernels;
  const bk_matrix *m = &job->matrix;
  if (job->x.wide || job->x.block_columns) return;
  scratch_layout layout = layout_of(kernels, m, job->tokens);
  int32_t *integers = (int32_t *)(job->scratch + job->tokens * layout.table_bytes);
  bk_block_steps steps = bk_steps(m->columns, m->format, m->block_columns);
  for (size_t t = tokens.first; t < tokens.end; t++) {
    const int8_t *q = job->x.narrow + t * job->x.stride;
    if (!is_few(kernels, m, job->tokens)) {
      if (m->block_columns) sum_blocks(kernels, m, q, integers + t * layout.integers);
      continue;
    }
    size_t step_bytes = kernels->table_bytes[m->format];
    for (size_t b = 0; b < steps.blocks; b++)
      integers[t * layout.integers + b] = kernels->prepare_token[m->format](
          q + b * m->block_columns, b + 1 < steps.blocks ? steps.steps : steps.last_steps,
          job->scratch + t * layout.table_bytes + b * steps.steps * step_bytes);
  }
}

static size_t rows_of_strips(const bk_matrix *m, size_t strip, size_t strips) {
  size_t left = m->rows - strip * BK_STRIP_ROWS;
  return left < strips * BK_STRIP_ROWS ? left : strips * BK_STRIP_ROWS;
}

static void matmul_few(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  _Alignas(64) int32_t sums[STRIPS_PER_CALL * BK_STRIP_ROWS];
  _Alignas(64) float totals[STRIPS_PER_CALL * BK_STRIP_ROWS];
  const bk_kernels *kernels = job->kernels;
  const bk_matrix *m = &job->matrix;
  const bk_activations *x = &job->x;
  scratch_layout layout = layout_of(kernels, m, job->tokens);
  const int32_t *constants = (const int32_t *)(job->scratch + job->tokens * layout.table_bytes);
  for (size_t strip = strips.first; strip < strips.end; strip += STRIPS_PER_CALL) {
    size_t count = strips.end - strip < STRIPS_PER_CALL ? strips.end - strip : STRIPS_PER_CALL;
    size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, count);
    const float *bias = job->bias ? job->bias + row : NULL;
    for (size_t t = tokens.first; t < tokens.end; t++) {
      bk_token token = {x->narrow + t * x->stride, job->scratch + t * layout.table_bytes,
                        constants + t * layout.integers};
      kernels->multiply_token[m->format](m, &token, strip, count, sums, totals);
      float *out = job->y + t * job->y_stride + row;
      if (m->block_columns)
        kernels->finish_scaled(totals, rows, x->inverse_scales[t], bias, out);
      else
        kernels->finish(sums, rows, 0, m->scales + row, x->inverse_scales[t], bias, out);
    }
  }
}

// How a matrix is cut into chunks of columns, which are multiplied one after the other.
typedef struct {
  size_t count, columns, steps, strip_bytes;
} chunk_layout;

static chunk_layout chunks_of(const bk_matrix *m) {
  size_t columns = m->block_columns               ? m->block_columns
                   : m->format == BK_TERNARY1_6 ? TERNARY1_6_CHUNK
                                                : BK_CHUNK_COLUMNS;
  return (chunk_layout){bk_divide_up(m->columns, columns), columns,
                        bk_divide_up(columns, bk_format_columns(m->format)),
                        bk_strip_bytes(m->columns, m->format, m->block_columns)};
}

// One chunk of a strip as four panels: those of the matrix itself, or unpacked ones.
typedef struct {
  size_t first_column, columns;
  const uint8_t *panels;
  size_t panel_bytes;
} chunk;

static chunk load_chunk(const bk_kernels *kernels, const bk_matrix *m, const chunk_layout *chunks,
                        size_t strip, size_t index, uint8_t *buffer) {
  size_t first = index * chunks->columns, left = m->columns - first;
  size_t columns = left < chunks->columns ? left : chunks->columns;
  const uint8_t *codes = m->codes + strip * chunks->strip_bytes;
  if (m->format == BK_PANELS)
    return (chunk){first, columns, codes + BK_PANEL_ROWS * first, bk_panel_bytes(m->columns)};
  kernels->unpack[m->format](codes + BK_STRIP_ROWS * chunks->steps * index, columns, buffer,
                             CHUNK_PANEL_BYTES);
  return (chunk){first, columns, buffer, CHUNK_PANEL_BYTES};
}

static void matmul_many(const bk_matmul_job *job, bk_range strips, bk_range all_tokens) {
  _Alignas(64) uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  // A word for each output: an integer sum or, with blocks, a float total. Zero is zero in both.
  _Alignas(64) union {
    int32_t sums[TOKENS_PER_PASS * BK_STRIP_ROWS];
    float totals[TOKENS_PER_PASS * BK_STRIP_ROWS];
  } words;
  const bk_kernels *kernels = job->kernels;
  const bk_matrix *m = &job->matrix;
  const bk_activations *x = &job->x;
  chunk_layout chunks = chunks_of(m);
  const int32_t *offsets = (const int32_t *)job->scratch;
  for (size_t token = all_tokens.first; token < all_tokens.end; token += TOKENS_PER_PASS) {
    size_t left = all_tokens.end - token, tokens = left < TOKENS_PER_PASS ? left : TOKENS_PER_PASS;
    for (size_t strip = strips.first; strip < strips.end; strip++) {
      size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, 1);
      size_t panels = bk_divide_up(rows, BK_PANEL_ROWS);
      memset(&words, 0, tokens * BK_STRIP_ROWS * sizeof(int32_t));
      for (size_t c = 0; c < chunks.count; c++) {
        chunk k = load_chunk(kernels, m, &chunks, strip, c, buffer);
        const int8_t *q = x->narrow + token * x->stride + k.first_column;
        size_t quads = bk_divide_up(k.columns, 4);
        if (m->block_columns) {
          float scales[BK_STRIP_ROWS];
          for (size_t r = 0; r < BK_STRIP_ROWS; r++)
            scales[r] = bk_block_scale(m, (strip * chunks.count + c) * BK_STRIP_ROWS + r);
          kernels->multiply_scaled(k.panels, k.panel_bytes, panels, quads, q, x->stride, tokens,
                                   offsets + token * chunks.count + c, chunks.count, scales,
                                   words.totals);
        } else {
          kernels->multiply(k.panels, k.panel_bytes, panels, quads, q, x->stride, tokens,
                            words.sums);
        }
      }
      const float *bias = job->bias ? job->bias + row : NULL;
      for (size_t t = 0; t < tokens; t++) {
        float inverse = x->inverse_scales[token + t];
        float *out = job->y + (token + t) * job->y_stride + row;
        if (m->block_columns)
          kernels->finish_scaled(words.totals + t * BK_STRIP_ROWS, rows, inverse, bias, out);
        else
          kernels->finish(words.sums + t * BK_STRIP_ROWS, rows, x->sums[token + t],
                          m->scales + row, inverse, bias, out);
      }
    }
  }
}

// 9 to 16 bits: rare, so one plain path for all CPUs, exact in 64 bits.
static void matmul_wide(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  const bk_matrix *m = &job->matrix;
  const bk_activations *x = &job->x;
  chunk_layout chunks = chunks_of(m);
  for (size_t strip = strips.first; strip < strips.end; strip++)
    for (size_t t = tokens.first; t < tokens.end; t++) {
      size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, 1);
      int64_t sums[BK_STRIP_ROWS] = {0};
      float totals[BK_STRIP_ROWS] = {0};
      for (size_t c = 0; c < chunks.count; c++) {
        chunk k = load_chunk(job->kernels, m, &chunks, strip, c, buffer);
        const int16_t *q = x->wide + t * x->stride + k.first_column;
        for (size_t r = 0; r < rows; r++) {
          const uint8_t *codes =
              k.panels + r / BK_PANEL_ROWS * k.panel_bytes + 4 * (r % BK_PANEL_ROWS);
          for (size_t i = 0; i < k.columns; i++)
            sums[r] += (codes[4 * BK_PANEL_ROWS * (i / 4) + i % 4] - 1) * q[i];
          if (m->block_columns) {
            float scale = bk_block_scale(m, (strip * chunks.count + c) * BK_STRIP_ROWS + r);
            totals[r] = __builtin_fmaf((float)sums[r], scale, totals[r]);
            sums[r] = 0;
          }
        }
      }
      for (size_t r = 0; r < rows; r++) {
        float v = m->block_columns ? totals[r] : (float)sums[r] * m->scales[row + r];
        v = v * x->inverse_scales[t];
        job->y[t * job->y_stride + row + r] = job->bias ? v + job->bias[row + r] : v;
      }
    }
}

// Activations with a scale for each block of columns: one plain path for all CPUs, exact in 64 bits.
static void matmul_blocks(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  const bk_matrix *m = &job->matrix;
  const bk_activations *x = &job->x;
  chunk_layout chunks = chunks_of(m);
  size_t blocks = bk_block_count(m->columns, x->block_columns);
  size_t shorter = m->block_columns && m->block_columns < x->block_columns ? m->block_columns
                                                                           : x->block_columns;
  for (size_t strip = strips.first; strip < strips.end; strip++)
    for (size_t t = tokens.first; t < tokens.end; t++) {
      size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strips(m, strip, 1);
      int64_t sums[BK_STRIP_ROWS] = {0};
      float totals[BK_STRIP_ROWS] = {0};
      for (size_t c = 0; c < chunks.count; c++) {
        chunk k = load_chunk(job->kernels, m, &chunks, strip, c, buffer);
        for (size_t i = 0; i < k.columns; i++) {
          size_t column = k.first_column + i, at = t * x->stride + column;
          int32_t q = x->wide ? x->wide[at] : x->narrow[at];
          for (size_t r = 0; r < rows; r++)
            sums[r] += (k.panels[r / BK_PANEL_ROWS * k.panel_bytes + 4 * BK_PANEL_ROWS * (i / 4) +
                                 4 * (r % BK_PANEL_ROWS) + i % 4] - 1) * q;
          if ((column + 1) % shorter && column + 1 < m->columns) continue;
          float inverse = x->inverse_scales[t * blocks + column / x->block_columns];
          for (size_t r = 0; r < rows; r++) {
            float scale = m->block_columns
                ? bk_block_scale(m, (strip * chunks.count + c) * BK_STRIP_ROWS + r) : 1;
            totals[r] = __builtin_fmaf((float)sums[r], scale * inverse, totals[r]);
            sums[r] = 0;
          }
        }
      }
      for (size_t r = 0; r < rows; r++) {
        float v = m->block_columns ? totals[r] : totals[r] * m->scales[row + r];
        job->y[t * job->y_stride + row + r] = job->bias ? v + job->bias[row + r] : v;
      }
    }
}

void bk_matmul(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  if (job->x.block_columns)
    matmul_blocks(job, strips, tokens);
  else if (job->x.wide)
    matmul_wide(job, strips, tokens);
  else if (is_few(job->kernels, &job->matrix, job->tokens))
    matmul_few(job, strips, tokens);
  else
    matmul_many(job, strips, tokens);
}
