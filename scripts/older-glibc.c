// What lets a program that was linked with a recent glibc run with one from 2.34 on.
//
// In 2.35 hypotf got a second version, which differs in how it reports errors, and linkers take the
// newest. Swift's runtime refers to the function; nothing here calls it. The linker puts
// __wrap_hypotf in the place of hypotf (--wrap).

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#else
#define FIRST_VERSION "GLIBC_2.17"
#endif

float first_hypotf(float x, float y);
__asm__(".symver first_hypotf, hypotf@" FIRST_VERSION);

float __wrap_hypotf(float x, float y) { return first_hypotf(x, y); }

#else

// The system's own version, whichever it is.
float __real_hypotf(float x, float y);

float __wrap_hypotf(float x, float y) { return __real_hypotf(x, y); }

#endif
