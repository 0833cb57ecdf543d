// Tests every set of kernels that this CPU can run against plain loops over codes, bit for bit,
// with guard pages on both sides of every buffer. Needs only a C compiler, so that
// scripts/test-kernels can run it with sanitizers and under an emulator of another CPU.
//
//   kernel_tests [--quick] [NAME...]
//
// Prints the CPU's features and tests the sets of these names, or all that the CPU can run. Fails
// if the CPU cannot run one of the names. --quick omits shapes, but no format, block or remainder.
#include "checks.h"
#include <stdio.h>

static int is_wanted(const char *name, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return 1;
  return count == 0;
}

int main(int argc, char **argv) {
  amount amount = FULL;
  argc--, argv++;
  if (argc > 0 && strcmp(argv[0], "--quick") == 0) amount = QUICK, argc--, argv++;
  printf("CPU:");
  for (size_t i = 0; bk_cpu_feature(i); i++) printf(" %s", bk_cpu_feature(i));
  printf("\n");
  for (int i = 0; i < argc; i++) {
    if (bk_kernels_named(argv[i])) continue;
    printf("no kernels \"%s\" on this CPU\n", argv[i]);
    return 2;
  }
  for (const char *const *name = bk_kernel_names(); *name; name++) {
    const bk_kernels *kernels = bk_kernels_named(*name);
    if (!is_wanted(*name, argc, argv)) continue;
    if (!kernels) {
      printf("%s: not on this CPU\n", *name);
      continue;
    }
    size_t passed_before = passed, failed_before = failed;
    test_vectors(kernels);
    test_encoding(kernels);
    test_packing(kernels);
    test_products(kernels, amount);
    test_weights(kernels, amount);
    test_screens(kernels, amount);
    printf("%s: %zu passed, %zu failed\n", *name, passed - passed_before, failed - failed_before);
    fflush(stdout);
  }
  printf("%zu passed, %zu failed\n", passed, failed);
  return failed > 0;
}
