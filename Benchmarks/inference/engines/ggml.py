"""ggml's products on the CPU, with the weight formats of llama.cpp."""

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np

from engines.ggml_library import InitParameters, Library
from engines.layer import Layers, Product, Unavailable, copy_count

FLOAT32 = 0  # GGML_TYPE_F32
GRAPH_SIZE = 8  # More nodes than one product's.
CPU_FEATURES = ("AVX2", "AVX_VNNI", "AVX512", "AVX512_VNNI", "NEON", "DOTPROD", "MATMUL_INT8")


class Engine:
    def __init__(self, threads: int):
        self._ggml = Library()
        self._backend = self._ggml.ggml_backend_cpu_init()
        self._ggml.ggml_backend_cpu_set_n_threads(self._backend, threads)
        # Threads that stay, as llama.cpp has them; without a pool each call may start its own.
        parameters = self._ggml.ggml_threadpool_params_default(threads)
        pool = self._ggml.ggml_threadpool_new(ctypes.byref(parameters))
        self._ggml.ggml_backend_cpu_set_threadpool(self._backend, pool)

    def version(self) -> str:
        features = [name for name in self._ggml.features() if name in CPU_FEATURES]
        return (f"ggml {self._ggml.ggml_version().decode()} of {self._ggml.package}"
                f" ({', '.join(features) or 'no vector instructions'})")

    @contextmanager
    def layers(self, variant: str, weights: np.ndarray, stream: bool) -> Iterator[Layers]:
        kind = self._ggml.type_number(variant)
        out, columns = weights.shape
        if columns % (block := self._ggml.ggml_blck_size(kind)):
            raise Unavailable(f"in is not a multiple of {block}")
        codes = np.empty(out * self._ggml.ggml_row_size(kind, columns), np.uint8)
        self._ggml.ggml_quantize_chunk(
            kind, weights.ctypes.data, codes.ctypes.data, 0, out, columns, None)
        dequantized = np.empty_like(weights)
        self._ggml.dequantize(variant)(
            codes.ctypes.data, dequantized.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            weights.size)
        with ExitStack() as memory:
            copies = self._tensors(
                memory, self._buffer_type(kind, out, columns), kind, out, columns,
                copy_count(codes.nbytes, stream))
            for copy in copies:
                self._ggml.ggml_backend_tensor_set(copy, codes.ctypes.data, 0, codes.nbytes)
            yield Layers(
                dequantized, codes.nbytes, 0.2, partial(self._products, memory, copies, out))

    def _context(self, memory: ExitStack, tensors: int, graphs: int = 0) -> int:
        """A place for descriptions of tensors and graphs, freed at the end of `memory`."""
        size = (tensors * self._ggml.ggml_tensor_overhead()
                + graphs * self._ggml.ggml_graph_overhead_custom(GRAPH_SIZE, False))
        context = self._ggml.ggml_init(InitParameters(size, None, True))
        memory.callback(self._ggml.ggml_free, context)
        return context

    def _tensors(
        self, memory: ExitStack, buffer_type: int, kind: int, rows: int, columns: int,
        count: int = 1
    ) -> list[int]:
        """Tensors in a kind of memory, freed at the end of `memory`."""
        context = self._context(memory, count)
        tensors = [self._ggml.ggml_new_tensor_2d(context, kind, columns, rows)
                   for _ in range(count)]
        buffer = self._ggml.ggml_backend_alloc_ctx_tensors_from_buft(context, buffer_type)
        if not buffer:
            raise Unavailable("there is not enough memory")
        memory.callback(self._ggml.ggml_backend_buffer_free, buffer)
        return tensors

    def _buffer_type(self, kind: int, out: int, columns: int) -> int:
        """Where llama.cpp would put such weights: rearranged if products get faster by that."""
        plain = self._ggml.ggml_backend_cpu_buffer_type()
        for candidate in self._ggml.extra_buffer_types(self._backend):
            with ExitStack() as memory:
                try:
                    [weights] = self._tensors(memory, candidate, kind, out, columns)
                except Unavailable:
                    continue
                [x] = self._tensors(memory, plain, FLOAT32, 1, columns)
                product = self._ggml.ggml_mul_mat(self._context(memory, 1), weights, x)
                if self._ggml.ggml_backend_supports_op(self._backend, product):
                    return candidate
        return plain

    def _products(
        self, memory: ExitStack, copies: list[int], out: int, x: np.ndarray
    ) -> list[Product]:
        plain = self._ggml.ggml_backend_cpu_buffer_type()
        [activations] = self._tensors(memory, plain, FLOAT32, *x.shape)
        self._ggml.ggml_backend_tensor_set(activations, x.ctypes.data, 0, x.nbytes)
        # A graph for each layer. They share one allocator, so that outputs share their memory.
        context = self._context(memory, len(copies), graphs=len(copies))
        allocator = self._ggml.ggml_gallocr_new(plain)
        memory.callback(self._ggml.ggml_gallocr_free, allocator)
        products = []
        for copy in copies:
            y = self._ggml.ggml_mul_mat(context, copy, activations)
            graph = self._ggml.ggml_new_graph_custom(context, GRAPH_SIZE, False)
            self._ggml.ggml_build_forward_expand(graph, y)
            if not self._ggml.ggml_gallocr_alloc_graph(allocator, graph):
                raise Unavailable("there is not enough memory")
            compute = partial(self._ggml.ggml_backend_graph_compute, self._backend, graph)
            products.append(Product(compute, partial(self._result, compute, y, (len(x), out))))
        return products

    def _result(self, compute: partial, y: int, shape: tuple[int, int]) -> np.ndarray:
        if status := compute():
            raise Unavailable(f"ggml failed with status {status}")
        values = np.empty(shape, np.float32)
        self._ggml.ggml_backend_tensor_get(y, values.ctypes.data, 0, values.nbytes)
        return values
