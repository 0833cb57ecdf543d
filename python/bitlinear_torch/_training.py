"""A layer with latent weights, computed by the library: directly, and as operators for graphs."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from . import _straight_through as straight_through
from ._codes import native_layout
from ._handle import Handle, Parts, Shape
from ._layer import CLayerOf, Layer, check_shapes
from ._library import CLayer, check, library
from ._memory import FLOAT_TYPES, address, rows, vector
from ._norm_gradients import norm_gradients
from ._routes import Route, route
from ._straight_through import NO_SECOND_DERIVATIVES
from ._threads import follow_torch
from ._weights import LEAST_PACKED, PackedWeight, packed_weight
from .recipe import Recipe, from_options

# Up to so many tokens a weight is unpacked by parts of so many values.
_FEW_TOKENS = 64
_PART_VALUES = 3 << 17

Gradients = tuple[
    Optional[Tensor], Optional[Tensor], Optional[Tensor], Optional[Tensor], Optional[Tensor]
]


def forward(x: Tensor, layer: Layer) -> tuple[Tensor, Optional[PackedWeight]]:
    """The output ``[..., out]`` of a layer, float32, without a gradient; and its packed weight.

    The weight is None where it cannot be packed, because it is not finite.

    Raises:
        ValueError: shapes, types, groups or recipe do not fit.
    """
    check_shapes(x, layer.weight, layer.bias)
    weight = None
    if layer.weight.numel() >= LEAST_PACKED:
        weight = packed_weight(layer.weight, layer.groups, layer.recipe)
    out_features, in_features = layer.weight.shape
    if weight is not None:
        handle = handle_of(weight, layer)
        return handle.forward(x, in_features, out_features), weight
    c = CLayerOf(layer)
    x, stride = rows(x)
    y = x.new_empty((*x.shape[:-1], out_features))
    follow_torch()
    check(
        library.bitlinear_forward(
            layer.recipe.pointer, c.value, x.data_ptr(), x.numel() // in_features, stride,
            y.data_ptr(), out_features,
        )
    )
    return y, None


def handle_of(weight: PackedWeight, layer: Layer) -> Handle:
    """The layer for the library, with codes for its weight."""
    out_features, in_features = layer.weight.shape
    shape = Shape(in_features, out_features, native_layout(layer.recipe.weights), layer.recipe)
    parts = Parts(weight.codes, weight.scale, layer.bias, layer.norm_weight, layer.norm_bias)
    return Handle.of(parts, shape)


def weight_values(
    layer: Layer, weight: Optional[PackedWeight] = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The quantized weight ``[out, in]``, of float32 or bfloat16, from codes if there are any."""
    if weight is not None:
        return handle_of(weight, layer).values(layer.weight.shape, dtype)
    c = CLayerOf(layer)
    values = torch.empty(layer.weight.shape, dtype=dtype, device="cpu")
    follow_torch()
    check(
        library.bitlinear_weight_values(
            layer.recipe.pointer, c.value, FLOAT_TYPES[dtype], values.data_ptr()
        )
    )
    return values


def input_values(x: Tensor, layer: Layer, dtype: torch.dtype = torch.float32) -> Tensor:
    """The normalized and quantized input ``[tokens, in]``, of float32 or bfloat16."""
    vectors = [vector(layer.norm_weight), vector(layer.norm_bias)]
    c_layer = CLayer(x.shape[-1], 1, 1, None, 0, None, *map(address, vectors), None, None)
    x, stride = rows(x)
    tokens, features = x.numel() // x.shape[-1], x.shape[-1]
    values = x.new_empty((tokens, features), dtype=dtype)
    follow_torch()
    check(
        library.bitlinear_input_values(
            layer.recipe.pointer, c_layer, x.data_ptr(), tokens, stride,
            FLOAT_TYPES[dtype], values.data_ptr(),
        )
    )
    return values


def _times_weight(
    rows: Tensor, layer: Layer, weight: Optional[PackedWeight], values_type: torch.dtype
) -> Tensor:
    """rows ``[tokens, out]`` times the quantized weight, in the type of rows."""
    if weight is None or rows.shape[0] > _FEW_TOKENS:
        return rows @ weight_values(layer, weight, values_type).to(rows.dtype)
    # For few tokens writing the weight would take longer than multiplying: by parts that stay in
    # the caches.
    out_features, in_features = layer.weight.shape
    count = max(64, _PART_VALUES // in_features // 64 * 64)
    part = torch.empty((min(count, out_features), in_features), dtype=values_type, device="cpu")
    total = torch.zeros((rows.shape[0], in_features), dtype=torch.float32, device="cpu")
    handle = handle_of(weight, layer)
    for first in range(0, out_features, count):
        values = part[: out_features - first]
        handle.values_into(values, first)
        product = rows[:, first : first + count] @ values.to(rows.dtype)
        total += product
    return total


def backward(
    grad: Tensor, x: Tensor, layer: Layer, weight: Optional[PackedWeight],
    product_type: torch.dtype, wanted: tuple[bool, ...],
) -> Gradients:
    """The straight-through gradients of x, weight, bias and norm; None where not wanted.

    The float products are PyTorch's, in ``product_type``. ``weight`` is what forward packed.
    """
    check_shapes(x, layer.weight, None)
    out_features, in_features = layer.weight.shape
    if grad.shape != (*x.shape[:-1], out_features):
        raise ValueError(
            f"found a gradient {list(grad.shape)}, expected {[*x.shape[:-1], out_features]}"
        )
    needs_x, needs_weight, needs_bias, needs_factor, needs_offset = wanted
    values_type = product_type if product_type in FLOAT_TYPES else torch.float32
    grad_rows = grad.reshape(-1, out_features)
    product_rows = grad_rows.to(product_type)
    grad_x = grad_weight = grad_bias = grad_factor = grad_offset = None
    if needs_x or needs_factor or needs_offset:
        grad_normalized = _times_weight(product_rows, layer, weight, values_type)
        grad_normalized = grad_normalized.float().reshape(x.shape)
        grad_x, grad_factor, grad_offset = norm_gradients(
            grad_normalized, x, layer.recipe, layer.norm_weight, layer.norm_bias,
            (needs_x, needs_factor, needs_offset),
        )
    if needs_weight:
        inputs = input_values(x, layer, values_type).to(product_type)
        grad_weight = (product_rows.t() @ inputs).to(layer.weight.dtype)
    if needs_bias:
        grad_bias = grad_rows.sum(0)
    return grad_x, grad_weight, grad_bias, grad_factor, grad_offset


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
    norm: int, norm_groups: int, norm_eps: float, product_type: torch.dtype,
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
            x, weight, bias, norm_weight, norm_bias, groups, recipe, None, product_type
        )


@torch.library.custom_op("bitlinear::backward", mutates_args=())
def backward_op(
    grad: Tensor, x: Tensor, weight: Tensor, norm_weight: Optional[Tensor],
    norm_bias: Optional[Tensor], groups: int, weights: int, weight_scale: int,
    activation_bits: int, per_token: bool, activation_block: int, activation_epsilon: float,
    norm: int, norm_groups: int, norm_eps: float, product_type: torch.dtype, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """:func:`backward` with the members of the recipe one by one; ``[0]`` where not wanted."""
    recipe = from_options(
        weights, weight_scale, activation_bits, per_token, activation_block, activation_epsilon,
        norm, norm_groups, norm_eps,
    )
    layer = Layer(weight, None, norm_weight, norm_bias, groups, recipe)
    if _is_library(grad, x, weight):
        found = backward(grad, x, layer, None, product_type, tuple(wanted))
    else:
        found = _formula_gradients(grad, x, layer, product_type, wanted)
    return tuple(x.new_empty(0) if part is None else _owned(part, grad) for part in found)


def _owned(part: Tensor, grad: Tensor) -> Tensor:
    # An operator must not return its input; a layer without a norm may hand it on.
    return part.clone() if part.data_ptr() == grad.data_ptr() and part.numel() else part


def _formula_gradients(
    grad: Tensor, x: Tensor, layer: Layer, product_type: torch.dtype, wanted: list[bool]
) -> Gradients:
    bias = x.new_zeros(layer.weight.shape[0]) if wanted[2] else None
    inputs = [x, layer.weight.float(), bias, layer.norm_weight, layer.norm_bias]
    with torch.enable_grad():
        inputs = [
            part if part is None else part.detach().requires_grad_(want)
            for part, want in zip(inputs, wanted)
        ]
        y = straight_through.bit_linear(
            *inputs, layer.groups, layer.recipe, None, product_type
        )
        needed = [part for part, want in zip(inputs, wanted) if want]
        found = iter(torch.autograd.grad(y, needed, grad))
    parts = [next(found) if want else None for want in wanted]
    if parts[1] is not None:
        parts[1] = parts[1].to(layer.weight.dtype)
    return parts[0], parts[1], parts[2], parts[3], parts[4]


@forward_op.register_fake
def _(x, weight, bias, *_options):
    check_shapes(x, weight, bias)
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@backward_op.register_fake
def _(grad, x, weight, *options):
    shapes = _gradient_shapes(x, weight)
    return tuple(x.new_empty(shape if want else (0,)) for shape, want in zip(shapes, options[-1]))


def _setup_context(ctx, inputs, output):
    x, weight, _bias, norm_weight, norm_bias, *ctx.options = inputs
    ctx.save_for_backward(x, weight, norm_weight, norm_bias)


def _backward(ctx, grad):
    wanted = list(ctx.needs_input_grad[:5])
    gradients = backward_op(grad, *ctx.saved_tensors, *ctx.options, wanted)
    found = [gradient if want else None for gradient, want in zip(gradients, wanted)]
    return (*found, *(None for _ in ctx.options))


forward_op.register_autograd(_backward, setup_context=_setup_context)


def _refuse(*_arguments):
    raise NotImplementedError(NO_SECOND_DERIVATIVES)


backward_op.register_autograd(_refuse)


@forward_op.register_vmap
def _(info, in_dims, x, weight, bias, norm_weight, norm_bias, groups, *options):
    tensors = (x, weight, bias, norm_weight, norm_bias)
    is_alone = all(dim is None for dim in in_dims[1:5])
    per_token = options[3]
    if is_alone and per_token:
        return forward_op(x.movedim(in_dims[0], 0), *tensors[1:], groups, *options), 0
    # Each has statistics of its own.
    results = [
        forward_op(
            *(part if dim is None else part.select(dim, index)
              for part, dim in zip(tensors, in_dims)),
            groups, *options,
        )
        for index in range(info.batch_size)
    ]
    return torch.stack(results), 0


class _Direct(torch.autograd.Function):
    """The same without PyTorch's dispatcher, several times as fast for a small layer."""

    @staticmethod
    def forward(ctx, x, weight, bias, norm_weight, norm_bias, groups, recipe, product_type):
        ctx.save_for_backward(x, weight, norm_weight, norm_bias)
        layer = Layer(weight, bias, norm_weight, norm_bias, groups, recipe)
        y, packed = forward(x, layer)
        ctx.options = groups, recipe, product_type, packed
        return y

    @staticmethod
    def backward(ctx, grad):
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
                product_type, wanted,
            )
            found = [part if want else None for part, want in zip(parts, wanted)]
            if found[1] is not None:
                found[1] = found[1].to(weight.dtype)
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
            x, weight.float(), bias, norm_weight, norm_bias, groups, recipe, strength, product_type
        )
    if way is Route.OPERATOR:
        return forward_op(
            x, weight.float(), bias, norm_weight, norm_bias, groups, *recipe.options, product_type
        )
    if torch.is_grad_enabled():
        return _Direct.apply(
            x, weight, bias, norm_weight, norm_bias, groups, recipe, product_type
        )
    return forward(x, Layer(weight, bias, norm_weight, norm_bias, groups, recipe))[0]
