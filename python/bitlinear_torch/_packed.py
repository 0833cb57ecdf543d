"""The operation of a packed layer: its tensors in, its output out."""

from __future__ import annotations

import threading
from typing import Any, Optional

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from . import _codes
from . import _formula as formula
from ._handle import Handle, Parts, Shape
from ._layer import check_gradient, check_input
from ._memory import version
from ._norm_gradients import norm_gradients
from ._routes import Route, has_transforms, route
from ._straight_through import (
    NO_SECOND_DERIVATIVES, LastGradient, applied, is_transformed, may_be_differentiated,
    straight_through,
)
from ._types import PRODUCT_TYPES
from .recipe import from_options


class _Handles:
    """The handles of tensors, for the operator in a graph, which is given no more than tensors.

    A handle reads memory where it is, so it serves any tensors at the same addresses. Only codes in
    the layout of another CPU are copied; for these PyTorch must say that they are unchanged.
    """

    _limit = 4096

    def __init__(self) -> None:
        self._entries: dict[int, tuple[tuple[Any, ...], Optional[StorageWeakRef], Handle]] = {}
        self._lock = threading.Lock()

    def of(self, parts: Parts, shape: Shape) -> Handle:
        """The handle of a layer, the one of an earlier call if it still is that of the tensors."""
        codes = parts.codes
        key = codes.data_ptr()
        state = (shape, *(None if part is None else (part.data_ptr(), part.shape) for part in parts))
        entry = self._entries.get(key)
        if entry is not None:
            found, storage, handle = entry
            if storage is None and found == state:
                return handle
            if storage is not None and found == (*state, version(codes)) and not storage.expired():
                return handle
        count = version(codes)
        handle = Handle.of(parts, shape, keeps=False)
        if not handle.copied:
            self._put(key, (state, None, handle))
        elif handle.copied == {"codes"} and not codes.is_inference():
            storage = StorageWeakRef(codes.untyped_storage())
            self._put(key, ((*state, count), storage, handle))
        return handle

    def _put(
        self, key: int, entry: tuple[tuple[Any, ...], Optional[StorageWeakRef], Handle]
    ) -> None:
        with self._lock:
            for other, (_, storage, _) in list(self._entries.items()):
                if storage is not None and storage.expired():
                    del self._entries[other]
            if len(self._entries) >= self._limit:
                self._entries.clear()
            self._entries[key] = entry


_handles = _Handles()


def quantized_parts(parts: Parts, shape: Shape) -> formula.Codes:
    """The codes -1, 0, +1 as float32 and their scales, by PyTorch's operations."""
    codes = _codes.unpack(
        parts.codes, shape.recipe.weights, shape.out_features, shape.in_features, shape.layout
    )
    return formula.Codes(codes, parts.scale)


def _by_formula(
    x: Tensor, parts: Parts, shape: Shape, product_type: torch.dtype
) -> Tensor:
    recipe = shape.recipe
    with torch.autocast(x.device.type, enabled=False):
        x = formula.normalize(x, recipe, parts.norm_weight, parts.norm_bias)
        product = _Product if not torch.compiler.is_compiling() else _CompiledProduct
        if product is _CompiledProduct and is_transformed():
            weight = quantized_parts(parts, shape)
            y = formula.product(formula.input_codes(x.detach(), recipe), weight, parts.bias, recipe)
            values = formula.weight_values(weight)
            return straight_through(y, torch.nn.functional.linear(x, values))
        result: Tensor = product.apply(  # type: ignore[no-untyped-call]
            x, parts.codes, parts.scale, parts.bias, shape, product_type)
        return result


class _CompiledProduct(torch.autograd.Function):
    """Quantizing and multiplying by codes, as torch.compile takes it: without forward mode.

    It has the straight-through gradient of the input.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor], shape: Shape,
        product_type: torch.dtype,
    ) -> Tensor:
        weight = quantized_parts(Parts(codes, scale, None, None, None), shape)
        use_int8 = x.device.type == "cuda" and not has_transforms()
        return formula.product(
            formula.input_codes(x, shape.recipe), weight, bias, shape.recipe, use_int8
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, codes, scale, _, ctx.shape, ctx.product_type = inputs
        ctx.save_for_backward(codes, scale, x)
        ctx.save_for_forward(codes, scale, x)

    @staticmethod
    def _values(ctx: Any) -> Tensor:
        codes, scale, _ = ctx.saved_tensors
        parts = Parts(codes, scale, None, None, None)
        return formula.weight_values(quantized_parts(parts, ctx.shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        values = _Product._values(ctx).to(ctx.product_type)
        found = (grad.to(ctx.product_type) @ values).to(grad.dtype)
        if may_be_differentiated():
            found = applied(LastGradient, found, grad, ctx.saved_tensors[2])
        return found, None, None, None, None, None


class _Product(_CompiledProduct):
    """Quantizing and multiplying by codes, for torch.autograd, torch.func and forward mode."""

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> Tensor:
        return torch.nn.functional.linear(x_tangent, _Product._values(ctx))


def _direct_backward(
    grad: Tensor, x: Tensor, parts: Parts, shape: Shape, handle: Handle,
    product_type: torch.dtype,
) -> Tensor:
    rows = grad.reshape(-1, shape.out_features).to(product_type)
    product = handle.times(rows, shape.out_features, shape.in_features)
    grad_normalized = product.float().reshape(x.shape)
    found, _, _ = norm_gradients(
        grad_normalized, x, shape.recipe, parts.norm_weight, parts.norm_bias, (True, False, False)
    )
    assert found is not None
    return found


def _formula_backward(
    grad: Tensor, x: Tensor, parts: Parts, shape: Shape, product_type: torch.dtype
) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = _by_formula(leaf, parts, shape, product_type)
        found = torch.autograd.grad(y, leaf, grad)[0]
    # Somebody may want to differentiate again.
    return applied(LastGradient, found, grad, x) if torch.is_grad_enabled() else found


@torch.library.custom_op("bitlinear::packed_forward", mutates_args=())
def packed_forward_op(
    x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor],
    norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], in_features: int,
    out_features: int, layout: int, weights: int, weight_scale: int, activation_bits: int,
    per_token: bool, activation_block: int, activation_epsilon: float, norm: int,
    norm_groups: int, norm_eps: float, product_type: int = 0,
) -> Tensor:
    """The output of a packed layer of these tensors; backward multiplies in ``product_type``."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    parts = Parts(codes, scale, bias, norm_weight, norm_bias)
    shape = Shape(in_features, out_features, layout, recipe)
    check_input(x, in_features)
    if x.is_cpu:
        return _handles.of(parts, shape).forward(x, in_features, out_features)
    with torch.no_grad():
        return _by_formula(x, parts, shape, PRODUCT_TYPES[product_type])


@torch.library.custom_op("bitlinear::packed_backward", mutates_args=())
def packed_backward_op(
    grad: Tensor, x: Tensor, codes: Tensor, scale: Tensor, norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], in_features: int, out_features: int, layout: int, weights: int,
    weight_scale: int, activation_bits: int, per_token: bool, activation_block: int,
    activation_epsilon: float, norm: int, norm_groups: int, norm_eps: float,
    product_type: int,
) -> Tensor:
    """The straight-through gradient of the input."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    parts = Parts(codes, scale, None, norm_weight, norm_bias)
    shape = Shape(in_features, out_features, layout, recipe)
    check_input(x, in_features)
    check_gradient(grad, x, out_features)
    if x.is_cpu:
        handle = Handle.of(parts, shape)
        return _direct_backward(grad, x, parts, shape, handle, PRODUCT_TYPES[product_type])
    return _formula_backward(grad, x, parts, shape, PRODUCT_TYPES[product_type])


@packed_forward_op.register_fake
def _forward_fake(
    x: Tensor, codes: Tensor, scale: Tensor, bias: Optional[Tensor],
    norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], in_features: int,
    out_features: int, *_options: Any,
) -> Tensor:
    check_input(x, in_features)
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
        product_type: torch.dtype,
    ) -> Tensor:
        ctx.save_for_backward(x, codes, scale, norm_weight, norm_bias)
        ctx.options = shape, product_type
        return handle.forward(x, shape.in_features, shape.out_features)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, codes, scale, norm_weight, norm_bias = ctx.saved_tensors
        shape, product_type = ctx.options
        parts = Parts(codes, scale, None, norm_weight, norm_bias)
        way = route("auto", grad, x)
        if way is Route.DIRECT and not torch.is_grad_enabled():
            # Not forward's handle: tensors may have moved since.
            handle = Handle.of(parts, shape)
            found = _direct_backward(grad, x, parts, shape, handle, product_type)
        elif way is Route.FORMULA:
            found = _formula_backward(grad, x, parts, shape, product_type)
        else:
            found = packed_backward_op(
                grad, x, codes, scale, norm_weight, norm_bias, shape.in_features,
                shape.out_features, shape.layout, *shape.recipe.options,
                PRODUCT_TYPES.index(product_type),
            )
        return (found, *(None for _ in range(8)))


def packed_linear(
    x: Tensor, parts: Parts, shape: Shape, handle: Handle,
    product_type: torch.dtype = torch.float32,
) -> Tensor:
    """The output of a layer, called directly; backward multiplies in ``product_type``."""
    if x.requires_grad and torch.is_grad_enabled():
        return applied(_Direct, x, *parts, shape, handle, product_type)
    return handle.forward(x, shape.in_features, shape.out_features)


def packed_linear_in_graph(
    x: Tensor, parts: Parts, shape: Shape, backend: str,
    product_type: torch.dtype = torch.float32,
) -> Tensor:
    """The output of a layer where somebody traces, transforms or watches, or on another device."""
    if route(backend, x, parts.codes) is Route.FORMULA:
        return _by_formula(x, parts, shape, product_type)
    y: Tensor = packed_forward_op(
        x, *parts, shape.in_features, shape.out_features, shape.layout, *shape.recipe.options,
        PRODUCT_TYPES.index(product_type),
    )
    return y
