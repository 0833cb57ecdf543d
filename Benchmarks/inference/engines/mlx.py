"""MLX's quantized products on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import mlx.core as mx
import numpy as np

from engines.layer import Layers, Product, Unavailable, copy_count


class Engine:
    def __init__(self, threads: int):
        # MLX has no setting for the number of threads.
        mx.set_default_device(mx.cpu)

    def version(self) -> str:
        return f"MLX {version('mlx')} (CPU, which has no setting for threads)"

    @contextmanager
    def layers(self, variant: str, weights: np.ndarray, stream: bool) -> Iterator[Layers]:
        bits, group = (int(part) for part in variant.split("bit-"))
        if weights.shape[1] % group:
            raise Unavailable(f"in is not a multiple of {group}")
        form = {"group_size": group, "bits": bits}
        first = mx.quantize(mx.array(weights), **form)
        layer_bytes = sum(part.nbytes for part in first)
        # Through numpy, for a copy within MLX may share the memory.
        parts = [np.array(part) for part in first]
        copies = [
            [mx.array(part) for part in parts] for _ in range(copy_count(layer_bytes, stream))
        ]
        mx.eval(copies)

        def products(x: np.ndarray) -> list[Product]:
            activations = mx.array(x)

            def product(copy: list[mx.array]) -> Product:
                def call() -> mx.array:
                    y = mx.quantized_matmul(activations, *copy, transpose=True, **form)
                    mx.eval(y)
                    return y

                return Product(call, lambda: np.array(call()))

            return [product(copy) for copy in copies]

        yield Layers(np.array(mx.dequantize(*first, **form)), layer_bytes, 1e-3, products)
