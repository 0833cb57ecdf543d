"""The differentiable operation of a layer with latent weights: ``torch.ops.bitlinear.forward``.

The operations are PyTorch custom operators, so that torch.compile and torch.export keep them as
one node of a graph.
"""

from __future__ import annotations

import ctypes
from typing import Optional

import torch
from torch import Tensor

from ._direct import is_direct
from ._library import CGradients, CLayer, check, library
from ._matmul import matmul, raise_failure
from ._memory import plain, require_float32, rows
from ._recipe import Recipe, c_recipe
from ._threads import follow_torch


def check_shapes(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raises ValueError unless x ``[..., in]``, weight ``[out, in]`` and bias ``[out]`` fit."""
    if weight.dim() != 2 or 0 in weight.shape:
        raise ValueError(f"found a weight {list(weight.shape)}, expected [out, in]")
    if x.dim() == 0 or x.shape[-1] != weight.shape[1]:
        found = f"{x.shape[-1]} features in the last dimension" if x.dim() else "a scalar"
        raise ValueError(f"found an input of {found}, expected {weight.shape[1]}")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ValueError(f"found a bias {list(bias.shape)}, expected [{weight.shape[0]}]")


def c_layer(weight: Tensor, bias: Tensor | None, groups: int) -> tuple[CLayer, tuple]:
    """The layer for the library, and the tensors that must live as long as it is used."""
    weight, stride = rows(weight)
    address = None
    if bias is not None:
        require_float32(bias)
        bias = plain(bias).contiguous()
        address = bias.data_ptr()
    out_features, in_features = weight.shape
    layer = CLayer(in_features, out_features, groups, weight.data_ptr(), stride, address)
    return layer, (weight, bias)


def forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, recipe: Recipe
) -> Tensor:
    """The output ``[..., out]`` of a layer, float32, without a gradient.

    Raises:
        ValueError: shapes, types, groups or recipe do not fit.
    """
    check_shapes(x, weight, bias)
    layer, alive = c_layer(weight, bias, groups)
    x, stride = rows(x)
    out_features, in_features = weight.shape
    y = x.new_empty((*x.shape[:-1], out_features))
    follow_torch()
    check(
        library.bitlinear_forward(
            c_recipe(recipe), layer, x.data_ptr(), x.numel() // in_features, stride,
            y.data_ptr(), out_features,
        )
    )
    del alive
    return y


def backward(
    grad: Tensor, x: Tensor, weight: Tensor, groups: int, recipe: Recipe, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """The straight-through gradients of x, weight and bias; empty ``[0]`` where not wanted."""
    check_shapes(x, weight, None)
    out_features, in_features = weight.shape
    if grad.shape != (*x.shape[:-1], out_features):
        raise ValueError(
            f"found a gradient {list(grad.shape)}, expected {[*x.shape[:-1], out_features]}"
        )
    layer, alive = c_layer(weight, None, groups)
    x, stride = rows(x)
    grad, grad_stride = rows(grad)
    results = gradient_shapes(x, weight, wanted)
    addresses = [part.data_ptr() if want else None for part, want in zip(results, wanted)]
    follow_torch()
    status = library.bitlinear_backward(
        c_recipe(recipe), layer, x.data_ptr(), x.numel() // in_features, stride,
        grad.data_ptr(), grad_stride, ctypes.byref(CGradients(*addresses)), matmul, None,
    )
    raise_failure()
    check(status)
    del alive
    return results


def gradient_shapes(
    x: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Memory for the gradients of x, weight and bias; ``[0]`` for one that is not wanted."""
    shapes = (x.shape, weight.shape, weight.shape[:1])
    x_grad, weight_grad, bias_grad = (
        x.new_empty(shape if want else (0,)) for shape, want in zip(shapes, wanted)
    )
    return x_grad, weight_grad, bias_grad


@torch.library.custom_op("bitlinear::forward", mutates_args=(), device_types="cpu")
def forward_op(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], groups: int, weights: int,
    activation_bits: int, per_token: bool, activation_epsilon: float, norm: int,
    norm_groups: int, norm_epsilon: float, activation_block: int = 0,
) -> Tensor:
    """:func:`forward` with the members of the recipe one by one."""
    recipe = Recipe(weights, activation_bits, per_token, activation_epsilon, norm, norm_groups,
                    norm_epsilon, activation_block)
    return forward(x, weight, bias, groups, recipe)


@torch.library.custom_op("bitlinear::backward", mutates_args=(), device_types="cpu")
def backward_op(
    grad: Tensor, x: Tensor, weight: Tensor, groups: int, weights: int, activation_bits: int,
    per_token: bool, activation_epsilon: float, norm: int, norm_groups: int,
    norm_epsilon: float, activation_block: int, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`backward` with the members of the recipe one by one."""
    recipe = Recipe(weights, activation_bits, per_token, activation_epsilon, norm, norm_groups,
                    norm_epsilon, activation_block)
    return backward(grad, x, weight, groups, recipe, wanted)


@forward_op.register_fake
def _(x, weight, bias, *_options):
    check_shapes(x, weight, bias)
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@backward_op.register_fake
def _(grad, x, weight, *options):
    return gradient_shapes(x, weight, options[-1])


def _setup_context(ctx, inputs, output):
    x, weight, _bias, *ctx.options = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx, grad):
    x, weight = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[:3])
    gradients = backward_op(grad, x, weight, *ctx.options, wanted)
    found = [gradient if want else None for gradient, want in zip(gradients, wanted)]
    return (*found, *(None for _ in ctx.options))


forward_op.register_autograd(_backward, setup_context=_setup_context)


class _Direct(torch.autograd.Function):
    """The same without PyTorch's dispatcher, several times as fast for a small layer."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, recipe):
        ctx.save_for_backward(x, weight)
        ctx.groups, ctx.recipe = groups, recipe
        return forward(x, weight, bias, groups, recipe)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        if is_direct(grad, x, weight) and not torch.is_grad_enabled():
            gradients = backward(grad, x, weight, ctx.groups, ctx.recipe, wanted)
        else:
            # The operator says so if its result is differentiated again, which it cannot be.
            gradients = backward_op(grad, x, weight, ctx.groups, *ctx.recipe, wanted)
        found = [gradient if want else None for gradient, want in zip(gradients, wanted)]
        return (*found, None, None)


def bit_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, recipe: Recipe
) -> Tensor:
    """The output ``[..., out]`` of a layer, float32, with straight-through gradients."""
    if not is_direct(x, weight):
        return forward_op(x, weight, bias, groups, *recipe)
    if torch.is_grad_enabled():
        return _Direct.apply(x, weight, bias, groups, recipe)
    return forward(x, weight, bias, groups, recipe)
