"""Packing a part of a layer: rows of codes from statistics that processes share."""

from __future__ import annotations

import torch
from torch import Tensor

from . import _codes
from . import _formula as formula
from ._sources import check_owns_weight
from .linear import BitLinear
from .recipe import Recipe

# The weights that are packed at once, so that their codes as floats take little memory.
_PIECE = 1 << 22


def require_packable(layer: BitLinear) -> None:
    """Raises ValueError unless the layer computes with the codes of its parameter ``weight``."""
    check_owns_weight(layer)
    if layer.strength != 1:
        raise ValueError(
            f"found strength {layer.strength:g}, expected 1: a packed layer is fully quantized; "
            "see set_strength"
        )
    if layer.weight.is_meta:
        raise ValueError("found weight on meta, expected values: first load the model")


def pack_rows(weight: Tensor, recipe: Recipe, parameter: Tensor, scale: Tensor) -> Tensor:
    """The codes of rows ``[rows, bytes of a row]``, uint8.

    Args:
        weight: ``[rows, columns]``.
        parameter: what codes are made with, for each row.
        scale: of each row.

    Raises:
        ValueError: a scale is NaN or infinite, because weights are.
    """
    bad = (~scale.isfinite()).nonzero()
    if len(bad):
        raise ValueError(
            f"weight: found the scale {float(scale[bad[0]])} of a group of rows, expected finite "
            "weights"
        )
    rows, columns = weight.shape
    packed = torch.empty(
        (rows, _codes.row_bytes(recipe.weights, columns)), dtype=torch.uint8, device=weight.device
    )
    step = max(1, _PIECE // max(columns, 1))
    for first in range(0, rows, step):
        piece = slice(first, first + step)
        values = weight[piece].float()
        codes, _ = formula.weight_codes(
            values, recipe, values.shape[0], (parameter[piece], scale[piece])
        )
        packed[piece] = _codes.pack_rows(codes, recipe.weights).view(torch.uint8)
    return packed
