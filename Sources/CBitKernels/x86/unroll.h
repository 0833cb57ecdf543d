// How the loops over the sums of a tile are compiled. Included after TARGET is defined.
#ifndef BITKERNELS_UNROLL_H
#define BITKERNELS_UNROLL_H

#define TILE_INLINE static inline __attribute__((always_inline)) TARGET

// Loops over the sums of a tile must be unrolled: sums that are indexed live in memory.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL
#define ROLLED
#endif

#endif
