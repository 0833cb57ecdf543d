// The C interface of BitLinear: 1-bit and 1.58-bit linear layers, computed as the Swift package
// computes them, bit for bit.
//
// Matrices are row-major float32. `stride` is the distance between two rows in elements, at least
// the length of a row. Memory belongs to the caller and is only used during a call; the exceptions
// are the handles (bitlinear_packed, bitlinear_file), which the caller frees with the function that
// is named there.
//
// Functions that can fail return a status: BITLINEAR_OK or what went wrong; then
// bitlinear_last_error() says it in words. Arguments are checked, but for the memory behind a
// pointer: it must be there, and outputs must not overlap inputs. After an error, outputs are in no
// particular state and handles are not made.
//
// All functions may be called from several threads at once, also with the same handle, as long as
// nobody frees it meanwhile.
#ifndef BITLINEAR_H
#define BITLINEAR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What a function returns.
enum {
  BITLINEAR_OK = 0,
  // An argument that has no meaning: a null pointer, a negative extent, an unknown option.
  BITLINEAR_INVALID_ARGUMENT = 1,
  // Two things that do not fit one another, such as groups that do not divide a layer.
  BITLINEAR_MISMATCH = 2,
  // A file that is damaged.
  BITLINEAR_MALFORMED = 3,
  // A file or a thing in it that is not there.
  BITLINEAR_MISSING = 4,
  // What this library does not do.
  BITLINEAR_UNSUPPORTED = 5,
  // A NaN or an infinity where there must be none.
  BITLINEAR_NOT_FINITE = 6,
  // What the operating system says of a file.
  BITLINEAR_INPUT_OUTPUT = 7,
};

// The version of the library, such as "0.1.0". The text stays.
const char *bitlinear_version(void);

// The error of the last call that failed on this thread, in words and with the numbers that do not
// fit; "" before the first. The text stays until this thread's next call that fails.
const char *bitlinear_last_error(void);

// The threads that a call may use, the caller's included.
int32_t bitlinear_threads(void);

// Sets them, for the whole process: 1 to the number of the machine's processors, or fewer if more
// are asked for. Results do not depend on it. Fails for less than 1.
int32_t bitlinear_set_threads(int32_t threads);

// ---- Recipes ------------------------------------------------------------------------------------

// How weights become codes.
enum {
  BITLINEAR_SIGN = 0,     // +1 where w > mean, else -1; scale mean|w|  (arXiv 2310.11453)
  BITLINEAR_TERNARY = 1,  // clamp(round(w / scale), -1, 1); scale max(mean|w|, 1e-5) (2402.17764)
};

// What is done to the input of a layer first.
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
  int32_t per_token;         // 1: a scale for each row of the input; 0: one for the whole input
  float activation_epsilon;  // the least max|x| that a scale is made from; 0 for none
  int32_t norm;              // BITLINEAR_NORM_...
  int32_t norm_groups;       // of BITLINEAR_NORM_GROUP; 1 otherwise
  float norm_epsilon;        // added to the variance or the mean square
} bitlinear_recipe;

// The recipe of a name: "bitnet" (sign, 8 bits, one scale, no norm) or "b158" (ternary, 8 bits, a
// scale for each token of at least 1e-5, RMSNorm of 1e-5).
int32_t bitlinear_recipe_named(const char *name, bitlinear_recipe *recipe);

// ---- Quantizing ---------------------------------------------------------------------------------

// Absmax quantization: s = Q / max|x|, code = clamp(round(x * s), -Q, Q), Q = 2^(bits - 1) - 1, half
// to even. A row with a NaN or an infinity has codes 0, scale NaN, and dequantizes to NaN.
//
//   x            [rows, features]
//   bits         2...16
//   per_token    1: a scale for each row; 0: one for all
//   codes        [rows, features], contiguous: int8_t up to 8 bits, int16_t above; or NULL
//   scales       [rows], or NULL; all the same but for NaN if not per_token
//   dequantized  [rows, features], contiguous, code / scale; or NULL
int32_t bitlinear_absmax_quantize(
    const float *x, int64_t rows, int64_t features, int64_t stride, int32_t bits,
    int32_t per_token, void *codes, float *scales, float *dequantized);

// ---- Training -----------------------------------------------------------------------------------

// A layer with latent weights.
typedef struct bitlinear_layer {
  int64_t in_features;
  int64_t out_features;
  int64_t groups;            // equal blocks of output rows with a scale each; divides out_features
  const float *weight;       // [out_features, in_features]
  int64_t weight_stride;
  const float *bias;         // [out_features], or NULL
  const float *norm_weight;  // [in_features], or NULL: the factor of the norm
  const float *norm_bias;    // [in_features], or NULL: the offset of the norm
} bitlinear_layer;

// y = norm(x) and W quantized, multiplied in integers, times both scales, plus bias: the same bits
// on every CPU, for any number of threads and, per token, for any number of tokens.
//
//   x  [tokens, in_features],  y  [tokens, out_features]
//
// A row of x with a NaN or an infinity gives a row of NaN.
int32_t bitlinear_forward(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, const float *x, int64_t tokens,
    int64_t x_stride, float *y, int64_t y_stride);

// Multiplies c = op(a) op(b), row-major: op(a) is [m, k], op(b) is [k, n], c is [m, n] contiguous;
// a matrix is read as its transpose if `transposed` is 1. No extent is 0. `context` is what the
// caller gave. It is called on the thread of the call that it was given to.
typedef void (*bitlinear_matmul)(
    void *context, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_stride,
    int32_t a_transposed, const float *b, int64_t b_stride, int32_t b_transposed, float *c);

// Where gradients go, each contiguous and overwritten; NULL for one that is not wanted.
typedef struct bitlinear_gradients {
  float *x;            // [tokens, in_features]
  float *weight;       // [out_features, in_features]
  float *bias;         // [out_features]
  float *norm_weight;  // [in_features]; only with the layer's norm_weight
  float *norm_bias;    // [in_features]; only with the layer's norm_bias
} bitlinear_gradients;

// The straight-through gradients of bitlinear_forward: both quantizers pass a gradient on as if they
// were not there, and scales are constants. dX = dY W~ (then back through the norm), dW = dY^T x~,
// db = the sum of dY, with W~ and x~ the values that the codes stand for.
//
//   grad_y   [tokens, out_features]
//   matmul   multiplies the two float matrices; NULL for a plain product of this library's
//   context  for matmul
int32_t bitlinear_backward(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, const float *x, int64_t tokens,
    int64_t x_stride, const float *grad_y, int64_t grad_y_stride,
    const bitlinear_gradients *gradients, bitlinear_matmul matmul, void *context);

// ---- Packed layers ------------------------------------------------------------------------------

// A layer for inference: codes of 2 bits (ternary) or 1 bit (sign), scales, bias, norm.
typedef struct bitlinear_packed bitlinear_packed;

// What a packed layer is made of.
typedef struct bitlinear_packed_info {
  bitlinear_recipe recipe;
  int64_t in_features;
  int64_t out_features;
  int64_t scale_count;      // groups; or out_features * blocks of a row, if block_features is not 0
  int64_t block_features;   // the weights along a row that share a scale; 0 if scales go by groups
  int64_t row_bytes;        // of a row of codes in bitlinear_packed_read
  int64_t byte_count;       // in memory
  int32_t has_bias;         // 0 or 1, as the next two
  int32_t has_norm_weight;
  int32_t has_norm_bias;
} bitlinear_packed_info;

// Packs a layer. Fails with BITLINEAR_NOT_FINITE if a scale is.
int32_t bitlinear_pack(
    const bitlinear_recipe *recipe, const bitlinear_layer *layer, bitlinear_packed **packed);

// Makes a packed layer of codes as bitlinear_packed_read gives them. `info` tells recipe, extents,
// scale_count, block_features and row_bytes; its other members are ignored.
//
//   codes   [out_features, row_bytes]: consecutive from the lowest bits, code + 1 in 2 bits, or 1 bit
//           that is set for +1; unused bits are 0
//   scales  [scale_count]; bias, norm_weight, norm_bias: NULL if there is none
int32_t bitlinear_packed_from_codes(
    const bitlinear_packed_info *info, const uint8_t *codes, const float *scales,
    const float *bias, const float *norm_weight, const float *norm_bias,
    bitlinear_packed **packed);

// The output of a packed layer: the same bits as bitlinear_forward of the layer that it was made of.
//
//   x  [tokens, in_features],  y  [tokens, out_features]
int32_t bitlinear_packed_forward(
    const bitlinear_packed *packed, const float *x, int64_t tokens, int64_t x_stride, float *y,
    int64_t y_stride);

// What it is made of.
int32_t bitlinear_packed_describe(const bitlinear_packed *packed, bitlinear_packed_info *info);

// Copies its parts out; NULL for one that is not wanted. See bitlinear_packed_from_codes.
int32_t bitlinear_packed_read(
    const bitlinear_packed *packed, uint8_t *codes, float *scales, float *bias,
    float *norm_weight, float *norm_bias);

// Frees a packed layer; NULL is ignored.
void bitlinear_packed_free(bitlinear_packed *packed);

// ---- Files --------------------------------------------------------------------------------------

// A safetensors file, memory-mapped.
typedef struct bitlinear_file bitlinear_file;

// A tensor that is no part of a packed layer.
typedef struct bitlinear_tensor {
  const char *name;
  const char *dtype;     // as safetensors says it: "F32", "BF16", "I64", ...
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

// Writes packed layers and other tensors to a safetensors file, whole or not at all: a file of that
// name is replaced at the end.
//
//   metadata  a JSON object of strings, or NULL. The key "bitlinear.layers" is this library's.
int32_t bitlinear_save(
    const char *path, const bitlinear_named_layer *layers, int64_t layer_count,
    const bitlinear_tensor *tensors, int64_t tensor_count, const char *metadata);

// Opens a safetensors file. Free it with bitlinear_close.
int32_t bitlinear_open(const char *path, bitlinear_file **file);

// How many packed layers it has, and how many tensors that are no part of one; 0 for NULL.
int64_t bitlinear_file_layer_count(const bitlinear_file *file);
int64_t bitlinear_file_tensor_count(const bitlinear_file *file);

// A packed layer, 0 <= index < bitlinear_file_layer_count. Its name stays until the file is closed;
// the layer itself does not need the file.
int32_t bitlinear_file_layer(
    const bitlinear_file *file, int64_t index, const char **name, bitlinear_packed **packed);

// A tensor, 0 <= index < bitlinear_file_tensor_count. What `tensor` points to stays until the file
// is closed.
int32_t bitlinear_file_tensor(
    const bitlinear_file *file, int64_t index, bitlinear_tensor *tensor);

// The metadata as a JSON object of strings, without "bitlinear.layers"; stays until the file is
// closed.
const char *bitlinear_file_metadata(const bitlinear_file *file);

// Closes a file; NULL is ignored.
void bitlinear_close(bitlinear_file *file);

#ifdef __cplusplus
}
#endif

#endif
