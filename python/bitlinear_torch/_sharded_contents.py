"""What one process has of a packed file; nothing here asks another process but ``fill_layers``."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Union, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from . import _codes
from . import _file_layout as file_layout
from . import _formula as formula
from ._file_checks import (
    NAMES_OF_TYPES, layers_of, name_bytes, plain_state, require_storable, without_layers,
)
from ._file_layout import Info
from ._mesh import Part, part_of
from ._packed_state import NAMES
from ._sharded import shared_statistics
from ._sharded_codes import pack_rows, require_packable
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe

Layers = dict[str, Union[BitLinear, PackedBitLinear]]
Place = tuple[tuple[int, ...], tuple[int, ...]]


class Facts(NamedTuple):
    """What all processes must know of what one has, and what they must agree on.

    Attributes:
        infos: the types and shapes of whole tensors.
        words: what the file says of the layers.
        kinds: how each layer is computed, in words, which must be the same in all processes.
        places: of each tensor the part that the process has: its beginning and its shape.
        ranks: the processes that each layer is spread over.
    """

    infos: dict[str, Info]
    words: dict[str, dict[str, Any]]
    kinds: dict[str, str]
    places: dict[str, Place]
    ranks: dict[str, tuple[int, ...]]


class Contents:
    """What this process has of the file of a model."""

    def __init__(self) -> None:
        self.facts = Facts({}, {}, {}, {}, {})
        #: What gives the values of each part, as the file has them.
        self.values: dict[str, Callable[[], Tensor]] = {}
        self._layers: Layers = {}
        self._state: dict[str, Any] = {}

    def add_model(self, model: nn.Module) -> None:
        """Adds all of a model.

        Raises:
            ValueError: a layer cannot be packed, or a file cannot hold a tensor.
        """
        self._layers = cast(Layers, layers_of(model, (BitLinear, PackedBitLinear)))
        # Of a model that fully_shard was applied to, this has the shards, also amid a step.
        self._state = plain_state(model, self._layers)
        for name, layer in self._layers.items():
            try:
                if isinstance(layer, BitLinear):
                    require_packable(layer)
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from error
            self._add_layer(name, layer)
        for name, value in without_layers(self._state, self._layers).items():
            self._add(name, self._part(name), value.dtype)

    def _part(self, name: str) -> Part:
        part = part_of(require_storable(name, self._state[name]), name)
        if part.values.is_meta:
            raise ValueError(f"found {name} on meta, expected values: first load the model")
        name_bytes(name)
        return part

    def _add(self, name: str, part: Part, dtype: torch.dtype) -> None:
        """Adds a tensor, to be written as another type."""
        self.facts.infos[name] = Info(NAMES_OF_TYPES[dtype], part.shape)
        if part.values.numel():
            self.facts.places[name] = part.offset, tuple(part.values.shape)
            self.values[name] = lambda: part.values.to(dtype)

    def _add_layer(self, name: str, layer: Union[BitLinear, PackedBitLinear]) -> None:
        weight = self._state[f"{name}.weight"]
        is_spread = isinstance(weight, DTensor)
        self.facts.ranks[name] = (
            tuple(weight.device_mesh.mesh.flatten().tolist()) if is_spread else ()
        )
        is_latent = isinstance(layer, BitLinear)
        self.facts.kinds[name] = (
            f"{'BitLinear' if is_latent else 'PackedBitLinear'} with groups={layer.groups} and "
            f"{layer.recipe!r}"
        )
        scale: tuple[int, ...] = (layer.groups,)
        for key in NAMES.values():
            whole_name = f"{name}.{key}"
            if whole_name not in self._state:
                continue
            part = self._part(whole_name)
            if key == "weight" and is_latent:
                self._add_codes(name, part, layer.recipe)
                continue
            if key == "weight_scale":
                scale = part.shape
            self._add(whole_name, part, torch.uint8 if key == "weight" else torch.float32)
        if is_latent:
            # Each process has all scales once they are computed.
            self.facts.infos[f"{name}.weight_scale"] = Info("F32", scale)
            self.facts.places[f"{name}.weight_scale"] = (0,), scale
        words = file_layout.described(layer.recipe, layer.in_features)
        if len(scale) == 2:
            words["block_features"] = formula.block_length(layer.in_features, scale[1])
        elif scale[0] > 1:
            words["groups"] = scale[0]
        self.facts.words[name] = words

    def _add_codes(self, name: str, part: Part, recipe: Recipe) -> None:
        offset = _packed_offset(name, part, recipe)
        columns = _codes.row_bytes(recipe.weights, part.shape[1])
        self.facts.infos[f"{name}.weight"] = Info("U8", (part.shape[0], columns))
        if part.values.numel():
            rows, own_columns = part.values.shape
            own = rows, _codes.row_bytes(recipe.weights, own_columns)
            self.facts.places[f"{name}.weight"] = offset, own

    def fill_layers(self) -> None:
        """Computes scales; processes that have parts of a layer share what they are made of."""
        # In an order that does not depend on the modules of each process.
        for name in sorted(self._layers):
            layer = self._layers[name]
            if not isinstance(layer, BitLinear):
                continue
            weight = self._state[f"{name}.weight"]
            parameter, row_scale, scale = shared_statistics(weight, layer.recipe, layer.groups)
            self.values[f"{name}.weight_scale"] = partial(torch.clone, scale)
            if f"{name}.weight" in self.facts.places:
                self.values[f"{name}.weight"] = partial(
                    _codes_of, name, part_of(weight, name).values, layer.recipe, parameter,
                    row_scale,
                )


def agreed_facts(parts: list[Facts]) -> Facts:
    """What all processes have together, from the facts of each in their order.

    Raises:
        ValueError: they differ, or have not the whole of each tensor exactly once.
    """
    infos = _merged("", [part.infos for part in parts])
    kinds = _merged("layer ", [part.kinds for part in parts])
    for rank, part in enumerate(parts):
        for name, ranks in part.ranks.items():
            for other in ranks:
                if name not in parts[other].kinds:
                    raise ValueError(
                        f"layer {name}: found none in process {other}, expected one: process "
                        f"{rank} shares it with the processes {list(ranks)}"
                    )
    for name, info in infos.items():
        # Replicas are at the same place.
        places = {part.places[name] for part in parts if name in part.places}
        found, expected = sum(math.prod(own) for _, own in places), math.prod(info.shape)
        if found != expected:
            raise ValueError(
                f"{name}: found parts of {found} elements together, expected {expected} for the "
                f"shape {list(info.shape)}: no process has the rest, or parts overlap"
            )
    return Facts(infos, _merged("layer ", [part.words for part in parts]), kinds, {}, {})


def _merged(what: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    first: dict[str, int] = {}
    for rank, part in enumerate(parts):
        for name, value in part.items():
            if merged.setdefault(name, value) != value:
                raise ValueError(
                    f"{what}{name}: found {value} in process {rank}, expected {merged[name]} as in "
                    f"process {first[name]}"
                )
            first.setdefault(name, rank)
    return merged


def _packed_offset(name: str, part: Part, recipe: Recipe) -> tuple[int, int]:
    """Where the codes of a part of a weight begin, in rows and bytes."""
    per_byte = _codes.row_codes(recipe.weights)
    first = part.offset[1]
    end = first + part.values.shape[1]
    if first % per_byte or (end % per_byte and end != part.shape[1]):
        raise ValueError(
            f"layer {name}: found a part of the columns {first} to {end}, expected multiples of "
            f"{per_byte}: processes write whole bytes of codes"
        )
    return part.offset[0], first // per_byte


def _codes_of(
    name: str, weight: Tensor, recipe: Recipe, parameter: Tensor, scale: Tensor
) -> Tensor:
    try:
        return pack_rows(weight, recipe, parameter, scale)
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from error
