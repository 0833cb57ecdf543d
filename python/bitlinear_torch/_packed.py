"""The operation of a packed layer: its tensors in, its output out."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from . import _codes
from . import _formula as formula
from ._handle import Handle, Parts, Shape
from ._memory import version
from ._norm_gradients import norm_gradients
from ._routes import Route, has_transforms, route
from ._straight_through import (
    NO_SECOND_DERIVATIVES, LastGradient, applied, is_transformed, may_be_differentiated,
    straight_through,
)
from .recipe import from_options


class _Handles:
    """The handles of tensors, for the operator in a graph, which is given no more than tensors."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[StorageWeakRef, tuple[Any, ...], Handle]] = {}
        self._limit = 64

    def of(self, parts: Parts, shape: Shape) -> Handle:
        """The handle of a layer, the one of an earlier call if nothing changed since."""
        storage = parts.codes.untyped_storage()
        key = storage._cdata
        state = (shape, *(self._state(part) for part in parts))
        entry = self._entries.get(key)
        # While the weak reference lives, no other storage has this number.
        if entry is not None and not entry[0].expired() and entry[1] == state:
            return entry[2]
        handle = Handle.of(parts, shape, keeps=False)
        if len(self._entries) >= self._limit:
            self._entries = {
                key: entry for key, entry in self._entries.items() if not entry[0].expired()
            }
            self._limit = max(64, 2 * len(self._entries))
        self._entries[key] = (StorageWeakRef(storage), state, handle)
        return handle

    @staticmethod
    def _state(part: Optional[Tensor]) -> Optional[tuple[int, int]]:
        return None if part is None else (part.data_ptr(), version(part))


_handles = _Handles()


def quantized_parts(parts: Parts, shape: Shape) -> formula.Codes:
    """The codes -1, 0, +1 as float32 and their scales, by PyTorch's operations."""
    codes = _codes.unpack(
        parts.codes, shape.recipe.weights, shape.out_features, shape.in_features, shape.layout
    )
    return formula.Codes(codes, parts.scale)


def _by_formula(x: Tensor, parts: Parts, shape: Shape) -> Tensor:
    recipe = shape.recipe
    with torch.autocast(x.device.type, enabled=False):
        x = formula.normalize(x, recipe, parts.norm_weight, parts.norm_bias)
        product = _Product if not torch.compiler.is_compiling() else _CompiledProduct
        if product is _CompiledProduct and is_transformed():
            weight = quantized_parts(parts, shape)
            y = formula.product(formula.input_codes(x.detach(), recipe), weight, parts.bias, recipe)
            values = formula.weight_values(weight)
            return straight_through(y, torch.nn.functional.linear(x, values))
        return applied(product, x, parts.codes, parts.scale, parts.bias, shape)


class _CompiledProduct(torch.autograd.Function):
    """Quantizing and multiplying by codes, as torch.compile takes it: without forward mode.

    It has the straight-through gradient of the input.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor], shape: Shape
    ) -> Tensor:
        weight = quantized_parts(Parts(codes, scale, None, None, None), shape)
        use_int8 = x.device.type == "cuda" and not has_transforms()
        return formula.product(
            formula.input_codes(x, shape.recipe), weight, bias, shape.recipe, use_int8
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, codes, scale, _, ctx.shape = inputs
        ctx.save_for_backward(codes, scale, x)
        ctx.save_for_forward(codes, scale, x)

    @staticmethod
    def _values(ctx: Any) -> Tensor:
        codes, scale, _ = ctx.saved_tensors
        parts = Parts(codes, scale, None, None, None)
        return formula.weight_values(quantized_parts(parts, ctx.shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        found = grad @ _Product._values(ctx)
        if may_be_differentiated():
            found = applied(LastGradient, found, grad, ctx.saved_tensors[2])
        return found, None, None, None, None


class _Product(_CompiledProduct):
    """Quantizing and multiplying by codes, for torch.autograd, torch.func and forward mode."""

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> Tensor:
        return torch.nn.functional.linear(x_tangent, _Product._values(ctx))


def _direct_backward(
    grad: Tensor, x: Tensor, parts: Parts, shape: Shape, handle: Handle
) -> Tensor:
    rows_of_grad = grad.reshape(-1, shape.out_features)
    grad_normalized = (rows_of_grad @ handle.values((shape.out_features, shape.in_features))).reshape(x.shape)
    found, _, _ = norm_gradients(
        grad_normalized, x, shape.recipe, parts.norm_weight, parts.norm_bias, (True, False, False)
    )
    assert found is not None
    return found


def _formula_backward(grad: Tensor, x: Tensor, parts: Parts, shape: Shape) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(_by_formula(x, parts, shape), x, grad)[0]


@torch.library.custom_op("bitlinear::packed_forward", mutates_args=())
def packed_forward_op(
    x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor],
    norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], in_features: int,
    out_features: int, layout: int, weights: int, weight_scale: int, activation_bits: int,
    per_token: bool, activation_block: int, activation_epsilon: float, norm: int,
    norm_groups: int, norm_eps: float,
) -> Tensor:
    """The output of a packed layer of these tensors."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    parts = Parts(codes, scale, bias, norm_weight, norm_bias)
    shape = Shape(in_features, out_features, layout, recipe)
    if x.is_cpu:
        return _handles.of(parts, shape).forward(x, in_features, out_features)
    with torch.no_grad():
        return _by_formula(x, parts, shape)


@torch.library.custom_op("bitlinear::packed_backward", mutates_args=())
def packed_backward_op(
    grad: Tensor, x: Tensor, codes: Tensor, scale: Tensor, norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], in_features: int, out_features: int, layout: int, weights: int,
    weight_scale: int, activation_bits: int, per_token: bool, activation_block: int,
    activation_epsilon: float, norm: int, norm_groups: int, norm_eps: float,
) -> Tensor:
    """The straight-through gradient of the input."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    parts = Parts(codes, scale, None, norm_weight, norm_bias)
    shape = Shape(in_features, out_features, layout, recipe)
    if x.is_cpu:
        return _direct_backward(grad, x, parts, shape, Handle.of(parts, shape))
    return _formula_backward(grad, x, parts, shape)


@packed_forward_op.register_fake
def _forward_fake(
    x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor],
    norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], in_features: int,
    out_features: int, *_options: Any,
) -> Tensor:
    return x.new_empty((*x.shape[:-1], out_features))


@packed_backward_op.register_fake
def _backward_fake(grad: Tensor, x: Tensor, *_options: Any) -> Tensor:
    return x.new_empty(x.shape)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, codes, scale, _bias, norm_weight, norm_bias, *ctx.options = inputs
    ctx.save_for_backward(x, codes, scale, norm_weight, norm_bias)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    found = packed_backward_op(grad, *ctx.saved_tensors, *ctx.options)
    return (found, *(None for _ in range(5 + len(ctx.options))))


def _refuse(*_arguments: Any) -> None:
    raise NotImplementedError(NO_SECOND_DERIVATIVES)


packed_forward_op.register_autograd(_backward, setup_context=_setup_context)
packed_backward_op.register_autograd(_refuse)


@packed_forward_op.register_vmap
def _forward_vmap(
    info: Any, in_dims: tuple[Optional[int], ...], x: Tensor, *others: Any
) -> tuple[Tensor, int]:
    if any(dim is not None for dim in in_dims[1:]):
        raise NotImplementedError("torch.func maps over inputs of packed layers, not over layers")
    first, per_token = in_dims[0] or 0, others[11]
    if per_token:
        return packed_forward_op(x.movedim(first, 0), *others), 0
    parts = x.unbind(first)
    return torch.stack([packed_forward_op(part, *others) for part in parts]), 0


class _Direct(torch.autograd.Function):
    """The same without PyTorch's dispatcher."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor],
        norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], shape: Shape, handle: Handle,
    ) -> Tensor:
        ctx.save_for_backward(x, codes, scale, norm_weight, norm_bias)
        ctx.options = shape, handle
        return handle.forward(x, shape.in_features, shape.out_features)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, codes, scale, norm_weight, norm_bias = ctx.saved_tensors
        shape, handle = ctx.options
        parts = Parts(codes, scale, None, norm_weight, norm_bias)
        way = route("auto", grad, x)
        if way is Route.DIRECT and not torch.is_grad_enabled():
            found = _direct_backward(grad, x, parts, shape, handle)
        elif way is Route.FORMULA:
            found = _formula_backward(grad, x, parts, shape)
        else:
            found = packed_backward_op(
                grad, x, codes, scale, norm_weight, norm_bias, shape.in_features,
                shape.out_features, shape.layout,
                *shape.recipe.options,
            )
        return (found, *(None for _ in range(7)))


def packed_linear(x: Tensor, parts: Parts, shape: Shape, handle: Handle) -> Tensor:
    """The output of a layer, called directly."""
    if x.requires_grad and torch.is_grad_enabled():
        return applied(_Direct, x, *parts, shape, handle)
    return handle.forward(x, shape.in_features, shape.out_features)


def packed_linear_in_graph(x: Tensor, parts: Parts, shape: Shape, backend: str) -> Tensor:
    """The output of a layer where somebody traces, transforms or watches, or on another device."""
    if route(backend, x, parts.codes) is Route.FORMULA:
        return _by_formula(x, parts, shape)
    y: Tensor = packed_forward_op(
        x, *parts, shape.in_features, shape.out_features, shape.layout, *shape.recipe.options
    )
    return y
