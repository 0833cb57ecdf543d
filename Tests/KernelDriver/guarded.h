// Memory between two guard pages: reading or writing past either end of it ends the program.
#ifndef GUARDED_H
#define GUARDED_H

#include <stddef.h>

typedef enum { GUARD_BELOW, GUARD_ABOVE } guard_side;

typedef struct {
  void *bytes;
  void *region;
  size_t region_size;
} guarded;

// `size` bytes, filled with 0xa5, whose first (GUARD_BELOW) or last byte lies `gap` bytes from a
// guard page. With GUARD_BELOW, and wherever the size is a multiple of 64, an odd gap makes the
// address odd.
guarded guarded_new(size_t size, guard_side side, size_t gap);
void guarded_free(guarded memory);

#endif
