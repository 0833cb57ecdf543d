"""The shortest way from a plain input to the library, for layers whose product is that short too."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor, nn

from ._layer import CLayerOf, Layer
from ._library import check, library
from ._routes import is_direct
from ._threads import follow_torch
from ._weights import LEAST_PACKED
from .recipe import Recipe


def is_plain(input: Tensor) -> bool:
    """Whether an input is float32 rows in memory of the CPU that nobody watches, without autocast."""
    return (
        type(input) is Tensor
        and input.layout is torch.strided
        and not input.is_nested
        and input.dtype is torch.float32
        and input.is_cpu
        and input.is_contiguous()
        and not input.is_neg()
        and not input._is_zerotensor()
        and is_direct(input)
        and not torch.is_autocast_enabled("cpu")
    )


class QuickLayer:
    """A small layer with latent weights as the library takes it, while its tensors stay in place."""

    def __init__(
        self, weight: nn.Parameter, bias: Optional[nn.Parameter], groups: int, recipe: Recipe
    ) -> None:
        self._tensors = weight, bias
        self._recipe, self._groups = recipe, groups
        self._places = self._places_of(weight, bias)
        layer = Layer(weight, None if bias is None else bias.detach(), None, None, groups, recipe)
        self._c_layer = CLayerOf(layer)
        self._in_features, self._out_features = weight.shape[1], weight.shape[0]

    @staticmethod
    def takes(weight: Any, bias: Any, recipe: Recipe) -> bool:
        """Whether it can be made of these: contiguous parameters of float32 on the CPU."""
        return (
            recipe.weight_scale == "mean"
            and all(
                type(part) is nn.Parameter and part.dtype is torch.float32 and part.is_cpu
                and part.is_contiguous() and part.numel() > 0
                for part in (weight, *(() if bias is None else (bias,)))
            )
            and weight.dim() == 2
            and weight.numel() < LEAST_PACKED
            and (bias is None or tuple(bias.shape) == weight.shape[:1])
        )

    @staticmethod
    def _places_of(weight: Tensor, bias: Optional[Tensor]) -> tuple[Any, ...]:
        place = weight.data_ptr(), weight.shape, weight.is_contiguous()
        return place if bias is None else (*place, bias.data_ptr(), bias.numel(),
                                           bias.is_contiguous())

    def is_of(self, weight: Any, bias: Any, groups: int, recipe: Recipe) -> bool:
        """Whether it still is the layer of these."""
        own_weight, own_bias = self._tensors
        return (
            weight is own_weight and bias is own_bias and groups == self._groups
            and recipe is self._recipe and self._places_of(weight, bias) == self._places
        )

    def __call__(self, input: Tensor) -> Tensor:
        """The output for a plain input ``[..., in_features]``, without a gradient."""
        y = input.new_empty((*input.shape[:-1], self._out_features))
        follow_torch()
        status = library.bitlinear_forward(
            self._recipe.pointer, self._c_layer.value, input.data_ptr(),
            input.numel() // self._in_features, self._in_features, y.data_ptr(),
            self._out_features,
        )
        if status:
            check(status)
        return y
