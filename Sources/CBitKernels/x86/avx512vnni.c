// AVX-512 with VNNI: dot products of four bytes in 512 bits, for few tokens and for many. Ternary
// codes at 1.6 bits and one token's are AVX2's look-ups; avx512vbmi.c does better. Equals scalar.c
// bit for bit.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define HAS_TRITS 0
#include "avx512.h"
#include "dot_packed.h"
#include "vnni_peak.h"

PACKED_FUNCTIONS(ternary2, BK_TERNARY2)
PACKED_FUNCTIONS(sign1, BK_SIGN1)

const bk_kernels bk_avx512vnni = {
    AVX2_MEMBERS,
    .name = "avx512vnni",
    .layout = {BK_DOT, BK_LOOKUP, BK_DOT},
    .pack = {pack_ternary2, bk_avx2_pack_ternary1_6, pack_sign1},
    .unpack = {unpack_ternary2, bk_avx2_unpack_ternary1_6, unpack_sign1},
    .tile_rows = TILE_ROWS,
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .table_bytes = {0, TRIT_TABLE_BYTES, 0},
    .prepare_token = {NULL, bk_avx2_prepare_ternary1_6, NULL},
    .multiply_few = {multiply_few_ternary2, bk_avx2_multiply_few_ternary1_6, multiply_few_sign1},
    .few_tokens = {12, 2, 12},
    .peak = &peak,
};
#endif
