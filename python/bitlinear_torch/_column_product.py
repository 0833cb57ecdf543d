"""A column-wise part of a layer whose scales processes share, computed by the library."""

from __future__ import annotations

from typing import Any, Optional, cast

import torch
from torch import Tensor

from ._layer import Layer
from ._parallel_limits import last_gradients
from ._training import backward, handle_of
from ._weights import pack


def column_product(x: Tensor, layer: Layer, product_type: torch.dtype) -> Tensor:
    """The output ``[..., rows]``, float32, with straight-through gradients.

    Args:
        x: ``[..., in]`` of float32 in memory of the CPU.
        layer: the part, with finite statistics of its rows, each of which is a group.
        product_type: in which backward multiplies.
    """
    statistics = layer.statistics
    y = _Product.apply(  # type: ignore[no-untyped-call]
        x, *layer[:4], layer.recipe, statistics, product_type
    )
    return cast(Tensor, y)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Optional[Tensor],
        norm_weight: Optional[Tensor], norm_bias: Optional[Tensor], *options: Any,
    ) -> Tensor:
        recipe, statistics, _ = options
        layer = Layer(weight, bias, norm_weight, norm_bias, weight.shape[0], recipe, statistics)
        packed = pack(weight, weight.shape[0], recipe, statistics)
        ctx.save_for_backward(x, weight, norm_weight, norm_bias)
        ctx.options = *options, packed
        return handle_of(packed, layer).forward(x, weight.shape[1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight, norm_weight, norm_bias = ctx.saved_tensors
        recipe, statistics, product_type, packed = ctx.options
        layer = Layer(weight, None, norm_weight, norm_bias, weight.shape[0], recipe, statistics)
        wanted = ctx.needs_input_grad[:5]
        found = last_gradients(
            lambda: backward(grad, x, layer, packed, product_type, wanted), grad, x, weight,
            norm_weight, norm_bias,
        )
        return (*found, None, None, None)
