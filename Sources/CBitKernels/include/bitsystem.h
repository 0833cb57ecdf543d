// What the operating system and the CPU offer beside arithmetic: processors, pages, files, waiting.
#ifndef BITSYSTEM_H
#define BITSYSTEM_H

#include <stddef.h>
#include <stdint.h>

// The number of processors that this process may use, at least 1.
size_t bk_processor_count(void);

// The size of a set of processors, in which each has a bit.
enum { BK_PROCESSOR_SET_BYTES = 128 };

// Writes the set of the processors that this process may use, at least 1.
void bk_processor_set(uint8_t set[BK_PROCESSOR_SET_BYTES]);

// The number of processors in a set, and no more than the container may use, but at least 1.
size_t bk_processors_of(const uint8_t set[BK_PROCESSOR_SET_BYTES]);

// Asks the operating system for large pages behind this memory; does nothing where it has none.
void bk_advise_large(void *memory, size_t bytes);

// Makes the C library keep freed memory for later use, where it would give blocks of more than some
// hundred kilobytes back to the operating system, which then clears every page anew. For programs
// that free and take the same blocks over and over; does nothing with other libraries than glibc.
void bk_keep_freed_memory(void);

// Asks the operating system to start copying what was written to a file to its device; does nothing
// where that cannot be asked for.
void bk_start_writeback(int descriptor);

// Tells the CPU that the caller is waiting in a loop.
static inline void bk_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
