// AVX-VNNI (256 bits, without AVX-512), many tokens; the rest is AVX2's. Equals scalar.c bit for
// bit.
#if defined(__x86_64__)
#include "avx2.h"

#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define AVXVNNI_INLINE static inline __attribute__((always_inline)) TARGET
#define VECTOR __m256i
#define PANEL_VECTORS 2
#define TILE_PANELS 1
#define TILE_TOKENS 6
#define TILE_REST 2

AVXVNNI_INLINE VECTOR zero_vector(void) { return _mm256_setzero_si256(); }
AVXVNNI_INLINE VECTOR load_vector(const uint8_t *p) { return load(p); }
AVXVNNI_INLINE VECTOR broadcast(const int8_t *q) { return broadcast_quad(q); }
AVXVNNI_INLINE VECTOR dot(VECTOR sum, VECTOR codes, VECTOR x) {
  return _mm256_dpbusd_avx_epi32(sum, codes, x);
}
AVXVNNI_INLINE void add_sums(int32_t *p, VECTOR sum) { store(p, _mm256_add_epi32(load(p), sum)); }
AVXVNNI_INLINE void add_totals(float *p, VECTOR sum, int32_t offset, const float *scales) {
  add_scaled(p, sum, offset, scales);
}

#include "gemm_tile.h"
#include "vnni_peak.h"

const bk_kernels bk_avxvnni = {
    AVX2_MEMBERS,
    .name = "avxvnni",
    .multiply = multiply,
    .multiply_scaled = multiply_scaled,
    .multiply_token = {bk_avx2_multiply_token_ternary2, bk_avx2_multiply_token_ternary1_6,
                       bk_avx2_multiply_token_sign1},
    .few_tokens = {2, 2, 4},
    .peak = &peak,
};
#endif
