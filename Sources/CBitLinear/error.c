#include "bitlinear.h"
const char *bitlinear_last_error(void) { return ""; }
