// Integer kernels for matrices of 1-bit and ternary codes.
//
// The scalar file is the reference: every other file computes the same bits. A set of kernels is
// chosen once, when it is first asked for, by the features of the CPU.
//
// Codes in memory ("panels"). A matrix of `rows` x `columns` codes is cut into panels of
// BK_PANEL_ROWS rows; the last one is filled up with zero bytes. Inside a panel the columns,
// filled up to a multiple of BK_COLUMN_MULTIPLE, run in quads of four: byte 32*q + 4*r + j of an
// unpacked panel is the code of row r, column 4*q + j. Ternary codes -1, 0, +1 are stored as
// 0, 1, 2 and sign codes -1, +1 as 0, 1. Packed panels hold the same codes in fewer bits:
//   2 bits: byte 32*b + i of a panel holds bytes 128*b + i + 32*n of the unpacked one (n = 0...3)
//           in its bits 2n and 2n+1: a step of 32 bytes is a block of 16 columns;
//   1 bit:  byte 32*b + i holds bytes 256*b + i + 32*n (n = 0...7) in its bit n: 32 columns.
#ifndef BITKERNELS_H
#define BITKERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
  BK_PANEL_ROWS = 8,
  BK_COLUMN_MULTIPLE = 32,
  // Columns that one call of multiply_block takes: 64 quads of byte products keep a 16-bit
  // accumulator exact (64 * 2 * 2 * -128 = -32768).
  BK_BLOCK_COLUMNS = 256,
  // Panels that one call of multiply_block takes at most: with two panels by six tokens, all sums
  // of an AVX2 tile stay in its 16 registers; three by four spill, and take half as long again.
  BK_BLOCK_PANELS = 2,
};

typedef enum { BK_TERNARY = 0, BK_SIGN = 1 } bk_alphabet;

// The constants of one AdamW step; see BitCore's AdamWStep.
typedef struct {
  float scale, decay, keep1, keep2, rate, inverse_root, epsilon;
} bk_adamw_constants;

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

  // Codes of up to 8 rows of weights (row r at weights + r * stride) as one unpacked panel.
  // ternary: v = w * parameters[r]; 2 where v > 0.5, 0 where v < -0.5, else 1.
  // sign: 1 where w > parameters[r], else 0.
  void (*encode_panel[2])(const float *weights, size_t stride, size_t rows, size_t columns,
                          const float *parameters, uint8_t *panel);

  // 32 * blocks packed bytes to 128 (2 bits) or 256 (1 bit) bytes a block.
  void (*unpack2)(const uint8_t *packed, size_t blocks, uint8_t *codes);
  void (*unpack1)(const uint8_t *packed, size_t blocks, uint8_t *codes);

  // sums[t * 8 * BK_BLOCK_PANELS + 8 * p + r] += sum over the quads' columns c of
  // code(p, r, c) * q[t * stride + c], for p < panel_count <= BK_BLOCK_PANELS, quads <= 64.
  void (*multiply_block)(const uint8_t *const *panels, size_t panel_count, size_t quads,
                         const int8_t *q, size_t stride, size_t tokens, int32_t *sums);

  // One token straight from packed panels of `blocks` blocks each, which lie one after the other:
  // sums[8 * p + r] = sum over all columns c of code(p, r, c) * q[c].
  void (*multiply_token2)(const uint8_t *packed, size_t panel_count, size_t blocks, const int8_t *q,
                          int32_t *sums);
  void (*multiply_token1)(const uint8_t *packed, size_t panel_count, size_t blocks, const int8_t *q,
                          int32_t *sums);

  // The limits of the machine, for benchmarks. read_all reads `bytes` (a multiple of 256) and
  // returns a value that depends on them. dot_product_peak multiplies bytes in registers as the
  // inner loop of multiply_block does, without memory, and returns the number of multiplications.
  uint64_t (*read_all)(const uint8_t *memory, size_t bytes);
  uint64_t (*dot_product_peak)(size_t rounds, int32_t *sink);

  // With s = g[i] * scale:  m += keep1 * (s - m),  v = keep2 * v + (1 - keep2) * s * s,
  // p = p * decay - rate * m / (sqrt(v) * inverse_root + epsilon), in that order, unfused.
  void (*adamw)(size_t n, const bk_adamw_constants *constants, const float *g, float *p, float *m,
                float *v);
} bk_kernels;

// The kernels for this CPU. BITLINEAR_CPU=scalar|avx2 forces a set that the CPU has.
const bk_kernels *bk_active_kernels(void);

// The set of that name, or NULL if it does not exist or this CPU cannot run it.
const bk_kernels *bk_kernels_named(const char *name);

// The names of all sets built for this architecture, best first, NULL at the end.
const char *const *bk_kernel_names(void);

// Names of the CPU features that matter here, blank separated, for people.
const char *bk_cpu_features(void);

// A matrix of codes in panels.
typedef struct {
  size_t rows, columns;
  bk_alphabet alphabet;
  int bits;                // 8: unpacked panels, 2 or 1: packed ones
  const uint8_t *panels;
  const float *row_scales; // one for each row
} bk_matrix;

// Quantized activations: one row of codes a token, filled up with zeros to a multiple of
// BK_COLUMN_MULTIPLE columns. `wide` is NULL or holds the codes of 9 to 16 bits; else `narrow`.
typedef struct {
  size_t stride;
  const int8_t *narrow;
  const int16_t *wide;
  const int32_t *sums;          // of each token's codes (narrow only)
  const float *inverse_scales;  // one for each token
} bk_activations;

size_t bk_padded_columns(size_t columns);
size_t bk_panel_bytes(size_t columns, int bits);

// An unpacked panel to its 2-bit or 1-bit form, bk_panel_bytes(columns, bits) bytes.
void bk_pack_panel(const uint8_t *codes, size_t columns, int bits, uint8_t *packed);

// A packed panel to codes.
void bk_unpack_panel(const bk_kernels *kernels, const uint8_t *packed, size_t columns, int bits,
                     uint8_t *codes);

// y[t * y_stride + r] = (float(sum over c of code(r, c) * q(t, c)) * row_scale[r])
//                       * inverse_scale[t] (+ bias[r])
// for the rows of panels first_panel..<end_panel and the tokens first_token..<end_token.
// The sum is an exact integer; the float operations happen in that order, unfused.
void bk_matmul(const bk_kernels *kernels, const bk_matrix *matrix, const bk_activations *x,
               size_t first_panel, size_t end_panel, size_t first_token, size_t end_token,
               const float *bias, float *y, size_t y_stride);

// The weights that the codes stand for, straight from the latent ones, row-major:
// ternary: scale * code; sign: +-scale. The rules are those of encode_panel.
void bk_ternary_values(const float *weights, size_t n, float inverse_scale, float scale, float *out);
void bk_sign_values(const float *weights, size_t n, float mean, float scale, float *out);

// As quantize8, for 9 to 16 bits.
void bk_quantize16(const float *x, size_t n, float scale, int32_t low, int32_t high, int16_t *q);

// out[i] = q[i] / scale
void bk_dequantize8(const int8_t *q, size_t n, float scale, float *out);
void bk_dequantize16(const int16_t *q, size_t n, float scale, float *out);

// The processors that this process may use, at least 1.
size_t bk_processor_count(void);

// Tells the CPU that the caller waits in a loop.
static inline void bk_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
