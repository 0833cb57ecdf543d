// AVX-512 with VNNI and VBMI, whose permutation of bytes takes five trits in a byte apart by three
// look-ups; see trits.h. The rest is avx512vnni.c's. Equals scalar.c bit for bit.
#if defined(__x86_64__)
#define TARGET                                                                                   \
  __attribute__((                                                                                \
      target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define HAS_TRITS 1
#include "avx512.h"
#include "trits.h"
#include "dot_few.h"

PACKED_FUNCTIONS(bk_avx512, ternary1_6, BK_TERNARY1_6)

const bk_kernels bk_avx512vbmi = {
    AVX512_MEMBERS,
    .layout = {BK_DOT, BK_DOT, BK_DOT},
    .pack = {bk_avx512_pack_ternary2, bk_avx512_pack_ternary1_6, bk_avx512_pack_sign1},
    .unpack = {bk_avx512_unpack_ternary2, bk_avx512_unpack_ternary1_6, bk_avx512_unpack_sign1},
    .multiply_few = {bk_avx512_multiply_few_ternary2, bk_avx512_multiply_few_ternary1_6,
                     bk_avx512_multiply_few_sign1},
    // As in avx512vnni.c; ternary1.6 took 366 and 405 us with 13 tokens, 562 and 684 with 24.
    .few_tokens = {31, 31, 31},
};
#endif
