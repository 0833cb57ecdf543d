// Codes in the layout BK_DOT: fields of the bytes of a step, and packing, for any width of vectors.
// Included by dot_few.h; needs what dot_tile.h needs, and
//   and_bytes(v, mask), shift_right(v, n), shift_left(v, n), add_bytes(v, w), or_bytes(v, w),
//   and_integers(v, w), all_integers(n), store_vector(p, v);
//   HAS_TRITS: 1 where BK_TERNARY1_6 has this layout, and then permuted(indices, table of 64),
//   masked_exclusive_or(v, w, mask), looked_up(indices, table of 256).
// A shift of bytes moves bits across them, and masks remove those.

#include "dot.h"

#define PACKED_INLINE TILE_INLINE

enum { MOST_FIELDS = 8 };

// A vector of a step, ready to be split into fields.
typedef struct {
  VECTOR part[3];
} step_codes;

#if HAS_TRITS
PACKED_INLINE VECTOR trit_table(const uint8_t table[64]) { return load_vector(table); }

PACKED_INLINE step_codes decode_trits(VECTOR v) {
  // The permutation takes the low six bits of each byte.
  VECTOR high = shift_right(v, 2);
  return (step_codes){{permuted(v, trit_table(bk_trit_low)),
                       permuted(high, trit_table(bk_trit_high)),
                       permuted(high, trit_table(bk_trit_last))}};
}
#endif

PACKED_INLINE step_codes load_step(const uint8_t *step, const bk_format format) {
  VECTOR v = load_vector(step);
#if HAS_TRITS
  if (format == BK_TERNARY1_6) return decode_trits(v);
#endif
  (void)format;
  return (step_codes){{v, v, v}};
}

// The fields but the last of BK_TERNARY1_6: the first of them, and after every shift by its bits the
// next, is in the lowest bits of each byte.
PACKED_INLINE VECTOR first_fields(step_codes c, const bk_format format) {
  VECTOR v = c.part[0];
#if HAS_TRITS
  if (format == BK_TERNARY1_6) return masked_exclusive_or(v, c.part[1], 255);
#endif
  (void)format;
  return v;
}

// Field f of each byte as a stored code, 0...2.
PACKED_INLINE VECTOR field(step_codes c, const int f, const bk_format format) {
  VECTOR v = c.part[0];
  if (format == BK_SIGN1)
    return and_bytes(f == 0 ? add_bytes(v, v) : f == 1 ? v : shift_right(v, f - 1), 2);
#if HAS_TRITS
  if (format == BK_TERNARY1_6) {
    if (f == 4) return c.part[2];
    v = masked_exclusive_or(c.part[0], c.part[1], 3 << (2 * f));
    return f == 0 ? v : shift_right(v, 2 * f);
  }
#endif
  return and_bytes(f == 0 ? v : shift_right(v, 2 * f), 3);
}

// The inverse of field: the codes of all fields as a vector of a step.
PACKED_INLINE VECTOR join(const VECTOR v[MOST_FIELDS], const bk_format format) {
#if HAS_TRITS
  if (format == BK_TERNARY1_6) {
    VECTOR number = v[0];
    UNROLL for (int f = 1; f < 5; f++)
      number = add_bytes(add_bytes(number, add_bytes(number, number)), v[f]);
    return looked_up(number, bk_trit_bytes);
  }
#endif
  VECTOR joined = format == BK_SIGN1 ? and_bytes(shift_right(v[0], 1), 1) : v[0];
  UNROLL for (int f = 1; f < bk_dot_fields(format); f++) {
    const int bits = format == BK_SIGN1 ? f - 1 : 2 * f;
    joined = or_bytes(joined, bits == 0 ? v[f] : shift_left(v[f], bits));
  }
  return joined;
}

// What lies at the columns that pad a quad, or beyond the last quad, becomes a stored 0.
PACKED_INLINE VECTOR load_quad(const uint8_t *panel, size_t quad, size_t columns) {
  if (4 * quad >= columns) return zero_vector();
  VECTOR v = load_vector(panel + 64 * quad);
  if (4 * quad + 4 <= columns) return v;
  return and_integers(v, all_integers((int32_t)((1u << 8 * (columns % 4)) - 1)));
}

PACKED_INLINE void pack(const uint8_t *panels, size_t panel_bytes, size_t columns, uint8_t *steps,
                        size_t step_stride, const bk_format format) {
  const size_t fields = (size_t)bk_dot_fields(format), whole = columns / (4 * fields);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; 4 * fields * s < columns; s++)
      for (size_t half = 0; half < PANEL_VECTORS; half++) {
        const uint8_t *panel = panels + 64 / PANEL_VECTORS * half;
        VECTOR v[MOST_FIELDS];
        if (s < whole) {
          UNROLL for (size_t f = 0; f < fields; f++)
            v[f] = load_vector(panel + 64 * (fields * s + f));
        } else {
          UNROLL for (size_t f = 0; f < fields; f++)
            v[f] = load_quad(panel, fields * s + f, columns);
        }
        store_vector(steps + BK_STEP_BYTES * s + 64 / PANEL_VECTORS * half, join(v, format));
      }
}

PACKED_INLINE void unpack(const uint8_t *steps, size_t step_stride, size_t columns,
                          uint8_t *panels, size_t panel_bytes, const bk_format format) {
  const size_t fields = (size_t)bk_dot_fields(format), quads = bk_divide_up(columns, 4);
  for (size_t p = 0; p < BK_STRIP_PANELS; p++, panels += panel_bytes, steps += step_stride)
    for (size_t s = 0; fields * s < quads; s++)
      for (size_t half = 0; half < PANEL_VECTORS; half++) {
        const size_t at = 64 / PANEL_VECTORS * half;
        uint8_t *panel = panels + 64 * fields * s + at;
        step_codes c = load_step(steps + BK_STEP_BYTES * s + at, format);
        if (fields * (s + 1) <= quads) {
          UNROLL for (size_t f = 0; f < fields; f++)
            store_vector(panel + 64 * f, field(c, (int)f, format));
        } else {
          UNROLL for (size_t f = 0; f < fields; f++)
            if (fields * s + f < quads) store_vector(panel + 64 * f, field(c, (int)f, format));
        }
      }
}
