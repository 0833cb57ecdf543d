// The text of the last error, in C because Swift has no thread-local variables.
#include "bitlinear_error.h"

#include <stdio.h>

#include "bitlinear.h"

static _Thread_local char last_error[2048];

void bl_set_error(const char *text) { snprintf(last_error, sizeof last_error, "%s", text); }

const char *bitlinear_last_error(void) { return last_error; }
