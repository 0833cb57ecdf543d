"""The state of a packed layer: what is in its ``state_dict``, and reading it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from . import _codes
from ._handle import Parts, Shape
from ._packing import validate
from .recipe import Recipe, encoded

# The parts by their names in a state_dict and in files.
NAMES = {
    "codes": "weight", "scale": "weight_scale", "bias": "bias", "norm_weight": "norm.weight",
    "norm_bias": "norm.bias",
}
_EXTRA = "_extra_state"


def names_of(parts: Parts, prefix: str) -> set[str]:
    """The keys of the state of a layer that has these parts."""
    known = {prefix + NAMES[name] for name, part in parts._asdict().items() if part is not None}
    return {*known, prefix + _EXTRA}


def read_state(
    own: Parts, shape: Shape, state: Mapping[str, Any], prefix: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a state for a layer, all of them or none.

    Args:
        own, shape: the layer.
        state: a state_dict.
        prefix: what the layer's keys begin with.

    Returns:
        The new tensors by the names of buffers, codes in the layout of the layer; and what is wrong
        with the state, in words.
    """
    errors = recipe_errors(state.get(prefix + _EXTRA), shape.recipe)
    found: dict[str, Tensor] = {}
    for name, part in own._asdict().items():
        key = prefix + NAMES[name]
        if part is None or key not in state:
            continue
        wanted, dtypes = tuple(part.shape), [torch.float32]
        if name == "codes":
            wanted = _codes.codes_shape(
                shape.recipe.weights, shape.out_features, shape.in_features, _codes.ROWS
            )
            dtypes = [torch.uint8, torch.int8]
        tensor = state[key]
        if isinstance(tensor, Tensor):
            if tuple(tensor.shape) == wanted and tensor.dtype in dtypes:
                found[name] = tensor.detach()
                continue
            text = f"{list(tensor.shape)} of {tensor.dtype}"
        else:
            text = type(tensor).__name__
        errors.append(f"{key}: found {text}, expected {list(wanted)} of {dtypes[0]}")
    if not errors:
        try:
            if "codes" in found:
                found["codes"] = _codes.convert(
                    found["codes"], shape.recipe.weights, shape.out_features, shape.in_features,
                    _codes.ROWS, shape.layout,
                )
            validate(own._replace(**found), shape)
        except ValueError as error:
            errors.append(f"{prefix.rstrip('.') or 'PackedBitLinear'}: {error}")
    return ({} if errors else {NAMES[name]: part for name, part in found.items()}), errors


def recipe_errors(state: Any, own: Recipe) -> list[str]:
    """What is wrong with the recipe of a state, for a layer with another one."""
    if state is None:
        return []
    if not isinstance(state, Tensor) or state.dtype is not torch.uint8 or state.dim() != 1:
        return [f"{_EXTRA}: found something that is no recipe, expected bytes of JSON"]
    if state.is_meta:
        return []
    text = bytes(state.tolist())
    if text != encoded(own):
        return [
            f"the state is that of a layer with the recipe {text.decode('utf-8', 'replace')}, "
            f"expected {encoded(own).decode()}"
        ]
    return []
