// The instructions of AVX-512 that its kernels for decoders use; see vnni.h, which includes this.

// Defines an operation on lanes x of a vector and y of another one.
#define EMULATED_FLOATS(NAME, EXPRESSION)                                                        \
  EMULATED __m512 NAME(__m512 a, __m512 b) {                                                     \
    for (int l = 0; l < 16; l++) {                                                               \
      float x = a.lanes[l], y = b.lanes[l];                                                      \
      a.lanes[l] = EXPRESSION;                                                                   \
    }                                                                                            \
    return a;                                                                                    \
  }

EMULATED_FLOATS(emulated_plus, x + y)
EMULATED_FLOATS(emulated_minus, x - y)
EMULATED_FLOATS(emulated_quotient, x / y)
// The second one if one of them is NaN.
EMULATED_FLOATS(emulated_larger, x > y ? x : y)
EMULATED_FLOATS(emulated_smaller, x < y ? x : y)
EMULATED_FLOATS(emulated_scaled, isnan(y) ? y : ldexpf(x, (int)floorf(y)))

EMULATED __m512 emulated_load_some_floats(unsigned mask, const void *p) {
  __m512 v = emulated_set1_float(0);
  for (int l = 0; l < 16; l++)
    if (mask >> l & 1) memcpy(v.lanes + l, (const char *)p + 4 * l, 4);
  return v;
}

EMULATED void emulated_store_some_floats(void *p, unsigned mask, __m512 v) {
  for (int l = 0; l < 16; l++)
    if (mask >> l & 1) memcpy((char *)p + 4 * l, v.lanes + l, 4);
}

EMULATED __m512 emulated_select_floats(__m512 a, unsigned mask, __m512 b) {
  for (int l = 0; l < 16; l++)
    if (mask >> l & 1) a.lanes[l] = b.lanes[l];
  return a;
}

// By the instruction for eight floats, which every CPU with AVX2 has.
EMULATED_PLAIN __m256i emulated_to_halves(__m512 v) {
  __m128i halves[2];
  __m256i result;
  for (int i = 0; i < 2; i++)
    halves[i] = _mm256_cvtps_ph(_mm256_loadu_ps(v.lanes + 8 * i), _MM_FROUND_TO_NEAREST_INT);
  memcpy(&result, halves, 32);
  return result;
}

#define _mm512_setzero_ps() emulated_set1_float(0)
#define _mm512_add_ps emulated_plus
#define _mm512_sub_ps emulated_minus
#define _mm512_div_ps emulated_quotient
#define _mm512_max_ps emulated_larger
#define _mm512_min_ps emulated_smaller
#define _mm512_scalef_ps emulated_scaled
#define _mm512_maskz_loadu_ps emulated_load_some_floats
#define _mm512_mask_storeu_ps emulated_store_some_floats
#define _mm512_mask_mov_ps emulated_select_floats
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(v, rounding) emulated_to_halves(v)
