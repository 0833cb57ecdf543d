// Chooses the kernels for this CPU, once.
#include "internal.h"
#include <stdlib.h>

// A feature of this architecture's CPUs, and whether this CPU has it.
typedef struct {
  const char *name;
  int (*is_supported)(void);
} cpu_feature;

// A set of kernels, and whether this CPU has what it needs.
typedef struct {
  const bk_kernels *kernels;
  int (*is_supported)(void);
} kernel_set;

static int always(void) { return 1; }

#if defined(__x86_64__)
#define ARCHITECTURE "x86-64"
#include <cpuid.h>

// The registers that the operating system saves: without YMM (bits 1 and 2) AVX must not be used,
// nor AVX-512 without masks and ZMM (bits 5 to 7), whatever CPUID says.
enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };

static int saves_registers(uint32_t wanted) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & wanted) == wanted;
}

enum cpuid_register { EAX, EBX, ECX, EDX };

// Whether all bits of a mask are set in a register of a CPUID leaf; 0 if the leaf does not exist.
static int has_bits(unsigned leaf, unsigned subleaf, enum cpuid_register which, unsigned mask) {
  unsigned r[4];
  if (!__get_cpuid_count(leaf, 0, &r[EAX], &r[EBX], &r[ECX], &r[EDX])) return 0;
  if (subleaf > 0) {
    if (r[EAX] < subleaf) return 0;
    __cpuid_count(leaf, subleaf, r[EAX], r[EBX], r[ECX], r[EDX]);
  }
  return (r[which] & mask) == mask;
}

static int has_avx2(void) {
  return saves_registers(YMM_STATE) && has_bits(1, 0, ECX, bit_AVX | bit_FMA | bit_F16C) &&
         has_bits(7, 0, EBX, bit_AVX2);
}

static int has_avxvnni(void) { return has_avx2() && has_bits(7, 1, EAX, 1u << 4); }

static int has_avx512(void) {
  return has_avx2() && saves_registers(ZMM_STATE) &&
         has_bits(7, 0, EBX, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL);
}

static int has_avx512vnni(void) { return has_avx512() && has_bits(7, 0, ECX, 1u << 11); }
static int has_avx512vbmi(void) { return has_avx512vnni() && has_bits(7, 0, ECX, 1u << 1); }

static const cpu_feature features[] = {{"avx2", has_avx2},
                                       {"avxvnni", has_avxvnni},
                                       {"avx512", has_avx512},
                                       {"avx512vnni", has_avx512vnni},
                                       {"avx512vbmi", has_avx512vbmi}};

// Best first. Where two sets have one name, it stands for the first one that is supported.
static const kernel_set sets[] = {{&bk_avx512vbmi, has_avx512vbmi},
                                  {&bk_avx512vnni, has_avx512vnni},
                                  {&bk_avxvnni, has_avxvnni},
                                  {&bk_avx2, has_avx2},
                                  {&bk_scalar, always}};
static const char *const names[] = {"avx512vnni", "avxvnni", "avx2", "scalar", NULL};

#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"

#if defined(__APPLE__)
#include <sys/sysctl.h>
static int has_feature(const char *name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value;
}
static int has_dotprod(void) { return has_feature("hw.optional.arm.FEAT_DotProd"); }
static int has_i8mm(void) { return has_dotprod() && has_feature("hw.optional.arm.FEAT_I8MM"); }
#else
#include <sys/auxv.h>
// HWCAP_ASIMDDP and HWCAP2_I8MM, which the <asm/hwcap.h> of old systems lacks.
static int has_dotprod(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }
static int has_i8mm(void) { return has_dotprod() && (getauxval(AT_HWCAP2) >> 13 & 1) != 0; }
#endif

static const cpu_feature features[] = {
    {"neon", always}, {"dotprod", has_dotprod}, {"i8mm", has_i8mm}};
static const kernel_set sets[] = {{&bk_i8mm, has_i8mm},
                                  {&bk_dotprod, has_dotprod},
                                  {&bk_neon, always},
                                  {&bk_scalar, always}};
static const char *const names[] = {"i8mm", "dotprod", "neon", "scalar", NULL};

#else
#define ARCHITECTURE "portable"
static const cpu_feature features[] = {{"scalar", always}};
static const kernel_set sets[] = {{&bk_scalar, always}};
static const char *const names[] = {"scalar", NULL};
#endif

enum {
  SET_COUNT = sizeof sets / sizeof *sets,
  FEATURE_COUNT = sizeof features / sizeof *features,
};

const char *const *bk_kernel_names(void) { return names; }

const bk_kernels *bk_kernels_named(const char *name) {
  for (size_t i = 0; i < SET_COUNT; i++)
    if (strcmp(name, sets[i].kernels->name) == 0 && sets[i].is_supported()) return sets[i].kernels;
  return NULL;
}

const bk_kernels *bk_active_kernels(void) {
  // Two threads that both find it unset store the same pointer.
  static const bk_kernels *_Atomic active;
  const bk_kernels *kernels = active;
  if (kernels) return kernels;
  const char *forced = getenv("BITLINEAR_CPU");
  if (forced && *forced) kernels = bk_kernels_named(forced);
  for (size_t i = 0; !kernels; i++) kernels = bk_kernels_named(names[i]);
  active = kernels;
  return kernels;
}

const char *bk_cpu_feature(size_t index) {
  if (index == 0) return ARCHITECTURE;
  for (size_t i = 0; i < FEATURE_COUNT; i++)
    if (features[i].is_supported() && --index == 0) return features[i].name;
  return NULL;
}
