// What the files of dot products share. Included after TARGET and PANEL_VECTORS are defined.
#ifndef BITKERNELS_DOT_H
#define BITKERNELS_DOT_H

#include "../tiles.h"

#define TILE_INLINE static inline __attribute__((always_inline)) TARGET

// Loops over the fields of a byte that must not be unrolled; see dot_few.h.
#if defined(__clang__)
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED
#endif

// Rows of a panel in a vector of sums.
enum { VECTOR_ROWS = BK_PANEL_ROWS / PANEL_VECTORS };

#endif
