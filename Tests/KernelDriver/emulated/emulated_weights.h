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

#define _mm512_xor_si512 emulated_xor
#define _mm512_cvtepi8_epi32 emulated_widen_bytes
#define _mm512_cvtepu16_epi32 emulated_widen_words
#define _mm512_castsi512_ps emulated_as_floats
