// The instructions of AVX-512 that its kernels for weights use; see vnni.h, which includes this.

EMULATED_OPERATION(emulated_xor, unsigned, x ^ y)

// Signed bytes to integers.
EMULATED_PLAIN __m512i emulated_widen_bytes(__m128i v) {
  signed char from[16];
  int lanes[16];
  __m512i result;
  memcpy(from, &v, 16);
  for (int l = 0; l < 16; l++) lanes[l] = from[l];
  memcpy(result.bytes, lanes, 64);
  return result;
}

// Words without sign to integers.
EMULATED_PLAIN __m512i emulated_widen_words(__m256i v) {
  unsigned short from[16];
  unsigned lanes[16];
  __m512i result;
  memcpy(from, &v, 32);
  for (int l = 0; l < 16; l++) lanes[l] = from[l];
  memcpy(result.bytes, lanes, 64);
  return result;
}

EMULATED __m512 emulated_as_floats(__m512i v) {
  __m512 result;
  memcpy(result.lanes, v.bytes, 64);
  return result;
}

// Bytes without sign to integers.
EMULATED_PLAIN __m512i emulated_widen_unsigned_bytes(__m128i v) {
  unsigned char from[16];
  unsigned lanes[16];
  __m512i result;
  memcpy(from, &v, 16);
  for (int l = 0; l < 16; l++) lanes[l] = from[l];
  memcpy(result.bytes, lanes, 64);
  return result;
}

EMULATED_SHIFT(emulated_right_unsigned, unsigned, x >> y)

EMULATED __m512 emulated_permute_floats(__m512i indices, __m512 table) {
  unsigned at[16];
  __m512 result;
  memcpy(at, indices.bytes, 64);
  for (int l = 0; l < 16; l++) result.lanes[l] = table.lanes[at[l] & 15];
  return result;
}

EMULATED_PLAIN __m512d emulated_integers_to_doubles(__m256i v) {
  int from[8];
  __m512d result;
  memcpy(from, &v, 32);
  for (int l = 0; l < 8; l++) result.lanes[l] = from[l];
  return result;
}

EMULATED __m512d emulated_set1_double(double value) {
  __m512d v;
  for (int l = 0; l < 8; l++) v.lanes[l] = value;
  return v;
}

EMULATED __m512d emulated_multiply_doubles(__m512d a, __m512d b) {
  for (int l = 0; l < 8; l++) a.lanes[l] *= b.lanes[l];
  return a;
}

EMULATED __m512d emulated_subtract_doubles(__m512d a, __m512d b) {
  for (int l = 0; l < 8; l++) a.lanes[l] -= b.lanes[l];
  return a;
}

#define _mm512_cvtepu8_epi32 emulated_widen_unsigned_bytes
#define _mm512_srli_epi32 emulated_right_unsigned
#define _mm512_permutexvar_ps emulated_permute_floats
#define _mm512_cvtepi32_pd emulated_integers_to_doubles
#define _mm512_set1_pd emulated_set1_double
#define _mm512_mul_pd emulated_multiply_doubles
#define _mm512_sub_pd emulated_subtract_doubles
#define _mm512_xor_si512 emulated_xor
#define _mm512_cvtepi8_epi32 emulated_widen_bytes
#define _mm512_cvtepu16_epi32 emulated_widen_words
#define _mm512_castsi512_ps emulated_as_floats
