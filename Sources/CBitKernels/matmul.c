// The product of a matrix in panels with quantized activations: blocks of columns are unpacked
// into a buffer that stays in the first cache and multiplied with many tokens at once.
#include "internal.h"

enum { TOKENS_AT_ONCE = 128 };

size_t bk_padded_columns(size_t columns) {
  return (columns + BK_COLUMN_MULTIPLE - 1) / BK_COLUMN_MULTIPLE * BK_COLUMN_MULTIPLE;
}

size_t bk_panel_bytes(size_t columns, int bits) {
  return bk_padded_columns(columns) * (size_t)bits;
}

void bk_pack_panel(const uint8_t *codes, size_t columns, int bits, uint8_t *packed) {
  size_t bytes = bk_panel_bytes(columns, bits), parts = 8 / (size_t)bits;
  for (size_t b = 0; b < bytes / 32; b++)
    for (size_t i = 0; i < 32; i++) {
      unsigned byte = 0;
      for (size_t n = 0; n < parts; n++)
        byte |= (unsigned)codes[32 * (parts * b + n) + i] << (n * (size_t)bits);
      packed[32 * b + i] = (uint8_t)byte;
    }
}

void bk_unpack_panel(const bk_kernels *kernels, const uint8_t *packed, size_t columns, int bits,
                     uint8_t *codes) {
  size_t blocks = bk_panel_bytes(columns, bits) / 32;
  if (bits == 2)
    kernels->unpack2(packed, blocks, codes);
  else
    kernels->unpack1(packed, blocks, codes);
}

// Sums of code * q for up to BK_BLOCK_PANELS panels and TOKENS_AT_ONCE tokens.
static void multiply_panels(const bk_kernels *kernels, const bk_matrix *m, size_t panel,
                            size_t panel_count, const int8_t *q, size_t stride, size_t tokens,
                            int32_t *sums) {
  _Alignas(64) uint8_t codes[BK_BLOCK_PANELS][BK_PANEL_ROWS * BK_BLOCK_COLUMNS];
  size_t padded = bk_padded_columns(m->columns), panel_bytes = bk_panel_bytes(m->columns, m->bits);
  memset(sums, 0, tokens * BK_SUM_STRIDE * sizeof *sums);
  for (size_t column = 0; column < padded; column += BK_BLOCK_COLUMNS) {
    size_t columns = padded - column < BK_BLOCK_COLUMNS ? padded - column : BK_BLOCK_COLUMNS;
    const uint8_t *sources[BK_BLOCK_PANELS];
    for (size_t p = 0; p < panel_count; p++) {
      const uint8_t *source =
          m->panels + (panel + p) * panel_bytes + column * (size_t)m->bits;
      if (m->bits != 8) {
        bk_unpack_panel(kernels, source, columns, m->bits, codes[p]);
        source = codes[p];
      }
      sources[p] = source;
    }
    kernels->multiply_block(sources, panel_count, columns / 4, q + column, stride, tokens, sums);
  }
}

// The float part of one token and some rows: sums to outputs.
static void write_outputs(const bk_matrix *m, const bk_activations *x, size_t token, size_t row,
                          size_t rows, const int32_t *sums, const float *bias, float *y,
                          size_t y_stride) {
  // Stored codes are code + 1 (ternary) or (code + 1) / 2 (sign).
  int32_t factor = m->alphabet == BK_SIGN ? 2 : 1, offset = x->sums[token];
  const float *scales = m->row_scales + row;
  float inverse = x->inverse_scales[token];
  float *out = y + token * y_stride + row;
  for (size_t r = 0; r < rows; r++)
    out[r] = (float)(factor * sums[r] - offset) * scales[r] * inverse;
  if (bias)
    for (size_t r = 0; r < rows; r++) out[r] += bias[row + r];
}

// One token: codes are used once, so they are not unpacked to memory first.
static void matmul_token(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                         size_t first_panel, size_t end_panel, size_t token, const float *bias,
                         float *y, size_t y_stride) {
  enum { PANELS_AT_ONCE = 16 };
  _Alignas(64) int32_t sums[PANELS_AT_ONCE * BK_PANEL_ROWS];
  size_t panel_bytes = bk_panel_bytes(m->columns, m->bits);
  const int8_t *q = x->narrow + token * x->stride;
  for (size_t panel = first_panel; panel < end_panel; panel += PANELS_AT_ONCE) {
    size_t panels = end_panel - panel < PANELS_AT_ONCE ? end_panel - panel : PANELS_AT_ONCE;
    const uint8_t *packed = m->panels + panel * panel_bytes;
    if (m->bits == 2)
      kernels->multiply_token2(packed, panels, panel_bytes / 32, q, sums);
    else
      kernels->multiply_token1(packed, panels, panel_bytes / 32, q, sums);
    size_t row = panel * BK_PANEL_ROWS, rows = panels * BK_PANEL_ROWS;
    if (rows > m->rows - row) rows = m->rows - row;
    write_outputs(m, x, token, row, rows, sums, bias, y, y_stride);
  }
}

static void matmul_narrow(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                          size_t first_panel, size_t end_panel, size_t first_token,
                          size_t end_token, const float *bias, float *y, size_t y_stride) {
  if (end_token - first_token == 1 && m->bits != 8) {
    matmul_token(kernels, m, x, first_panel, end_panel, first_token, bias, y, y_stride);
    return;
  }
  _Alignas(64) int32_t sums[TOKENS_AT_ONCE * BK_SUM_STRIDE];
  for (size_t token = first_token; token < end_token; token += TOKENS_AT_ONCE) {
    size_t tokens = end_token - token < TOKENS_AT_ONCE ? end_token - token : TOKENS_AT_ONCE;
    for (size_t panel = first_panel; panel < end_panel; panel += BK_BLOCK_PANELS) {
      size_t panels = end_panel - panel < BK_BLOCK_PANELS ? end_panel - panel : BK_BLOCK_PANELS;
      multiply_panels(kernels, m, panel, panels, x->narrow + token * x->stride, x->stride, tokens,
                      sums);
      size_t row = panel * BK_PANEL_ROWS, rows = panels * BK_PANEL_ROWS;
      if (rows > m->rows - row) rows = m->rows - row;
      for (size_t t = 0; t < tokens; t++)
        write_outputs(m, x, token + t, row, rows, sums + t * BK_SUM_STRIDE, bias, y, y_stride);
    }
  }
}

// 9 to 16 bits: rare, so one plain path for all CPUs, exact in 64 bits.
static void matmul_wide(const bk_kernels *kernels, const bk_matrix *m, const bk_activations *x,
                        size_t first_panel, size_t end_panel, size_t first_token, size_t end_token,
                        const float *bias, float *y, size_t y_stride) {
  uint8_t codes[BK_PANEL_ROWS * BK_BLOCK_COLUMNS];
  size_t padded = bk_padded_columns(m->columns), panel_bytes = bk_panel_bytes(m->columns, m->bits);
  int factor = m->alphabet == BK_SIGN ? 2 : 1;
  for (size_t token = first_token; token < end_token; token++)
    for (size_t panel = first_panel; panel < end_panel; panel++) {
      int64_t sums[BK_PANEL_ROWS] = {0};
      const int16_t *q = x->wide + token * x->stride;
      for (size_t column = 0; column < padded; column += BK_BLOCK_COLUMNS) {
        size_t columns = padded - column < BK_BLOCK_COLUMNS ? padded - column : BK_BLOCK_COLUMNS;
        const uint8_t *source = m->panels + panel * panel_bytes + column * (size_t)m->bits;
        if (m->bits != 8) {
          bk_unpack_panel(kernels, source, columns, m->bits, codes);
          source = codes;
        }
        for (size_t quad = 0; quad < columns / 4; quad++)
          for (size_t r = 0; r < BK_PANEL_ROWS; r++)
            for (size_t j = 0; j < 4; j++)
              sums[r] += (factor * source[32 * quad + 4 * r + j] - 1) * q[column + 4 * quad + j];
      }
      size_t row = panel * BK_PANEL_ROWS;
      for (size_t r = 0; r < BK_PANEL_ROWS && row + r < m->rows; r++) {
        float v = (float)sums[r] * m->row_scales[row + r] * x->inverse_scales[token];
        y[token * y_stride + row + r] = bias ? v + bias[row + r] : v;
      }
    }
}

void bk_matmul(const bk_kernels *kernels, const bk_matrix *matrix, const bk_activations *x,
               size_t first_panel, size_t end_panel, size_t first_token, size_t end_token,
               const float *bias, float *y, size_t y_stride) {
  (x->wide ? matmul_wide : matmul_narrow)(kernels, matrix, x, first_panel, end_panel, first_token,
                                          end_token, bias, y, y_stride);
}
