// What the files of dot products share. Included after TARGET and PANEL_VECTORS are defined.
#ifndef BITKERNELS_DOT_H
#define BITKERNELS_DOT_H

#define TILE_INLINE static inline __attribute__((always_inline)) TARGET

// Loops over the sums of a tile must be unrolled: sums that are indexed live in memory.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL
#define ROLLED
#endif

// Rows of a panel in a vector of sums.
enum { VECTOR_ROWS = BK_PANEL_ROWS / PANEL_VECTORS };

#endif
