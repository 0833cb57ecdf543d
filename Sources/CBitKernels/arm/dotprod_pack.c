// The layout BK_DOT: panels to steps and back. NEON is enough.
#if defined(__aarch64__)
#include "dotprod.h"

enum { MOST_FIELDS = 8 };

// A vector of a panel's quad. What lies at the columns that pad a quad, or beyond the last quad,
// becomes a stored 0.
BK_INLINE uint8x16_t load_quad(const uint8_t *panel, size_t quad, size_t columns) {
  if (4 * quad >= columns) return vdupq_n_u8(0);
  uint8x16_t v = vld1q_u8(panel + 64 * quad);
  if (4 * quad + 4 <= columns) return v;
  uint32_t mask = (1u << 8 * (columns % 4)) - 1;
  return vandq_u8(v, vreinterpretq_u8_u32(vdupq_n_u32(mask)));
}

// The codes of all fields as a vector of a step.
BK_INLINE uint8x16_t join(const uint8x16_t field[MOST_FIELDS], const bk_format format) {
  // Codes are below 4, so every one is inserted above those before it.
  if (format == BK_TERNARY2)
    return vsliq_n_u8(vsliq_n_u8(field[0], field[1], 2), vsliq_n_u8(field[2], field[3], 2), 4);
  if (format == BK_TERNARY1_6) {
    uint8x16_t number = field[0];
    for (int f = 1; f < 5; f++) number = vmlaq_u8(field[f], number, vdupq_n_u8(3));
    return number;
  }
  // A stored 2 is a set bit. From the last field to the first, each below the ones after it.
  uint8x16_t bytes = vshrq_n_u8(field[7], 1);
  for (int f = 6; f >= 0; f--)
    bytes = vorrq_u8(vaddq_u8(bytes, bytes), vshrq_n_u8(field[f], 1));
  return bytes;
}

// The inverse: field f of each byte.
BK_INLINE uint8x16_t field(uint8x16_t step, const int f, const bk_format format) {
  if (format == BK_TERNARY1_6) return trit_digit(split_trits(step), f);
  // A negative count shifts to the right.
  if (format == BK_SIGN1)
    return vandq_u8(vshlq_u8(step, vdupq_n_s8((int8_t)(1 - f))), vdupq_n_u8(2));
  return vandq_u8(vshlq_u8(step, vdupq_n_s8((int8_t)(-2 * f))), vdupq_n_u8(3));
}

BK_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                    size_t step_stride, const bk_format format) {
  const size_t fields = (size_t)bk_dot_fields(format);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; 4 * fields * s < columns; s++)
      for (size_t v = 0; v < PANEL_VECTORS; v++) {
        uint8x16_t quads[MOST_FIELDS];
        for (size_t f = 0; f < fields; f++)
          quads[f] = load_quad(panels + 16 * v, fields * s + f, columns);
        vst1q_u8(steps + BK_STEP_BYTES * s + 16 * v, join(quads, format));
      }
}

BK_INLINE void unpack(const uint8_t *steps, size_t step_stride, size_t columns, uint8_t *panels,
                      size_t panel_bytes, const bk_format format) {
  const int fields = bk_dot_fields(format);
  const size_t quads = bk_divide_up(columns, 4), whole = quads / (size_t)fields;
  const int rest = (int)(quads % (size_t)fields);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride) {
    const uint8_t *step = steps;
    uint8_t *panel = panels;
    for (size_t s = 0; s < whole; s++, step += BK_STEP_BYTES, panel += 64 * fields)
      UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
        uint8x16_t bytes = vld1q_u8(step + 16 * v);
        UNROLL for (int f = 0; f < fields; f++)
          vst1q_u8(panel + 64 * f + 16 * v, field(bytes, f, format));
      }
    for (int f = 0; f < rest; f++)
      for (int v = 0; v < PANEL_VECTORS; v++)
        vst1q_u8(panel + 64 * f + 16 * v, field(vld1q_u8(step + 16 * v), f, format));
  }
}

#define FORMAT_FUNCTIONS(NAME, FORMAT)                                                           \
  void bk_dotprod_pack_##NAME(const uint8_t *panels, size_t panel_bytes, size_t columns,         \
                              uint8_t *steps, size_t step_stride) {                              \
    pack(panels, panel_bytes, columns, steps, step_stride, FORMAT);                              \
  }                                                                                              \
  void bk_dotprod_unpack_##NAME(const uint8_t *steps, size_t step_stride, size_t columns,        \
                                uint8_t *panels, size_t panel_bytes) {                           \
    unpack(steps, step_stride, columns, panels, panel_bytes, FORMAT);                            \
  }

FORMAT_FUNCTIONS(ternary2, BK_TERNARY2)
FORMAT_FUNCTIONS(ternary1_6, BK_TERNARY1_6)
FORMAT_FUNCTIONS(sign1, BK_SIGN1)
#endif
