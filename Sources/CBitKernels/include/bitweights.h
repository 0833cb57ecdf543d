// Products of float activations with weights that are no codes of BitLinear: floats, halves, and
// blocks of 4, 6 or 8 bits as in GGUF, row-major, straight from a file; and rows of signed bytes that
// stand in for them where only the largest outputs are wanted.
//
// Every set of kernels gives the bits of the scalar one.
#ifndef BITWEIGHTS_H
#define BITWEIGHTS_H

#include "bitkernels.h"

typedef enum {
  BK_F32 = 0, BK_F16, BK_BF16,
  BK_Q8_0,  // 32 weights: f16 d, 32 signed bytes q; d * q
  BK_Q4_0,  // 32 weights: f16 d, 16 bytes (low nibbles: weights 0-15, high: 16-31); d * (q - 8)
  BK_Q4_1,  // 32 weights: f16 d, f16 m, 16 bytes as in Q4_0; d * q + m, the product rounded first
  BK_Q6_K,  // 256 weights: 128 bytes ql, 64 bytes qh, 16 signed bytes sc, f16 d; d * sc * (q - 32)
} bk_weight_type;
enum { BK_WEIGHT_TYPES = 7 };

// [rows, columns], a row of whole blocks. The address need not be aligned.
typedef struct {
  bk_weight_type type;
  size_t rows, columns;
  const uint8_t *bytes;
} bk_weights;

size_t bk_weight_row_bytes(bk_weight_type type, size_t columns);

// The weights of some rows as floats, exactly (products rounded as stated above).
void bk_weight_values(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                      float *values);

// y[t * y_stride + r] = sum over c of weight[r][c] * x[t * x_stride + c] (+ bias[r]) for some rows r
// and `tokens` tokens: 16 running sums from 0, number c % 16, each by fma in the order of c; then
// s0+s8 ... s7+s15, then those four apart, two apart, one apart. A token has the same bits alone and
// among others. bias may be NULL. scratch: bk_weights_scratch_bytes() bytes, for each caller.
void bk_weights_matmul(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       size_t x_stride, size_t tokens, bk_range rows, const float *bias, float *y,
                       size_t y_stride, uint8_t *scratch);
size_t bk_weights_scratch_bytes(const bk_weights *weights);

// Rows of signed bytes, c[r] = clamp(round(w[r] * 127 / max|w[r]|)): a screen for the rows with the
// largest products. Panels of 16 rows, [panel][quad of columns][16 rows][4 columns], zeros as
// padding, so that a product reads one stream.
typedef struct {
  size_t rows, columns;
  int8_t *codes;      // bk_screen_bytes(rows, columns)
  float *scales;      // [rows], max|w[r]| / 127
  float *norms;       // [rows]: an upper bound of |scale * c[r]|, the Euclidean length
  float *residuals;   // [rows]: an upper bound of |w[r] - scale * c[r]|
  int32_t *sums;      // [rows]: the sum of c[r]
} bk_screen;

size_t bk_screen_bytes(size_t rows, size_t columns);

// Fills the screen for whole panels: rows first..<end, first a multiple of 16 and end one too or the
// number of rows. Rows with a NaN or an infinity get residuals of INFINITY.
void bk_screen_pack(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                    const bk_screen *screen, uint8_t *scratch);

// For an activation x that was quantized to signed bytes q with x ~ q * step:
//   estimates[r] = float(sum over c of c[r][c] * q[c]) * (scales[r] * step)
//   errors[r]    = an upper bound of |estimates[r] - w[r] . x|, rounding of the sum that
//                  bk_weights_matmul computes included,
// for the rows of some panels, given the lengths |x| and |x - q * step| (upper bounds).
void bk_screen_product(const bk_kernels *kernels, const bk_screen *screen, const int8_t *q,
                       float step, float length, float residual, bk_range panels,
                       float *estimates, float *errors);

#endif
