// Ternary codes at 2 bits in the layout BK_DOT: panels to steps and back. NEON is enough. Equals
// scalar.c's codes bit for bit.
#if defined(__aarch64__)
#include "dotprod.h"

enum { FIELDS = 4 };

// A vector of a panel's quad. What lies at the columns that pad a quad, or beyond the last quad,
// becomes a stored 0.
BK_INLINE uint8x16_t load_quad(const uint8_t *panel, size_t quad, size_t columns) {
  if (4 * quad >= columns) return vdupq_n_u8(0);
  uint8x16_t v = vld1q_u8(panel + 64 * quad);
  if (4 * quad + 4 <= columns) return v;
  uint32_t mask = (1u << 8 * (columns % 4)) - 1;
  return vandq_u8(v, vreinterpretq_u8_u32(vdupq_n_u32(mask)));
}

void bk_dotprod_pack_ternary2(const uint8_t *panels, size_t panel_bytes, size_t columns,
                              uint8_t *steps, size_t step_stride) {
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; 4 * FIELDS * s < columns; s++)
      for (size_t v = 0; v < PANEL_VECTORS; v++) {
        uint8x16_t field[FIELDS];
        for (size_t f = 0; f < FIELDS; f++)
          field[f] = load_quad(panels + 16 * v, FIELDS * s + f, columns);
        // Codes are below 4, so every one is inserted above those before it.
        vst1q_u8(steps + BK_STEP_BYTES * s + 16 * v,
                 vsliq_n_u8(vsliq_n_u8(field[0], field[1], 2),
                            vsliq_n_u8(field[2], field[3], 2), 4));
      }
}

void bk_dotprod_unpack_ternary2(const uint8_t *steps, size_t step_stride, size_t columns,
                                uint8_t *panels, size_t panel_bytes) {
  size_t quads = bk_divide_up(columns, 4);
  uint8x16_t mask = vdupq_n_u8(3);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; FIELDS * s < quads; s++)
      for (size_t v = 0; v < PANEL_VECTORS; v++) {
        uint8x16_t step = vld1q_u8(steps + BK_STEP_BYTES * s + 16 * v);
        uint8x16_t field[FIELDS] = {vandq_u8(step, mask), vandq_u8(vshrq_n_u8(step, 2), mask),
                                    vandq_u8(vshrq_n_u8(step, 4), mask), vshrq_n_u8(step, 6)};
        uint8_t *panel = panels + 64 * FIELDS * s + 16 * v;
        size_t left = quads - FIELDS * s;
        for (size_t f = 0; f < FIELDS; f++)
          if (f < left) vst1q_u8(panel + 64 * f, field[f]);
      }
}
#endif
