// What the tests of the kernels share: counting, random numbers, and difficult floats.
#ifndef CHECKS_H
#define CHECKS_H

#include "../../Sources/CBitKernels/internal.h"
#include "bitweights.h"
#include "guarded.h"

// Checks so far.
extern size_t passed, failed;

// Counts a check; prints the first failures.
void record(int holds, const char *what);

// The same numbers in every run.
uint32_t random_bits(void);
// 0 <= result < limit
size_t random_below(size_t limit);
// From -1 to 1.
float random_float(void);
// Floats that a quantizer may meet, sometimes NaN or an infinity.
float odd_float(void);

// The value of a half precision float, by the definition of the format.
float half_value(uint16_t half);

// Compares bits, so that zeros with different signs differ.
int equal_floats(const float *a, const float *b, size_t count);

// How much is tested: what an emulator does in seconds, or everything.
typedef enum { QUICK, FULL } amount;

// Element-wise kernels, half precision floats, AdamW, and the peaks of benchmarks.
void test_vectors(const bk_kernels *kernels);
// Latent weights to panels.
void test_encoding(const bk_kernels *kernels);
// Packed codes, byte by byte.
void test_packing(const bk_kernels *kernels);
// Whole products.
void test_products(const bk_kernels *kernels, amount amount);
// Products with floats and with blocks of GGUF.
void test_weights(const bk_kernels *kernels, amount amount);
// Rows of signed bytes that stand in for weights.
void test_screens(const bk_kernels *kernels, amount amount);

#endif
