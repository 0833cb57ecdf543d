"""OpenBLAS: sgemm, and sgemv for one token."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from functools import partial
from pathlib import Path

import numpy as np

from engines.layer import Layers, Product, Unavailable, copy_count

ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112


class Engine:
    def __init__(self, threads: int):
        self._library = Library()
        self._library.function("openblas_set_num_threads")(threads)
        count = self._library.function("openblas_get_num_threads")()
        if count != threads:
            raise Unavailable(f"it uses {count} threads, not {threads}")

    def version(self) -> str:
        config = self._library.text("openblas_get_config").split()
        return f"{' '.join(config[:2])} ({self._library.text('openblas_get_corename')})"

    @contextmanager
    def layers(self, variant: str, weights: np.ndarray, stream: bool) -> Iterator[Layers]:
        copies = [weights.copy() for _ in range(copy_count(weights.nbytes, stream))]

        def products(x: np.ndarray) -> list[Product]:
            y = np.empty((len(x), len(weights)), np.float32)
            return [self._product(x, copy, y) for copy in copies]

        yield Layers(weights, weights.nbytes, 1e-3, products)

    def _product(self, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> Product:
        """y = x w^T."""
        integer, real = self._library.integer, ctypes.c_float
        xs, ws, ys = (array.ctypes.data_as(ctypes.c_void_p) for array in (x, w, y))
        tokens, out, columns, step = (integer(n) for n in (len(x), *w.shape, 1))
        if len(x) == 1:
            call = partial(
                self._library.function("cblas_sgemv"), ROW_MAJOR, NO_TRANSPOSE, out, columns,
                real(1), ws, columns, xs, step, real(0), ys, step)
        else:
            call = partial(
                self._library.function("cblas_sgemm"), ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE,
                tokens, out, columns, real(1), xs, columns, ws, columns, real(0), ys, out)

        def result() -> np.ndarray:
            call()
            return y

        return Product(call, result)


class Library:
    """The system's OpenBLAS, or where it has none the one inside numpy."""

    def __init__(self):
        # numpy's has 64-bit integers and other names.
        root = Path(np.__file__).parent
        bundled = [*root.parent.glob("numpy.libs/libscipy_openblas64_*"),
                   *root.glob(".dylibs/libscipy_openblas64_*")]
        if path := find_library("openblas"):
            self._names, self.integer = "{}", ctypes.c_int
        elif bundled:
            path, self._names, self.integer = bundled[0], "scipy_{}64_", ctypes.c_int64
        else:
            raise Unavailable("there is no libopenblas")
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise Unavailable(str(error)) from None

    def function(self, name: str):
        try:
            return getattr(self._library, self._names.format(name))
        except AttributeError:
            raise Unavailable(f"libopenblas has no {name}") from None

    def text(self, name: str) -> str:
        """What a function without arguments says."""
        function = self.function(name)
        function.restype = ctypes.c_char_p
        return function().decode()
