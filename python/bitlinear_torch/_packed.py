"""The operation of a packed layer: its tensors in, its output out."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from . import _codes
from . import _formula as formula
from ._library import CPackedInfo, check, library
from ._memory import FLOAT_TYPES, address, rows, vector, version
from ._routes import Route, is_direct, route
from ._straight_through import (
    NO_SECOND_DERIVATIVES, LastGradient, is_transformed, may_be_differentiated, straight_through,
)
from ._threads import follow_torch
from ._training import norm_gradients
from .recipe import Recipe, from_options


class Parts(NamedTuple):
    """What a packed layer is made of.

    Attributes:
        codes: int8, in a layout of ``_codes``; the tensor that a kernel reads.
        scale: ``[groups]``, or ``[out, blocks]`` where a block of weights of a row has its own.
        bias, norm_weight, norm_bias: ``[out]`` and twice ``[in]``, or None.
    """

    codes: Tensor
    scale: Tensor
    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_bias: Optional[Tensor]


class Shape(NamedTuple):
    """What is known of a packed layer without its tensors."""

    in_features: int
    out_features: int
    layout: int
    recipe: Recipe

    def block_features(self, scale: Tensor) -> int:
        """The weights of a row that share a scale; 0 for groups of rows."""
        return formula.block_length(self.in_features, scale.shape[1]) if scale.dim() == 2 else 0


class Handle:
    """A packed layer of the library, which reads the codes of a tensor where they are.

    The library copies scales, bias and norm, which are small.
    """

    def __init__(self, pointer: ctypes.c_void_p, alive: Any = None) -> None:
        self.pointer = pointer
        self._alive = alive
        free = weakref.finalize(self, library.bitlinear_packed_free, pointer)
        # At exit other threads may still compute with it; the process frees it then.
        free.atexit = False

    @staticmethod
    def of(parts: Parts, shape: Shape) -> Handle:
        """The handle of a layer whose codes are on the CPU, which must outlive it.

        Raises:
            ValueError: the parts do not fit one another.
        """
        recipe, weights = shape.recipe, shape.recipe.weights
        native = _codes.native_layout(weights)
        codes = _codes.convert(
            parts.codes, weights, shape.out_features, shape.in_features, shape.layout, native
        ).contiguous()
        scale = vector(parts.scale)
        assert scale is not None
        vectors = [
            _checked(vector(part), count, name)
            for part, count, name in (
                (parts.bias, shape.out_features, "bias"),
                (parts.norm_weight, shape.in_features, "norm.weight"),
                (parts.norm_bias, shape.in_features, "norm.bias"),
            )
        ]
        info = CPackedInfo(
            recipe.pointer._obj, shape.in_features, shape.out_features, scale.numel(),
            shape.block_features(scale), _codes.row_bytes(weights, shape.in_features),
        )
        pointer = ctypes.c_void_p()
        check(
            library.bitlinear_packed_borrow(
                ctypes.byref(info), codes.data_ptr(), scale.data_ptr(), *map(address, vectors),
                ctypes.byref(pointer),
            )
        )
        # Codes of another layout were copied: the handle keeps the copy.
        is_copy = codes.data_ptr() != parts.codes.data_ptr()
        return Handle(pointer, codes if is_copy else None)

    def forward(self, x: Tensor, in_features: int, out_features: int) -> Tensor:
        """The output ``[..., out]``, float32, for an input ``[..., in]``, float32."""
        x, stride = rows(x)
        y = x.new_empty((*x.shape[:-1], out_features))
        follow_torch()
        check(
            library.bitlinear_packed_forward(
                self.pointer, x.data_ptr(), x.numel() // in_features, stride, y.data_ptr(),
                out_features,
            )
        )
        return y

    def values(self, shape: Shape) -> Tensor:
        """The weights ``[out, in]`` that the codes stand for, of float32."""
        values = torch.empty(
            (shape.out_features, shape.in_features), dtype=torch.float32, device="cpu"
        )
        follow_torch()
        check(
            library.bitlinear_packed_values(
                self.pointer, FLOAT_TYPES[values.dtype], values.data_ptr()
            )
        )
        return values


def _checked(tensor: Optional[Tensor], count: int, name: str) -> Optional[Tensor]:
    if tensor is not None and tensor.numel() != count:
        raise ValueError(f"found {name} of {tensor.numel()} numbers, expected {count}")
    return tensor


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
        handle = Handle.of(parts, shape)
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
        return product.apply(x, *parts[:3], shape)


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
        use_int8 = x.device.type == "cuda"
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
        parts = Parts(*ctx.saved_tensors[:2], None, None, None)
        return formula.weight_values(quantized_parts(parts, ctx.shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        found = grad @ _Product._values(ctx)
        if may_be_differentiated():
            found = LastGradient.apply(found, grad, ctx.saved_tensors[2])
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
    grad_normalized = (rows_of_grad @ handle.values(shape)).reshape(x.shape)
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
def _(x, codes, scale, bias, norm_weight, norm_bias, in_features, out_features, *_options):
    return x.new_empty((*x.shape[:-1], out_features))


@packed_backward_op.register_fake
def _(grad, x, *_options):
    return x.new_empty(x.shape)


def _setup_context(ctx, inputs, output):
    x, codes, scale, _bias, norm_weight, norm_bias, *ctx.options = inputs
    ctx.save_for_backward(x, codes, scale, norm_weight, norm_bias)


def _backward(ctx, grad):
    found = packed_backward_op(grad, *ctx.saved_tensors, *ctx.options)
    return (found, *(None for _ in range(5 + len(ctx.options))))


def _refuse(*_arguments):
    raise NotImplementedError(NO_SECOND_DERIVATIVES)


packed_forward_op.register_autograd(_backward, setup_context=_setup_context)
packed_backward_op.register_autograd(_refuse)


@packed_forward_op.register_vmap
def _(info, in_dims, x, *others):
    if any(dim is not None for dim in in_dims[1:]):
        raise NotImplementedError("torch.func maps over inputs of packed layers, not over layers")
    per_token = others[11]
    if per_token:
        return packed_forward_op(x.movedim(in_dims[0], 0), *others), 0
    parts = x.unbind(in_dims[0])
    return torch.stack([packed_forward_op(part, *others) for part in parts]), 0


class _Direct(torch.autograd.Function):
    """The same without PyTorch's dispatcher."""

    @staticmethod
    def forward(ctx, x, codes, scale, bias, norm_weight, norm_bias, shape, handle):
        ctx.save_for_backward(x, codes, scale, norm_weight, norm_bias)
        ctx.options = shape, handle
        return handle.forward(x, shape.in_features, shape.out_features)

    @staticmethod
    def backward(ctx, grad):
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
                grad, x, codes, scale, norm_weight, norm_bias, *shape[:3],
                *shape.recipe.options,
            )
        return (found, *(None for _ in range(7)))


def packed_linear(x: Tensor, parts: Parts, shape: Shape, handle: Handle) -> Tensor:
    """The output of a layer, called directly."""
    if x.requires_grad and torch.is_grad_enabled():
        return _Direct.apply(x, *parts, shape, handle)
    return handle.forward(x, shape.in_features, shape.out_features)


def packed_linear_in_graph(x: Tensor, parts: Parts, shape: Shape, backend: str) -> Tensor:
    """The output of a layer where somebody traces, transforms or watches, or on another device."""
    if route(backend, x, parts.codes) is Route.FORMULA:
        return _by_formula(x, parts, shape)
    return packed_forward_op(x, *parts, *shape[:3], *shape.recipe.options)
