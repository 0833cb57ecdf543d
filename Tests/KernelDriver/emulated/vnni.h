// The instructions of AVX-VNNI, AVX-512 and VBMI that the kernels use, written in C as Intel's
// manual defines them, for a CPU that has only AVX2. Included before everything else (-include),
// they replace the intrinsics, and the kernels are compiled unchanged.
#ifndef EMULATED_VNNI_H
#define EMULATED_VNNI_H

#include "../../../Sources/CBitKernels/internal.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

// Every function gets AVX2, whatever it asks for.
#define target(features) __target__("avx2,fma,f16c")
// Peaks hold vectors in registers, which these structures are not.
#define volatile(...) ("")

typedef struct {
  unsigned char bytes[64];
} emulated_integers;

typedef struct {
  float lanes[16];
} emulated_floats;

#define __m512i emulated_integers
#define __m512 emulated_floats
#define EMULATED static inline __attribute__((unused))

// Four products of unsigned and signed bytes, added up exactly, in each of `lanes` lanes.
EMULATED void emulated_dpbusd(int *sums, const unsigned char *a, const signed char *b, int lanes) {
  for (int l = 0; l < lanes; l++)
    for (int j = 0; j < 4; j++)
      sums[l] = (int)((unsigned)sums[l] + (unsigned)(a[4 * l + j] * b[4 * l + j]));
}

EMULATED __attribute__((target(""))) __m256i emulated_dpbusd256(__m256i sum, __m256i a, __m256i b) {
  int sums[8];
  unsigned char left[32];
  signed char right[32];
  memcpy(sums, &sum, 32);
  memcpy(left, &a, 32);
  memcpy(right, &b, 32);
  emulated_dpbusd(sums, left, right, 8);
  memcpy(&sum, sums, 32);
  return sum;
}

EMULATED __m512i emulated_load(const void *p) {
  __m512i v;
  memcpy(v.bytes, p, 64);
  return v;
}

EMULATED void emulated_store(void *p, __m512i v) { memcpy(p, v.bytes, 64); }

EMULATED __m512i emulated_set1(int value) {
  __m512i v;
  for (int l = 0; l < 16; l++) memcpy(v.bytes + 4 * l, &value, 4);
  return v;
}

EMULATED __m512i emulated_set1_bytes(char value) {
  __m512i v;
  memset(v.bytes, value, 64);
  return v;
}

// Defines an operation on lanes x of a vector and y of another one, or the number y.
#define EMULATED_OPERATION(NAME, TYPE, EXPRESSION)                                               \
  EMULATED __m512i NAME(__m512i a, __m512i b) {                                                  \
    for (size_t i = 0; i < 64; i += sizeof(TYPE)) {                                              \
      TYPE x, y;                                                                                 \
      memcpy(&x, a.bytes + i, sizeof x);                                                         \
      memcpy(&y, b.bytes + i, sizeof y);                                                         \
      x = (TYPE)(EXPRESSION);                                                                    \
      memcpy(a.bytes + i, &x, sizeof x);                                                         \
    }                                                                                            \
    return a;                                                                                    \
  }
#define EMULATED_SHIFT(NAME, TYPE, EXPRESSION)                                                   \
  EMULATED __m512i NAME(__m512i a, unsigned y) {                                                 \
    for (size_t i = 0; i < 64; i += sizeof(TYPE)) {                                              \
      TYPE x;                                                                                    \
      memcpy(&x, a.bytes + i, sizeof x);                                                         \
      x = (TYPE)(EXPRESSION);                                                                    \
      memcpy(a.bytes + i, &x, sizeof x);                                                         \
    }                                                                                            \
    return a;                                                                                    \
  }

EMULATED_OPERATION(emulated_add, unsigned, x + y)
EMULATED_OPERATION(emulated_subtract, unsigned, x - y)
EMULATED_OPERATION(emulated_add_bytes, unsigned char, x + y)
EMULATED_OPERATION(emulated_and, unsigned, x & y)
EMULATED_OPERATION(emulated_or, unsigned, x | y)
EMULATED_SHIFT(emulated_left, unsigned, x << y)
EMULATED_SHIFT(emulated_right, int, x >> y)
EMULATED_SHIFT(emulated_left_words, unsigned short, x << y)
EMULATED_SHIFT(emulated_right_words, unsigned short, x >> y)

EMULATED __m512i emulated_permute(__m512i indices, __m512i table) {
  for (int i = 0; i < 64; i++) indices.bytes[i] = table.bytes[indices.bytes[i] & 63];
  return indices;
}

EMULATED __m512i emulated_permute_two(__m512i a, __m512i indices, __m512i b) {
  for (int i = 0; i < 64; i++) {
    unsigned char index = indices.bytes[i];
    indices.bytes[i] = (index & 64 ? b : a).bytes[index & 63];
  }
  return indices;
}

// Bit number 4 a + 2 b + c of a truth table, for all bits of the vectors.
EMULATED __m512i emulated_logic(__m512i a, __m512i b, __m512i c, int truth) {
  for (int i = 0; i < 512; i++) {
    int bit = i % 8, byte = i / 8;
    int number = (a.bytes[byte] >> bit & 1) << 2 | (b.bytes[byte] >> bit & 1) << 1 |
                 (c.bytes[byte] >> bit & 1);
    a.bytes[byte] = (unsigned char)((a.bytes[byte] & ~(1 << bit)) | (truth >> number & 1) << bit);
  }
  return a;
}

EMULATED unsigned long long emulated_top_bits(__m512i v) {
  unsigned long long mask = 0;
  for (int i = 0; i < 64; i++) mask |= (unsigned long long)(v.bytes[i] >> 7) << i;
  return mask;
}

EMULATED __m512i emulated_select(__m512i a, unsigned long long mask, __m512i b) {
  for (int i = 0; i < 64; i++)
    if (mask >> i & 1) a.bytes[i] = b.bytes[i];
  return a;
}

EMULATED __m512i emulated_dpbusd512(__m512i sum, __m512i a, __m512i b) {
  int sums[16];
  signed char right[64];
  memcpy(sums, sum.bytes, 64);
  memcpy(right, b.bytes, 64);
  emulated_dpbusd(sums, a.bytes, right, 16);
  memcpy(sum.bytes, sums, 64);
  return sum;
}

EMULATED __m512 emulated_load_floats(const void *p) {
  __m512 v;
  memcpy(v.lanes, p, 64);
  return v;
}

EMULATED void emulated_store_floats(void *p, __m512 v) { memcpy(p, v.lanes, 64); }

EMULATED __m512 emulated_to_floats(__m512i v) {
  int lanes[16];
  __m512 result;
  memcpy(lanes, v.bytes, 64);
  for (int l = 0; l < 16; l++) result.lanes[l] = (float)lanes[l];
  return result;
}

EMULATED __m512 emulated_set1_float(float value) {
  __m512 v;
  for (int l = 0; l < 16; l++) v.lanes[l] = value;
  return v;
}

EMULATED __m512 emulated_multiply(__m512 a, __m512 b) {
  for (int l = 0; l < 16; l++) a.lanes[l] *= b.lanes[l];
  return a;
}

EMULATED __m512 emulated_fma(__m512 a, __m512 b, __m512 c) {
  for (int l = 0; l < 16; l++) c.lanes[l] = fmaf(a.lanes[l], b.lanes[l], c.lanes[l]);
  return c;
}

EMULATED __attribute__((target(""))) __m512 emulated_from_halves(__m256i halves) {
  __m512 v;
  unsigned short bits[16];
  memcpy(bits, &halves, 32);
  for (int l = 0; l < 16; l++) v.lanes[l] = bk_half(bits[l]);
  return v;
}

#include "elementwise.h"
#include "emulated_weights.h"
#include "floats.h"

#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd256
#define _mm512_setzero_si512() emulated_set1(0)
#define _mm512_set1_epi8 emulated_set1_bytes
#define _mm512_set1_epi32 emulated_set1
#define _mm512_loadu_si512 emulated_load
#define _mm512_storeu_si512 emulated_store
#define _mm512_add_epi8 emulated_add_bytes
#define _mm512_add_epi32 emulated_add
#define _mm512_sub_epi32 emulated_subtract
#define _mm512_and_si512 emulated_and
#define _mm512_or_si512 emulated_or
#define _mm512_slli_epi16 emulated_left_words
#define _mm512_srli_epi16 emulated_right_words
#define _mm512_slli_epi32 emulated_left
#define _mm512_srai_epi32 emulated_right
#define _mm512_ternarylogic_epi32 emulated_logic
#define _mm512_permutexvar_epi8 emulated_permute
#define _mm512_permutex2var_epi8 emulated_permute_two
#define _mm512_movepi8_mask emulated_top_bits
#define _mm512_mask_mov_epi8 emulated_select
#define _mm512_dpbusd_epi32 emulated_dpbusd512
#define _mm512_loadu_ps emulated_load_floats
#define _mm512_storeu_ps emulated_store_floats
#define _mm512_set1_ps emulated_set1_float
#define _mm512_mul_ps emulated_multiply
#define _mm512_cvtepi32_ps emulated_to_floats
#define _mm512_fmadd_ps emulated_fma
#define _mm512_cvtph_ps emulated_from_halves

#endif
