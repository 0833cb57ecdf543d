// The C interface of BitLinear: 1-bit and 1.58-bit linear layers, computed as the Swift package
// computes them, bit for bit.
//
// Matrices are row-major float32. `stride` is the distance between two rows in elements, at least
// the length of a row. Memory belongs to the caller and is only used during a call; the exceptions
// are the handles (bitlinear_packed, bitlinear_file), which the caller frees with the function that
// is named there, and the arrays of bitlinear_packed_borrow.
//
// Functions that can fail return a status: BITLINEAR_OK or what went wrong, and then
// bitlinear_last_error() describes it. Arguments are checked, except for the memory behind a
// pointer: it must be valid, and outputs must not overlap inputs. After an error, outputs have
// unspecified values and no handle is returned.
//
// All functions may be called from several threads at once, even with the same handle, as long as
// none of them frees it.
#ifndef BITLINEAR_H
#define BITLINEAR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What a function returns.
enum {
  BITLINEAR_OK = 0,
  // An invalid argument: a null pointer, a negative extent, an unknown option.
  BITLINEAR_INVALID_ARGUMENT = 1,
  // Two things that do not fit each other, such as groups that do not divide a layer.
  BITLINEAR_MISMATCH = 2,
  // A damaged file.
  BITLINEAR_MALFORMED = 3,
  // A file, or a part of it, that does not exist.
  BITLINEAR_MISSING = 4,
  // Something that this library does not support.
  BITLINEAR_UNSUPPORTED = 5,
  // A NaN or an infinity where numbers must be finite.
  BITLINEAR_NOT_FINITE = 6,
  // An error of the operating system on a file.
  BITLINEAR_INPUT_OUTPUT = 7,
};

// The version of the library, such as "0.1.0". The text is valid forever.
const char *bitlinear_version(void);

// The error of the last call that failed on this thread, in words, with the offending values; "" if
// none failed. The text is valid until the next call that fails on this thread.
const char *bitlinear_last_error(void);

// The number of threads that a call may use, including the caller's.
int32_t bitlinear_threads(void);

// Sets that number for the whole process: at least 1, and limited to the number of processors that
// the process may use. Results do not depend on it. Fails for less than 1.
int32_t bitlinear_set_threads(int32_t threads);

// ---- Recipes ------------------------------------------------------------------------------------

// How weights become codes.
enum {
  BITLINEAR_SIGN = 0,     // +1 where w > mean, else -1; scale mean|w|  (arXiv 2310.11453)
  BITLINEAR_TERNARY = 1,  // clamp(round(w / scale), -1, 1); scale max(mean|w|, 1e-5) (2402.17764)
};

// The normalization of a layer's input.
enum {
  BITLINEAR_NORM_NONE = 0,
  BITLINEAR_NORM_LAYER = 1,
  BITLINEAR_NORM_RMS = 2,
  BITLINEAR_NORM_GROUP = 3,
};

// How a layer quantizes.
typedef struct bitlinear_recipe {
  int32_t weights;           // BITLINEAR_SIGN or BITLINEAR_TERNARY
  int32_t activation_bits;   // 2...16
  int32_t per_token;         // 1: one scale per row of the input; 0: one for the whole input
  float activation_epsilon;  // the minimum of max|x| when a scale is computed; 0 for none
  int32_t norm;              // BITLINEAR_NORM_...
  int32_t norm_groups;       // of BITLINEAR_NORM_GROUP; 1 otherwise
  float norm_epsilon;        // added to the variance or the mean square
  int32_t activation_block;  // 32, 64, 128 or 256: one scale per so many columns of a row of the
                             // input, the last ones of a row perhaps fewer, which needs per_token;
                             // 0: none
} bitlinear_recipe;

// The recipe of a name: "bitnet" (sign, 8 bits, one scale for the tensor, no norm) or "b158"
// (ternary, 8 bits, one scale per token, RMSNorm; both epsilons 1e-5).
int32_t bitlinear_recipe_named(const char *name, bitlinear_recipe *recipe);

// ---- Quantizing ---------------------------------------------------------------------------------

// Absmax quantization: s = Q / max|x|, code = clamp(round(x * s), -Q, Q), Q = 2^(bits - 1) - 1,
// half to even. A row with a NaN or an infinity has codes 0, scale NaN, and dequantizes to NaN.
//
//   x            [rows, features]
//   bits         2...16
//   per_token    1: one scale per row; 0: one for all
//   block        32, 64, 128 or 256: one scale per so many columns of a row, which needs per_token;
//                0: none
//   codes        [rows, features], contiguous: int8_t up to 8 bits, int16_t above; or NULL
//   scales       [rows, blocks], the last block of a row being what is left; [rows] without blocks;
//                or NULL. Without per_token all are equal, except for NaN.
//   dequantized  [rows, features], contiguous, code / scale; or NULL
int32_t bitlinear_absmax_quantize(
    const float *x, int64_t rows, int64_t features, int64_t stride, int32_t bits,
    int32_t per_token, int32_t block, void *codes, float *scales, float *dequantized);

// ---- Training -----------------------------------------------------------------------------------

// A layer with latent weights.
typedef struct bitlinear_layer {
  int64_t in_features;
  int64_t out_features;
  int64_t groups;            // groups of output rows, one scale per group; divides out_features
  const float *weight;       // [out_features, in_features]
  int64_t weight_stride;
  const float *bias;         // [out_features], or NULL
  const float *norm_weight;  // [in_features], or NULL: the factor of the norm
  const float *norm_bias;    // [in_features], or NULL: the offset of the norm

  // How the weights of each group become codes: [groups] numbers each, or both NULL for what
  // bitlinear_recipe.weights says, computed from the weights. With given ones a caller quantizes in
  // another way, or with statistics of more weights than these.
  //   sign:     code +1 where w > weight_parameter, else -1
  //   ternary:  code clamp(round(w * weight_parameter), -1, 1); 1 / scale where it is computed
  // weight_scale is the number that a code 1 stands for.
  const float *weight_parameter;
  const float *weight_scale;
} bitlinear_layer;

// y = quantized(norm(x)) times quantized(W), multiplied in integers, times both scales, plus bias:
// the same bits on every CPU, for any number of threads and, with per_token, for any number of
// tokens.
//
//   x  [tokens, in_features],  y  [tokens, out_features]
//
// A row of x with a NaN or an infinity gives a row of NaN.
int32_t bitlinear_forward(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, const float *x, int64_t tokens,
    int64_t x_stride, float *y, int64_t y_stride);

// Computes c = op(a) op(b), row-major: op(a) is [m, k], op(b) is [k, n], c is [m, n] contiguous; a
// matrix is read as its transpose if `transposed` is 1. No extent is 0. `context` is the caller's.
// It is called on the thread that called bitlinear_backward.
typedef void (*bitlinear_matmul)(
    void *context, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_stride,
    int32_t a_transposed, const float *b, int64_t b_stride, int32_t b_transposed, float *c);

// Memory for gradients, contiguous and overwritten; NULL for one that is not wanted.
typedef struct bitlinear_gradients {
  float *x;            // [tokens, in_features]
  float *weight;       // [out_features, in_features]
  float *bias;         // [out_features]
  float *norm_weight;  // [in_features]; NULL if the layer has no norm_weight
  float *norm_bias;    // [in_features]; NULL if the layer has no norm_bias
} bitlinear_gradients;

// The straight-through gradients of bitlinear_forward: both quantizers pass a gradient through
// unchanged, and scales are constants. dX = dY W~ (then back through the norm), dW = dY^T x~,
// db = the sum of dY, where W~ and x~ are the dequantized weights and activations.
//
//   grad_y   [tokens, out_features]
//   matmul   multiplies float matrices; NULL for this library's own plain loop
//   context  for matmul
int32_t bitlinear_backward(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, const float *x, int64_t tokens,
    int64_t x_stride, const float *grad_y, int64_t grad_y_stride,
    const bitlinear_gradients *gradients, bitlinear_matmul matmul, void *context);

// ---- Codes --------------------------------------------------------------------------------------

// The order of a matrix's codes in memory. In each a code takes B bits: 2 (ternary), code + 1, or 1
// (sign), which is set for +1. The formulas below are for the code of row r and column c.
//
// BITLINEAR_LAYOUT_ROWS: the same on every CPU, and the one in files. A row has row_bytes bytes,
// in_features * B / 8 rounded up. With n = 8 / B codes in a byte, the code is in
//   byte  r * row_bytes + c / n,  from bit  B * (c % n)  up.
// Unused bits are 0.
//
// The other two are what kernels read: strips of 64 rows, one after the other, which consist of
// steps of 64 bytes.
//
// BITLINEAR_LAYOUT_LOOKUP: a step has the next n = 8 / B columns of all rows of a strip, a byte for
// each row, and a strip has S = in_features / n steps, rounded up. With k = r % 64, the code is in
//   byte  64 * (S * (r / 64) + c / n) + 32 * (k / 32) + 16 * (k / 4 % 2) + 4 * (k / 8 % 4)
//         + k % 4,  from bit  B * (c % n)  up.
//
// BITLINEAR_LAYOUT_DOT: a strip is four panels of 16 rows. A step has the next n = 32 / B columns
// of a panel, four bytes for each row, and a panel has S = in_features / n steps, rounded up. The
// code is in
//   byte  64 * (S * (r / 16) + c / n) + 4 * (r % 16) + c % 4,  from bit  B * (c % n / 4)  up.
//
// In both, the last strip and the last step are whole, and bits that belong to no row or no column
// may have any value.
enum {
  BITLINEAR_LAYOUT_ROWS = 0,
  BITLINEAR_LAYOUT_LOOKUP = 1,
  BITLINEAR_LAYOUT_DOT = 2,
};

// The layout that the kernels of this CPU read, for BITLINEAR_SIGN or BITLINEAR_TERNARY: LOOKUP or
// DOT, the same one as long as the process runs. Negative after an error, such as another number.
int32_t bitlinear_native_layout(int32_t weights);

// The bytes of a matrix of codes in a layout. Negative after an error: extents that no layer has,
// or an unknown number for weights or layout.
int64_t bitlinear_codes_bytes(
    int32_t weights, int64_t out_features, int64_t in_features, int32_t layout);

// Copies codes from one layout to another, or to the same one, on any CPU. `source` and `target`
// have the bytes that bitlinear_codes_bytes says. Codes in rows are checked: fails with
// BITLINEAR_MALFORMED for a ternary code of 3 and for unused bits that are not 0. Codes of other
// layouts are copied as they are.
int32_t bitlinear_convert_codes(
    int32_t weights, int64_t out_features, int64_t in_features, int32_t from,
    const uint8_t *source, int32_t to, uint8_t *target);

// A checksum of rows of bytes, which changes with any of them; so a caller can see whether weights
// are those that it packed, at the speed of reading them. It is the same on every CPU and for any
// number of threads, but not for strangers' data: who chooses the bytes can make two of them equal.
//
//   data    [rows, row_bytes], rows `stride` bytes apart
int32_t bitlinear_checksum(
    const void *data, int64_t rows, int64_t row_bytes, int64_t stride, uint64_t *checksum);

// ---- Packed layers ------------------------------------------------------------------------------

// A layer for inference: codes of 2 bits (ternary) or 1 bit (sign), scales, bias, norm.
typedef struct bitlinear_packed bitlinear_packed;

// The description of a packed layer.
typedef struct bitlinear_packed_info {
  bitlinear_recipe recipe;
  int64_t in_features;
  int64_t out_features;
  int64_t scale_count;      // groups; or out_features * blocks of a row, if block_features is not 0
  int64_t block_features;   // consecutive weights of a row that share a scale; 0 for groups of rows
  int64_t row_bytes;        // of a row of codes in BITLINEAR_LAYOUT_ROWS
  int64_t byte_count;       // in memory, borrowed codes included
  int32_t has_bias;         // 0 or 1, like the next two
  int32_t has_norm_weight;
  int32_t has_norm_bias;
} bitlinear_packed_info;

// Packs a layer. Fails with BITLINEAR_NOT_FINITE if a scale is NaN, infinite or negative.
int32_t bitlinear_pack(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, bitlinear_packed **packed);

// Quantizes the weights of a layer and packs them into the caller's memory, as
// bitlinear_packed_borrow takes them. Fails as bitlinear_pack does, and then writes nothing.
//
//   codes   in the native layout: bitlinear_codes_bytes bytes
//   scales  [groups]
int32_t bitlinear_pack_codes(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, uint8_t *codes, float *scales);

// Makes a packed layer from codes in BITLINEAR_LAYOUT_ROWS. `info` gives recipe, extents,
// scale_count, block_features and row_bytes; its other members are ignored.
//
//   codes   [out_features, row_bytes], checked as by bitlinear_convert_codes
//   scales  [scale_count]; bias, norm_weight, norm_bias: NULL if there is none
int32_t bitlinear_packed_from_codes(
    const bitlinear_packed_info *info, const uint8_t *codes, const float *scales,
    const float *bias, const float *norm_weight, const float *norm_bias,
    bitlinear_packed **packed);

// Makes a packed layer over arrays that stay where they are, the codes in the native layout, whatever
// info->block_features is. This memory must live until the layer is freed; where it changes between
// two calls, the layer changes with it. `info` is that of bitlinear_packed_from_codes, but for row_bytes, which
// is ignored.
//
//   codes   bitlinear_codes_bytes bytes, not checked: a ternary code of 3 gives meaningless numbers
//           and does no other harm. Any alignment gives the same results; multiples of 64 bytes are
//           fastest.
int32_t bitlinear_packed_borrow(
    const bitlinear_packed_info *info, const uint8_t *codes, const float *scales,
    const float *bias, const float *norm_weight, const float *norm_bias,
    bitlinear_packed **packed);

// The output of a packed layer: the same bits as bitlinear_forward of the layer it was packed from.
//
//   x  [tokens, in_features],  y  [tokens, out_features]
int32_t bitlinear_packed_forward(
    const bitlinear_packed *packed, const float *x, int64_t tokens, int64_t x_stride, float *y,
    int64_t y_stride);

// Describes a packed layer.
int32_t bitlinear_packed_describe(const bitlinear_packed *packed, bitlinear_packed_info *info);

// Copies the parts of a packed layer, as bitlinear_packed_from_codes takes them; NULL for one that
// is not wanted.
int32_t bitlinear_packed_read(
    const bitlinear_packed *packed, uint8_t *codes, float *scales, float *bias,
    float *norm_weight, float *norm_bias);

// Copies the codes of a packed layer in a layout: bitlinear_codes_bytes bytes.
int32_t bitlinear_packed_codes(const bitlinear_packed *packed, int32_t layout, uint8_t *codes);

// Frees a packed layer; NULL is ignored.
void bitlinear_packed_free(bitlinear_packed *packed);

// ---- Values -------------------------------------------------------------------------------------
//
// The numbers that codes stand for, for a caller with its own products of floats: those of
// bitlinear_backward are dX = dY W~, then back through the norm, and dW = dY^T x~.

// The type of a value.
enum {
  BITLINEAR_FLOAT32 = 0,
  BITLINEAR_BFLOAT16 = 1,  // the nearest one to the float32, half to even
};

// The quantized weights W~ of a layer, code * scale of the group.
//
//   values  [out_features, in_features], contiguous, of the type
int32_t bitlinear_weight_values(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, int32_t type, void *values);

// Those of some rows of a packed layer, code * scale; so a caller can multiply by parts of the matrix
// that fit its caches.
//
//   first_row  a multiple of 64
//   values     [row_count, in_features], contiguous, of the type
int32_t bitlinear_packed_values(
    const bitlinear_packed *packed, int64_t first_row, int64_t row_count, int32_t type,
    void *values);

// The quantized activations x~ of a layer, code / scale of norm(x). Of `layer` only in_features,
// norm_weight and norm_bias are used. A row of x with a NaN or an infinity gives a row of NaN.
//
//   x       [tokens, in_features]
//   values  [tokens, in_features], contiguous, of the type
int32_t bitlinear_input_values(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, const float *x, int64_t tokens,
    int64_t x_stride, int32_t type, void *values);

// The gradients of the norm alone, which a recipe without one does not have.
//
//   norm_weight, norm_bias            [in_features], or NULL, as in bitlinear_layer
//   x                                 [tokens, in_features]
//   upstream                          [tokens, in_features]: the gradient of norm(x), here dY W~
//   grad_x                            [tokens, in_features], contiguous
//   grad_norm_weight, grad_norm_bias  [in_features]; NULL if there is no norm_weight or norm_bias
//
// Gradients are overwritten; NULL for one that is not wanted.
int32_t bitlinear_norm_backward(
    const bitlinear_recipe *recipe, int64_t in_features, const float *norm_weight,
    const float *norm_bias, const float *x, int64_t tokens, int64_t x_stride,
    const float *upstream, int64_t upstream_stride, float *grad_x, float *grad_norm_weight,
    float *grad_norm_bias);

// ---- Files --------------------------------------------------------------------------------------

// A safetensors file, memory-mapped.
typedef struct bitlinear_file bitlinear_file;

// A tensor that is not part of a packed layer.
typedef struct bitlinear_tensor {
  const char *name;
  const char *dtype;     // safetensors' name of it: "F32", "BF16", "I64", ...
  int32_t rank;
  const int64_t *shape;  // [rank], outermost first
  const void *data;      // contiguous, little-endian
  int64_t byte_count;
} bitlinear_tensor;

// A packed layer and its name: the tensors are called NAME.weight, NAME.weight_scale and so on.
typedef struct bitlinear_named_layer {
  const char *name;
  const bitlinear_packed *layer;
} bitlinear_named_layer;

// Writes packed layers and other tensors to a safetensors file, entirely or not at all: a file of
// that name is replaced at the end.
//
//   metadata  a JSON object of strings, or NULL. The key "bitlinear.layers" is reserved.
int32_t bitlinear_save(
    const char *path, const bitlinear_named_layer *layers, int64_t layer_count,
    const bitlinear_tensor *tensors, int64_t tensor_count, const char *metadata);

// Opens a safetensors file. Free it with bitlinear_close.
int32_t bitlinear_open(const char *path, bitlinear_file **file);

// The number of packed layers, and of tensors that are not part of one; 0 for NULL.
int64_t bitlinear_file_layer_count(const bitlinear_file *file);
int64_t bitlinear_file_tensor_count(const bitlinear_file *file);

// A packed layer, 0 <= index < bitlinear_file_layer_count. Its name is valid until the file is
// closed; the layer itself does not need the file.
int32_t bitlinear_file_layer(
    const bitlinear_file *file, int64_t index, const char **name, bitlinear_packed **packed);

// A tensor, 0 <= index < bitlinear_file_tensor_count. What `tensor` points to is valid until the
// file is closed.
int32_t bitlinear_file_tensor(
    const bitlinear_file *file, int64_t index, bitlinear_tensor *tensor);

// The metadata as a JSON object of strings, without "bitlinear.layers"; valid until the file is
// closed.
const char *bitlinear_file_metadata(const bitlinear_file *file);

// Closes a file; NULL is ignored.
void bitlinear_close(bitlinear_file *file);

#ifdef __cplusplus
}
#endif

#endif
