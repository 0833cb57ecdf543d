// The instructions of AVX-VNNI, AVX-512 and VBMI that the kernels use, written in C as Intel's
// manual defines them, for a CPU that has only AVX2. Included before everything else (-include),
// they replace the intrinsics, and the kernels are compiled unchanged.
#ifndef EMULATED_VNNI_H
#define EMULATED_VNNI_H

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

EMULATED __attribute__((target(""))) __m256i emulated_permute256(__m256i index, __m256i values) {
  unsigned char from[32], at[32], result[32];
  memcpy(from, &values, 32);
  memcpy(at, &index, 32);
  for (int i = 0; i < 32; i++) result[i] = from[at[i] & 31];
  memcpy(&values, result, 32);
  return values;
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

// a + factor * b in each lane, with the wrap-around of unsigned numbers.
EMULATED __m512i emulated_add(__m512i a, __m512i b, unsigned factor) {
  unsigned x[16], y[16];
  memcpy(x, a.bytes, 64);
  memcpy(y, b.bytes, 64);
  for (int l = 0; l < 16; l++) x[l] += factor * y[l];
  memcpy(a.bytes, x, 64);
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

EMULATED __m512 emulated_fma(__m512 a, __m512 b, __m512 c) {
  for (int l = 0; l < 16; l++) c.lanes[l] = fmaf(a.lanes[l], b.lanes[l], c.lanes[l]);
  return c;
}

#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd256
#undef _mm256_permutexvar_epi8
#define _mm256_permutexvar_epi8 emulated_permute256
#define _mm512_setzero_si512() emulated_set1(0)
#define _mm512_set1_epi32 emulated_set1
#define _mm512_loadu_si512 emulated_load
#define _mm512_storeu_si512 emulated_store
#define _mm512_add_epi32(a, b) emulated_add(a, b, 1)
#define _mm512_sub_epi32(a, b) emulated_add(a, b, -1u)
#define _mm512_dpbusd_epi32 emulated_dpbusd512
#define _mm512_loadu_ps emulated_load_floats
#define _mm512_storeu_ps emulated_store_floats
#define _mm512_cvtepi32_ps emulated_to_floats
#define _mm512_fmadd_ps emulated_fma

#endif
