// Dot products of four bytes (sdot), many tokens, and the set of kernels. Equals scalar.c bit for
// bit.
#if defined(__aarch64__)
#include "dotprod.h"

#define TARGET DOTPROD
#define LANE_SUM int32x4_t
enum { LEAST_ROWS = 1, TILE_ROWS = DOTPROD_TILE_ROWS, TILE_SUMS = TILE_ROWS * PANEL_VECTORS };

DOTPROD_INLINE int32x4_t zero_sum(void) { return vdupq_n_s32(0); }
DOTPROD_INLINE int32x4_t total(int32x4_t sum) { return sum; }

#include "lane_tile.h"
#include "gemm_tile.h"

MULTIPLY_FUNCTIONS(multiply_rows)

TARGET static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int32x4_t sum[16];
  int8x16_t code[4], x;
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s32(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  int32_t quads[4] = {*sink, *sink + 1, *sink + 2, *sink + 3};
  x = vreinterpretq_s8_s32(vld1q_s32(quads));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 4; l++) {
      sum[4 * l] = vdotq_laneq_s32(sum[4 * l], code[l], x, 0);
      sum[4 * l + 1] = vdotq_laneq_s32(sum[4 * l + 1], code[l], x, 1);
      sum[4 * l + 2] = vdotq_laneq_s32(sum[4 * l + 2], code[l], x, 2);
      sum[4 * l + 3] = vdotq_laneq_s32(sum[4 * l + 3], code[l], x, 3);
    }
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s32(sum[0], sum[l]);
  *sink += vaddvq_s32(sum[0]);
  return 16 * 16 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_dotprod = {
    NEON_MEMBERS,
    DOTPROD_LAYOUT_MEMBERS,
    .name = "dotprod",
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    // Cycles for the codes of a step, by llvm-mca 19 for Apple M1, Neoverse N1 and V2:
    //   ternary2    6 tokens   40,  60, 30;  unpacked  43,  76, 34
    //               8 tokens   59,  88, 44;  unpacked  54,  92, 42
    //   ternary1.6  6 tokens   66,  84, 42;  unpacked  64, 105, 50
    //               8 tokens  100, 124, 63;  unpacked  78, 125, 60
    //   sign1       8 tokens  107, 160, 80;  unpacked 106, 190, 87
    .few_tokens = {6, 6, 8},
    .peak = &peak,
    .weights = &bk_dotprod_weights,
};
#endif
