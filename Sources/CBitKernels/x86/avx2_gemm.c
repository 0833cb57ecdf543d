// AVX2 (without AVX-VNNI), many tokens: byte products by vpmaddubsw, whose 16-bit sums stay exact
// over the 64 quads of a call. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#include "avx2.h"

#define TARGET AVX2
#define VECTOR __m256i
#define FLOATS __m256
#define PANEL_VECTORS 2
#define REGISTERS 16
#define TILE_ROWS 6

AVX2_INLINE VECTOR zero_vector(void) { return _mm256_setzero_si256(); }
AVX2_INLINE VECTOR load_vector(const uint8_t *p) { return load(p); }
AVX2_INLINE VECTOR broadcast(const int8_t *q) { return broadcast_quad(q); }
AVX2_INLINE VECTOR dot(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, x));
}
AVX2_INLINE VECTOR dot_low(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, codes));
}

// Pairs of 16-bit sums to 32 bits.
AVX2_INLINE VECTOR widened(VECTOR sum) {
  return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}
AVX2_INLINE void add_sums(int32_t *p, VECTOR sum) {
  store(p, _mm256_add_epi32(load(p), widened(sum)));
}
// Sums of unsigned bytes have no sign, and need all 16 bits.
AVX2_INLINE void add_low_sums(int32_t *p, VECTOR sum) {
  VECTOR even = _mm256_and_si256(sum, _mm256_set1_epi32(0xffff));
  store(p, _mm256_add_epi32(load(p), _mm256_add_epi32(even, _mm256_srli_epi32(sum, 16))));
}
AVX2_INLINE void add_scaled(float *p, VECTOR sum, int32_t offset, FLOATS scale) {
  add_scaled_lanes(p, widened(sum), offset, scale);
}

AVX2_INLINE FLOATS load_floats(const float *p) { return _mm256_loadu_ps(p); }
AVX2_INLINE FLOATS all_floats(float x) { return _mm256_set1_ps(x); }
AVX2_INLINE FLOATS multiply_floats(FLOATS a, FLOATS b) { return _mm256_mul_ps(a, b); }

#include "dot_tile.h"

AVX2 uint64_t bk_avx2_read_all(const uint8_t *memory, size_t bytes) {
  __m256i x[8];
  for (int l = 0; l < 8; l++) x[l] = _mm256_setzero_si256();
  // No prefetch by hand: the hardware's own is made for a plain stream.
  for (size_t i = 0; i < bytes; i += 256)
    for (int l = 0; l < 8; l++) x[l] = _mm256_xor_si256(x[l], load(memory + i + 32 * (size_t)l));
  for (int l = 1; l < 8; l++) x[0] = _mm256_xor_si256(x[0], x[l]);
  uint64_t words[4];
  store(words, x[0]);
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

AVX2 static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Eight different products, so that none can be used twice; all values fit the registers.
  __m256i sum[8], code[4], x[2];
  for (int l = 0; l < 8; l++) sum[l] = _mm256_setzero_si256();
  for (int l = 0; l < 4; l++) code[l] = _mm256_set1_epi8((char)l);
  for (int l = 0; l < 2; l++) x[l] = _mm256_set1_epi32(*sink + l);
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++)
      sum[l] = _mm256_add_epi16(sum[l], _mm256_maddubs_epi16(code[l % 4], x[l / 4]));
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+x"(code[0]), "+x"(code[1]), "+x"(code[2]), "+x"(code[3]), "+x"(x[0]),
                       "+x"(x[1]));
  }
  for (int l = 1; l < 8; l++) sum[0] = _mm256_add_epi16(sum[0], sum[l]);
  int32_t lanes[8];
  store(lanes, sum[0]);
  *sink += lanes[0] + lanes[7];
  return 8 * 32 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_avx2_read_all, dot_product};

const bk_kernels bk_avx2 = {
    AVX2_MEMBERS,
    .name = "avx2",
    .layout = {BK_LOOKUP, BK_LOOKUP, BK_LOOKUP},
    .pack = {bk_avx2_pack_ternary2, bk_avx2_pack_ternary1_6, bk_avx2_pack_sign1},
    .unpack = {bk_avx2_unpack_ternary2, bk_avx2_unpack_ternary1_6, bk_avx2_unpack_sign1},
    .tile_rows = TILE_ROWS,
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .table_bytes = {NIBBLE_TABLE_BYTES, TRIT_TABLE_BYTES, NIBBLE_TABLE_BYTES},
    .prepare_token = {bk_avx2_prepare_ternary2, bk_avx2_prepare_ternary1_6,
                      bk_avx2_prepare_sign1},
    .multiply_few = {bk_avx2_multiply_few_ternary2, bk_avx2_multiply_few_ternary1_6,
                     bk_avx2_multiply_few_sign1},
    // Looking up the sums of four sign codes beats byte products for any number of tokens.
    .few_tokens = {5, 4, BK_ANY_TOKENS},
    .peak = &peak,
};
#endif
