#define _GNU_SOURCE
#include "guarded.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

guarded guarded_new(size_t size, guard_side side, size_t gap) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (size + gap + page - 1) / page * page;
  guarded memory = {.region_size = inner + 2 * page};
  memory.region = mmap(NULL, memory.region_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *first = (char *)memory.region + page;
  if (memory.region == MAP_FAILED ||
      (inner > 0 && mprotect(first, inner, PROT_READ | PROT_WRITE) != 0)) {
    perror("guarded memory");
    exit(2);
  }
  memset(first, 0xa5, inner);
  memory.bytes = side == GUARD_BELOW ? first + gap : first + inner - size - gap;
  return memory;
}

void guarded_free(guarded memory) { munmap(memory.region, memory.region_size); }
