"""What is timed: a layer of bitlinear_torch, and plain PyTorch's way to the same result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from bitlinear_torch import BitLinear
from torch import Tensor

Call = Callable[[], object]
# More than the caches of a CPU hold.
STREAMED_BYTES = 256 << 20


class Wrong(Exception):
    """Two ways to the same result that do not give it."""


@dataclass(frozen=True)
class Case:
    """One line of a table. `make` gives two calls, ours first, when both gave the same result."""

    kind: str
    shape: str
    tokens: int
    threads: int
    make: Callable[[], tuple[Call, Call]]


def extents(shape: str) -> tuple[int, int]:
    out_features, in_features = map(int, shape.split("x"))
    return out_features, in_features


# Inference.


def packed(recipe: str, shape: str, tokens: int, streamed: bool) -> tuple[Call, Call]:
    """A packed layer, and F.linear with float32 weights.

    Streamed, each call takes the next of as many copies as exceed the caches, as in a network of
    many layers; else both take one layer again and again.
    """
    torch.manual_seed(0)
    out_features, in_features = extents(shape)
    layer = BitLinear(in_features, out_features, recipe=recipe)
    first = layer.pack()
    x = torch.randn(tokens, in_features)
    # Ternary values times the scale: what the packed layer holds, in float32.
    weight = dequantized_weight(layer.weight.detach(), recipe)
    with torch.inference_mode():
        inner = x if recipe == "bitnet" else F.rms_norm(x, (in_features,), eps=1e-5)
        check(f"packed {recipe} {shape}", first(x), F.linear(quantized(inner, recipe), weight))
    copies = lambda size: max(2, math.ceil(STREAMED_BYTES / size)) if streamed else 1
    layers = [first, *(layer.pack() for _ in range(copies(first.nbytes) - 1))]
    weights = [weight, *(weight.clone() for _ in range(copies(weight.nbytes) - 1))]
    next_layer, next_weight = itertools.cycle(layers), itertools.cycle(weights)
    return lambda: next(next_layer)(x), lambda: F.linear(x, next(next_weight))


def quantized(x: Tensor, recipe: str) -> Tensor:
    largest = x.abs().amax() if recipe == "bitnet" else x.abs().amax(-1, keepdim=True)
    scale = 127 / largest.clamp(min=1e-5)
    return (x * scale).round().clamp(-127, 127) / scale


def dequantized_weight(weight: Tensor, recipe: str) -> Tensor:
    scale = weight.abs().mean().clamp(min=1e-5)
    if recipe == "bitnet":
        return torch.where(weight > weight.mean(), scale, -scale)
    return (weight / scale).round().clamp(-1, 1) * scale


# Training.


def fake_quantized(x: Tensor, weight: Tensor, has_norm: bool) -> Tensor:
    """The formula that networks of BitNet b1.58 are trained with in PyTorch."""
    if has_norm:
        x = F.rms_norm(x, x.shape[-1:], eps=1e-5)
    scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-5)
    x = x + ((x * scale).round().clamp_(-127, 127) / scale - x).detach()
    mean = weight.abs().mean().clamp_(min=1e-5)
    weight = weight + ((weight / mean).round().clamp_(-1, 1) * mean - weight).detach()
    return F.linear(x, weight)


def training(has_norm: bool, shape: str, tokens: int) -> tuple[Call, Call]:
    """Forward and backward with the gradients of input and weight."""
    torch.manual_seed(0)
    out_features, in_features = extents(shape)
    layer = BitLinear(
        in_features, out_features, recipe="b158", norm="rms" if has_norm else None)
    x = torch.randn(tokens, in_features, requires_grad=True)
    upstream = torch.randn(tokens, out_features)

    def step(forward: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        y = forward(x)
        return y, *torch.autograd.grad(y, (x, layer.weight), upstream)

    ours = lambda: step(layer)
    theirs = lambda: step(lambda x: fake_quantized(x, layer.weight, has_norm))
    for found, expected in zip(ours(), theirs()):
        check(f"training {shape}", found, expected)
    return ours, theirs


def check(what: str, found: Tensor, expected: Tensor) -> None:
    """Raises if two results differ by more than rounding.

    A value that lies between two codes may be rounded up here and down there, hence the norm.
    """
    difference = ((found - expected).norm() / expected.norm()).item()
    if not difference < 1e-3:
        raise Wrong(f"{what}: results differ by {difference:.2g} of their norm")


def cases(
    kinds: list[str], shapes: list[str], tokens: list[int], training_tokens: list[int],
    threads: list[int], streamed: bool
) -> list[Case]:
    """Every line of every table, in order."""
    makers = {
        "packed-b158": lambda *place: packed("b158", *place, streamed),
        "packed-bitnet": lambda *place: packed("bitnet", *place, streamed),
        "training": lambda *place: training(False, *place),
        "training-norm": lambda *place: training(True, *place),
    }
    return [
        Case(kind, shape, count, number, lambda kind=kind, shape=shape, count=count: makers[kind](
            shape, count))
        for kind in kinds
        for shape in shapes
        for count in (training_tokens if kind.startswith("training") else tokens)
        for number in threads
    ]


KINDS = {
    "packed-b158": "Packed ternary layer (b158, RMSNorm included) and F.linear in float32",
    "packed-bitnet": "Packed 1-bit layer (bitnet) and F.linear in float32",
    "training": "Training step, b158 without norm, and the fake-quantized formula",
    "training-norm": "Training step, b158 with RMSNorm, and the fake-quantized formula",
}
