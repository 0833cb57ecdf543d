// AVX-512 with VNNI and VBMI, whose permutation of bytes takes five trits in a byte apart by three
// look-ups; see trits.h. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#define TARGET                                                                                   \
  __attribute__((                                                                                \
      target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define HAS_TRITS 1
#include "avx512.h"
#include "trits.h"
#include "dot_packed.h"
#include "vnni_peak.h"

PACKED_FUNCTIONS(ternary2, BK_TERNARY2)
PACKED_FUNCTIONS(ternary1_6, BK_TERNARY1_6)
PACKED_FUNCTIONS(sign1, BK_SIGN1)

const bk_kernels bk_avx512vbmi = {
    AVX2_MEMBERS,
    .name = "avx512vnni",
    .layout = {BK_DOT, BK_DOT, BK_DOT},
    .pack = {pack_ternary2, pack_ternary1_6, pack_sign1},
    .unpack = {unpack_ternary2, unpack_ternary1_6, unpack_sign1},
    .tile_rows = TILE_ROWS,
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .multiply_few = {multiply_few_ternary2, multiply_few_ternary1_6, multiply_few_sign1},
    .few_tokens = {31, 31, 31},
    .peak = &peak,
};
#endif
