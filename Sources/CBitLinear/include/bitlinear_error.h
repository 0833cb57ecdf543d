// Between the library's Swift and C halves; no part of the interface.
#ifndef BITLINEAR_ERROR_H
#define BITLINEAR_ERROR_H

// Keeps the text of this thread's last error, or as much as there is room for.
void bl_set_error(const char *text);

#endif
