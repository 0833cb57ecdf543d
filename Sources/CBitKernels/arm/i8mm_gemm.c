// Products of small matrices of bytes (smmla), many tokens; the rest is that of dotprod. One
// instruction multiplies two rows of eight columns with two tokens, twice as much as a dot product.
// Codes are rearranged for it once per call. Equals scalar.c bit for bit.
#if defined(__aarch64__)
#include "dotprod.h"

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define I8MM_INLINE static inline __attribute__((always_inline)) TARGET

enum {
  // Fewer rows of bytes are left to dotprod: with 16 rows of weights and eight columns, w rows need
  // 8w dot products. Here it is 8 zips of codes, and for each pair of them 8 products and a zip: 17
  // instead of 16 for two, 26 instead of 24 for three, 26 instead of 32 for four.
  LEAST_ROWS = 4,
  TILE_ROWS = DOTPROD_TILE_ROWS,
  TILE_SUMS = TILE_ROWS * PANEL_VECTORS,
  TILE_PAIRS = TILE_ROWS / 2,
  ROW_PAIRS = BK_PANEL_ROWS / 2,
  // Two quads of a panel.
  QUAD_PAIR_BYTES = 8 * BK_PANEL_ROWS,
};

// Each vector of sums holds two rows by two tokens.
typedef int32x4_t pair_sums[ROW_PAIRS][TILE_PAIRS];

I8MM_INLINE int32x4_t load_quads(const void *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }

I8MM_INLINE int32x4_t multiply_pairs(int32x4_t sum, int32x4_t codes, int32x4_t x,
                                     const int is_low) {
  if (is_low)
    return vreinterpretq_s32_u32(vmmlaq_u32(vreinterpretq_u32_s32(sum),
                                            vreinterpretq_u8_s32(codes), vreinterpretq_u8_s32(x)));
  return vmmlaq_s32(sum, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(x));
}

// Two quads of a panel, which lie one after the other, zipped: each row has its eight columns
// together. Without a second quad it has zeros.
I8MM_INLINE void zip_codes(const uint8_t *codes, const int has_second, uint8_t *pairs) {
  for (size_t v = 0; v < PANEL_VECTORS; v++) {
    int32x4_t first = load_quads(codes + 16 * v), second = vdupq_n_s32(0);
    if (has_second) second = load_quads(codes + QUAD_PAIR_BYTES / 2 + 16 * v);
    vst1q_u8(pairs + 32 * v, vreinterpretq_u8_s32(vzip1q_s32(first, second)));
    vst1q_u8(pairs + 32 * v + 16, vreinterpretq_u8_s32(vzip2q_s32(first, second)));
  }
}

I8MM_INLINE void zip_panel(const bk_panels *panels, const tile_place *at, uint8_t *pairs) {
  const uint8_t *codes = at->codes;
  tile_ahead ahead = ahead_of(panels, at);
  size_t k = 0;
  for (; k + 2 <= panels->quads; k += 2) {
    const uint8_t *line = ahead.line + k % 4 * ahead.stride + k / 4 * ahead.step;
    __builtin_prefetch(line);
    __builtin_prefetch(line + ahead.stride);
    zip_codes(codes, 1, pairs);
    codes += QUAD_PAIR_BYTES;
    pairs += QUAD_PAIR_BYTES;
  }
  if (k < panels->quads) zip_codes(codes, 0, pairs);
}

// Two quads of all rows of bytes, zipped: two tokens by eight columns in each vector. The fifth row
// has no pair, and is there twice.
I8MM_INLINE void zip_bytes(const int8_t *first, const int8_t *second, int32x4_t x[TILE_PAIRS],
                           const int width) {
  int32x4_t quads[2] = {load_quads(first), load_quads(second)};
  x[0] = vzip1q_s32(quads[0], quads[1]);
  x[1] = vzip2q_s32(quads[0], quads[1]);
  if (width == 5) {
    quads[0] = vreinterpretq_s32_s8(broadcast_quad(first + 16));
    quads[1] = vreinterpretq_s32_s8(broadcast_quad(second + 16));
  } else if (width == 6) {
    quads[0] = vreinterpretq_s32_s8(vcombine_s8(vld1_s8(first + 16), vdup_n_s8(0)));
    quads[1] = vreinterpretq_s32_s8(vcombine_s8(vld1_s8(second + 16), vdup_n_s8(0)));
  }
  if (width > 4) x[2] = vzip1q_s32(quads[0], quads[1]);
}

// Adds the products of two quads.
I8MM_INLINE void add_pairs(const uint8_t *codes, const int32x4_t x[TILE_PAIRS], pair_sums sum,
                           const int width, const int is_low) {
  UNROLL for (int r = 0; r < ROW_PAIRS; r++) {
    int32x4_t w = load_quads(codes + 16 * r);
    UNROLL for (int p = 0; 2 * p < width; p++)
      sum[r][p] = multiply_pairs(sum[r][p], w, x[p], is_low);
  }
}

// One zipped panel.
I8MM_INLINE void multiply_tile(const bk_panels *panels, const tile_place *at,
                               int32x4_t totals[STRIP_VECTORS][TILE_ROWS], const int panel_count,
                               const int width, const int is_low) {
  (void)panel_count;
  pair_sums sum;
  UNROLL for (int r = 0; r < ROW_PAIRS; r++)
    UNROLL for (int p = 0; 2 * p < width; p++) sum[r][p] = vdupq_n_s32(0);
  const uint8_t *codes = at->codes;
  const int8_t *bytes = at->bytes;
  int32x4_t x[TILE_PAIRS];
  size_t k = 0;
  for (; k + 2 <= panels->quads; k += 2) {
    zip_bytes(bytes, bytes + 4 * width, x, width);
    add_pairs(codes, x, sum, width, is_low);
    codes += QUAD_PAIR_BYTES;
    bytes += 8 * width;
  }
  if (k < panels->quads) {
    zip_bytes(bytes, bytes, x, width);
    add_pairs(codes, x, sum, width, is_low);
  }
  UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
    UNROLL for (int t = 0; t < width; t++) {
      int32x4_t low = sum[2 * v][t / 2], high = sum[2 * v + 1][t / 2];
      totals[v][t] = t % 2 ? vuzp2q_s32(low, high) : vuzp1q_s32(low, high);
    }
}

#include "gemm_tile.h"

I8MM_INLINE void multiply_zipped(const bk_panels *panels, const bk_rows *rows, tile_place at,
                                 const int is_low) {
  if (rows->width < LEAST_ROWS) {
    if (at.totals)
      bk_dotprod.multiply_scaled(panels, rows, &at.scaling, at.totals);
    else
      (is_low ? bk_dotprod.multiply_low : bk_dotprod.multiply)(panels, rows, at.sums);
    return;
  }
  _Alignas(64) uint8_t pairs[BK_PANEL_ROWS * BK_CHUNK_COLUMNS];
  bk_panels zipped = {.codes = pairs, .count = 1, .quads = panels->quads};
  for (size_t p = 0; p < panels->count; p++) {
    tile_place panel = place_at(panels, rows, at, p, 0);
    zip_panel(panels, &panel, pairs);
    multiply_rows(&zipped, rows, panel, is_low);
  }
}

MULTIPLY_FUNCTIONS(multiply_zipped)

TARGET static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Products that all differ, and enough sums to hide the latency; all values fit the registers.
  int32x4_t sum[16];
  int8x16_t code[4], x[4];
  for (int l = 0; l < 16; l++) sum[l] = vdupq_n_s32(0);
  for (int l = 0; l < 4; l++) code[l] = vdupq_n_s8((int8_t)l);
  for (int l = 0; l < 4; l++) x[l] = vreinterpretq_s8_s32(vdupq_n_s32(*sink + l));
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 16; l++) sum[l] = vmmlaq_s32(sum[l], code[l % 4], x[l / 4]);
    // The compiler must not move the products out of the loop.
    __asm__ volatile(""
                     : "+w"(code[0]), "+w"(code[1]), "+w"(code[2]), "+w"(code[3]), "+w"(x[0]),
                       "+w"(x[1]), "+w"(x[2]), "+w"(x[3]));
  }
  for (int l = 1; l < 16; l++) sum[0] = vaddq_s32(sum[0], sum[l]);
  *sink += vaddvq_s32(sum[0]);
  return 16 * 32 * (uint64_t)rounds;
}

static const bk_peak_kernels peak = {bk_neon_read_all, dot_product};

const bk_kernels bk_i8mm = {
    NEON_MEMBERS,
    DOTPROD_LAYOUT_MEMBERS,
    .name = "i8mm",
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    // Cycles for the codes of a step, by llvm-mca 19 for Apple M1, Neoverse N2 and V2:
    //   ternary2    6 tokens  40,  60, 30;  unpacked 48,  60, 36
    //               8 tokens  59,  88, 44;  unpacked 53,  68, 40
    //   ternary1.6  6 tokens  66,  82, 42;  unpacked 70,  80, 53
    //   sign1       6 tokens  75, 112, 56;  unpacked 94, 126, 75
    .few_tokens = {6, 6, 6},
    .peak = &peak,
    .weights = &bk_dotprod_weights,
};
#endif
