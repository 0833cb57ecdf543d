// Integer kernels for matrices of 1-bit and ternary codes.
//
// The scalar file is the reference: every other file computes the same bits. A set of kernels is
// chosen by the features of the CPU, once, when it is first asked for. All sets read the same
// layouts in memory.
//
// Strips: packed codes. A matrix of `rows` x `columns` codes is cut into strips of BK_STRIP_ROWS
// rows; the last one is padded. A step of a strip is 64 bytes, a cache line: one byte per row,
// which holds the next 4, 5 or 8 columns of the row (bk_format_columns):
//   BK_TERNARY2:   code + 1 of column j in bits 2j and 2j + 1;
//   BK_TERNARY1_6: 81 a + 27 b + 9 c + 3 d + e, where a...e are code + 1 of the five columns;
//   BK_SIGN1:      bit j is 1 where the code of column j is +1.
// Row 32k + 8v + 4h + i (v, i = 0...3; k, h = 0, 1) has byte 32k + 16h + 4v + i: so interleaving
// the bytes of four columns inside 128-bit lanes gives eight rows in order.
// With a scale for each block of columns, every block begins with a step of its own; columns
// that pad its last step have the code 0.
//
// Panels: unpacked codes, a byte each. A panel has BK_PANEL_ROWS rows, a strip four panels. Columns
// come in quads of four: byte 64q + 4r + j is 1 + the code of row r, column 4q + j. The columns are
// padded to a whole quad.
#ifndef BITKERNELS_H
#define BITKERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
  BK_STRIP_ROWS = 64,
  BK_PANEL_ROWS = 16,
  BK_STRIP_PANELS = 4,
  // The most columns in a call of multiply: 64 quads of byte products keep a 16-bit accumulator
  // exact (64 * 2 * 2 * -128 = -32768).
  BK_CHUNK_COLUMNS = 256,
  // The most tokens multiplied straight from packed codes in one pass: their tables fit the caches.
  BK_PACKED_TOKENS = 32,
  // In few_tokens: unpacking is never faster.
  BK_ANY_TOKENS = 1 << 30,
  // The least number of zero columns after the codes of a token, for steps that reach beyond them.
  BK_ZERO_COLUMNS = 8,
};

typedef enum { BK_TERNARY = 0, BK_SIGN = 1 } bk_alphabet;

typedef enum { BK_TERNARY2 = 0, BK_TERNARY1_6 = 1, BK_SIGN1 = 2, BK_PANELS = 3 } bk_format;
enum { BK_PACKED_FORMATS = 3 };

// A matrix of codes.
typedef struct {
  size_t rows, columns;
  bk_format format;
  const uint8_t *codes;
  // Without blocks: one scale per row. With blocks: [strip][block][BK_STRIP_ROWS] scales, or NULL
  // where they are half precision floats.
  const float *scales;
  const uint16_t *half_scales;
  // Columns that share a scale: 0 for all columns of a row, or 64, 128, 256 (packed formats only).
  size_t block_columns;
} bk_matrix;

// One token as multiply_token reads it.
typedef struct {
  const int8_t *codes;
  // What prepare_token wrote, or NULL for sets without tables.
  const uint8_t *tables;
  // What prepare_token returned for each block.
  const int32_t *constants;
} bk_token;

// The constants of one AdamW step; see BitCore's AdamWStep.
typedef struct {
  float scale, decay, keep1, keep2, rate, inverse_root, epsilon;
} bk_adamw_constants;

// One instruction set's kernels for training.
typedef struct {
  // With s = g[i] * scale:  m += keep1 * (s - m),  v = keep2 * v + (1 - keep2) * s * s,
  // p = p * decay - rate * m / (sqrt(v) * inverse_root + epsilon), in that order, unfused.
  void (*adamw)(size_t n, const bk_adamw_constants *constants, const float *g, float *p, float *m,
                float *v);
} bk_training_kernels;

// What the machine can do at most with an instruction set, for benchmarks.
typedef struct {
  // Reads `bytes` (a multiple of 256) and returns a value that depends on all of them.
  uint64_t (*read_all)(const uint8_t *memory, size_t bytes);
  // Multiplies bytes in registers as the inner loop of multiply does, without memory, and returns
  // the number of multiplications.
  uint64_t (*dot_product)(size_t rounds, int32_t *sink);
} bk_peak_kernels;

// One instruction set's kernels. No function reads or writes outside the ranges that it is given.
typedef struct bk_kernels {
  const char *name;

  // max |x[i]|, or NaN if any x[i] is NaN or infinite. 0 for n = 0.
  float (*absmax)(const float *x, size_t n);

  // q[i] = clamp(round(x[i] * scale), low, high), half to even; returns the sum of q.
  // All x[i] * scale must be below 2^22 in magnitude.
  int32_t (*quantize8)(const float *x, size_t n, float scale, int32_t low, int32_t high, int8_t *q);

  // Sums of x[i] and of |x[i]| in double: eight running sums, number i % 8 taking x[i], added as
  // ((0+4) + (2+6)) + ((1+5) + (3+7)).
  void (*sums)(const float *x, size_t n, double *sum, double *absolute_sum);

  // Codes of up to 16 rows of weights (row r at weights + r * stride) as one panel, padded with 0.
  // ternary: v = w * parameters[r]; 2 where v > 0.5, 0 where v < -0.5, else 1.
  // sign: 2 where w > parameters[r], else 0.
  void (*encode_panel[2])(const float *weights, size_t stride, size_t rows, size_t columns,
                          const float *parameters, uint8_t *panel);

  // `columns` columns of four panels, which lie panel_bytes apart, to steps of a strip and back.
  // unpack may write anything to the columns that pad a quad.
  void (*pack[BK_PACKED_FORMATS])(const uint8_t *panels, size_t panel_bytes, size_t columns,
                                  uint8_t *steps);
  void (*unpack[BK_PACKED_FORMATS])(const uint8_t *steps, size_t columns, uint8_t *panels,
                                    size_t panel_bytes);

  // For panels p in 0..<panel_count (up to 4), which lie panel_bytes apart, and r in 0..<16:
  // sums[64t + 16p + r] += sum over quads k and j of panel[64k + 4r + j] * q[t * stride + 4k + j].
  // At most BK_CHUNK_COLUMNS / 4 quads.
  void (*multiply)(const uint8_t *panels, size_t panel_bytes, size_t panel_count, size_t quads,
                   const int8_t *q, size_t stride, size_t tokens, int32_t *sums);

  // The same sums s of one block's columns, and then
  // totals[64t + 16p + r] = fma(float(s - offsets[t * offset_stride]), scales[16p + r],
  //                             totals[64t + 16p + r]).
  void (*multiply_scaled)(const uint8_t *panels, size_t panel_bytes, size_t panel_count,
                          size_t quads, const int8_t *q, size_t stride, size_t tokens,
                          const int32_t *offsets, size_t offset_stride, const float *scales,
                          float *totals);

  // Bytes of tables that a step of a token takes; 0 for sets that have none.
  size_t table_bytes[BK_PACKED_FORMATS];
  // Fills the tables of `steps` steps of a token, whose codes begin at q; returns what
  // multiply_token must add to a sum over them.
  int32_t (*prepare_token[BK_PACKED_FORMATS])(const int8_t *q, size_t steps, uint8_t *tables);

  // One token and whole strips, straight from packed codes. Without blocks:
  // sums[64s + r] = sum over columns of code * q. With blocks, in their order:
  // totals[64s + r] = fma(float(sum over the block's columns of code * q), scale, totals...),
  // from 0.
  void (*multiply_token[BK_PACKED_FORMATS])(const bk_matrix *matrix, const bk_token *token,
                                            size_t first_strip, size_t strips, int32_t *sums,
                                            float *totals);
  // The most tokens for which multiply_token, called for each of them, is faster than unpacking.
  size_t few_tokens[BK_PACKED_FORMATS];

  // sums[b] = sum of q[b * block] ... q[b * block + block - 1], `block` being a multiple of 32.
  void (*block_sums)(const int8_t *q, size_t block, size_t blocks, int32_t *sums);

  // out[r] = float(sums[r] - offset) * scales[r] * inverse (+ bias[r]), in that order, unfused.
  void (*finish)(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                 float inverse, const float *bias, float *out);
  // out[r] = totals[r] * inverse (+ bias[r]), unfused.
  void (*finish_scaled)(const float *totals, size_t rows, float inverse, const float *bias,
                        float *out);

  const bk_training_kernels *training;
  const bk_peak_kernels *peak;
} bk_kernels;

// The kernels for this CPU. BITLINEAR_CPU=NAME forces a set that the CPU has; an empty name does
// not.
const bk_kernels *bk_active_kernels(void);

// The set of that name, or NULL if it does not exist or this CPU cannot run it.
const bk_kernels *bk_kernels_named(const char *name);

// The names of all sets built for this architecture, best first, NULL at the end.
const char *const *bk_kernel_names(void);

// For display: the architecture (index 0), then the CPU's features that matter here; NULL after the
// last one.
const char *bk_cpu_feature(size_t index);

// Quantized activations: one row of codes per token, bk_padded_columns apart, zeros after the
// columns. Codes of up to 8 bits are `narrow`, those of 9 to 16 bits `wide`; the other is NULL.
typedef struct {
  size_t stride;
  const int8_t *narrow;
  const int16_t *wide;
  const int32_t *sums;          // of each token's codes (narrow only)
  const float *inverse_scales;  // [tokens][blocks]
  size_t block_columns;         // columns that share a scale; 0 for one scale per token
} bk_activations;

size_t bk_padded_columns(size_t columns);

// Columns in a byte of a packed format.
size_t bk_format_columns(bk_format format);
size_t bk_strip_count(size_t rows);
// Blocks of a row; 1 without blocks.
size_t bk_block_count(size_t columns, size_t block_columns);
// Bytes of a strip; for BK_PANELS, of its four panels.
size_t bk_strip_bytes(size_t columns, bk_format format, size_t block_columns);
size_t bk_panel_bytes(size_t columns);

// The four panels of a strip to its packed form and back.
void bk_pack_strip(const bk_kernels *kernels, const uint8_t *panels, size_t columns,
                   bk_format format, size_t block_columns, uint8_t *strip);
void bk_unpack_strip(const bk_kernels *kernels, const uint8_t *strip, size_t columns,
                     bk_format format, size_t block_columns, uint8_t *panels);

// Rows of BK_TERNARY2 or BK_SIGN1 bytes, `row_bytes` each and one after the other, to a strip and
// back. A strip of these formats holds just these bytes, step by step, with blocks or without. Rows
// beyond `rows` (up to BK_STRIP_ROWS) become zero bytes.
void bk_strip_from_rows(const uint8_t *row_codes, size_t rows, size_t row_bytes, uint8_t *strip);
void bk_rows_from_strip(const uint8_t *strip, size_t rows, size_t row_bytes, uint8_t *row_codes);

// The product of a matrix and some tokens, whose parts are computed one by one or in parallel.
typedef struct {
  const bk_kernels *kernels;
  bk_matrix matrix;
  bk_activations x;
  size_t tokens;
  // bk_scratch_bytes(...) bytes, which bk_prepare fills and bk_matmul reads.
  uint8_t *scratch;
  const float *bias;  // [rows] or NULL
  float *y;           // [tokens, rows], rows y_stride apart
  size_t y_stride;
} bk_matmul_job;

// first, first + 1, ..., end - 1
typedef struct {
  size_t first, end;
} bk_range;

// The most tokens, up to `tokens`, that one job should have: several small jobs may be faster than
// a large one.
size_t bk_tokens_per_job(const bk_kernels *kernels, const bk_matrix *matrix, size_t tokens);
// The size of the scratch memory for `tokens` tokens (narrow codes).
size_t bk_scratch_bytes(const bk_kernels *kernels, const bk_matrix *matrix, size_t tokens);
// Fills the scratch memory for some of the tokens.
void bk_prepare(const bk_matmul_job *job, bk_range tokens);

// For the rows of some strips and some tokens, after bk_prepare of these tokens:
// y[t, r] = (float(sum over c of code(r, c) * q(t, c)) * row_scale[r])
//           * inverse_scale[t] (+ bias[r]),
// or, with blocks, f * inverse_scale[t] (+ bias[r]) where f takes the blocks in order:
//   f = fma(float(sum over the block's c of code(r, c) * q(t, c)), scale[r, block], f), from 0.
// Activations with block_columns have blocks, too. With s(c) the inverse scale of column c:
//   f = fma(float(sum over the block's c of code(r, c) * q(t, c)), scale[r, block] * s(block), f),
// where the block is the shorter one of matrix and activations, and scale[r, block] is 1 for a
// matrix without blocks; then y[t, r] = f * row_scale[r] without, or f with blocks of the matrix,
// (+ bias[r]).
// Sums are exact integers; the float operations happen in that order.
void bk_matmul(const bk_matmul_job *job, bk_range strips, bk_range tokens);

// The weights that the codes stand for, straight from the latent ones, row-major:
// ternary: scale * code; sign: +-scale. The rules are those of encode_panel.
void bk_ternary_values(const float *weights, size_t n, float inverse_scale, float scale, float *out);
void bk_sign_values(const float *weights, size_t n, float mean, float scale, float *out);

// As quantize8, for 9 to 16 bits.
void bk_quantize16(const float *x, size_t n, float scale, int32_t low, int32_t high, int16_t *q);

// out[i] = q[i] / scale
void bk_dequantize8(const int8_t *q, size_t n, float scale, float *out);
void bk_dequantize16(const int16_t *q, size_t n, float scale, float *out);

#endif
