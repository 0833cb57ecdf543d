// The product of a matrix with quantized activations. Few tokens go straight through the packed
// codes; for many, chunks of columns are unpacked into a buffer that stays in the first cache and
// multiplied with all of them.
#include "internal.h"

enum {
  // Rows of activation bytes that are multiplied with a chunk of columns in one pass: with the
  // unpacked chunk and the sums they fit a first cache of 48 KiB. With 48 rows 512 tokens took 8 %
  // less time than with 128 (AVX-512).
  ROWS_PER_PASS = 48,
  // Chunks of a matrix without segments: quads and whole steps of every format and layout.
  TERNARY1_6_CHUNK = 240,
  // An unpacked chunk may begin with up to a step of columns that are not wanted.
  CHUNK_PANEL_BYTES = BK_PANEL_ROWS * (BK_CHUNK_COLUMNS + 32),
};

// ---- What is where in the scratch memory --------------------------------------------------------

static size_t segment_columns(const bk_matrix *m, const bk_activations *x) {
  return bk_segment_columns(m->block_columns, x->block_columns);
}

// Whether multiply_few can do it, and fast.
static int is_few(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                  size_t tokens) {
  if (m->format == BK_PANELS) return 0;
  int is_wide = x->wide != NULL;
  if (kernels->layout[m->format] == BK_LOOKUP) {
    if (is_wide || x->block_columns) return 0;
  } else {
    // Segments must not begin inside a step.
    size_t segment = segment_columns(m, x);
    if (segment != m->block_columns && segment % bk_step_columns(BK_DOT, m->format)) return 0;
  }
  return tokens << is_wide <= kernels->few_tokens[m->format];
}

// The scratch memory begins with the tables of each token; then come woven rows of bytes, those of
// high bytes and of low bytes for wide activations; then integers for each token and segment: what
// prepare_token returned or the sums of bytes, followed by those of the low bytes.
typedef struct {
  size_t table_bytes, segments;
  // Rows of a tile, or 0 for plain rows; whether they are copies of the activations.
  size_t width;
  int is_copied;
  uint8_t *tables;
  int8_t *high, *low;
  int32_t *sums, *low_sums, *end;
} scratch_layout;

// The rows of a tile, so that `tokens` tokens make tiles of nearly equal sizes.
static size_t tile_width(size_t tokens, size_t most) {
  return most && tokens ? bk_divide_up(tokens, bk_divide_up(tokens, most)) : 0;
}

static scratch_layout layout_of(const bk_kernels *kernels, const bk_matrix *m,
                                const bk_activations *x, size_t tokens, uint8_t *scratch) {
  scratch_layout s = {.tables = scratch};
  s.segments = bk_block_count(m->columns, segment_columns(m, x));
  int has_few = is_few(kernels, m, x, tokens), is_wide = x->wide != NULL;
  if (has_few && kernels->layout[m->format] == BK_LOOKUP) {
    size_t columns = bk_step_columns(BK_LOOKUP, m->format);
    s.table_bytes = bk_step_count(bk_steps(m->columns, columns, m->block_columns)) *
                    kernels->table_bytes[m->format];
  } else {
    // A tile of few wide tokens has two rows for each.
    s.width = tile_width(tokens, kernels->tile_rows >> (has_few && is_wide));
  }
  s.is_copied = is_wide || s.width > 1;
  size_t rows = s.width ? bk_divide_up(tokens, s.width) * s.width : tokens;
  if (!s.is_copied) rows = 0;
  s.high = (int8_t *)(s.tables + tokens * s.table_bytes);
  s.low = s.high + rows * x->stride;
  s.sums = (int32_t *)(s.low + (is_wide ? rows * x->stride : 0));
  s.low_sums = s.sums + tokens * s.segments;
  s.end = s.low_sums + (is_wide ? tokens * s.segments : 0);
  return s;
}

static scratch_layout layout_of_job(const bk_matmul_job *job) {
  return layout_of(job->kernels, &job->matrix, &job->x, job->tokens, job->scratch);
}

size_t bk_tokens_per_job(const bk_kernels *kernels, const bk_matrix *matrix,
                         const bk_activations *x, size_t tokens) {
  int is_limited = is_few(kernels, matrix, x, tokens) && tokens > BK_PACKED_TOKENS;
  return is_limited ? BK_PACKED_TOKENS : tokens;
}

size_t bk_scratch_bytes(const bk_kernels *kernels, const bk_matrix *matrix,
                        const bk_activations *x, size_t tokens) {
  // Only distances matter; they are the same from any address.
  _Alignas(64) uint8_t origin[64];
  return (size_t)((uint8_t *)layout_of(kernels, matrix, x, tokens, origin).end - origin);
}

// ---- Preparing tokens ---------------------------------------------------------------------------

// Sums of the bytes of each segment of a row; zeros follow the last column.
static void sum_segments(const bk_kernels *kernels, const int8_t *row, size_t columns,
                         size_t segment, int32_t *sums) {
  size_t whole = columns / segment, rest = columns % segment;
  kernels->block_sums(row, segment, whole, sums);
  if (rest || whole == 0)
    kernels->block_sums(row + whole * segment, bk_divide_up(rest, 32) * 32, 1, sums + whole);
}

// The bytes from the first quad of a token's row on, and from one quad to the next.
static size_t row_offset(const scratch_layout *s, size_t stride, size_t token) {
  if (s->width == 0) return token * stride;
  return token / s->width * s->width * stride + 4 * (token % s->width);
}

static size_t quad_bytes(const scratch_layout *s) { return s->width ? 4 * s->width : 4; }

static void weave(const scratch_layout *s, size_t stride, const int8_t *row, size_t token) {
  int8_t *to = s->high + row_offset(s, stride, token);
  for (size_t k = 0; k < stride / 4; k++) memcpy(to + quad_bytes(s) * k, row + 4 * k, 4);
}

// 16-bit codes to high bytes and low bytes, and the sums of both for each segment.
static void split_wide(const bk_matmul_job *job, size_t token, const scratch_layout *s) {
  size_t columns = job->matrix.columns, stride = job->x.stride;
  size_t segment = segment_columns(&job->matrix, &job->x), length = segment ? segment : columns;
  size_t offset = row_offset(s, stride, token);
  const int16_t *q = job->x.wide + token * stride;
  for (size_t k = 0; k < stride / 4; k++, offset += quad_bytes(s))
    for (size_t j = 0; j < 4; j++) {
      s->high[offset + j] = (int8_t)(q[4 * k + j] >> 8);
      s->low[offset + j] = (int8_t)(uint8_t)(q[4 * k + j] & 255);
    }
  for (size_t g = 0; g < s->segments; g++) {
    size_t first = g * length, end = columns - first < length ? columns : first + length;
    int32_t high = 0, low = 0;
    for (size_t c = first; c < end; c++) {
      high += q[c] >> 8;
      low += q[c] & 255;
    }
    s->sums[token * s->segments + g] = high;
    s->low_sums[token * s->segments + g] = low;
  }
}

static void prepare_tables(const bk_matmul_job *job, size_t token, const scratch_layout *s) {
  const bk_kernels *kernels = job->kernels;
  const bk_matrix *m = &job->matrix;
  const int8_t *q = job->x.narrow + token * job->x.stride;
  bk_block_steps steps =
      bk_steps(m->columns, bk_step_columns(BK_LOOKUP, m->format), m->block_columns);
  size_t step_bytes = kernels->table_bytes[m->format];
  for (size_t b = 0; b < steps.blocks; b++)
    s->sums[token * s->segments + b] = kernels->prepare_token[m->format](
        q + b * m->block_columns, b + 1 < steps.blocks ? steps.steps : steps.last_steps,
        s->tables + token * s->table_bytes + b * steps.steps * step_bytes);
}

void bk_prepare(const bk_matmul_job *job, bk_range tokens) {
  const bk_activations *x = &job->x;
  scratch_layout s = layout_of_job(job);
  size_t segment = segment_columns(&job->matrix, x);
  for (size_t t = tokens.first; t < tokens.end; t++) {
    if (x->wide) {
      split_wide(job, t, &s);
      continue;
    }
    const int8_t *row = x->narrow + t * x->stride;
    if (s.is_copied) weave(&s, x->stride, row, t);
    if (s.table_bytes)
      prepare_tables(job, t, &s);
    else if (segment)
      sum_segments(job->kernels, row, job->matrix.columns, segment, s.sums + t * s.segments);
    else
      s.sums[t] = x->sums[t];
  }
}

// ---- Outputs ------------------------------------------------------------------------------------

static size_t rows_of_strip(const bk_matrix *m, size_t strip) {
  size_t left = m->rows - strip * BK_STRIP_ROWS;
  return left < BK_STRIP_ROWS ? left : BK_STRIP_ROWS;
}

// The outputs of a strip and a token from exact sums, whose low bytes' part is NULL for narrow
// activations and needs no offset then.
static void finish(const bk_matmul_job *job, size_t strip, size_t token, const int32_t *sums,
                   int32_t offset, const int32_t *low) {
  size_t row = strip * BK_STRIP_ROWS, rows = rows_of_strip(&job->matrix, strip);
  const float *bias = job->bias ? job->bias + row : NULL, *scales = job->matrix.scales + row;
  float inverse = job->x.inverse_scales[token];
  float *out = job->y + token * job->y_stride + row;
  if (low)
    job->kernels->finish_wide(sums, low, rows, scales, inverse, bias, out);
  else
    job->kernels->finish(sums, rows, offset, scales, inverse, bias, out);
}

// The same from the totals of segments.
static void finish_totals(const bk_matmul_job *job, size_t strip, size_t token,
                          const float *totals) {
  const bk_matrix *m = &job->matrix;
  size_t row = strip * BK_STRIP_ROWS;
  job->kernels->finish_scaled(totals, rows_of_strip(m, strip),
                              m->block_columns ? NULL : m->scales + row,
                              job->x.block_columns ? 1 : job->x.inverse_scales[token],
                              job->bias ? job->bias + row : NULL,
                              job->y + token * job->y_stride + row);
}

// ---- Few tokens ---------------------------------------------------------------------------------

static void matmul_few(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  _Alignas(64) union {
    int32_t sums[BK_FEW_TOKENS * BK_STRIP_ROWS];
    float totals[BK_FEW_TOKENS * BK_STRIP_ROWS];
  } words;
  const bk_matrix *m = &job->matrix;
  const bk_activations *x = &job->x;
  scratch_layout s = layout_of_job(job);
  size_t most = s.width ? s.width : BK_FEW_TOKENS;
  size_t factors = x->block_columns ? bk_block_count(m->columns, x->block_columns) : 0;
  const int8_t *rows = s.is_copied ? s.high : x->narrow;
  for (size_t strip = strips.first; strip < strips.end; strip++)
    for (size_t first = tokens.first, count; first < tokens.end; first += count) {
      count = tokens.end - first < most ? tokens.end - first : most;
      bk_tokens few = {{rows + first * x->stride, x->stride, count, s.width},
                       {s.low + first * x->stride, x->stride, x->wide ? count : 0, s.width},
                       s.tables + first * s.table_bytes, s.table_bytes,
                       s.sums + first * s.segments, s.low_sums + first * s.segments, s.segments,
                       factors ? x->inverse_scales + first * factors : NULL, factors,
                       x->block_columns};
      job->kernels->multiply_few[m->format](m, strip, &few, words.sums, words.totals);
      for (size_t t = 0; t < count; t++) {
        const int32_t *sums = words.sums + t * BK_STRIP_ROWS;
        if (segment_columns(m, x))
          finish_totals(job, strip, first + t, words.totals + t * BK_STRIP_ROWS);
        else
          finish(job, strip, first + t, sums, 0, x->wide ? sums + count * BK_STRIP_ROWS : NULL);
      }
    }
}

// ---- Many tokens --------------------------------------------------------------------------------

// How a matrix is cut into chunks of columns, which are multiplied one after the other: a segment,
// or else as many columns as multiply takes.
typedef struct {
  size_t count, columns;
  // Unpacking begins at a whole step and a whole quad.
  size_t step_columns, unit;
  size_t strip_bytes, step_stride;
} chunk_layout;

static chunk_layout chunks_of(const bk_matmul_job *job) {
  const bk_matrix *m = &job->matrix;
  bk_layout layout = m->format == BK_PANELS ? BK_LOOKUP : job->kernels->layout[m->format];
  size_t columns = segment_columns(m, &job->x), step = bk_step_columns(layout, m->format);
  int has_fives = m->format == BK_TERNARY1_6;
  if (columns == 0) columns = has_fives ? TERNARY1_6_CHUNK : BK_CHUNK_COLUMNS;
  chunk_layout chunks = {bk_divide_up(m->columns, columns), columns, step, has_fives ? 20 : 32,
                         bk_strip_bytes(layout, m->columns, m->format, m->block_columns),
                         0};
  if (layout == BK_DOT) chunks.step_stride = chunks.strip_bytes / BK_STRIP_PANELS;
  return chunks;
}

// The packed codes from a column on, which begins a step of its block.
static const uint8_t *steps_at(const bk_matrix *m, const chunk_layout *chunks, size_t strip,
                               size_t column) {
  size_t steps = column / chunks->step_columns;
  if (m->block_columns)
    steps = column / m->block_columns * bk_divide_up(m->block_columns, chunks->step_columns) +
            column % m->block_columns / chunks->step_columns;
  return m->codes + strip * chunks->strip_bytes + BK_STEP_BYTES * steps;
}

// Chunk `index` of a strip as panels: those of the matrix itself, or unpacked into the buffer.
static bk_panels load_chunk(const bk_matmul_job *job, const chunk_layout *chunks, size_t strip,
                            size_t index, uint8_t *buffer) {
  const bk_matrix *m = &job->matrix;
  size_t first = index * chunks->columns, left = m->columns - first;
  size_t columns = left < chunks->columns ? left : chunks->columns;
  bk_panels panels = {.count = bk_divide_up(rows_of_strip(m, strip), BK_PANEL_ROWS),
                      .quads = bk_divide_up(columns, 4)};
  if (m->format == BK_PANELS) {
    panels.codes = m->codes + strip * chunks->strip_bytes + BK_PANEL_ROWS * first;
    panels.stride = bk_panel_bytes(m->columns);
    panels.ahead = panels.codes;
    return panels;
  }
  // Blocks begin with a step of their own.
  size_t skipped = (m->block_columns ? first % m->block_columns : first) % chunks->unit;
  const uint8_t *steps = steps_at(m, chunks, strip, first - skipped);
  job->kernels->unpack[m->format](steps, chunks->step_stride, skipped + columns, buffer,
                                  CHUNK_PANEL_BYTES);
  panels.codes = buffer + BK_PANEL_ROWS * skipped;
  panels.stride = CHUNK_PANEL_BYTES;
  panels.ahead = steps + BK_STEP_BYTES * bk_divide_up(skipped + columns, chunks->step_columns);
  // A step of every panel, or else four steps.
  int is_dot = chunks->step_stride != 0;
  panels.ahead_stride = is_dot ? chunks->step_stride : BK_STEP_BYTES;
  panels.ahead_step = is_dot ? BK_STEP_BYTES : 4 * BK_STEP_BYTES;
  return panels;
}

// One pass: some tokens, one strip, all columns.
typedef struct {
  const bk_matmul_job *job;
  const scratch_layout *scratch;
  size_t first, tokens;
  // A word for each output, an integer sum or a float total (zero is zero in both); low sums.
  union pass_words {
    int32_t sums[ROWS_PER_PASS * BK_STRIP_ROWS];
    float totals[ROWS_PER_PASS * BK_STRIP_ROWS];
  } *words;
  // The sums of one segment, for wide activations.
  int32_t *segment_sums;
} pass;

// Columns from `column` on of the tokens of a pass.
static bk_rows rows_at(const pass *p, const int8_t *rows, size_t column) {
  size_t stride = p->job->x.stride, width = p->scratch->width;
  return (bk_rows){rows + p->first * stride + column * (width ? width : 1), stride, p->tokens,
                   width};
}

// Narrow activations or the high bytes of wide ones.
static const int8_t *first_rows(const pass *p) {
  return p->scratch->is_copied ? p->scratch->high : p->job->x.narrow;
}

// Adds the products of some columns to sums; those of low bytes follow as further tokens.
static void add_sums(const pass *p, const bk_panels *panels, size_t column, int32_t *sums) {
  const bk_kernels *kernels = p->job->kernels;
  bk_rows rows = rows_at(p, first_rows(p), column);
  kernels->multiply(panels, &rows, sums);
  if (!p->job->x.wide) return;
  rows = rows_at(p, p->scratch->low, column);
  kernels->multiply_low(panels, &rows, sums + p->tokens * BK_STRIP_ROWS);
}

// totals = fma(float(256 * high + low), scale * factor, totals), with the offsets of both sums.
static void add_wide_segment(const pass *p, const bk_panels *panels, size_t column,
                             const bk_scaling *scaling, const int32_t *low_offsets) {
  const bk_kernels *kernels = p->job->kernels;
  int32_t *high = p->segment_sums, *low = high + p->tokens * BK_STRIP_ROWS;
  memset(high, 0, 2 * p->tokens * BK_STRIP_ROWS * sizeof *high);
  add_sums(p, panels, column, high);
  for (size_t t = 0; t < p->tokens; t++) {
    size_t offset = t * scaling->offset_stride, row = t * BK_STRIP_ROWS;
    int32_t offsets = 256 * scaling->offsets[offset] + low_offsets[offset];
    for (size_t r = row; r < row + BK_STRIP_ROWS; r++) high[r] = 256 * high[r] + low[r];
    kernels->add_totals(high + row, offsets, scaling->scales,
                        scaling->factors ? scaling->factors[t * scaling->factor_stride] : 1,
                        p->words->totals + row);
  }
}

static void add_segment(const pass *p, const bk_panels *panels, size_t strip, size_t index,
                        size_t column) {
  const bk_matrix *m = &p->job->matrix;
  const bk_activations *x = &p->job->x;
  size_t segments = p->scratch->segments, offset = p->first * segments + index;
  float scales[BK_STRIP_ROWS];
  if (m->block_columns) {
    size_t blocks = bk_block_count(m->columns, m->block_columns);
    size_t scale = (strip * blocks + column / m->block_columns) * BK_STRIP_ROWS;
    if (m->scales)
      memcpy(scales, m->scales + scale, sizeof scales);
    else
      p->job->kernels->expand_halves(m->half_scales + scale, BK_STRIP_ROWS, scales);
  } else {
    for (size_t r = 0; r < BK_STRIP_ROWS; r++) scales[r] = 1;
  }
  bk_scaling scaling = {p->scratch->sums + offset, segments, scales, NULL, 0};
  if (x->block_columns) {
    scaling.factor_stride = bk_block_count(m->columns, x->block_columns);
    scaling.factors =
        x->inverse_scales + p->first * scaling.factor_stride + column / x->block_columns;
  }
  if (x->wide) {
    add_wide_segment(p, panels, column, &scaling, p->scratch->low_sums + offset);
  } else {
    bk_rows rows = rows_at(p, first_rows(p), column);
    p->job->kernels->multiply_scaled(panels, &rows, &scaling, p->words->totals);
  }
}

// Sums of stored codes may have wrapped around, where those of codes cannot.
static void subtract(int32_t *sums, int32_t offset) {
  for (size_t r = 0; r < BK_STRIP_ROWS; r++)
    sums[r] = (int32_t)((uint32_t)sums[r] - (uint32_t)offset);
}

static void finish_pass(const pass *p, size_t strip, int has_segments) {
  for (size_t t = 0; t < p->tokens; t++) {
    size_t token = p->first + t;
    int32_t *sums = p->words->sums + t * BK_STRIP_ROWS;
    if (has_segments) {
      finish_totals(p->job, strip, token, p->words->totals + t * BK_STRIP_ROWS);
    } else if (p->job->x.wide) {
      int32_t *low = sums + p->tokens * BK_STRIP_ROWS;
      subtract(sums, p->scratch->sums[token]);
      subtract(low, p->scratch->low_sums[token]);
      finish(p->job, strip, token, sums, 0, low);
    } else {
      finish(p->job, strip, token, sums, p->scratch->sums[token], NULL);
    }
  }
}

static void matmul_many(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  _Alignas(64) uint8_t buffer[BK_STRIP_PANELS * CHUNK_PANEL_BYTES];
  _Alignas(64) union pass_words words;
  _Alignas(64) int32_t segment_sums[ROWS_PER_PASS * BK_STRIP_ROWS];
  scratch_layout s = layout_of_job(job);
  chunk_layout chunks = chunks_of(job);
  int has_segments = segment_columns(&job->matrix, &job->x) != 0;
  size_t most = job->x.wide ? ROWS_PER_PASS / 2 : ROWS_PER_PASS;
  if (s.width) most = most / s.width * s.width;
  pass p = {job, &s, 0, 0, &words, segment_sums};
  for (p.first = tokens.first; p.first < tokens.end; p.first += p.tokens) {
    p.tokens = tokens.end - p.first < most ? tokens.end - p.first : most;
    size_t word_rows = p.tokens << (job->x.wide && !has_segments);
    for (size_t strip = strips.first; strip < strips.end; strip++) {
      memset(&words, 0, word_rows * BK_STRIP_ROWS * sizeof(int32_t));
      for (size_t c = 0; c < chunks.count; c++) {
        bk_panels panels = load_chunk(job, &chunks, strip, c, buffer);
        if (has_segments)
          add_segment(&p, &panels, strip, c, c * chunks.columns);
        else
          add_sums(&p, &panels, c * chunks.columns, words.sums);
      }
      finish_pass(&p, strip, has_segments);
    }
  }
}

void bk_matmul(const bk_matmul_job *job, bk_range strips, bk_range tokens) {
  size_t width = layout_of_job(job).width;
  if (width) {
    // Whole tiles; who has the other side of a limit moves it the same way.
    tokens.first = bk_divide_up(tokens.first, width) * width;
    tokens.end = bk_divide_up(tokens.end, width) * width;
    if (tokens.end > job->tokens) tokens.end = job->tokens;
  }
  if (is_few(job->kernels, &job->matrix, &job->x, job->tokens))
    matmul_few(job, strips, tokens);
  else
    matmul_many(job, strips, tokens);
}
