#include "checks.h"
#include <math.h>
#include <stdio.h>

size_t passed, failed;

void record(int holds, const char *what) {
  if (holds) {
    passed++;
  } else {
    failed++;
    if (failed <= 50) printf("FAILED: %s\n", what);
  }
}

// xorshift64*
static uint64_t random_state = 0x9e3779b97f4a7c15;

uint32_t random_bits(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (uint32_t)(random_state * 0x2545f4914f6cdd1d >> 32);
}

size_t random_below(size_t limit) { return random_bits() % limit; }

float random_float(void) { return (float)(int32_t)random_bits() * 0x1p-31f; }

float odd_float(void) {
  static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f};
  return random_below(40) ? random_float() : special[random_below(7)];
}

float half_value(uint16_t half) {
  int exponent = half >> 10 & 31, fraction = half & 1023;
  float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                    : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                   : ldexpf((float)fraction, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

guarded new_floats(size_t count, guard_side side) {
  return guarded_new(count * sizeof(float), side, 4 * random_below(8));
}

int equal_floats(const float *a, const float *b, size_t count) {
  return count == 0 || memcmp(a, b, count * sizeof *a) == 0;
}
