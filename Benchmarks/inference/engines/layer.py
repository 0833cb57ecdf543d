"""What an engine's module gives: a linear layer's weights, copied, and its products."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

# As in `bitlinear bench`: more than the caches of any CPU.
STREAM_BYTES = 256 << 20


class Unavailable(Exception):
    """Why an engine, a variant or a cell cannot be measured here."""


class Product(NamedTuple):
    """One layer's product with the activations."""

    # Runs it; this is what is timed.
    call: Callable[[], object]
    # Runs it and gives the output as float32, [tokens, out].
    result: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Layers:
    """Copies of one layer in memory of their own."""

    # What the weights are worth after the engine's own rounding, [out, in].
    weights: np.ndarray
    # What one layer takes in memory.
    layer_bytes: int
    # The largest error of an output that is right, beside the outputs' root mean square.
    tolerance: float
    # The product of each copy with float32 activations [tokens, in].
    products: Callable[[np.ndarray], list[Product]]


class Engine(Protocol):
    """A family's library, set up for a number of threads. Its constructor takes that number."""

    def version(self) -> str:
        """The library's version, and what of it matters for speed."""

    def layers(
        self, variant: str, weights: np.ndarray, stream: bool
    ) -> AbstractContextManager[Layers]:
        """Layers of the float32 weights [out, in] as a variant holds them, until the end of the
        context. Throws Unavailable."""


def copy_count(layer_bytes: int, stream: bool) -> int:
    """How many layers to go round, so that each call reads its weights from memory."""
    return max(2, 1 + STREAM_BYTES // layer_bytes) if stream else 1


def ternary_weights(out: int, in_: int) -> np.ndarray:
    """Random -1, 0 and 1 as float32, [out, in]: what every format here holds well."""
    return np.random.default_rng(0).integers(-1, 2, (out, in_), dtype=np.int8).astype(np.float32)


def activations(tokens: int, in_: int) -> np.ndarray:
    """Normally distributed float32 activations, [tokens, in]."""
    return np.random.default_rng(1).standard_normal((tokens, in_), dtype=np.float32)


def check(result: np.ndarray, x: np.ndarray, layers: Layers) -> None:
    """Throws Unavailable unless a product is what numpy computes, in 64 of its columns."""
    rows = np.unique(np.linspace(0, len(layers.weights) - 1, 64).astype(int))
    expected = x @ layers.weights[rows].T
    if result.shape != (len(x), len(layers.weights)):
        raise Unavailable(f"its output has the shape {result.shape}")
    error = np.abs(result[:, rows] - expected).max() / np.sqrt(np.square(expected).mean())
    # Not a number is an error too.
    if not error <= layers.tolerance:
        raise Unavailable(f"its product is wrong by {error:.2g} of the outputs' size")
