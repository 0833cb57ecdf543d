// Replaces dispatch.c: the sets with emulated instructions, on any CPU.
#include "../../../Sources/CBitKernels/internal.h"

static const char *const names[] = {"avx512vnni with vbmi", "avx512vnni", "avxvnni", NULL};
static const bk_kernels *const sets[] = {&bk_avx512vbmi, &bk_avx512vnni, &bk_avxvnni};

const char *const *bk_kernel_names(void) { return names; }

const bk_kernels *bk_kernels_named(const char *name) {
  for (size_t i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0) return sets[i];
  return NULL;
}

const char *bk_cpu_feature(size_t index) { return index == 0 ? "emulated" : NULL; }
