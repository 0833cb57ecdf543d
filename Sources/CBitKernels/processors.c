// sched_getaffinity needs a feature macro, which Swift cannot set.
#define _GNU_SOURCE
#include "bitkernels.h"
#include <sched.h>
#include <unistd.h>

size_t bk_processor_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return (size_t)CPU_COUNT(&set);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (size_t)online : 1;
}
