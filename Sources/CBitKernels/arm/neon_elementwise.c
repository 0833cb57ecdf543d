// NEON: element-wise kernels of activations, weights, sums and optimizer state. Equals scalar.c bit
// for bit.
#if defined(__aarch64__)
#include "neon.h"

float bk_neon_absmax(const float *x, size_t n) {
  uint32x4_t magnitude = vdupq_n_u32(0x7fffffff), largest[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int half = 0; half < 2; half++) {
      uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(x + i + 4 * half));
      largest[half] = vmaxq_u32(largest[half], vandq_u32(bits, magnitude));
    }
  uint32_t bits = vmaxvq_u32(vmaxq_u32(largest[0], largest[1]));
  float head;
  memcpy(&head, &bits, 4);
  if (bits >= 0x7f800000) return __builtin_nanf("");
  float tail = bk_scalar.absmax(x + i, n - i);
  return tail > head || tail != tail ? tail : head;
}

int32_t bk_neon_quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                          int8_t *q) {
  int32x4_t lowest = vdupq_n_s32(low), highest = vdupq_n_s32(high), sum = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    int32x4_t v[4];
    for (int p = 0; p < 4; p++) {
      v[p] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * p), scale));
      v[p] = vmaxq_s32(vminq_s32(v[p], highest), lowest);
      sum = vaddq_s32(sum, v[p]);
    }
    int16x8_t first = vmovn_high_s32(vmovn_s32(v[0]), v[1]);
    int16x8_t second = vmovn_high_s32(vmovn_s32(v[2]), v[3]);
    vst1q_s8(q + i, vmovn_high_s16(vmovn_s16(first), second));
  }
  return vaddvq_s32(sum) + bk_scalar.quantize8(x + i, n - i, scale, low, high, q + i);
}

void bk_neon_sums(const float *x, size_t n, double *sum, double *absolute_sum) {
  float64x2_t s[4], a[4];
  for (int l = 0; l < 4; l++) s[l] = a[l] = vdupq_n_f64(0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int l = 0; l < 4; l++) {
      float64x2_t v = vcvt_f64_f32(vld1_f32(x + i + 2 * l));
      s[l] = vaddq_f64(s[l], v);
      a[l] = vaddq_f64(a[l], vabsq_f64(v));
    }
  double lanes[8], absolute_lanes[8];
  for (int l = 0; l < 4; l++) {
    vst1q_f64(lanes + 2 * l, s[l]);
    vst1q_f64(absolute_lanes + 2 * l, a[l]);
  }
  for (; i < n; i++) {
    lanes[i % 8] += x[i];
    absolute_lanes[i % 8] += x[i] < 0 ? -(double)x[i] : (double)x[i];
  }
  *sum = bk_lane_total(lanes);
  *absolute_sum = bk_lane_total(absolute_lanes);
}

void bk_neon_block_sums(const int8_t *q, size_t block, size_t blocks, int32_t *sums) {
  for (size_t b = 0; b < blocks; b++) {
    int32x4_t sum[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t c = 0; c < block; c += 32)
      for (size_t half = 0; half < 2; half++)
        sum[half] =
            vpadalq_s16(sum[half], vpaddlq_s8(vld1q_s8(q + b * block + c + 16 * half)));
    sums[b] = vaddvq_s32(vaddq_s32(sum[0], sum[1]));
  }
}

void bk_neon_finish(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                    float inverse, const float *bias, float *out) {
  bk_finish_rows(sums, rows, offset, scales, inverse, bias, out);
}

void bk_neon_finish_wide(const int32_t *high, const int32_t *low, size_t rows, const float *scales,
                         float inverse, const float *bias, float *out) {
  bk_finish_wide_rows(high, low, rows, scales, inverse, bias, out);
}

void bk_neon_finish_scaled(const float *totals, size_t rows, const float *scales, float inverse,
                           const float *bias, float *out) {
  bk_finish_totals(totals, rows, scales, inverse, bias, out);
}

void bk_neon_add_totals(const int32_t *sums, int32_t offset, const float *scales, float factor,
                        float *totals) {
  bk_add_row_totals(sums, offset, scales, factor, totals);
}

uint64_t bk_neon_read_all(const uint8_t *memory, size_t bytes) {
  uint8x16_t x[16];
  for (int l = 0; l < 16; l++) x[l] = vdupq_n_u8(0);
  // No prefetch by hand: the hardware's own is made for a plain stream.
  for (size_t i = 0; i < bytes; i += 256)
    for (size_t l = 0; l < 16; l++) x[l] = veorq_u8(x[l], vld1q_u8(memory + i + 16 * l));
  for (int l = 1; l < 16; l++) x[0] = veorq_u8(x[0], x[l]);
  uint64x2_t words = vreinterpretq_u64_u8(x[0]);
  return vgetq_lane_u64(words, 0) ^ vgetq_lane_u64(words, 1);
}

void bk_neon_expand_halves(const uint16_t *halves, size_t n, float *floats) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    vst1q_f32(floats + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + i))));
  for (; i < n; i++) floats[i] = bk_half(halves[i]);
}

// Separate products and sums: compilers may or may not fuse vmla and vmls.
static void adamw(size_t n, const bk_adamw_constants *c, const float *g, float *p, float *m,
                  float *v) {
  float32x4_t epsilon = vdupq_n_f32(c->epsilon);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    float32x4_t s = vmulq_n_f32(vld1q_f32(g + i), c->scale), mean = vld1q_f32(m + i);
    mean = vaddq_f32(mean, vmulq_n_f32(vsubq_f32(s, mean), c->keep1));
    float32x4_t square = vmulq_f32(vmulq_n_f32(s, 1 - c->keep2), s);
    float32x4_t variance = vaddq_f32(vmulq_n_f32(vld1q_f32(v + i), c->keep2), square);
    float32x4_t root = vmulq_n_f32(vsqrtq_f32(variance), c->inverse_root);
    float32x4_t step = vdivq_f32(vmulq_n_f32(mean, c->rate), vaddq_f32(root, epsilon));
    vst1q_f32(m + i, mean);
    vst1q_f32(v + i, variance);
    vst1q_f32(p + i, vsubq_f32(vmulq_n_f32(vld1q_f32(p + i), c->decay), step));
  }
  bk_scalar.training->adamw(n - i, c, g + i, p + i, m + i, v + i);
}

const bk_training_kernels bk_neon_training = {adamw};

#endif
