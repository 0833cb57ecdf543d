// The instructions of AVX-512 that its element-wise kernels use; see vnni.h, which includes this.

typedef struct {
  double lanes[8];
} emulated_doubles;

#define __m512d emulated_doubles
#define __mmask16 unsigned short
#define EMULATED_PLAIN EMULATED __attribute__((target("")))

EMULATED_OPERATION(emulated_max, int, x > y ? x : y)
EMULATED_OPERATION(emulated_min, int, x < y ? x : y)
EMULATED_OPERATION(emulated_max_unsigned, unsigned, x > y ? x : y)

EMULATED __m512i emulated_load_some(unsigned mask, const void *p) {
  __m512i v = emulated_set1(0);
  for (int l = 0; l < 16; l++)
    if (mask >> l & 1) memcpy(v.bytes + 4 * l, (const char *)p + 4 * l, 4);
  return v;
}

EMULATED unsigned emulated_largest(__m512i v) {
  unsigned lanes[16], largest = 0;
  memcpy(lanes, v.bytes, 64);
  for (int l = 0; l < 16; l++) largest = lanes[l] > largest ? lanes[l] : largest;
  return largest;
}

EMULATED int emulated_total(__m512i v) {
  unsigned lanes[16], total = 0;
  memcpy(lanes, v.bytes, 64);
  for (int l = 0; l < 16; l++) total += lanes[l];
  return (int)total;
}

// To the nearest integers, half to even.
EMULATED __m512i emulated_to_integers(__m512 v) {
  int lanes[16];
  __m512i result;
  for (int l = 0; l < 16; l++) lanes[l] = (int)nearbyintf(v.lanes[l]);
  memcpy(result.bytes, lanes, 64);
  return result;
}

EMULATED_PLAIN __m128i emulated_narrow(__m512i v) {
  char bytes[16];
  __m128i result;
  for (int l = 0; l < 16; l++) bytes[l] = (char)v.bytes[4 * l];
  memcpy(&result, bytes, 16);
  return result;
}

EMULATED_PLAIN __m512d emulated_to_doubles(__m256 v) {
  float lanes[8];
  __m512d result;
  memcpy(lanes, &v, 32);
  for (int l = 0; l < 8; l++) result.lanes[l] = lanes[l];
  return result;
}

EMULATED __m512d emulated_no_doubles(void) { return (__m512d){{0}}; }

EMULATED __m512d emulated_add_doubles(__m512d a, __m512d b) {
  for (int l = 0; l < 8; l++) a.lanes[l] += b.lanes[l];
  return a;
}

EMULATED __m512d emulated_magnitudes(__m512d a) {
  for (int l = 0; l < 8; l++) a.lanes[l] = fabs(a.lanes[l]);
  return a;
}

EMULATED void emulated_store_doubles(void *p, __m512d v) { memcpy(p, v.lanes, 64); }

// Greater, less, or one of them NaN.
EMULATED unsigned short emulated_compare(__m512 a, __m512 b, int predicate) {
  unsigned mask = 0;
  for (int l = 0; l < 16; l++)
    if (predicate == _CMP_GT_OQ       ? a.lanes[l] > b.lanes[l]
        : predicate == _CMP_UNORD_Q ? isunordered(a.lanes[l], b.lanes[l])
                                      : a.lanes[l] < b.lanes[l])
      mask |= 1u << l;
  return (unsigned short)mask;
}

EMULATED_PLAIN __m128i emulated_select128(__m128i a, unsigned short mask, __m128i b) {
  char from[16], bytes[16];
  memcpy(bytes, &a, 16);
  memcpy(from, &b, 16);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) bytes[i] = from[i];
  memcpy(&a, bytes, 16);
  return a;
}

EMULATED_PLAIN __m512i emulated_lower_half(__m256i v) {
  __m512i result = emulated_set1(0);
  memcpy(result.bytes, &v, 32);
  return result;
}

EMULATED_PLAIN __m512i emulated_insert(__m512i a, __m256i v, int half) {
  memcpy(a.bytes + 32 * half, &v, 32);
  return a;
}

EMULATED __m512i emulated_integers_of(int a, int b, int c, int d, int e, int f, int g, int h, int i,
                                      int j, int k, int l, int m, int n, int o, int p) {
  int lanes[16] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
  __m512i v;
  memcpy(v.bytes, lanes, 64);
  return v;
}

EMULATED __m512i emulated_permute_integers(__m512i indices, __m512i table) {
  int at[16], from[16], to[16];
  memcpy(at, indices.bytes, 64);
  memcpy(from, table.bytes, 64);
  for (int l = 0; l < 16; l++) to[l] = from[at[l] & 15];
  memcpy(table.bytes, to, 64);
  return table;
}

// Two 128-bit lanes of each vector, by two bits of the number for each.
EMULATED __m512i emulated_shuffle_lanes(__m512i a, __m512i b, int number) {
  __m512i result;
  for (int l = 0; l < 4; l++)
    memcpy(result.bytes + 16 * l, (l < 2 ? a : b).bytes + 16 * (number >> (2 * l) & 3), 16);
  return result;
}

#define _mm512_max_epi32 emulated_max
#define _mm512_min_epi32 emulated_min
#define _mm512_max_epu32 emulated_max_unsigned
#define _mm512_maskz_loadu_epi32 emulated_load_some
#undef _mm512_reduce_max_epu32
#define _mm512_reduce_max_epu32 emulated_largest
#undef _mm512_reduce_add_epi32
#define _mm512_reduce_add_epi32 emulated_total
#define _mm512_cvtps_epi32 emulated_to_integers
#define _mm512_cvtepi32_epi8 emulated_narrow
#define _mm512_cvtps_pd emulated_to_doubles
#define _mm512_setzero_pd emulated_no_doubles
#define _mm512_add_pd emulated_add_doubles
#define _mm512_abs_pd emulated_magnitudes
#define _mm512_storeu_pd emulated_store_doubles
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask emulated_compare
#define _mm_mask_mov_epi8 emulated_select128
#define _mm_maskz_mov_epi8(mask, v) emulated_select128(_mm_setzero_si128(), mask, v)
#define _mm512_castsi256_si512 emulated_lower_half
#undef _mm512_inserti64x4
#define _mm512_inserti64x4 emulated_insert
#undef _mm512_setr_epi32
#define _mm512_setr_epi32 emulated_integers_of
#define _mm512_permutexvar_epi32 emulated_permute_integers
#undef _mm512_shuffle_i64x2
#define _mm512_shuffle_i64x2 emulated_shuffle_lanes
