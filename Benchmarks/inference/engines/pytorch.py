"""PyTorch's linear layers: float32, bfloat16, dynamic int8 and int4 weights."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

from engines.layer import Layers, Product, Unavailable, copy_count

# Weights that share one scale in the int4 format.
INT4_GROUP = 128


class Engine:
    def __init__(self, threads: int):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        # Of dynamic quantization, which PyTorch calls deprecated without a replacement as fast.
        warnings.simplefilter("ignore")

    def version(self) -> str:
        return (f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()},"
                f" int8 by {torch.backends.quantized.engine})")

    @contextmanager
    def layers(self, variant: str, weights: np.ndarray, stream: bool) -> Iterator[Layers]:
        holders = {"int8": _int8, "int4": _int4}
        if variant in holders:
            yield holders[variant](torch.from_numpy(weights), stream)
        else:
            yield _dense(torch.from_numpy(weights), getattr(torch, variant), stream)


def _product(function: Callable[..., torch.Tensor], x: torch.Tensor, *arguments) -> Product:
    return Product(
        lambda: function(x, *arguments), lambda: function(x, *arguments).float().numpy())


def _dense(weights: torch.Tensor, dtype: torch.dtype, stream: bool) -> Layers:
    first = weights.to(dtype)
    copies = [first.clone() for _ in range(copy_count(first.nbytes, stream))]

    def products(x: np.ndarray) -> list[Product]:
        # As in a model of that type, whose activations have it too.
        typed = torch.from_numpy(x).to(dtype)
        return [_product(functional.linear, typed, copy) for copy in copies]

    tolerance = 1e-3 if dtype == torch.float32 else 0.1
    return Layers(first.float().numpy(), first.nbytes, tolerance, products)


def _int8(weights: torch.Tensor, stream: bool) -> Layers:
    """int8 weights; the activations are quantized in each call."""
    try:
        from torch.ao.quantization import quantize_dynamic
        pack = torch.ops.quantized.linear_prepack
        multiply = torch.ops.quantized.linear_dynamic.default
    except (AttributeError, ImportError) as error:
        raise Unavailable(f"this PyTorch has no dynamic quantization ({error})") from None
    if torch.backends.quantized.engine == "none":
        raise Unavailable("this PyTorch has no engine for quantized layers")
    linear = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    linear.weight = torch.nn.Parameter(weights, requires_grad=False)
    model = quantize_dynamic(torch.nn.Sequential(linear), {torch.nn.Linear}, dtype=torch.qint8)
    quantized = model[0].weight()
    copies = [pack(quantized, None) for _ in range(copy_count(weights.numel(), stream))]

    def products(x: np.ndarray) -> list[Product]:
        # What the module calls, without the 20 us that its Python takes.
        reduce_range = True
        return [_product(multiply, torch.from_numpy(x), copy, reduce_range) for copy in copies]

    return Layers(quantized.dequantize().numpy(), weights.numel(), 0.2, products)


def _int4(weights: torch.Tensor, stream: bool) -> Layers:
    """int4 weights with a scale for each group, and bfloat16 activations, PyTorch's fastest."""
    out, columns = weights.shape
    if columns % INT4_GROUP:
        raise Unavailable(f"in is not a multiple of {INT4_GROUP}")
    try:
        pack = torch.ops.aten._convert_weight_to_int4pack_for_cpu
        multiply = torch.ops.aten._weight_int4pack_mm_for_cpu
    except AttributeError:
        raise Unavailable("this PyTorch has no int4 products on the CPU") from None
    # The operator's value of a code is (code - 8) * scale + zero.
    codes = (weights + 8).to(torch.int32)
    scales = torch.ones(columns // INT4_GROUP, out)
    factors = torch.stack([scales, torch.zeros_like(scales)], -1).to(torch.bfloat16).contiguous()
    try:
        first = pack(codes, 1)
    except RuntimeError as error:
        raise Unavailable(str(error).splitlines()[0]) from None
    layer_bytes = first.nbytes + factors.nbytes
    copies = [(first.clone(), factors.clone()) for _ in range(copy_count(layer_bytes, stream))]

    def products(x: np.ndarray) -> list[Product]:
        typed = torch.from_numpy(x).to(torch.bfloat16)
        return [_product(multiply, typed, codes, INT4_GROUP, factors) for codes, factors in copies]

    return Layers(weights.numpy(), layer_bytes, 0.1, products)
