"""Packing a weight, and checking what is packed."""

from __future__ import annotations

from torch import Tensor

from . import _codes
from . import _formula as formula
from ._handle import Handle, Parts, Shape
from ._weights import pack
from .recipe import Recipe


def pack_weight(weight: Tensor, groups: int, recipe: Recipe) -> tuple[Tensor, Tensor, int]:
    """Codes, scales ``[groups]`` and the layout of the codes, where the weight is.

    On the CPU the library packs, elsewhere PyTorch.

    Raises:
        ValueError: a scale is not finite.
    """
    layout = _codes.native_layout(recipe.weights)
    if weight.is_cpu:
        packed = pack(weight, groups, recipe)
        return packed.codes, packed.scale, layout
    codes, scale = formula.weight_codes(weight.float(), recipe, groups)
    bad = (~scale.isfinite()).nonzero()
    if len(bad):
        group = int(bad[0])
        raise ValueError(
            f"weight: found the scale {float(scale[group])} of group {group}, expected finite "
            "weights"
        )
    native = _codes.convert(
        _codes.pack_rows(codes, recipe.weights), recipe.weights, weight.shape[0],
        weight.shape[1], _codes.ROWS, layout,
    )
    return native, scale, layout


def validate(parts: Parts, shape: Shape) -> None:
    """Raises ValueError unless the parts are those of a layer."""
    if parts.codes.is_meta:
        return
    on_cpu = [None if part is None else part.detach().cpu().contiguous() for part in parts]
    assert on_cpu[0] is not None and on_cpu[1] is not None
    Handle.of(Parts(on_cpu[0], on_cpu[1], *on_cpu[2:]), shape)
