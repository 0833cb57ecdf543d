// Products of float activations with weights that are no codes of BitLinear: floats, halves, and
// blocks of 4, 6 or 8 bits as in GGUF, row-major, straight from a file; and rows of signed bytes that
// stand in for them where only the largest outputs are wanted.
//
// Every set of kernels gives the bits of the scalar one, except that a NaN may be another NaN.
#ifndef BITWEIGHTS_H
#define BITWEIGHTS_H

#include "bitkernels.h"

typedef enum {
  BK_F32 = 0, BK_F16, BK_BF16,
  BK_Q8_0,  // 32 weights: f16 d, 32 signed bytes q; d * q
  BK_Q4_0,  // 32 weights: f16 d, 16 bytes (low nibbles: weights 0-15, high: 16-31); d * (q - 8)
  BK_Q4_1,  // 32 weights: f16 d, f16 m, 16 bytes as in Q4_0; d * q + m
  // 256 weights: 128 bytes ql, 64 bytes qh, 16 signed bytes sc, f16 d; (d * sc[i / 16]) * (q - 32).
  // Weight 32k + i of half h has its low bits in ql[64h + 32(k % 2) + i], the low nibble for k < 2,
  // and its high bits in bits 2k and 2k + 1 of qh[32h + i].
  BK_Q6_K,
} bk_weight_type;
// All products above are exact; only the sum of BK_Q4_1 is rounded.
enum { BK_WEIGHT_TYPES = 7 };

// [rows, columns], a row of whole blocks. The address need not be aligned.
typedef struct {
  bk_weight_type type;
  size_t rows, columns;
  const uint8_t *bytes;
} bk_weights;

enum {
  // Rows of weights, and columns of them, that are floats at one time, and the most tokens that are
  // multiplied by them.
  BK_WEIGHT_ROWS = 8,
  BK_WEIGHT_COLUMNS = 512,
  BK_WEIGHT_TOKENS = 96,
  // The most columns of a screen, whose sums would not be exact with more.
  BK_SCREEN_COLUMNS = 1 << 16,
};

// One instruction set's kernels for weights.
struct bk_weight_kernels {
  // Weights from the start of a block on, whole blocks, as floats; prefetches as many bytes from
  // `ahead` on, which may be any address.
  void (*values[BK_WEIGHT_TYPES])(const uint8_t *bytes, size_t columns, const uint8_t *ahead,
                                  float *values);

  // Adds products of BK_WEIGHT_ROWS rows of at most BK_WEIGHT_COLUMNS weights, which lie
  // BK_WEIGHT_COLUMNS floats apart, to running sums: for row r and token t, sum number c % 16 of
  // lanes + 16 * (BK_WEIGHT_ROWS * t + r), each by fma in the order of c.
  void (*multiply)(const float *weights, size_t columns, const float *x, size_t x_stride,
                   size_t tokens, float *lanes);

  // Adds up the 16 running sums of each of some rows of a token: s0+s8 ... s7+s15, then those four
  // apart, two apart, one apart; then + bias[r], unless it is NULL.
  void (*totals)(const float *lanes, size_t rows, const float *bias, float *y);

  // The squares of the lengths of w - scale * q and of q, in double: eight running sums, number
  // c % 8, without fma, added as in `sums`.
  void (*lengths)(const float *w, const int8_t *q, size_t n, float scale, double *residual,
                  double *length);

  // For the 16 rows of each of some panels of a screen: sums[32p + r] = sum over c of
  // code[r][c] * high[c], and sums[32p + 16 + r] the same with low. No byte is -128.
  void (*screen)(const int8_t *codes, size_t panels, size_t quads, const int8_t *high,
                 const int8_t *low, int32_t *sums);
};

size_t bk_weight_row_bytes(bk_weight_type type, size_t columns);
// The weights of a block; 1 for types without blocks.
size_t bk_weight_block(bk_weight_type type);

// The weights of some rows as floats, as stated above.
void bk_weight_values(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                      float *values);

// y[t * y_stride + r] = sum over c of weight[r][c] * x[t * x_stride + c] (+ bias[r]) for some rows r
// and `tokens` tokens: 16 running sums from 0, number c % 16, each by fma in the order of c; then
// s0+s8 ... s7+s15, then those four apart, two apart, one apart. A token has the same bits alone and
// among others. bias may be NULL. scratch: bk_weights_scratch_bytes() bytes, for each caller, aligned
// to 64 bytes.
void bk_weights_matmul(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       size_t x_stride, size_t tokens, bk_range rows, const float *bias, float *y,
                       size_t y_stride, uint8_t *scratch);
size_t bk_weights_scratch_bytes(size_t tokens);

// The same for one token and rows[0], rows[1]...: y[i] is the product of rows[i], the same bits.
void bk_weights_select(const bk_kernels *kernels, const bk_weights *weights, const float *x,
                       const uint32_t *rows, size_t count, float *y, uint8_t *scratch);

// Rows of signed bytes, c[r] = round(w[r] * (127 / max|w[r]|)): a screen for the rows with the
// largest products. Panels of 16 rows, [panel][quad of columns][16 rows][4 columns], zeros as
// padding, so that a product reads one stream. At most BK_SCREEN_COLUMNS columns.
typedef struct {
  size_t rows, columns;
  int8_t *codes;      // bk_screen_bytes(rows, columns), aligned to 64 bytes
  float *scales;      // [rows], max|w[r]| / 127
  float *norms;       // [rows]: an upper bound of |scale * c[r]|, the Euclidean length
  float *residuals;   // [rows]: an upper bound of |w[r] - scale * c[r]|
} bk_screen;

size_t bk_screen_bytes(size_t rows, size_t columns);

// Fills the screen for whole panels: rows first..<end, first a multiple of 16 and end one too or the
// number of rows. Rows with a NaN or an infinity get residuals of INFINITY, and those whose largest
// weight is below 2^-100 zeros as codes. scratch: bk_screen_scratch_bytes(), aligned to 64 bytes.
void bk_screen_pack(const bk_kernels *kernels, const bk_weights *weights, bk_range rows,
                    const bk_screen *screen, uint8_t *scratch);
size_t bk_screen_scratch_bytes(size_t columns);

// An activation in 15 bits, x[c] ~ step * (128 * high[c] + low[c]), in two rows of signed bytes: the
// product waits for the codes of the weights, and the second row takes no time.
typedef struct {
  int8_t *high, *low;  // [4 * ceil(columns / 4)], zeros as padding
  float step;
  float length;    // an upper bound of |x|; INFINITY where x has a NaN or an infinity
  float residual;  // an upper bound of |x - step * (128 * high + low)|
} bk_screen_input;

// Fills the bytes that `input` points to, and the rest of it.
void bk_screen_quantize(const bk_kernels *kernels, const float *x, size_t columns,
                        bk_screen_input *input);

// For the rows r of some panels:
//   estimates[r] ~ the product of w[r] and x,
//   errors[r]    = an upper bound of |estimates[r] - y| for what bk_weights_matmul computes as y
//                  (without bias), and for the exact product.
// Where there is no finite bound the error is INFINITY and the estimate 0.
//
// With w = scale * c + v and x = x' + u, x' being what the bytes stand for,
//   w . x = (scale * c) . x' + v . x + (scale * c) . u,
// so that the estimate, which is the first term, is wrong by at most
//   residuals[r] * length + norms[r] * residual,
// by Cauchy and Schwarz. y has been rounded at most k = ceil(columns / 16) + 4 times on the way of
// each product, hence by at most (k u / (1 - k u)) |w| |x|, u = 2^-24; and |w| <= norms + residuals.
void bk_screen_product(const bk_kernels *kernels, const bk_screen *screen,
                       const bk_screen_input *input, bk_range panels, float *estimates,
                       float *errors);

#endif
