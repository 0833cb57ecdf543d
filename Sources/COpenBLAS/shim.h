#include <cblas.h>

// Builds of OpenBLAS that hold the kernels of several CPUs choose among them with the first of these
// functions, when they are loaded, and forget the choice with the second. Builds for a single CPU
// have neither.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

// Whether the two functions exist.
static inline int openblas_can_choose(void) {
  return gotoblas_dynamic_init && gotoblas_dynamic_quit;
}
