// NEON without dot products, many tokens: byte products are added to 16-bit sums, one per column of
// a quad, which stay exact over the 64 quads of a call (64 * 2 * -128 = -16384, and 64 * 2 * 255 =
// 32640). Equals scalar.c bit for bit.
#if defined(__aarch64__)
#include "neon.h"

#define TARGET
// The sums of four rows are two vectors: a tile has 24.
enum { LEAST_ROWS = 1, TILE_ROWS = 3, TILE_SUMS = TILE_ROWS * PANEL_VECTORS };

// Two rows of four columns in each half.
typedef struct {
  int16x8_t half[2];
} column_sums;
#define LANE_SUM column_sums

BK_INLINE column_sums zero_sum(void) { return (column_sums){{vdupq_n_s16(0), vdupq_n_s16(0)}}; }

// One lane of a vector in all four.
BK_INLINE int8x16_t broadcast_lane(int8x16_t x, const int lane) {
  int32x4_t quads = vreinterpretq_s32_s8(x);
  switch (lane) {
    case 0: return vreinterpretq_s8_s32(vdupq_laneq_s32(quads, 0));
    case 1: return vreinterpretq_s8_s32(vdupq_laneq_s32(quads, 1));
    case 2: return vreinterpretq_s8_s32(vdupq_laneq_s32(quads, 2));
    default: return vreinterpretq_s8_s32(vdupq_laneq_s32(quads, 3));
  }
}

BK_INLINE column_sums dot(column_sums sum, int8x16_t codes, int8x16_t x, const int lane) {
  x = broadcast_lane(x, lane);
  sum.half[0] = vmlal_s8(sum.half[0], vget_low_s8(codes), vget_low_s8(x));
  sum.half[1] = vmlal_high_s8(sum.half[1], codes, x);
  return sum;
}

BK_INLINE column_sums dot_low(column_sums sum, int8x16_t codes, int8x16_t x, const int lane) {
  uint8x16_t w = vreinterpretq_u8_s8(codes), bytes = vreinterpretq_u8_s8(broadcast_lane(x, lane));
  uint16x8_t half[2] = {vreinterpretq_u16_s16(sum.half[0]), vreinterpretq_u16_s16(sum.half[1])};
  half[0] = vmlal_u8(half[0], vget_low_u8(w), vget_low_u8(bytes));
  half[1] = vmlal_high_u8(half[1], w, bytes);
  return (column_sums){{vreinterpretq_s16_u16(half[0]), vreinterpretq_s16_u16(half[1])}};
}

// The sums of four rows. Those of unsigned bytes do not reach the sign.
BK_INLINE int32x4_t total(column_sums sum) {
  return vpaddq_s32(vpaddlq_s16(sum.half[0]), vpaddlq_s16(sum.half[1]));
}

#include "lane_tile.h"
#include "gemm_tile.h"

MULTIPLY_FUNCTIONS(multiply_rows)

static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int16x8_t sum[16];
  int8x16_t code[4], x[2];
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s16(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  for (int l = 0; l < 2; l++) x[l] = vreinterpretq_s8_s32(vdupq_n_s32(*sink + l));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++) {
      sum[2 * l] = vmlal_s8(sum[2 * l], vget_low_s8(code[l % 4]), vget_low_s8(x[l / 4]));
      sum[2 * l + 1] = vmlal_high_s8(sum[2 * l + 1], code[l % 4], x[l / 4]);
    }
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x[0]),
                       "+w"(x[1]));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s16(sum[0], sum[l]);
  *sink += vaddlvq_s16(sum[0]);
  return 16 * 8 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_neon = {
    NEON_MEMBERS,
    .name = "neon",
    .layout = {BK_LOOKUP, BK_LOOKUP, BK_LOOKUP},
    .pack = {bk_neon_pack_ternary2, bk_neon_pack_ternary1_6, bk_neon_pack_sign1},
    .unpack = {bk_neon_unpack_ternary2, bk_neon_unpack_ternary1_6, bk_neon_unpack_sign1},
    .tile_rows = TILE_ROWS,
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .table_bytes = {NIBBLE_TABLE_BYTES, TRIT_TABLE_BYTES, NIBBLE_TABLE_BYTES},
    .prepare_token = {bk_neon_prepare_ternary2, bk_neon_prepare_ternary1_6,
                      bk_neon_prepare_sign1},
    .multiply_few = {bk_neon_multiply_few_ternary2, bk_neon_multiply_few_ternary1_6,
                     bk_neon_multiply_few_sign1},
    // Cycles for a step of T tokens, by llvm-mca 19 for Apple M1 and Neoverse N1:
    //   ternary2    18T, 31T;  unpacked 16 + 16T, 40 + 32T
    //   ternary1.6  25T, 40T;  unpacked 34 + 20T, 63 + 40T
    //   sign1       18T, 31T;  unpacked 36 + 32T, 78 + 64T
    .few_tokens = {8, 8, BK_ANY_TOKENS},
    .peak = &peak,
    .weights = &bk_neon_weights,
};
#endif
