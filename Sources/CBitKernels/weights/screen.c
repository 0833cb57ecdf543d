// Rows of signed bytes that stand in for weights, and bounds of what they get wrong.
#include "weights.h"
#include <float.h>
#include <math.h>

enum { PANELS_AT_ONCE = 16 };

// Below this, 127 / max could be infinite.
static const float least_maximum = 0x1p-100f;

// The least float that is not below v * (1 + 2^-40), which covers the rounding of a few operations
// in double.
static float above(double v) {
  v *= 1 + 0x1p-40;
  float f = (float)v;
  return f < v ? nextafterf(f, INFINITY) : f;
}

// An upper bound of the root of a sum of n squares in double, each of them rounded.
static float root_above(double squares, size_t n) {
  return above(sqrt(squares * (1 + 0x1p-50 * (double)(n + 8))));
}

size_t bk_screen_bytes(size_t rows, size_t columns) {
  return bk_divide_up(rows, BK_PANEL_ROWS) * bk_panel_bytes(columns);
}

// A row as floats and its codes.
static size_t value_bytes(size_t columns) { return bk_divide_up(4 * columns, 64) * 64; }

// Codes of a row in scratch memory, and zeros.
static size_t code_bytes(size_t columns) { return columns + 4; }

size_t bk_screen_scratch_bytes(size_t columns) {
  return value_bytes(columns) + BK_PANEL_ROWS * code_bytes(columns);
}

// A row's codes, zeros after them, and what belongs to them.
static void encode_row(const bk_kernels *kernels, const float *values, size_t row,
                       const bk_screen *screen, int8_t *codes) {
  size_t columns = screen->columns;
  float largest = kernels->absmax(values, columns), scale = 0;
  memset(codes + columns, 0, 4);
  if (largest >= least_maximum) {
    scale = largest / 127;
    kernels->quantize8(values, columns, 127 / largest, -127, 127, codes);
  } else {
    memset(codes, 0, columns);
  }
  double residual = 0, length = 0;
  kernels->weights->lengths(values, codes, columns, scale, &residual, &length);
  screen->scales[row] = scale;
  screen->norms[row] = root_above(length * ((double)scale * scale), columns);
  screen->residuals[row] = largest <= FLT_MAX ? root_above(residual, columns) : INFINITY;
}

void bk_screen_pack(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                    const bk_screen *screen, uint8_t *scratch) {
  size_t columns = screen->columns, quads = bk_divide_up(columns, 4), stride = code_bytes(columns);
  float *values = (float *)(void *)scratch;
  int8_t *codes = (int8_t *)scratch + value_bytes(columns);
  for (size_t first = rows.first; first < rows.end; first += BK_PANEL_ROWS) {
    for (size_t r = 0; r < BK_PANEL_ROWS; r++) {
      size_t row = first + r;
      if (row >= rows.end) {
        memset(codes + r * stride, 0, stride);
        continue;
      }
      bk_weight_values(kernels, weights, (bk_range){row, row + 1}, values);
      encode_row(kernels, values, row, screen, codes + r * stride);
    }
    int8_t *panel = screen->codes + first / BK_PANEL_ROWS * bk_panel_bytes(columns);
    for (size_t k = 0; k < quads; k++, panel += 4 * BK_PANEL_ROWS)
      for (size_t r = 0; r < BK_PANEL_ROWS; r++)
        memcpy(panel + 4 * r, codes + r * stride + 4 * k, 4);
  }
}

void bk_screen_quantize(const bk_kernels *kernels, const float *x, size_t columns,
                        bk_screen_input *input) {
  enum { LARGEST = 127 * 128 };
  float largest = kernels->absmax(x, columns), inverse = 0;
  input->step = 0;
  if (largest >= least_maximum) {
    input->step = largest / LARGEST;
    inverse = LARGEST / largest;
  }
  double residual = 0, length = 0;
  for (size_t c = 0; c < columns; c++) {
    int32_t code = bk_clamp((int32_t)bk_round(inverse > 0 ? x[c] * inverse : 0), -LARGEST, LARGEST);
    // From -64 to 63, so that 127 * 128 has no high part of 128.
    int32_t high = (code + 64) >> 7;
    input->high[c] = (int8_t)high;
    input->low[c] = (int8_t)(code - 128 * high);
    double error = x[c] - (double)input->step * code;
    residual += error * error;
    length += (double)x[c] * x[c];
  }
  for (size_t c = columns; c % 4; c++) input->high[c] = input->low[c] = 0;
  input->residual = root_above(residual, columns);
  input->length = largest <= FLT_MAX ? root_above(length, columns) : INFINITY;
}

// One row's estimate and its error. All that is added up is positive, so that the rounding of these
// few operations is covered by the factor 1 + 2^-18; 2^-110 covers results that are subnormal.
BK_INLINE void estimate_row(const bk_screen *screen, const bk_screen_input *input, size_t r,
                            int32_t high, int32_t low, float *estimate, float *error) {
  float unit = screen->scales[r] * input->step;
  float h = 128.0f * (float)high, l = (float)low;
  float value = (h + l) * unit, size = (fabsf(h) + fabsf(l)) * unit;
  float length = screen->norms[r] + screen->residuals[r];
  float roundings = (float)(bk_divide_up(screen->columns, 16) + 4) * 0x1.01p-24f;
  float sum = screen->residuals[r] * input->length + screen->norms[r] * input->residual +
              roundings * length * input->length + 0x1p-21f * size;
  float bound = sum * (1 + 0x1p-18f) + 0x1p-110f;
  // No partial sum of a product overflows either.
  int is_bounded = bound <= FLT_MAX && length * input->length <= FLT_MAX / 4 && size <= FLT_MAX / 4;
  *estimate = is_bounded ? value : 0;
  *error = is_bounded ? bound : INFINITY;
}

void bk_screen_product(const bk_kernels *kernels, const bk_screen *screen,
                       const bk_screen_input *input, bk_range panels, float *estimates,
                       float *errors) {
  size_t quads = bk_divide_up(screen->columns, 4), bytes = bk_panel_bytes(screen->columns);
  for (size_t first = panels.first; first < panels.end; first += PANELS_AT_ONCE) {
    int32_t sums[PANELS_AT_ONCE][2][BK_PANEL_ROWS];
    size_t rest = panels.end - first, count = rest < PANELS_AT_ONCE ? rest : PANELS_AT_ONCE;
    kernels->weights->screen(screen->codes + first * bytes, count, quads, input->high, input->low,
                             &sums[0][0][0]);
    for (size_t r = 0; r < BK_PANEL_ROWS * count; r++) {
      size_t row = BK_PANEL_ROWS * first + r, p = r / BK_PANEL_ROWS, i = r % BK_PANEL_ROWS;
      if (row >= screen->rows) return;
      estimate_row(screen, input, row, sums[p][0][i], sums[p][1][i], estimates + row,
                   errors + row);
    }
  }
}
