// AVX-512 with VNNI: dot products of four bytes in 512 bits, for few tokens and for many. Ternary
// codes at 1.6 bits and one token's are AVX2's look-ups; avx512vbmi.c does better. Equals scalar.c
// bit for bit.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define HAS_TRITS 0
#include "avx512.h"
#include "dot_tile.h"
#include "dot_few.h"
#include "vnni_peak.h"

PACKED_FUNCTIONS(bk_avx512, ternary2, BK_TERNARY2)
PACKED_FUNCTIONS(bk_avx512, sign1, BK_SIGN1)

TARGET void bk_avx512_multiply(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  multiply(panels, rows, sums);
}

TARGET void bk_avx512_multiply_low(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  multiply_low(panels, rows, sums);
}

TARGET void bk_avx512_multiply_scaled(const bk_panels *panels, const bk_rows *rows,
                                      const bk_scaling *scaling, float *totals) {
  multiply_scaled(panels, rows, scaling, totals);
}

const bk_peak_kernels bk_avx512_peak = {bk_avx2_read_all, dot_product};

const bk_kernels bk_avx512vnni = {
    AVX512_MEMBERS,
    .layout = {BK_DOT, BK_LOOKUP, BK_DOT},
    .pack = {bk_avx512_pack_ternary2, bk_avx2_pack_ternary1_6, bk_avx512_pack_sign1},
    .unpack = {bk_avx512_unpack_ternary2, bk_avx2_unpack_ternary1_6, bk_avx512_unpack_sign1},
    .table_bytes = {0, TRIT_TABLE_BYTES, 0},
    .prepare_token = {NULL, bk_avx2_prepare_ternary1_6, NULL},
    .multiply_few = {bk_avx512_multiply_few_ternary2, bk_avx2_multiply_few_ternary1_6,
                     bk_avx512_multiply_few_sign1},
    // Measured for 2560x2560 (ternary2): straight from packed codes and unpacked, 13 tokens took 292
    // and 393 us, 24 tokens 490 and 561, about 31 the same. AVX2's look-ups are slower from three on.
    .few_tokens = {31, 2, 31},
};
#endif
