// Screens: their codes, that their bounds hold for exact products and for computed ones, and that
// they are near.
#include "checks.h"
#include <float.h>
#include <math.h>
#include <stdio.h>

// Numbers of a row of weights or of activations.
typedef enum {
  RANDOM, EQUAL, ONE_LARGE, ZEROS, SUBNORMAL, TINY, HUGE_ONES, LARGEST, WITH_NAN, WITH_INFINITY, KINDS
} row_kind;

static float number(row_kind kind, size_t c) {
  switch (kind) {
    case EQUAL: return 0.37f;
    case ONE_LARGE: return c == 3 ? 1000 : random_float();
    case ZEROS: return 0;
    case SUBNORMAL: return ldexpf(random_float(), -130);
    case TINY: return ldexpf(random_float(), -70);
    case HUGE_ONES: return ldexpf(random_float(), 62);
    case LARGEST: return random_below(2) ? FLT_MAX : -FLT_MAX;
    case WITH_NAN: return c == 2 ? NAN : random_float();
    case WITH_INFINITY: return c == 2 ? -INFINITY : random_float();
    default: return random_float();
  }
}

// A screen in memory with guard pages.
typedef struct {
  guarded codes, floats[3], scratch;
  bk_screen screen;
} guarded_screen;

static guarded_screen new_screen(size_t rows, size_t columns, guard_side side) {
  guarded_screen s = {.codes = guarded_new(bk_screen_bytes(rows, columns), side, 0)};
  for (int i = 0; i < 3; i++) s.floats[i] = guarded_new(4 * rows, side, 0);
  size_t scratch = bk_screen_scratch_bytes(columns);
  s.scratch = guarded_new(scratch, GUARD_ABOVE, (64 - scratch % 64) % 64);
  s.screen = (bk_screen){rows, columns, s.codes.bytes, s.floats[0].bytes, s.floats[1].bytes,
                         s.floats[2].bytes};
  return s;
}

static void free_screen(guarded_screen s) {
  guarded_free(s.codes);
  for (int i = 0; i < 3; i++) guarded_free(s.floats[i]);
  guarded_free(s.scratch);
}

// Whether a float is an upper bound of a number, and within a relative error of 2^-20, or nearly 0
// or the largest float.
static int is_near_bound(float bound, long double value) {
  if (bound == INFINITY) return value > FLT_MAX * (1 - 0x1p-20L);
  return bound >= value && bound <= value * (1 + 0x1p-20L) + 0x1p-148L;
}

static void check_row(const bk_screen *screen, size_t r, const float *w, const char *what) {
  size_t columns = screen->columns;
  float largest = bk_scalar.absmax(w, columns);
  if (!(largest <= FLT_MAX)) {
    record(screen->residuals[r] == INFINITY, what);
    return;
  }
  float scale = largest < 0x1p-100f ? 0 : largest / 127, inverse = scale > 0 ? 127 / largest : 0;
  long double length = 0, residual = 0;
  int equal = screen->scales[r] == scale;
  for (size_t c = 0; c < bk_divide_up(columns, 4) * 4; c++) {
    size_t at = r / 16 * bk_panel_bytes(columns) + 64 * (c / 4) + 4 * (r % 16) + c % 4;
    int code = screen->codes[at];
    if (code != (c < columns ? (int)nearbyintf(w[c] * inverse) : 0)) equal = 0;
    if (c >= columns) continue;
    long double value = (long double)scale * code, error = w[c] - value;
    length += value * value;
    residual += error * error;
  }
  record(equal, what);
  record(is_near_bound(screen->norms[r], sqrtl(length)), what);
  record(is_near_bound(screen->residuals[r], sqrtl(residual)), what);
}

// The estimate and the error of a row against the exact product and the computed one.
static void check_estimate(const float *w, const float *x, size_t columns, float computed,
                           float estimate, float error, int is_random, const char *what) {
  long double exact = 0, w_square = 0, x_square = 0;
  for (size_t c = 0; c < columns; c++) {
    exact += (long double)w[c] * x[c];
    w_square += (long double)w[c] * w[c];
    x_square += (long double)x[c] * x[c];
  }
  long double size = sqrtl(w_square) * sqrtl(x_square);
  if (isnan(size) || size > FLT_MAX) {
    record(error == INFINITY && estimate == 0, what);
    return;
  }
  if (error == INFINITY) {
    // Only where a product or a length may come near the largest float.
    int is_huge = size > FLT_MAX / 16 || w_square > 0x1p254L || x_square > 0x1p254L;
    record(estimate == 0 && is_huge, what);
    return;
  }
  record(fabsl(estimate - exact) <= error && fabsl((long double)estimate - computed) <= error, what);
  // Half a step of 127 steps, and little for the activations.
  if (is_random && columns >= 64) record(error <= 0.006L * size, what);
}

static void test_input(const bk_kernels *kernels, const bk_screen *screen, const float *w,
                       const row_kind *kinds, const float *computed, const float *x,
                       row_kind x_kind, const char *what) {
  size_t rows = screen->rows, columns = screen->columns, quads = bk_divide_up(columns, 4);
  guarded bytes[2] = {guarded_new(4 * quads, GUARD_ABOVE, 0), guarded_new(4 * quads, GUARD_BELOW, 0)};
  guarded results[4];
  for (int i = 0; i < 4; i++) results[i] = guarded_new(4 * rows, i % 2 ? GUARD_ABOVE : GUARD_BELOW, 0);
  bk_screen_input input = {bytes[0].bytes, bytes[1].bytes, 0, 0, 0};
  bk_screen_quantize(kernels, x, columns, &input);
  size_t panels = bk_divide_up(rows, 16), middle = panels / 2;
  bk_screen_product(kernels, screen, &input, (bk_range){0, middle}, results[0].bytes,
                    results[1].bytes);
  bk_screen_product(kernels, screen, &input, (bk_range){middle, panels}, results[0].bytes,
                    results[1].bytes);
  bk_screen_product(&bk_scalar, screen, &input, (bk_range){0, panels}, results[2].bytes,
                    results[3].bytes);
  record(memcmp(results[0].bytes, results[2].bytes, 4 * rows) == 0 &&
             memcmp(results[1].bytes, results[3].bytes, 4 * rows) == 0,
         what);
  for (size_t r = 0; r < rows; r++)
    check_estimate(w + r * columns, x, columns, computed[r], ((float *)results[0].bytes)[r],
                   ((float *)results[1].bytes)[r], kinds[r] == RANDOM && x_kind == RANDOM, what);
  for (int i = 0; i < 4; i++) guarded_free(results[i]);
  for (int i = 0; i < 2; i++) guarded_free(bytes[i]);
}

static void test_shape(const bk_kernels *kernels, size_t rows, size_t columns) {
  char what[100];
  snprintf(what, sizeof what, "%s: screen of %zu x %zu", kernels->name, rows, columns);
  guarded w = guarded_new(4 * rows * columns, GUARD_ABOVE, 0), x = guarded_new(4 * columns, GUARD_ABOVE, 0);
  guarded y = guarded_new(4 * rows, GUARD_ABOVE, 0);
  guarded scratch = guarded_new(bk_weights_scratch_bytes(1), GUARD_ABOVE, 0);
  row_kind kinds[80];
  for (size_t r = 0; r < rows; r++) {
    kinds[r] = (row_kind)(r % 3 ? random_below(KINDS) : RANDOM);
    for (size_t c = 0; c < columns; c++) ((float *)w.bytes)[r * columns + c] = number(kinds[r], c);
  }
  bk_weights weights = {BK_F32, rows, columns, w.bytes};
  guarded_screen own = new_screen(rows, columns, GUARD_ABOVE);
  size_t middle = rows / 32 * 16;
  bk_screen_pack(kernels, &weights, (bk_range){0, middle}, &own.screen, own.scratch.bytes);
  bk_screen_pack(kernels, &weights, (bk_range){middle, rows}, &own.screen, own.scratch.bytes);
  for (size_t r = 0; r < rows; r++) check_row(&own.screen, r, (float *)w.bytes + r * columns, what);
  guarded_screen other = new_screen(rows, columns, GUARD_BELOW);
  bk_screen_pack(&bk_scalar, &weights, (bk_range){0, rows}, &other.screen, other.scratch.bytes);
  int equal = memcmp(own.codes.bytes, other.codes.bytes, bk_screen_bytes(rows, columns)) == 0;
  for (int i = 0; i < 3; i++)
    if (!equal_floats(own.floats[i].bytes, other.floats[i].bytes, rows)) equal = 0;
  record(equal, what);
  for (int kind = 0; kind < KINDS; kind++) {
    for (size_t c = 0; c < columns; c++) ((float *)x.bytes)[c] = number((row_kind)kind, c);
    bk_weights_matmul(kernels, &weights, x.bytes, columns, 1, (bk_range){0, rows}, NULL, y.bytes,
                      rows, scratch.bytes);
    test_input(kernels, &own.screen, w.bytes, kinds, y.bytes, x.bytes, (row_kind)kind, what);
  }
  free_screen(other);
  free_screen(own);
  guarded_free(scratch);
  guarded_free(y);
  guarded_free(x);
  guarded_free(w);
}

// The largest sums that there can be.
static void test_extremes(const bk_kernels *kernels) {
  size_t quads = BK_SCREEN_COLUMNS / 4;
  guarded codes = guarded_new(64 * quads, GUARD_ABOVE, 0);
  guarded q[2] = {guarded_new(4 * quads, GUARD_ABOVE, 0), guarded_new(4 * quads, GUARD_ABOVE, 0)};
  for (size_t i = 0; i < 64 * quads; i++)
    ((int8_t *)codes.bytes)[i] = (int8_t)(i % 64 / 4 % 2 ? 127 : -127);
  for (int sign = -1; sign <= 1; sign += 2) {
    memset(q[0].bytes, 127 * sign, 4 * quads);
    memset(q[1].bytes, -127 * sign, 4 * quads);
    int32_t sums[32];
    kernels->weights->screen(codes.bytes, 1, quads, q[0].bytes, q[1].bytes, sums);
    int equal = 1;
    for (int r = 0; r < 16; r++) {
      int32_t expected = (r % 2 ? 1 : -1) * sign * 127 * 127 * BK_SCREEN_COLUMNS;
      if (sums[r] != expected || sums[16 + r] != -expected) equal = 0;
    }
    record(equal, "the largest sums of a screen");
  }
  guarded_free(q[1]);
  guarded_free(q[0]);
  guarded_free(codes);
}

void test_screens(const bk_kernels *kernels, amount amount) {
  static const size_t columns[] = {1, 3, 4, 6, 17, 64, 96, 163, 640, 2560};
  for (size_t c = 0; c < sizeof columns / sizeof *columns - (amount == QUICK); c++)
    for (size_t rows = 1; rows <= 80; rows += amount == QUICK ? 26 : 13)
      test_shape(kernels, rows, columns[c]);
  test_extremes(kernels);
}
