// Chooses the kernels for this CPU, once.
#include "internal.h"
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>

// The registers that the operating system saves: without YMM (bits 1 and 2) AVX must not be used,
// whatever CPUID says.
static uint64_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static int has_avx2(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX)) return 0;
  if ((saved_registers() & 6) != 6) return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

static const char *const names[] = {"avx2", "scalar", NULL};
#else
static const char *const names[] = {"scalar", NULL};
#endif

const char *const *bk_kernel_names(void) { return names; }

const bk_kernels *bk_kernels_named(const char *name) {
  if (strcmp(name, bk_scalar.name) == 0) return &bk_scalar;
#if defined(__x86_64__)
  if (strcmp(name, bk_avx2.name) == 0 && has_avx2()) return &bk_avx2;
#endif
  return NULL;
}

const bk_kernels *bk_active_kernels(void) {
  // Two threads that both come first store the same pointer.
  static const bk_kernels *_Atomic active;
  const bk_kernels *kernels = active;
  if (kernels) return kernels;
  const char *forced = getenv("BITLINEAR_CPU");
  if (forced) kernels = bk_kernels_named(forced);
  for (size_t i = 0; !kernels; i++) kernels = bk_kernels_named(names[i]);
  active = kernels;
  return kernels;
}

const char *bk_cpu_features(void) {
#if defined(__x86_64__)
  return has_avx2() ? "x86-64 avx2" : "x86-64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "";
#endif
}
