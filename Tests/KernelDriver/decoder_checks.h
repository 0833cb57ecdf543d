// What the tests of decoders' kernels share.
#ifndef DECODER_CHECKS_H
#define DECODER_CHECKS_H

#include "checks.h"
#include <math.h>

// Compares bits, except that one NaN is as good as another.
int same_floats(const float *a, const float *b, size_t count);

// Whether all values are as close to those expected as `bounds` says, or NaN like them.
int near_doubles(const float *values, const double *expected, const double *bounds, size_t count);

// A chunk whose arrays lie between guard pages, filled with `fill`.
typedef struct {
  bk_cache_chunk chunk;
  guarded keys, values, key_scales, value_scales;
  size_t bytes;
} guarded_chunk;

guarded_chunk new_chunk(bk_cache_type type, size_t length, guard_side side, int fill);
void free_chunk(guarded_chunk chunk);

// What a chunk holds for element d of a position, as the definition of its type says.
double key_in(const bk_cache_chunk *chunk, size_t position, size_t d);
double value_in(const bk_cache_chunk *chunk, size_t position, size_t d);

#endif
