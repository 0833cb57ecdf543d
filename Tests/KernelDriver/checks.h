// What the tests of the kernels share: counting, chance, and floats that are hard to treat.
#ifndef CHECKS_H
#define CHECKS_H

#include "../../Sources/CBitKernels/internal.h"
#include "guarded.h"

// What was checked so far.
extern size_t passed, failed;

// Counts a check; prints the first failures.
void record(int holds, const char *what);

// The same numbers in every run.
uint32_t random_bits(void);
// 0 <= result < limit
size_t random_below(size_t limit);
// From -1 to 1.
float random_float(void);
// Floats that a quantizer may meet; NaN and infinity now and then.
float odd_float(void);

// Bits, so that zeros with different signs differ.
int equal_floats(const float *a, const float *b, size_t count);

// How much is tried: what an emulator does in seconds, or everything.
typedef enum { QUICK, FULL } amount;

// Vectors of floats and integers, and AdamW.
void test_vectors(const bk_kernels *kernels);
// Latent weights to panels.
void test_encoding(const bk_kernels *kernels);
// Packed codes, byte by byte.
void test_packing(const bk_kernels *kernels);
// Whole products.
void test_products(const bk_kernels *kernels, amount amount);

#endif
