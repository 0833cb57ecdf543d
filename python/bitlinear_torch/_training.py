"""A layer with latent weights, computed by the library."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from ._codes import native_layout
from ._handle import Handle, Parts, Shape
from ._layer import CLayerOf, Layer, check_gradient, check_shapes
from ._library import CLayer, check, library
from ._memory import FLOAT_TYPES, address, rows, vector
from ._norm_gradients import norm_gradients
from ._threads import follow_torch
from ._weights import LEAST_PACKED, PackedWeight, packed_weight

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


def _product(a: Tensor, b: Tensor) -> Tensor:
    # In backward autocast may be on or off, whatever it was in forward.
    with torch.autocast("cpu", enabled=False):
        return a @ b.to(a.dtype)


def backward(
    grad: Tensor, x: Tensor, layer: Layer, weight: Optional[PackedWeight],
    product_type: torch.dtype, wanted: tuple[bool, ...],
) -> Gradients:
    """The straight-through gradients of x, weight, bias and norm; None where not wanted.

    The float products are PyTorch's, in ``product_type``. ``weight`` is what forward packed.
    """
    check_shapes(x, layer.weight, None)
    out_features, in_features = layer.weight.shape
    check_gradient(grad, x, out_features)
    needs_x, needs_weight, needs_bias, needs_factor, needs_offset = wanted
    values_type = product_type if product_type in FLOAT_TYPES else torch.float32
    grad_rows = grad.reshape(-1, out_features)
    product_rows = grad_rows.to(product_type)
    grad_x = grad_weight = grad_bias = grad_factor = grad_offset = None
    if needs_x or needs_factor or needs_offset:
        if weight is not None:
            product = handle_of(weight, layer).times(product_rows, out_features, in_features)
        else:
            product = _product(product_rows, weight_values(layer, None, values_type))
        grad_normalized = product.float().reshape(x.shape)
        grad_x, grad_factor, grad_offset = norm_gradients(
            grad_normalized, x, layer.recipe, layer.norm_weight, layer.norm_bias,
            (needs_x, needs_factor, needs_offset),
        )
    if needs_weight:
        inputs = input_values(x, layer, values_type)
        grad_weight = _product(product_rows.t(), inputs).to(layer.weight.dtype)
    if needs_bias:
        grad_bias = grad_rows.sum(0)
    return grad_x, grad_weight, grad_bias, grad_factor, grad_offset
