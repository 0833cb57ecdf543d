"""A layer with latent weights as an operation of PyTorch: called directly, or in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import torch
from torch import Tensor

from . import _straight_through as straight_through
from ._layer import Layer, check_shapes
from ._routes import Route, route
from ._straight_through import NO_SECOND_DERIVATIVES
from ._types import PRODUCT_TYPES
from ._training import Gradients, backward, forward
from .recipe import Recipe, from_options


def _gradient_shapes(x: Tensor, weight: Tensor) -> tuple[tuple[int, ...], ...]:
    out_features, in_features = weight.shape
    return x.shape, weight.shape, (out_features,), (in_features,), (in_features,)


def _is_library(*tensors: Optional[Tensor]) -> bool:
    return all(tensor is None or tensor.is_cpu for tensor in tensors)


@torch.library.custom_op("bitlinear::forward", mutates_args=())
def forward_op(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], groups: int, weights: int, weight_scale: int,
    activation_bits: int, per_token: bool, activation_block: int, activation_epsilon: float,
    norm: int, norm_groups: int, norm_eps: float, product_type: int,
) -> Tensor:
    """:func:`forward` with the members of the recipe one by one."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    if _is_library(x, weight):
        return forward(x, Layer(weight, bias, norm_weight, norm_bias, groups, recipe))[0]
    with torch.no_grad():
        return straight_through.bit_linear(
            x, weight, bias, norm_weight, norm_bias, groups, recipe, None,
            PRODUCT_TYPES[product_type],
        )


@torch.library.custom_op("bitlinear::backward", mutates_args=())
def backward_op(
    grad: Tensor, x: Tensor, weight: Tensor, norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], groups: int, weights: int, weight_scale: int,
    activation_bits: int, per_token: bool, activation_block: int, activation_epsilon: float,
    norm: int, norm_groups: int, norm_eps: float, product_type: int, wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """:func:`backward` with the members of the recipe one by one; ``[0]`` where not wanted."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    layer = Layer(weight, None, norm_weight, norm_bias, groups, recipe)
    if _is_library(grad, x, weight):
        found = backward(grad, x, layer, None, PRODUCT_TYPES[product_type], tuple(wanted))
    else:
        found = _formula_gradients(grad, x, layer, PRODUCT_TYPES[product_type], wanted)
    a, b, c, d, e = (x.new_empty(0) if part is None else _owned(part, grad) for part in found)
    return a, b, c, d, e


def _owned(part: Tensor, grad: Tensor) -> Tensor:
    # An operator must not return its input; a layer without a norm may hand it on.
    return part.clone() if part.data_ptr() == grad.data_ptr() and part.numel() else part


def _formula_gradients(
    grad: Tensor, x: Tensor, layer: Layer, product_type: torch.dtype, wanted: Sequence[bool]
) -> Gradients:
    bias = x.new_zeros(layer.weight.shape[0]) if wanted[2] else None
    tensors = [x, layer.weight.float(), bias, layer.norm_weight, layer.norm_bias]
    with torch.enable_grad():
        leaves: list[Any] = [
            part if part is None else part.detach().requires_grad_(want)
            for part, want in zip(tensors, wanted)
        ]
        a, b, c, d, e = leaves
        y = straight_through.bit_linear(
            a, b, c, d, e, layer.groups, layer.recipe, None, product_type
        )
        needed = [part for part, want in zip(leaves, wanted) if want]
        found = iter(torch.autograd.grad(y, needed, grad))
    parts = [next(found) if want else None for want in wanted]
    if parts[1] is not None:
        parts[1] = parts[1].to(layer.weight.dtype)
    if torch.is_grad_enabled():
        # Somebody may want to differentiate again.
        sources = (grad, x, layer.weight)
        parts = [
            None if part is None else straight_through.applied(
                straight_through.LastGradient, part, *sources)
            for part in parts
        ]
    return parts[0], parts[1], parts[2], parts[3], parts[4]


@forward_op.register_fake
def _forward_fake(x: Tensor, weight: Tensor, bias: Optional[Tensor], *_options: Any) -> Tensor:
    check_shapes(x, weight, bias)
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@backward_op.register_fake
def _backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, *options: Any
) -> tuple[Tensor, ...]:
    shapes = _gradient_shapes(x, weight)
    return tuple(x.new_empty(shape if want else (0,)) for shape, want in zip(shapes, options[-1]))


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _bias, norm_weight, norm_bias, *ctx.options = inputs
    ctx.save_for_backward(x, weight, norm_weight, norm_bias)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    wanted = list(ctx.needs_input_grad[:5])
    gradients = backward_op(grad, *ctx.saved_tensors, *ctx.options, wanted)
    found = [gradient if want else None for gradient, want in zip(gradients, wanted)]
    return (*found, *(None for _ in ctx.options))


forward_op.register_autograd(_backward, setup_context=_setup_context)


def _refuse(*_arguments: Any) -> None:
    raise NotImplementedError(NO_SECOND_DERIVATIVES)


backward_op.register_autograd(_refuse)


@forward_op.register_vmap
def _forward_vmap(
    info: Any, in_dims: tuple[Optional[int], ...], x: Tensor, weight: Tensor,
    bias: Optional[Tensor], norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], groups: int,
    *options: Any,
) -> tuple[Tensor, int]:
    tensors = (x, weight, bias, norm_weight, norm_bias)
    is_alone = all(dim is None for dim in in_dims[1:5])
    per_token = options[3]
    if is_alone and per_token and in_dims[0] is not None:
        return forward_op(x.movedim(in_dims[0], 0), *tensors[1:], groups, *options), 0
    # Each has statistics of its own.
    results = [
        forward_op(
            *(part if part is None or dim is None else part.select(dim, index)
              for part, dim in zip(tensors, in_dims)),
            groups, *options,
        )
        for index in range(info.batch_size)
    ]
    return torch.stack(results), 0


class _Direct(torch.autograd.Function):
    """The same without PyTorch's dispatcher, several times as fast for a small layer."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Optional[Tensor],
        norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], groups: int, recipe: Recipe,
        product_type: torch.dtype,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, norm_weight, norm_bias)
        layer = Layer(weight, bias, norm_weight, norm_bias, groups, recipe)
        y, packed = forward(x, layer)
        ctx.options = groups, recipe, product_type, packed
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight, norm_weight, norm_bias = ctx.saved_tensors
        groups, recipe, product_type, packed = ctx.options
        wanted = list(ctx.needs_input_grad[:5])
        layer = Layer(weight, None, norm_weight, norm_bias, groups, recipe)
        way = route("auto", grad, x, weight)
        if way is Route.DIRECT and not torch.is_grad_enabled():
            found = backward(grad, x, layer, packed, product_type, tuple(wanted))
        elif way is Route.FORMULA:
            # As where a batch of gradients comes at once.
            found = _formula_gradients(grad, x, layer, product_type, wanted)
        else:
            # The operator says so if its result is differentiated again, which it cannot be.
            parts = backward_op(
                grad, x, weight.float(), norm_weight, norm_bias, groups, *recipe.options,
                PRODUCT_TYPES.index(product_type), wanted,
            )
            grad_x, grad_weight, *others = (
                part if want else None for part, want in zip(parts, wanted)
            )
            if grad_weight is not None:
                grad_weight = grad_weight.to(weight.dtype)
            return (grad_x, grad_weight, *others, None, None, None)
        return (*found, None, None, None)


def bit_linear(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor],
    norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor],
    groups: int,
    recipe: Recipe,
    strength: Optional[Tensor],
    product_type: torch.dtype,
    backend: str,
) -> Tensor:
    """The output ``[..., out]`` of a layer, float32, with straight-through gradients.

    Args:
        x, bias, norm_weight, norm_bias: of float32.
        weight: of any type of floats.
        strength: how far quantized values replace latent ones, 0 to 1; None is 1.
        product_type: in which backward multiplies.
        backend: one of BACKENDS.
    """
    way = Route.FORMULA if strength is not None else route(backend, x, weight, bias)
    if way is Route.FORMULA:
        return straight_through.bit_linear(
            x, weight, bias, norm_weight, norm_bias, groups, recipe, strength, product_type
        )
    if way is Route.OPERATOR:
        y: Tensor = forward_op(
            x, weight.float(), bias, norm_weight, norm_bias, groups, *recipe.options,
            PRODUCT_TYPES.index(product_type),
        )
        return y
    if torch.is_grad_enabled():
        return straight_through.applied(
            _Direct, x, weight, bias, norm_weight, norm_bias, groups, recipe, product_type
        )
    return forward(x, Layer(weight, bias, norm_weight, norm_bias, groups, recipe))[0]
