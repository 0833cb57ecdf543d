// Shared by the Swift and C halves of the library; not part of the interface.
#ifndef BITLINEAR_ERROR_H
#define BITLINEAR_ERROR_H

// Keeps the text of this thread's last error, cut to the size of its buffer.
void bl_set_error(const char *text);

#endif
