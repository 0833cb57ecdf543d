// Vectors of 512 bits as dot_tile.h and dot_few.h want them. TARGET and HAS_TRITS are defined by
// the file that includes this.
#include "avx512_elementwise.h"

#define VECTOR __m512i
#define FLOATS __m512
#define PANEL_VECTORS 1
#define REGISTERS 32
#define TILE_ROWS 12

#define AVX512_INLINE static inline __attribute__((always_inline)) TARGET

AVX512_INLINE VECTOR zero_vector(void) { return _mm512_setzero_si512(); }
AVX512_INLINE VECTOR load_vector(const uint8_t *p) { return _mm512_loadu_si512(p); }
AVX512_INLINE void store_vector(void *p, VECTOR v) { _mm512_storeu_si512(p, v); }
AVX512_INLINE VECTOR all_integers(int32_t n) { return _mm512_set1_epi32(n); }
AVX512_INLINE VECTOR broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}
AVX512_INLINE VECTOR dot(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm512_dpbusd_epi32(sum, codes, x);
}
AVX512_INLINE VECTOR dot_low(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm512_dpbusd_epi32(sum, x, codes);
}

AVX512_INLINE VECTOR and_bytes(VECTOR v, int mask) {
  return _mm512_and_si512(v, _mm512_set1_epi8((char)mask));
}
AVX512_INLINE VECTOR or_bytes(VECTOR v, VECTOR w) { return _mm512_or_si512(v, w); }
AVX512_INLINE VECTOR add_bytes(VECTOR v, VECTOR w) { return _mm512_add_epi8(v, w); }
AVX512_INLINE VECTOR shift_right(VECTOR v, int n) { return _mm512_srli_epi16(v, (unsigned)n); }
AVX512_INLINE VECTOR shift_left(VECTOR v, int n) { return _mm512_slli_epi16(v, (unsigned)n); }

AVX512_INLINE VECTOR and_integers(VECTOR v, VECTOR w) { return _mm512_and_si512(v, w); }
AVX512_INLINE VECTOR add_integers(VECTOR v, VECTOR w) { return _mm512_add_epi32(v, w); }
AVX512_INLINE VECTOR subtract_integers(VECTOR v, VECTOR w) { return _mm512_sub_epi32(v, w); }
AVX512_INLINE VECTOR shift_integers_right(VECTOR v, int n) {
  return _mm512_srai_epi32(v, (unsigned)n);
}
AVX512_INLINE VECTOR shift_integers_left(VECTOR v, int n) {
  return _mm512_slli_epi32(v, (unsigned)n);
}

AVX512_INLINE void add_sums(int32_t *p, VECTOR sum) {
  _mm512_storeu_si512(p, _mm512_add_epi32(_mm512_loadu_si512(p), sum));
}
AVX512_INLINE void add_low_sums(int32_t *p, VECTOR sum) { add_sums(p, sum); }
AVX512_INLINE void add_scaled(float *p, VECTOR sum, int32_t offset, FLOATS scale) {
  __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(offset)));
  _mm512_storeu_ps(p, _mm512_fmadd_ps(value, scale, _mm512_loadu_ps(p)));
}

AVX512_INLINE FLOATS load_floats(const float *p) { return _mm512_loadu_ps(p); }
AVX512_INLINE FLOATS load_halves(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
AVX512_INLINE FLOATS all_floats(float x) { return _mm512_set1_ps(x); }
AVX512_INLINE FLOATS multiply_floats(FLOATS a, FLOATS b) { return _mm512_mul_ps(a, b); }

#if HAS_TRITS
AVX512_INLINE VECTOR permuted(VECTOR indices, VECTOR table) {
  return _mm512_permutexvar_epi8(indices, table);
}
AVX512_INLINE VECTOR masked_exclusive_or(VECTOR v, VECTOR w, int mask) {
  return _mm512_ternarylogic_epi32(v, w, _mm512_set1_epi8((char)mask), 0x28);
}
AVX512_INLINE VECTOR looked_up(VECTOR indices, const uint8_t table[256]) {
  VECTOR low = _mm512_permutex2var_epi8(load_vector(table), indices, load_vector(table + 64));
  VECTOR high =
      _mm512_permutex2var_epi8(load_vector(table + 128), indices, load_vector(table + 192));
  return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(indices), high);
}
#endif

FORMAT_MEMBERS(bk_avx512, ternary2)
FORMAT_MEMBERS(bk_avx512, ternary1_6)
FORMAT_MEMBERS(bk_avx512, sign1)
void bk_avx512_multiply(const bk_panels *panels, const bk_rows *rows, int32_t *sums);
void bk_avx512_multiply_low(const bk_panels *panels, const bk_rows *rows, int32_t *sums);
void bk_avx512_multiply_scaled(const bk_panels *panels, const bk_rows *rows,
                               const bk_scaling *scaling, float *totals);
extern const bk_peak_kernels bk_avx512_peak;

// The members of the table of kernels that both sets share.
#define AVX512_MEMBERS                                                                           \
  .name = "avx512vnni", .absmax = bk_avx512_absmax, .quantize8 = bk_avx512_quantize8,            \
  .sums = bk_avx512_sums, .encode_panel = {bk_avx512_encode_ternary, bk_avx512_encode_sign},     \
  .tile_rows = TILE_ROWS, .multiply = bk_avx512_multiply,                                        \
  .multiply_low = bk_avx512_multiply_low, .multiply_scaled = bk_avx512_multiply_scaled,          \
  .peak = &bk_avx512_peak, .weights = &bk_avx512_weights, AVX2_RESULT_MEMBERS
