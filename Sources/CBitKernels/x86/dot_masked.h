// Products of codes in the layout BK_DOT that are masked where they are in their bytes, for the fewest
// tokens. Included by dot_few.h.
#include "dot_fields.h"

// Keeps the compiler from making a vector of codes, or loading what comes after it, any earlier: it
// would take registers from the sums.
#define HERE(VECTOR_OF_CODES) __asm__ volatile("" : "+v"(VECTOR_OF_CODES) : : "memory")

// Rows of bytes of a tile: those of `high` tokens, and the low bytes of as many or of none. A quad of
// all rows has quad_bytes bytes.
typedef struct {
  const int8_t *high, *low;
  size_t quad_bytes;
} tile_bytes;

PACKED_INLINE tile_bytes next_quad(tile_bytes bytes) {
  return (tile_bytes){bytes.high + bytes.quad_bytes, bytes.low + bytes.quad_bytes,
                      bytes.quad_bytes};
}

// For one row of bytes, fields are not shifted but masked where they are, and so weighted: four
// sums for each row of bytes, in which a code counts 1, 4, 16 and 64 times, or 1, 2, 4 and 8 times
// for signs. The most that a step adds to one of them is 2 * 4 * 128 * 128, so 32 bits hold the sums
// of this many steps.
enum { WEIGHTED_STEPS = 8192, WEIGHTS = 4, WEIGHTED_ROWS = 4 };

typedef VECTOR weighted_sums[WEIGHTS];

// The most rows for which masks are faster than shifts. Measured with 512 bits: the more fields a
// byte has, the more shifts are saved; two panels at once, which need fewer sums, save loads.
PACKED_INLINE int weighted_rows(const bk_format format) {
  if (REGISTERS == 16) return 1;
  return format == BK_TERNARY2 ? 1 : format == BK_TERNARY1_6 ? 3 : WEIGHTED_ROWS;
}

// Adds the products of one field, which has the weight of sums `f`. As signed bytes, which the
// product with low bytes takes, codes must not count 64 times.
PACKED_INLINE void add_field(VECTOR w, const int f, const int bits, tile_bytes bytes,
                             weighted_sums sum[WEIGHTED_ROWS], const int high, const int low) {
  HERE(w);
  UNROLL for (int t = 0; t < high; t++)
    sum[t][f] = dot(sum[t][f], w, broadcast(bytes.high + 4 * t));
  const int is_large = bits * f == 6;
  VECTOR signed_w = low && is_large ? shift_right(w, bits) : w;
  UNROLL for (int t = 0; t < low; t++) {
    VECTOR *to = &sum[high + t][is_large ? f - 1 : f];
    *to = dot_low(*to, signed_w, broadcast(bytes.low + 4 * t));
  }
}

// Adds the products of one vector of a step.
PACKED_INLINE void add_weighted(const uint8_t *step, tile_bytes bytes,
                                weighted_sums sum[WEIGHTED_ROWS], const int high, const int low,
                                const bk_format format) {
  step_codes c = load_step(step, format);
  VECTOR v = c.part[0];
  const int bits = format == BK_SIGN1 ? 1 : 2;
  // The other four signs of a byte are shifted to where the first four were.
  ROLLED for (int half = 0; half < (format == BK_SIGN1 ? 2 : 1); half++) {
    UNROLL for (int f = 0; f < WEIGHTS; f++) {
      VECTOR w = and_bytes(v, ((1 << bits) - 1) << (bits * f));
#if HAS_TRITS
      if (format == BK_TERNARY1_6) w = masked_exclusive_or(v, c.part[1], 3 << (2 * f));
#endif
      add_field(w, f, bits, bytes, sum, high, low);
      bytes = next_quad(bytes);
    }
    v = shift_right(v, 4);
  }
  if (format == BK_TERNARY1_6) add_field(c.part[2], 0, bits, bytes, sum, high, low);
}

// The sums of stored codes.
PACKED_INLINE VECTOR unweighted(const weighted_sums sum, const bk_format format) {
  const int bits = format == BK_SIGN1 ? 1 : 2;
  VECTOR total = sum[0];
  UNROLL for (int f = 1; f < WEIGHTS; f++)
    total = add_integers(total, shift_integers_right(sum[f], bits * f));
  return format == BK_SIGN1 ? add_integers(total, total) : total;
}

enum { WEIGHTED_PREFETCH = 8192 };

// Adds the products of some steps of a panel.
PACKED_INLINE void add_weighted_steps(const uint8_t *steps, size_t count, tile_bytes bytes,
                                      VECTOR total[2 * PANEL_VECTORS][TILE_ROWS], const int high,
                                      const int low, const bk_format format) {
  // A single row's sums need not wait for one another if two vectors have sums of their own.
  const int vectors = high + low == 1 ? 2 : PANEL_VECTORS, at_once = vectors / PANEL_VECTORS;
  const size_t step_bytes = (size_t)bk_dot_fields(format) * bytes.quad_bytes;
  while (count > 0) {
    weighted_sums sum[2][WEIGHTED_ROWS];
    size_t left = count < WEIGHTED_STEPS ? count : WEIGHTED_STEPS;
    count -= left;
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++)
        UNROLL for (int f = 0; f < WEIGHTS; f++) sum[v][t][f] = zero_vector();
    for (; left >= (size_t)at_once; left -= (size_t)at_once) {
      UNROLL for (int v = 0; v < vectors; v++) {
        if (v % PANEL_VECTORS == 0)
          __builtin_prefetch(steps + WEIGHTED_PREFETCH + 64 / PANEL_VECTORS * v);
        add_weighted(steps + 64 / PANEL_VECTORS * v, bytes, sum[v], high, low, format);
        if (v % PANEL_VECTORS == PANEL_VECTORS - 1) {
          bytes.high += step_bytes;
          bytes.low += step_bytes;
        }
      }
      steps += BK_STEP_BYTES * at_once;
    }
    if (left > 0) {
      add_weighted(steps, bytes, sum[0], high, low, format);
      steps += BK_STEP_BYTES;
      bytes.high += step_bytes;
      bytes.low += step_bytes;
    }
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int t = 0; t < high + low; t++)
        total[v % PANEL_VECTORS][t] =
            add_integers(total[v % PANEL_VECTORS][t], unweighted(sum[v][t], format));
  }
}
