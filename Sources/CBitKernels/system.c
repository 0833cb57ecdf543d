// Processors, pages and files. sched_getaffinity, madvise and sync_file_range need a feature macro,
// which Swift cannot set.
#define _GNU_SOURCE
#include "bitsystem.h"
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__linux__)
// The processor time that the container is granted, in processors, rounded up; 0 for no limit.
static size_t granted_processors(void) {
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (!file) return 0;
  long quota = 0, period = 0;
  int count = fscanf(file, "%ld %ld", &quota, &period);  // "max 100000" reads as none
  fclose(file);
  return count == 2 && quota > 0 && period > 0 ? (size_t)((quota + period - 1) / period) : 0;
}
#endif

void bk_processor_set(uint8_t set[BK_PROCESSOR_SET_BYTES]) {
  memset(set, 0, BK_PROCESSOR_SET_BYTES);
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
    for (size_t i = 0; i < CPU_SETSIZE && i < 8 * BK_PROCESSOR_SET_BYTES; i++)
      if (CPU_ISSET(i, &allowed)) set[i / 8] |= (uint8_t)(1 << i % 8);
    return;
  }
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  for (long i = 0; i < (online > 0 ? online : 1) && i < 8 * BK_PROCESSOR_SET_BYTES; i++)
    set[i / 8] |= (uint8_t)(1 << i % 8);
}

size_t bk_processors_of(const uint8_t set[BK_PROCESSOR_SET_BYTES]) {
  size_t count = 0;
  for (size_t i = 0; i < BK_PROCESSOR_SET_BYTES; i++) count += (size_t)__builtin_popcount(set[i]);
#if defined(__linux__)
  size_t granted = granted_processors();
  if (granted > 0 && granted < count) count = granted;
#endif
  return count > 0 ? count : 1;
}

size_t bk_processor_count(void) {
  uint8_t set[BK_PROCESSOR_SET_BYTES];
  bk_processor_set(set);
  return bk_processors_of(set);
}

void bk_advise_large(void *memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  // Whole pages inside the range only. If the system refuses the advice, pages stay small.
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)memory;
  uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes) / page * page;
  if (begin < end) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

void bk_keep_freed_memory(void) {
#if defined(__GLIBC__)
  // 32 MiB is the most that it takes from its heap.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

void bk_start_writeback(int descriptor) {
#if defined(__linux__)
  sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor;
#endif
}
