"""A layer with latent weights, as the library takes it."""

from __future__ import annotations

from typing import NamedTuple, Optional

from torch import Tensor

from . import _formula as formula
from ._library import CLayer
from ._memory import address, rows, vector
from .recipe import Recipe


class Layer(NamedTuple):
    """The parameters of a layer with latent weights: the weight of any type, all else of float32.

    Attributes:
        statistics: what codes are made with and the scale, of each group, where they are known
            already, as where the weight is a part of a larger one.
    """

    weight: Tensor
    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_bias: Optional[Tensor]
    groups: int
    recipe: Recipe
    statistics: Optional[tuple[Tensor, Tensor]] = None


def check_shapes(x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> None:
    """Raises ValueError unless x ``[..., in]``, weight ``[out, in]`` and bias ``[out]`` fit."""
    if weight.dim() != 2 or 0 in weight.shape:
        raise ValueError(f"found a weight {list(weight.shape)}, expected [out, in]")
    check_input(x, weight.shape[1])
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ValueError(f"found a bias {list(bias.shape)}, expected [{weight.shape[0]}]")


def check_input(x: Tensor, in_features: int) -> None:
    """Raises ValueError unless x is ``[..., in_features]``."""
    if x.dim() == 0 or x.shape[-1] != in_features:
        found = f"{x.shape[-1]} features in the last dimension" if x.dim() else "a scalar"
        raise ValueError(f"found an input of {found}, expected {in_features}")


def check_gradient(grad: Tensor, x: Tensor, out_features: int) -> None:
    """Raises ValueError unless grad is ``[..., out_features]``, as the output for x."""
    expected = (*x.shape[:-1], out_features)
    if grad.shape != expected:
        raise ValueError(f"found a gradient {list(grad.shape)}, expected {list(expected)}")


class CLayerOf:
    """The layer for the library, with the tensors that must live as long as it is used."""

    def __init__(self, layer: Layer) -> None:
        weight, stride = rows(layer.weight.detach().float())
        out_features, in_features = weight.shape
        vectors = [vector(part) for part in (layer.bias, layer.norm_weight, layer.norm_bias)]
        statistics: tuple[Optional[Tensor], Optional[Tensor]] = (None, None)
        if layer.statistics is not None:
            statistics = vector(layer.statistics[0]), vector(layer.statistics[1])
        elif layer.recipe.weight_scale != "mean":
            # The library knows the means; it is told the statistics of other recipes.
            statistics = formula.weight_statistics(weight, layer.recipe, layer.groups)
        self.alive = (weight, vectors, statistics)
        self.value = CLayer(
            in_features, out_features, layer.groups, weight.data_ptr(), stride,
            *map(address, vectors), *map(address, statistics),
        )
