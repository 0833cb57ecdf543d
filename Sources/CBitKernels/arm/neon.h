// What the arm64 files share. NEON is part of every arm64 CPU, so only functions that need more
// have a target attribute.
#ifndef BITKERNELS_NEON_H
#define BITKERNELS_NEON_H

#include "../tiles.h"
#include <arm_neon.h>

enum {
  // Vectors of 16 bytes in a step of a strip. Number 2k + h of BK_LOOKUP holds rows
  // 32k + 8v + 4h + i at 4v + i; number v of a panel of BK_DOT holds rows 4v...4v + 3.
  STEP_VECTORS = BK_STEP_BYTES / 16,
  // Vectors of a quad of a panel, and of all panels.
  PANEL_VECTORS = BK_PANEL_ROWS / 4,
  STRIP_VECTORS = BK_STRIP_PANELS * PANEL_VECTORS,
};

// Codes are 0...2, so that they are the same as signed bytes.
BK_INLINE int8x16_t load_codes(const uint8_t *codes) {
  return vreinterpretq_s8_u8(vld1q_u8(codes));
}

// The four codes of a quad in every lane.
BK_INLINE int8x16_t broadcast_quad(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// p = fma(float(sum - offset), scales * factor, p)
BK_INLINE void add_scaled(float *p, int32x4_t sum, int32_t offset, float32x4_t scales,
                          float factor) {
  float32x4_t value = vcvtq_f32_s32(vsubq_s32(sum, vdupq_n_s32(offset)));
  vst1q_f32(p, vfmaq_f32(vld1q_f32(p), value, vmulq_n_f32(scales, factor)));
}

// The fields of ternary bytes 27 * pair + triple: pair is 0...8 and triple 0...26.
typedef struct {
  uint8x16_t pair, triple;
} trit_fields;

BK_INLINE trit_fields split_trits(uint8x16_t bytes) {
  // 19 / 512 is close enough to 1 / 27 for all of 0...242.
  uint8x16_t nineteen = vdupq_n_u8(19);
  uint16x8_t low = vmull_u8(vget_low_u8(bytes), vget_low_u8(nineteen));
  uint16x8_t high = vmull_high_u8(bytes, nineteen);
  uint8x16_t pair =
      vshrq_n_u8(vuzp2q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)), 1);
  return (trit_fields){pair, vmlsq_u8(bytes, pair, vdupq_n_u8(27))};
}

// The digits to base 3 of 0...8 and of 0...26, the highest one first.
extern const uint8_t bk_neon_pair_digits[2][16], bk_neon_triple_digits[3][32];

// Digit j of each byte, 0 being the highest of five.
BK_INLINE uint8x16_t trit_digit(trit_fields fields, const int j) {
  if (j < 2) return vqtbl1q_u8(vld1q_u8(bk_neon_pair_digits[j]), fields.pair);
  return vqtbl2q_u8(vld1q_u8_x2(bk_neon_triple_digits[j - 2]), fields.triple);
}

float bk_neon_absmax(const float *x, size_t n);
int32_t bk_neon_quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                          int8_t *q);
void bk_neon_sums(const float *x, size_t n, double *sum, double *absolute_sum);
void bk_neon_encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                            const float *parameters, uint8_t *panel);
void bk_neon_encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                         const float *parameters, uint8_t *panel);
void bk_neon_block_sums(const int8_t *q, size_t block, size_t blocks, int32_t *sums);
void bk_neon_finish(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                    float inverse, const float *bias, float *out);
void bk_neon_finish_wide(const int32_t *high, const int32_t *low, size_t rows, const float *scales,
                         float inverse, const float *bias, float *out);
void bk_neon_finish_scaled(const float *totals, size_t rows, const float *scales, float inverse,
                           const float *bias, float *out);
void bk_neon_expand_halves(const uint16_t *halves, size_t n, float *floats);
void bk_neon_add_totals(const int32_t *sums, int32_t offset, const float *scales, float factor,
                        float *totals);
uint64_t bk_neon_read_all(const uint8_t *memory, size_t bytes);
extern const bk_training_kernels bk_neon_training;

// The layout BK_LOOKUP.
#define NEON_FORMAT(NAME)                                                                        \
  void bk_neon_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,            \
                           uint8_t *steps, size_t step_stride);                                  \
  void bk_neon_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,           \
                             uint8_t *panels, size_t panel_bytes);                               \
  int32_t bk_neon_prepare_##NAME(const int8_t *q, size_t steps, uint8_t *tables);                \
  void bk_neon_multiply_few_##NAME(const bk_matrix *m, size_t strip, const bk_tokens *tokens,    \
                                   int32_t *sums, float *totals);

NEON_FORMAT(ternary2)
NEON_FORMAT(ternary1_6)
NEON_FORMAT(sign1)

enum { NIBBLE_TABLE_BYTES = 64, TRIT_TABLE_BYTES = 96 };

// The members of the table of kernels that all sets share: those that do not depend on the layout.
#define NEON_MEMBERS                                                                             \
  .absmax = bk_neon_absmax, .quantize8 = bk_neon_quantize8, .sums = bk_neon_sums,                \
  .encode_panel = {bk_neon_encode_ternary, bk_neon_encode_sign},                                 \
  .block_sums = bk_neon_block_sums, .finish = bk_neon_finish,                                    \
  .finish_wide = bk_neon_finish_wide, .finish_scaled = bk_neon_finish_scaled,                    \
  .add_totals = bk_neon_add_totals, .expand_halves = bk_neon_expand_halves,                      \
  .training = &bk_neon_training, .decoder = &bk_neon_decoder

#endif
