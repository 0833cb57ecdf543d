// AVX-VNNI (256 bits, without AVX-512): dot products of four bytes, for few tokens and for many.
// Ternary codes at 1.6 bits and few tokens are AVX2's look-ups. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "avx2.h"

#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define AVXVNNI_INLINE static inline __attribute__((always_inline)) TARGET
#define HAS_TRITS 0
#define VECTOR __m256i
#define FLOATS __m256
#define PANEL_VECTORS 2
#define REGISTERS 16
#define TILE_ROWS 6

AVXVNNI_INLINE VECTOR zero_vector(void) { return _mm256_setzero_si256(); }
AVXVNNI_INLINE VECTOR load_vector(const uint8_t *p) { return load(p); }
AVXVNNI_INLINE void store_vector(void *p, VECTOR v) { store(p, v); }
AVXVNNI_INLINE VECTOR all_integers(int32_t n) { return _mm256_set1_epi32(n); }
AVXVNNI_INLINE VECTOR broadcast(const int8_t *q) { return broadcast_quad(q); }
AVXVNNI_INLINE VECTOR dot(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm256_dpbusd_avx_epi32(sum, codes, x);
}
AVXVNNI_INLINE VECTOR dot_low(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm256_dpbusd_avx_epi32(sum, x, codes);
}

AVXVNNI_INLINE VECTOR and_bytes(VECTOR v, int mask) {
  return _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
}
AVXVNNI_INLINE VECTOR or_bytes(VECTOR v, VECTOR w) { return _mm256_or_si256(v, w); }
AVXVNNI_INLINE VECTOR add_bytes(VECTOR v, VECTOR w) { return _mm256_add_epi8(v, w); }
AVXVNNI_INLINE VECTOR shift_right(VECTOR v, int n) { return _mm256_srli_epi16(v, n); }
AVXVNNI_INLINE VECTOR shift_left(VECTOR v, int n) { return _mm256_slli_epi16(v, n); }

AVXVNNI_INLINE VECTOR and_integers(VECTOR v, VECTOR w) { return _mm256_and_si256(v, w); }
AVXVNNI_INLINE VECTOR add_integers(VECTOR v, VECTOR w) { return _mm256_add_epi32(v, w); }
AVXVNNI_INLINE VECTOR subtract_integers(VECTOR v, VECTOR w) { return _mm256_sub_epi32(v, w); }
AVXVNNI_INLINE VECTOR shift_integers_right(VECTOR v, int n) { return _mm256_srai_epi32(v, n); }
AVXVNNI_INLINE VECTOR shift_integers_left(VECTOR v, int n) { return _mm256_slli_epi32(v, n); }

AVXVNNI_INLINE void add_sums(int32_t *p, VECTOR sum) { store(p, _mm256_add_epi32(load(p), sum)); }
AVXVNNI_INLINE void add_low_sums(int32_t *p, VECTOR sum) { add_sums(p, sum); }
AVXVNNI_INLINE void add_scaled(float *p, VECTOR sum, int32_t offset, FLOATS scale) {
  add_scaled_lanes(p, sum, offset, scale);
}

AVXVNNI_INLINE FLOATS load_floats(const float *p) { return _mm256_loadu_ps(p); }
AVXVNNI_INLINE FLOATS all_floats(float x) { return _mm256_set1_ps(x); }
AVXVNNI_INLINE FLOATS multiply_floats(FLOATS a, FLOATS b) { return _mm256_mul_ps(a, b); }
AVXVNNI_INLINE FLOATS load_halves(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

#include "dot_tile.h"
#include "dot_few.h"
#include "vnni_peak.h"

FORMAT_MEMBERS(bk_avxvnni, ternary2)
FORMAT_MEMBERS(bk_avxvnni, sign1)
PACKED_FUNCTIONS(bk_avxvnni, ternary2, BK_TERNARY2)
PACKED_FUNCTIONS(bk_avxvnni, sign1, BK_SIGN1)

static const bk_peak_kernels peak = {bk_avx2_read_all, dot_product};

const bk_kernels bk_avxvnni = {
    AVX2_MEMBERS,
    .name = "avxvnni",
    .layout = {BK_DOT, BK_LOOKUP, BK_DOT},
    .pack = {bk_avxvnni_pack_ternary2, bk_avx2_pack_ternary1_6, bk_avxvnni_pack_sign1},
    .unpack = {bk_avxvnni_unpack_ternary2, bk_avx2_unpack_ternary1_6, bk_avxvnni_unpack_sign1},
    .tile_rows = TILE_ROWS,
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .table_bytes = {0, TRIT_TABLE_BYTES, 0},
    .prepare_token = {NULL, bk_avx2_prepare_ternary1_6, NULL},
    .multiply_few = {bk_avxvnni_multiply_few_ternary2, bk_avx2_multiply_few_ternary1_6,
                     bk_avxvnni_multiply_few_sign1},
    // Not measured: what one tile holds, whose codes are then decoded once; AVX2's for ternary1.6.
    .few_tokens = {6, 2, 6},
    .peak = &peak,
};
#endif
