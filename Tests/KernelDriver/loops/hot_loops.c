// Loops on which scripts/check-kernel-loops tests itself: it must report those of all functions
// named bad_... and of no other.
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET
typedef __m512i vector;

INLINE vector zero(void) { return _mm512_setzero_si512(); }
INLINE vector load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE void store(uint8_t *p, vector v) { _mm512_storeu_si512(p, v); }
INLINE vector add(vector a, vector b) { return _mm512_add_epi8(a, b); }
INLINE vector dot(vector sum, vector a, vector b) { return _mm512_dpbusd_epi32(sum, a, b); }
INLINE vector look_up(vector table, vector codes) { return _mm512_shuffle_epi8(table, codes); }

TARGET void bad_narrow_product(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  __m256i sum = _mm256_setzero_si256();
  for (size_t k = 0; k < count; k++)
    sum = _mm256_dpbusd_epi32(sum, _mm256_loadu_si256((const __m256i *)codes + k),
                              _mm256_loadu_si256((const __m256i *)q + k));
  _mm256_storeu_si256((__m256i *)out, sum);
}
#else
#include <arm_neon.h>

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define INLINE static inline __attribute__((always_inline)) TARGET
typedef uint8x16_t vector;

INLINE vector zero(void) { return vdupq_n_u8(0); }
INLINE vector load(const uint8_t *p) { return vld1q_u8(p); }
INLINE void store(uint8_t *p, vector v) { vst1q_u8(p, v); }
INLINE vector add(vector a, vector b) { return vaddq_u8(a, b); }
INLINE vector dot(vector sum, vector a, vector b) {
  return vreinterpretq_u8_u32(vdotq_u32(vreinterpretq_u32_u8(sum), a, b));
}
INLINE vector look_up(vector table, vector codes) { return vqtbl1q_u8(table, codes); }
#endif

enum { BYTES = sizeof(vector) };

TARGET void bad_sums_in_memory(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  for (size_t k = 0; k < count; k++) {
    uint8_t *sum = out + BYTES * (k % 2);
    store(sum, dot(load(sum), load(codes + BYTES * k), load(q + BYTES * k)));
  }
}

TARGET void bad_moved_sums(const uint8_t *codes, const uint8_t *sums, size_t count, uint8_t *out) {
  for (size_t k = 0; k < count; k++) {
    vector w = load(codes + BYTES * k);
    store(out + BYTES * k, dot(load(sums + BYTES * k), w, w));
  }
}

TARGET void bad_looked_up_sums_in_memory(const uint8_t *codes, const uint8_t *tables, size_t count,
                                         uint8_t *out) {
  for (size_t k = 0; k < count; k++) {
    uint8_t *sum = out + BYTES * (k % 2);
    store(sum, add(load(sum), look_up(load(tables), load(codes + BYTES * k))));
  }
}

TARGET void bad_stored_sums(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  vector sum = zero();
  for (size_t k = 0; k < count; k++) {
    sum = dot(sum, load(codes + BYTES * k), load(q + BYTES * k));
    store(out + BYTES * k, sum);
  }
}

TARGET void good_product(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  vector sum = zero();
  for (size_t k = 0; k < count; k++) sum = dot(sum, load(codes + BYTES * k), load(q + BYTES * k));
  store(out, sum);
}

TARGET void good_blocks(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  for (size_t block = 0; block < count; block++) {
    vector sum = zero();
    for (size_t k = 0; k < count; k++) sum = dot(sum, load(codes + BYTES * k), load(q + BYTES * k));
    store(out, add(load(out), sum));
  }
}

TARGET void good_unpacking(const uint8_t *codes, const uint8_t *q, size_t count, uint8_t *out) {
  for (size_t k = 0; k < count; k++)
    store(out + BYTES * k, look_up(load(q), load(codes + BYTES * k)));
}
