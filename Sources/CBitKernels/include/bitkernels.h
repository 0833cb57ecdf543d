// Integer kernels for matrices of 1-bit and ternary codes.
//
// The scalar file is the reference: every other file computes the same bits. A set of kernels is
// chosen by the features of the CPU, once, when it is first asked for. All sets read the same
// layouts in memory.
//
// Strips: packed codes. A matrix of `rows` x `columns` codes is cut into strips of BK_STRIP_ROWS
// rows; the last one is padded. How the codes of a strip lie in memory is the kernels' own affair:
// a set of kernels has one of two layouts for each format, and packs, unpacks and multiplies
// matrices in this layout. Files never see it.
//
// BK_LOOKUP, for kernels that look up sums in tables. A step is 64 bytes, a cache line: one byte
// per row, which holds the next 4, 5 or 8 columns of the row:
//   BK_TERNARY2:   code + 1 of column j in bits 2j and 2j + 1;
//   BK_TERNARY1_6: 81 a + 27 b + 9 c + 3 d + e, where a...e are code + 1 of the five columns;
//   BK_SIGN1:      bit j is 1 where the code of column j is +1.
// Row 32k + 8v + 4h + i (v, i = 0...3; k, h = 0, 1) has byte 32k + 16h + 4v + i: so interleaving
// the bytes of four columns inside 128-bit lanes gives eight rows in order.
//
// BK_DOT, for kernels with dot products of four bytes. The four panels of 16 rows lie one after the
// other. A step of a panel is 64 bytes, a cache line, which holds the next 16, 20 or 32 columns of
// the panel: byte 4r + j has the codes of row r in the columns 4f + j (f = 0, 1...), so that field f
// of the four bytes of a row is a quad, the four adjacent columns that one dot product takes:
//   BK_TERNARY2:   code + 1 of column 4f + j in bits 2f and 2f + 1;
//   BK_TERNARY1_6: five trits, code + 1: on x86-64 by the tables of trits.h, elsewhere the number
//                  81 a + 27 b + 9 c + 3 d + e for fields 0...4;
//   BK_SIGN1:      bit f is 1 where the code of column 4f + j is +1.
//
// In both, with a scale for each block of columns, every block begins with a step of its own. In
// columns that pad a last step, BK_LOOKUP has the code 0 and BK_DOT a stored 0, which is code -1.
//
// Panels: unpacked codes, a byte each. A panel has BK_PANEL_ROWS rows, a strip four panels. Columns
// come in quads of four: byte 64q + 4r + j is 1 + the code of row r, column 4q + j. The columns are
// padded to a whole quad.
//
// Activations of up to 8 bits are narrow: a row of signed bytes for each token. Those of 9 to 16
// bits are wide: 256 * high + low, a row of signed high bytes and a row of unsigned low bytes.
#ifndef BITKERNELS_H
#define BITKERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
  BK_STRIP_ROWS = 64,
  BK_PANEL_ROWS = 16,
  BK_STRIP_PANELS = 4,
  // The most columns in a call of multiply: 64 quads of byte products keep a 16-bit accumulator
  // exact (64 * 2 * 2 * -128 = -32768, and 64 * 2 * 2 * 255 = 65280 where it has no sign).
  BK_CHUNK_COLUMNS = 256,
  // The most tokens multiplied straight from packed codes in one pass: their tables fit the caches.
  BK_PACKED_TOKENS = 32,
  // The most tokens in a call of multiply_few.
  BK_FEW_TOKENS = 12,
  // In few_tokens: unpacking is never faster.
  BK_ANY_TOKENS = 1 << 30,
  // The least number of zero columns after the codes of a token, for steps that reach beyond them.
  BK_ZERO_COLUMNS = 31,
};

typedef enum { BK_TERNARY = 0, BK_SIGN = 1 } bk_alphabet;

typedef enum { BK_TERNARY2 = 0, BK_TERNARY1_6 = 1, BK_SIGN1 = 2, BK_PANELS = 3 } bk_format;
enum { BK_PACKED_FORMATS = 3 };

typedef enum { BK_LOOKUP = 0, BK_DOT = 1 } bk_layout;

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

// Rows of activation bytes, one per token. Plain rows (width 0) lie `stride` bytes apart. Woven ones
// come in tiles of `width` rows, the last of which may have fewer: quad k of row r of a tile begins
// at byte 4 * (width * k + r) of the tile, and tiles lie width * stride bytes apart.
typedef struct {
  const int8_t *bytes;
  size_t stride, count, width;
} bk_rows;

// Up to BK_STRIP_PANELS panels of unpacked codes, `stride` bytes apart.
typedef struct {
  const uint8_t *codes;
  size_t stride, count, quads;
  // What will be unpacked next, prefetched during the product and never read: line i + 4j (i < 4) is
  // at ahead + i * ahead_stride + j * ahead_step. Any address will do.
  const uint8_t *ahead;
  size_t ahead_stride, ahead_step;
} bk_panels;

// How the exact sums s of one segment of columns become part of a float total, for row r of the
// panels and token t:
//   total = fma(float(s - offsets[t * offset_stride]), scales[r] * factors[t * factor_stride], total)
// where factors may be NULL for ones.
typedef struct {
  const int32_t *offsets;
  size_t offset_stride;
  const float *scales;
  const float *factors;
  size_t factor_stride;
} bk_scaling;

// Up to BK_FEW_TOKENS tokens as multiply_few reads them.
typedef struct {
  // Narrow activations or the high bytes of wide ones; the low bytes, or no rows. BK_LOOKUP: plain;
  // BK_DOT: one tile.
  bk_rows rows, low;
  // BK_LOOKUP only: what prepare_token wrote.
  const uint8_t *tables;
  size_t table_stride;
  // For each token and segment. BK_LOOKUP: what prepare_token returned. BK_DOT: the sum of its
  // bytes; those of low bytes, if there are any, at low_offsets.
  const int32_t *offsets, *low_offsets;
  size_t offset_stride;
  // Scales of the activations for each block of `block_columns` columns; NULL without blocks.
  const float *factors;
  size_t factor_stride, block_columns;
} bk_tokens;

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

// Products with floats and with blocks of GGUF; see bitweights.h.
typedef struct bk_weight_kernels bk_weight_kernels;

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

  bk_layout layout[BK_PACKED_FORMATS];

  // `columns` columns of four panels, which lie panel_bytes apart, to steps of a strip and back;
  // the steps of two panels (BK_DOT) lie step_stride apart. unpack may write anything to the columns
  // that pad a quad.
  void (*pack[BK_PACKED_FORMATS])(const uint8_t *panels, size_t panel_bytes, size_t columns,
                                  uint8_t *steps, size_t step_stride);
  void (*unpack[BK_PACKED_FORMATS])(const uint8_t *steps, size_t step_stride, size_t columns,
                                    uint8_t *panels, size_t panel_bytes);

  // The most rows of a tile of woven rows, which the functions below take; 0 for plain rows.
  size_t tile_rows;

  // For all panels p, rows r = 0..<16 and tokens t:
  // sums[64t + 16p + r] += sum over quads k and j of codes[64k + 4r + j] * bytes[4k + j],
  // the bytes being signed (multiply) or unsigned (multiply_low). At most BK_CHUNK_COLUMNS / 4
  // quads.
  void (*multiply)(const bk_panels *panels, const bk_rows *rows, int32_t *sums);
  void (*multiply_low)(const bk_panels *panels, const bk_rows *rows, int32_t *sums);

  // The same sums of signed bytes over one segment's columns, which become part of
  // totals[64t + 16p + r].
  void (*multiply_scaled)(const bk_panels *panels, const bk_rows *rows, const bk_scaling *scaling,
                          float *totals);

  // For the BK_STRIP_ROWS rows of a token, as bk_scaling says:
  // totals[r] = fma(float(sums[r] - offset), scales[r] * factor, totals[r]).
  void (*add_totals)(const int32_t *sums, int32_t offset, const float *scales, float factor,
                     float *totals);

  // Half precision floats to floats, exactly.
  void (*expand_halves)(const uint16_t *halves, size_t n, float *floats);

  // Bytes of tables that a step of a token takes; 0 for BK_DOT.
  size_t table_bytes[BK_PACKED_FORMATS];
  // BK_LOOKUP: fills the tables of `steps` steps of a token, whose codes begin at q; returns what
  // multiply_few must add to a sum over them.
  int32_t (*prepare_token[BK_PACKED_FORMATS])(const int8_t *q, size_t steps, uint8_t *tables);

  // One strip, straight from packed codes, for row r and token t. Without segments:
  // sums[64t + r] = sum over columns of code * byte; low bytes follow as further tokens.
  // With segments, in their order from 0: totals[64t + r], as bk_scaling says, s - offset being the
  // sum over the segment's columns of code * activation.
  // BK_LOOKUP takes narrow activations with one scale per token only.
  void (*multiply_few[BK_PACKED_FORMATS])(const bk_matrix *matrix, size_t strip,
                                          const bk_tokens *tokens, int32_t *sums, float *totals);
  // The most tokens for which multiply_few is faster than unpacking.
  size_t few_tokens[BK_PACKED_FORMATS];

  // sums[b] = sum of q[b * block] ... q[b * block + block - 1], `block` being a multiple of 32.
  void (*block_sums)(const int8_t *q, size_t block, size_t blocks, int32_t *sums);

  // out[r] = float(sums[r] - offset) * scales[r] * inverse (+ bias[r]), in that order, unfused.
  void (*finish)(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                 float inverse, const float *bias, float *out);
  // out[r] = float(256 * high[r] + low[r]) * scales[r] * inverse (+ bias[r]), with an exact sum.
  void (*finish_wide)(const int32_t *high, const int32_t *low, size_t rows, const float *scales,
                      float inverse, const float *bias, float *out);
  // out[r] = totals[r] (* scales[r]) * inverse (+ bias[r]), unfused; scales may be NULL.
  void (*finish_scaled)(const float *totals, size_t rows, const float *scales, float inverse,
                        const float *bias, float *out);

  const bk_training_kernels *training;
  const bk_peak_kernels *peak;
  const bk_weight_kernels *weights;
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
  size_t block_columns;         // columns that share a scale: 32, 64, 128, 256; 0 for all
} bk_activations;

size_t bk_padded_columns(size_t columns);

// Columns in a step of a packed format.
size_t bk_step_columns(bk_layout layout, bk_format format);
size_t bk_strip_count(size_t rows);
// Blocks of a row; 1 without blocks.
size_t bk_block_count(size_t columns, size_t block_columns);
// Bytes of a strip; for BK_PANELS, of its four panels.
size_t bk_strip_bytes(bk_layout layout, size_t columns, bk_format format, size_t block_columns);
size_t bk_panel_bytes(size_t columns);

// The four panels of a strip to its packed form and back, in the layout of the kernels.
void bk_pack_strip(const bk_kernels *kernels, const uint8_t *panels, size_t columns,
                   bk_format format, size_t block_columns, uint8_t *strip);
void bk_unpack_strip(const bk_kernels *kernels, const uint8_t *strip, size_t columns,
                     bk_format format, size_t block_columns, uint8_t *panels);

// Rows of BK_TERNARY2 or BK_SIGN1 bytes, whose first column is in the lowest bits, to a strip and
// back: row r, of row_bytes bytes, begins at row_codes + r * row_bytes. Rows beyond `rows` (up to
// BK_STRIP_ROWS), and columns that pad the last step, become zero bits.
void bk_strip_from_rows(bk_layout layout, bk_format format, const uint8_t *row_codes, size_t rows,
                        size_t row_bytes, uint8_t *strip);
void bk_rows_from_strip(bk_layout layout, bk_format format, const uint8_t *strip, size_t rows,
                        size_t row_bytes, uint8_t *row_codes);

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
size_t bk_tokens_per_job(const bk_kernels *kernels, const bk_matrix *matrix,
                         const bk_activations *x, size_t tokens);
// The size of the scratch memory for `tokens` tokens.
size_t bk_scratch_bytes(const bk_kernels *kernels, const bk_matrix *matrix,
                        const bk_activations *x, size_t tokens);
// Fills the scratch memory for some of the tokens.
void bk_prepare(const bk_matmul_job *job, bk_range tokens);

// For the rows of some strips and some tokens, after bk_prepare of these tokens. Without blocks:
//   y[t, r] = (float(sum over c of code(r, c) * q(t, c)) * row_scale[r])
//             * inverse_scale[t] (+ bias[r]).
// With blocks of weights, activations or both, the shorter blocks are segments, taken in order:
//   f = fma(float(sum over the segment's c of code(r, c) * q(t, c)), w * a, f), from 0,
// where w is the scale of the weights' block, 1 where a row has one scale, and a the inverse scale
// of the activations' block, 1 where a token has one scale; then
//   y[t, r] = f (* row_scale[r]) (* inverse_scale[t]) (+ bias[r])
// with the scales that belong to whole rows and tokens. Sums are exact integers; the float
// operations happen in that order.
void bk_matmul(const bk_matmul_job *job, bk_range strips, bk_range tokens);

// The weights that the codes stand for, straight from the latent ones, row-major:
// ternary: scale * code; sign: +-scale. The rules are those of encode_panel.
void bk_ternary_values(const float *weights, size_t n, float inverse_scale, float scale, float *out);
void bk_sign_values(const float *weights, size_t n, float mean, float scale, float *out);

// The bfloat16 nearest to each x[i], half to even.
void bk_bf16_values(const float *x, size_t n, uint16_t *out);

// The values code * scale of the rows of one strip of BK_TERNARY2 or BK_SIGN1 codes. They are part
// of the row-major matrix that begins at `floats` or, as the nearest bfloat16, at `halves`; the
// other one is NULL.
void bk_strip_values(bk_layout layout, const bk_matrix *matrix, size_t strip, float *floats,
                     uint16_t *halves);

// A checksum of n bytes, which changes with any of them, and with `start`. Not for strangers' data: who
// chooses the bytes can make two checksums equal.
uint64_t bk_checksum(const uint8_t *bytes, size_t n, uint64_t start);

// As quantize8, for 9 to 16 bits.
void bk_quantize16(const float *x, size_t n, float scale, int32_t low, int32_t high, int16_t *q);

// out[i] = q[i] / scale
void bk_dequantize8(const int8_t *q, size_t n, float scale, float *out);
void bk_dequantize16(const int16_t *q, size_t n, float scale, float *out);

#endif
