// The reference: plain C that every other kernel file must equal bit for bit.
#include "../internal.h"
#include <math.h>

static float absmax(const float *x, size_t n) {
  // The bits of |x| are ordered like |x|; NaN and infinity come last.
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  if (largest >= 0x7f800000) largest = 0x7fc00000;
  float result;
  memcpy(&result, &largest, 4);
  return result;
}

static int32_t quantize8(const float *x, size_t n, float scale, int32_t low, int32_t high,
                         int8_t *q) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    int32_t v = bk_clamp((int32_t)bk_round(x[i] * scale), low, high);
    q[i] = (int8_t)v;
    sum += v;
  }
  return sum;
}

static void sums(const float *x, size_t n, double *sum, double *absolute_sum) {
  double lanes[8] = {0}, absolute_lanes[8] = {0};
  for (size_t i = 0; i < n; i++) {
    double v = x[i];
    lanes[i % 8] += v;
    absolute_lanes[i % 8] += v < 0 ? -v : v;
  }
  *sum = bk_lane_total(lanes);
  *absolute_sum = bk_lane_total(absolute_lanes);
}

void bk_encode_columns_ternary(const float *weights, size_t stride, size_t rows, size_t first,
                               size_t columns, const float *parameters, uint8_t *panel) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = first; c < columns; c++)
      panel[4 * BK_PANEL_ROWS * (c / 4) + 4 * r + c % 4] =
          (uint8_t)(1 + bk_ternary_code(weights[r * stride + c], parameters[r]));
}

void bk_encode_columns_sign(const float *weights, size_t stride, size_t rows, size_t first,
                            size_t columns, const float *parameters, uint8_t *panel) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = first; c < columns; c++)
      panel[4 * BK_PANEL_ROWS * (c / 4) + 4 * r + c % 4] =
          (uint8_t)(2 * bk_sign_code(weights[r * stride + c], parameters[r]));
}

static void encode_ternary(const float *weights, size_t stride, size_t rows, size_t columns,
                           const float *parameters, uint8_t *panel) {
  memset(panel, 0, bk_panel_bytes(columns));
  bk_encode_columns_ternary(weights, stride, rows, 0, columns, parameters, panel);
}

static void encode_sign(const float *weights, size_t stride, size_t rows, size_t columns,
                        const float *parameters, uint8_t *panel) {
  memset(panel, 0, bk_panel_bytes(columns));
  bk_encode_columns_sign(weights, stride, rows, 0, columns, parameters, panel);
}

// The codes in a byte of a step: what pack wrote, one per column of the format.
BK_INLINE void decode(uint8_t byte, bk_format format, uint8_t codes[8]) {
  static const uint8_t powers[5] = {81, 27, 9, 3, 1};
  size_t columns = bk_step_columns(BK_LOOKUP, format);
  for (size_t j = 0; j < columns; j++)
    codes[j] = format == BK_TERNARY2     ? byte >> (2 * j) & 3
               : format == BK_TERNARY1_6 ? byte / powers[j] % 3
                                         : 2 * (byte >> j & 1);
}

// The inverse. A column that pads the step has the code 0 (stored as 1), or -1 in a sign format,
// which has no 0.
BK_INLINE uint8_t encode(const uint8_t *codes, bk_format format) {
  unsigned byte = 0;
  size_t columns = bk_step_columns(BK_LOOKUP, format);
  for (size_t j = 0; j < columns; j++)
    byte = format == BK_TERNARY2     ? byte | (unsigned)codes[j] << (2 * j)
           : format == BK_TERNARY1_6 ? 3 * byte + codes[j]
                                     : byte | (unsigned)(codes[j] >> 1) << j;
  return (uint8_t)byte;
}

BK_INLINE size_t panel_offset(size_t row, size_t column, size_t panel_bytes) {
  return row / BK_PANEL_ROWS * panel_bytes + 4 * BK_PANEL_ROWS * (column / 4) +
         4 * (row % BK_PANEL_ROWS) + column % 4;
}

BK_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                    bk_format format) {
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  for (size_t s = 0; s * unit < columns; s++)
    for (size_t r = 0; r < BK_STRIP_ROWS; r++) {
      uint8_t codes[8];
      for (size_t j = 0; j < unit; j++)
        codes[j] = s * unit + j < columns ? panels[panel_offset(r, s * unit + j, panel_bytes)] : 1;
      steps[BK_STRIP_ROWS * s + bk_strip_byte(r)] = encode(codes, format);
    }
}

BK_INLINE void unpack(const uint8_t *steps, size_t columns, uint8_t *panels, size_t panel_bytes,
                      bk_format format) {
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  for (size_t s = 0; s * unit < columns; s++)
    for (size_t r = 0; r < BK_STRIP_ROWS; r++) {
      uint8_t codes[8];
      decode(steps[BK_STRIP_ROWS * s + bk_strip_byte(r)], format, codes);
      for (size_t j = 0; j < unit && s * unit + j < columns; j++)
        panels[panel_offset(r, s * unit + j, panel_bytes)] = codes[j];
    }
  // What pads the last quad is multiplied by zeros.
  for (size_t c = columns; c % 4; c++)
    for (size_t r = 0; r < BK_STRIP_ROWS; r++) panels[panel_offset(r, c, panel_bytes)] = 0;
}

// Sums may wrap around until the sum of the activations is subtracted, hence unsigned.
BK_INLINE uint32_t panel_sum(const bk_panels *panels, size_t panel, size_t row, const int8_t *q,
                             int is_low) {
  const uint8_t *codes = panels->codes + panel * panels->stride + 4 * row;
  uint32_t sum = 0;
  for (size_t c = 0; c < 4 * panels->quads; c++)
    sum += codes[4 * BK_PANEL_ROWS * (c / 4) + c % 4] * (uint32_t)(is_low ? (uint8_t)q[c] : q[c]);
  return sum;
}

BK_INLINE void add_sums(const bk_panels *panels, const bk_rows *rows, int32_t *sums, int is_low) {
  for (size_t t = 0; t < rows->count; t++)
    for (size_t p = 0; p < panels->count; p++)
      for (size_t r = 0; r < BK_PANEL_ROWS; r++) {
        int32_t *sum = sums + BK_STRIP_ROWS * t + BK_PANEL_ROWS * p + r;
        *sum = (int32_t)((uint32_t)*sum +
                         panel_sum(panels, p, r, rows->bytes + t * rows->stride, is_low));
      }
}

static void multiply(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  add_sums(panels, rows, sums, 0);
}

static void multiply_low(const bk_panels *panels, const bk_rows *rows, int32_t *sums) {
  add_sums(panels, rows, sums, 1);
}

static void multiply_scaled(const bk_panels *panels, const bk_rows *rows,
                            const bk_scaling *scaling, float *totals) {
  for (size_t t = 0; t < rows->count; t++) {
    int32_t sums[BK_STRIP_ROWS] = {0};
    bk_rows row = {rows->bytes + t * rows->stride, rows->stride, 1, 0};
    add_sums(panels, &row, sums, 0);
    float factor = scaling->factors ? scaling->factors[t * scaling->factor_stride] : 1;
    for (size_t r = 0; r < BK_PANEL_ROWS * panels->count; r++) {
      float *total = totals + BK_STRIP_ROWS * t + r;
      float value = (float)(sums[r] - scaling->offsets[t * scaling->offset_stride]);
      *total = fmaf(value, scaling->scales[r] * factor, *total);
    }
  }
}

static int32_t prepare_nothing(const int8_t *q, size_t steps, uint8_t *tables) {
  (void)q, (void)steps, (void)tables;
  return 0;
}

// One token: sums + 64 t for t = 0 without blocks, or totals.
BK_INLINE void multiply_token(const bk_matrix *m, size_t strip, const int8_t *codes, int32_t *sums,
                              float *totals, bk_format format) {
  size_t unit = bk_step_columns(BK_LOOKUP, format);
  bk_block_steps steps = bk_steps(m->columns, unit, m->block_columns);
  for (size_t r = 0; r < BK_STRIP_ROWS; r++) {
    const uint8_t *byte =
        m->codes + strip * BK_STEP_BYTES * bk_step_count(steps) + bk_strip_byte(r);
    float total = 0;
    for (size_t b = 0; b < steps.blocks; b++) {
      const int8_t *q = codes + b * m->block_columns;
      int32_t sum = 0;
      size_t count = b + 1 < steps.blocks ? steps.steps : steps.last_steps;
      for (size_t k = 0; k < count; k++, byte += BK_STEP_BYTES) {
        uint8_t decoded[8];
        decode(*byte, format, decoded);
        for (size_t j = 0; j < unit; j++) sum += (decoded[j] - 1) * q[k * unit + j];
      }
      if (m->block_columns) {
        size_t scale = (strip * steps.blocks + b) * BK_STRIP_ROWS + r;
        total = fmaf((float)sum, bk_block_scale(m, scale), total);
      } else {
        sums[r] = sum;
      }
    }
    if (m->block_columns) totals[r] = total;
  }
}

BK_INLINE void multiply_few(const bk_matrix *m, size_t strip, const bk_tokens *tokens,
                            int32_t *sums, float *totals, bk_format format) {
  for (size_t t = 0; t < tokens->rows.count; t++)
    multiply_token(m, strip, tokens->rows.bytes + t * tokens->rows.stride,
                   sums + t * BK_STRIP_ROWS, totals + t * BK_STRIP_ROWS, format);
}

// One function of each kind per format.
#define FORMAT_FUNCTIONS(NAME, FORMAT)                                                           \
  static void pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,             \
                          uint8_t *steps, size_t step_stride) {                                  \
    (void)step_stride;                                                                           \
    pack(panels, panel_bytes, columns, steps, FORMAT);                                           \
  }                                                                                              \
  static void unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,            \
                            uint8_t *panels, size_t panel_bytes) {                               \
    (void)step_stride;                                                                           \
    unpack(steps, columns, panels, panel_bytes, FORMAT);                                         \
  }                                                                                              \
  static void multiply_few_##NAME(const bk_matrix *m, size_t strip, const bk_tokens *tokens,     \
                                  int32_t *sums, float *totals) {                                \
    multiply_few(m, strip, tokens, sums, totals, FORMAT);                                        \
  }

FORMAT_FUNCTIONS(ternary2, BK_TERNARY2)
FORMAT_FUNCTIONS(ternary1_6, BK_TERNARY1_6)
FORMAT_FUNCTIONS(sign1, BK_SIGN1)

static void block_sums(const int8_t *q, size_t block, size_t blocks, int32_t *sums) {
  bk_sum_blocks(q, block, blocks, sums);
}

static void finish(const int32_t *sums, size_t rows, int32_t offset, const float *scales,
                   float inverse, const float *bias, float *out) {
  bk_finish_rows(sums, rows, offset, scales, inverse, bias, out);
}

static void finish_wide(const int32_t *high, const int32_t *low, size_t rows, const float *scales,
                        float inverse, const float *bias, float *out) {
  bk_finish_wide_rows(high, low, rows, scales, inverse, bias, out);
}

static void finish_scaled(const float *totals, size_t rows, const float *scales, float inverse,
                          const float *bias, float *out) {
  bk_finish_totals(totals, rows, scales, inverse, bias, out);
}

static void add_totals(const int32_t *sums, int32_t offset, const float *scales, float factor,
                       float *totals) {
  for (size_t r = 0; r < BK_STRIP_ROWS; r++)
    totals[r] = fmaf((float)(sums[r] - offset), scales[r] * factor, totals[r]);
}

static void expand_halves(const uint16_t *halves, size_t n, float *floats) {
  for (size_t i = 0; i < n; i++) floats[i] = bk_half(halves[i]);
}

static uint64_t read_all(const uint8_t *memory, size_t bytes) {
  uint64_t words[4] = {0};
  for (size_t i = 0; i < bytes; i += 32)
    for (size_t l = 0; l < 4; l++) {
      uint64_t word;
      memcpy(&word, memory + i + 8 * l, 8);
      words[l] ^= word;
    }
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

static uint64_t dot_product(size_t rounds, int32_t *sink) {
  int32_t sums[8] = {0};
  int32_t code = *sink | 1;
  for (size_t i = 0; i < rounds; i++) {
    for (int l = 0; l < 8; l++) sums[l] += code * (l + 1);
    // The compiler must not merge the rounds.
    __asm__ volatile("" : "+r"(code));
  }
  for (int l = 0; l < 8; l++) *sink += sums[l];
  return 8 * (uint64_t)rounds;
}

static void adamw(size_t n, const bk_adamw_constants *c, const float *g, float *p, float *m,
                  float *v) {
  for (size_t i = 0; i < n; i++) {
    float s = g[i] * c->scale;
    m[i] = m[i] + c->keep1 * (s - m[i]);
    v[i] = c->keep2 * v[i] + (1 - c->keep2) * s * s;
    p[i] = p[i] * c->decay - c->rate * m[i] / (sqrtf(v[i]) * c->inverse_root + c->epsilon);
  }
}

static const bk_training_kernels training = {adamw};
static const bk_peak_kernels peak = {read_all, dot_product};

const bk_kernels bk_scalar = {
    .name = "scalar",
    .absmax = absmax,
    .quantize8 = quantize8,
    .sums = sums,
    .encode_panel = {encode_ternary, encode_sign},
    .pack = {pack_ternary2, pack_ternary1_6, pack_sign1},
    .unpack = {unpack_ternary2, unpack_ternary1_6, unpack_sign1},
    .layout = {BK_LOOKUP, BK_LOOKUP, BK_LOOKUP},
    .multiply = multiply,
    .multiply_low = multiply_low,
    .multiply_scaled = multiply_scaled,
    .add_totals = add_totals,
    .expand_halves = expand_halves,
    .prepare_token = {prepare_nothing, prepare_nothing, prepare_nothing},
    .multiply_few = {multiply_few_ternary2, multiply_few_ternary1_6, multiply_few_sign1},
    .few_tokens = {1, 1, 1},
    .block_sums = block_sums,
    .finish = finish,
    .finish_wide = finish_wide,
    .finish_scaled = finish_scaled,
    .training = &training,
    .peak = &peak,
    .weights = &bk_scalar_weights,
};
