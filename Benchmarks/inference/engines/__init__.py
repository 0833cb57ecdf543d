"""The engines that are measured beside ours.

A family is a library; each module of this package measures one. A variant is a way in which that
library holds weights. An engine is a variant of a family and is named `family-variant`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A library and the ways in which it holds weights."""

    module: str
    # The headings of the variants' columns, by their names.
    variants: dict[str, str]


FAMILIES = {
    "torch": Family("engines.pytorch", {
        "float32": "PyTorch float32",
        "bfloat16": "PyTorch bfloat16",
        "int8": "PyTorch int8",
        "int4": "PyTorch int4",
    }),
    "openblas": Family("engines.openblas", {
        "float32": "OpenBLAS float32",
    }),
    "mlx": Family("engines.mlx", {
        "2bit-64": "MLX 2-bit/64",
        "2bit-128": "MLX 2-bit/128",
        "4bit-64": "MLX 4-bit/64",
    }),
    "ggml": Family("engines.ggml", {
        "tq2_0": "ggml TQ2_0",
        "tq1_0": "ggml TQ1_0",
        "q2_0": "ggml Q2_0",
        "q1_0": "ggml Q1_0",
        "q4_0": "ggml Q4_0",
        "q8_0": "ggml Q8_0",
    }),
}
