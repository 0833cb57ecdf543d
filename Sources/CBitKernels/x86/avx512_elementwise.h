// The element-wise kernels of AVX-512, which its sets share.
#ifndef BITKERNELS_AVX512_ELEMENTWISE_H
#define BITKERNELS_AVX512_ELEMENTWISE_H

#include "avx2.h"

float bk_avx512_absmax(const float *x, size_t n);
int32_t bk_avx512_quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                            int8_t *q);
void bk_avx512_sums(const float *x, size_t n, double *sum, double *absolute_sum);
void bk_avx512_encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                              const float *parameters, uint8_t *panel);
void bk_avx512_encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                           const float *parameters, uint8_t *panel);

#endif
