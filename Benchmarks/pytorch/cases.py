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


def packed(
    recipe: str, shape: str, tokens: int, streamed: bool, dtype: torch.dtype = torch.float32
) -> tuple[Call, Call]:
    """A packed layer, and F.linear with weights of float32 or another type, which the input has too.

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
    x, weight = x.to(dtype), weight.to(dtype)
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


def small(training: bool, shape: str, tokens: int) -> tuple[Call, Call]:
    """A layer packed, or with latent weights, and nn.Linear, both as modules and without gradients."""
    torch.manual_seed(0)
    out_features, in_features = extents(shape)
    layer = BitLinear(in_features, out_features, recipe="b158")
    linear = torch.nn.Linear(in_features, out_features, bias=False)
    x = torch.randn(tokens, in_features)
    module = layer if training else layer.pack()
    check(f"small {shape}", layer.pack()(x), layer(x).detach())

    def without_gradients(module: torch.nn.Module) -> Call:
        def call() -> object:
            with torch.no_grad():
                return module(x)
        return call

    return without_gradients(module), without_gradients(linear)


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


def step_of_linear(autocast: bool, shape: str, tokens: int) -> tuple[Call, Call]:
    """A training step of BitLinear and of nn.Linear, in float32 or under autocast to bfloat16."""
    torch.manual_seed(0)
    out_features, in_features = extents(shape)
    layer = BitLinear(in_features, out_features, recipe="b158")
    linear = torch.nn.Linear(in_features, out_features, bias=False)
    x = torch.randn(tokens, in_features, requires_grad=True)
    dtype = torch.bfloat16 if autocast else torch.float32
    upstream = torch.randn(tokens, out_features).to(dtype)

    def step(module: torch.nn.Module) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y = module(x)
        gradients = torch.autograd.grad(y, (x, module.weight), upstream)
        # An optimizer changes the weight after each step, so that nothing is kept for the next.
        with torch.no_grad():
            module.weight[0, 0] += 1e-3
        return y, *gradients

    if step(layer)[0].dtype is not step(linear)[0].dtype:
        raise Wrong(f"step {shape}: outputs of different types")
    return lambda: step(layer), lambda: step(linear)


def compiled_formula(shape: str, tokens: int) -> tuple[Call, Call]:
    """A training step of the path for other devices, compiled, and of the compiled plain formula."""
    torch.manual_seed(0)
    out_features, in_features = extents(shape)
    layer = BitLinear(in_features, out_features, recipe="b158", backend="torch")
    x = torch.randn(tokens, in_features, requires_grad=True)
    upstream = torch.randn(tokens, out_features)
    torch.compiler.reset()
    forwards = [
        torch.compile(layer), torch.compile(lambda x: fake_quantized(x, layer.weight, True))
    ]

    def step(forward: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        y = forward(x)
        return y, *torch.autograd.grad(y, (x, layer.weight), upstream)

    for found, expected in zip(step(forwards[0]), step(forwards[1])):
        check(f"compiled {shape}", found, expected)
    return lambda: step(forwards[0]), lambda: step(forwards[1])


def check(what: str, found: Tensor, expected: Tensor) -> None:
    """Raises if two results differ by more than rounding.

    A value that lies between two codes may be rounded up here and down there, hence the norm.
    """
    difference = ((found - expected).norm() / expected.norm()).item()
    if not difference < 1e-3:
        raise Wrong(f"{what}: results differ by {difference:.2g} of their norm")


def tokens_of(kind: str, tokens: list[int], training_tokens: list[int]) -> list[int]:
    """The numbers of tokens of a table; small layers are those of one token."""
    if kind.startswith("small"):
        return [1]
    return training_tokens if kind.startswith("training") else tokens


def cases(
    kinds: list[str], shapes: list[str], tokens: list[int], training_tokens: list[int],
    threads: list[int], streamed: bool
) -> list[Case]:
    """Every line of every table, in order."""
    makers = {
        "packed-b158": lambda *place: packed("b158", *place, streamed),
        "packed-bitnet": lambda *place: packed("bitnet", *place, streamed),
        "packed-bf16": lambda *place: packed("b158", *place, streamed, torch.bfloat16),
        "training": lambda *place: training(False, *place),
        "training-norm": lambda *place: training(True, *place),
        "training-linear": lambda *place: step_of_linear(False, *place),
        "training-autocast": lambda *place: step_of_linear(True, *place),
        "training-compiled": compiled_formula,
        "small-packed": lambda *place: small(False, *place),
        "small-latent": lambda *place: small(True, *place),
    }
    return [
        Case(kind, shape, count, number, lambda kind=kind, shape=shape, count=count: makers[kind](
            shape, count))
        for kind in kinds
        for shape in (["64x64"] if kind.startswith("small") else shapes)
        for count in tokens_of(kind, tokens, training_tokens)
        for number in threads
    ]


KINDS = {
    "packed-b158": "Packed ternary layer (b158, RMSNorm included) and F.linear in float32",
    "packed-bitnet": "Packed 1-bit layer (bitnet) and F.linear in float32",
    "packed-bf16": "Packed ternary layer (b158, RMSNorm included) and F.linear in bfloat16",
    "training": "Training step, b158 without norm, and the fake-quantized formula",
    "training-norm": "Training step, b158 with RMSNorm, and the fake-quantized formula",
    "training-linear": "Training step, b158 with RMSNorm, and nn.Linear in float32",
    "training-autocast": "The same, both under autocast to bfloat16",
    "training-compiled": "Training step by PyTorch's operations (the path for other devices), b158"
                         " with RMSNorm, and the fake-quantized formula, both under torch.compile",
    "small-packed": "Packed layer as a module, without gradients, and nn.Linear",
    "small-latent": "BitLinear as a module, without gradients, and nn.Linear",
}
