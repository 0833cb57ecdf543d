"""Writing one file of a model of which each process has parts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Optional, Union

import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import _codes
from . import _file_layout as file_layout
from . import _formula as formula
from ._file_layout import Info, Piece
from ._mesh import Part, gathered, part_of
from ._sharded import shared_statistics
from ._sharded_codes import pack_rows, require_packable
from .files import NAMES_OF_TYPES, Path, SaveReport, check_metadata
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe

# The tensors of a packed layer, after its name and a dot.
_PARTS = ("weight", "weight_scale", "bias", "norm.weight", "norm.bias")


class _Contents:
    """What this process has of the file."""

    def __init__(self) -> None:
        self.infos: dict[str, Info] = {}
        self.pieces: dict[str, Piece] = {}
        self.layers: dict[str, dict[str, Any]] = {}

    def add(self, name: str, part: Part, dtype: torch.dtype) -> None:
        """Adds a tensor, to be written as another type."""
        if dtype not in NAMES_OF_TYPES or part.values.is_meta:
            raise ValueError(
                f"found {name} of {dtype} on {part.values.device}, which a file cannot hold"
            )
        self.infos[name] = Info(NAMES_OF_TYPES[dtype], part.shape)
        if part.values.numel():
            self.pieces[name] = Piece(lambda: part.values.to(dtype), part.offset)

    def add_layer(self, name: str, recipe: Recipe, in_features: int, scale: tuple[int, ...]
                  ) -> None:
        """Adds what the file says of a packed layer, whose scales have that shape."""
        words = file_layout.described(recipe, in_features)
        if len(scale) == 2:
            words["block_features"] = formula.block_length(in_features, scale[1])
        elif scale[0] > 1:
            words["groups"] = scale[0]
        self.layers[name] = words


def save_packed_sharded(
    model: nn.Module, path: Path, metadata: Optional[Mapping[str, str]] = None
) -> SaveReport:
    """Packs a model that is spread over processes into one file, without gathering it in one.

    Each process packs the rows that it owns, with scales of whole groups, and writes them to their
    place in the file, which must be in a folder that all processes share. The file is that of
    :func:`pack_model` and :func:`save_packed` of the whole model; :func:`load_packed` and the Swift
    command line read it. It appears whole or not at all. All processes of the default group must
    call this, and the model stays as it is.

    Each process may have a part of each layer (``fully_shard``, ``parallelize_module``, both), the
    same layers (DistributedDataParallel: pass its ``module``), or layers of its own (a pipeline,
    with the names of the whole model).

    Args:
        model: a module with :class:`BitLinear` layers, which are packed, or
            :class:`PackedBitLinear` layers.
        path: the file, the same for all.
        metadata: words about the model, kept in the file, those of the first process.

    Returns:
        What was written, the same in all processes.

    Raises:
        ValueError: a layer cannot be packed; a tensor cannot be held by a file; the parts of
            processes do not fit one another; or metadata is not text.
        OSError: some process cannot write the file.
        RuntimeError: another process failed so, and what it said.
    """
    words, (layers, state) = _agreed(lambda: (check_metadata(metadata), _checked(model)))
    contents = _Contents()
    _agreed(lambda: _fill(contents, layers, state))
    places = {place: piece.offset for place, piece in contents.pieces.items()}
    found = gathered((contents.infos, contents.layers, places, words, os.fspath(path)))
    infos, described = _merged([each[0] for each in found]), _merged([each[1] for each in found])
    for earlier in found[: dist.get_rank()]:
        # What several processes have, the first of them writes.
        for place, offset in earlier[2].items():
            if places.get(place) == offset:
                contents.pieces.pop(place, None)
    header, offsets, length = file_layout.header(infos, described, found[0][3])
    target = found[0][4]
    temporary = f"{target}.{gathered(secrets.token_hex(4))[0]}.partial"
    is_first = dist.get_rank() == 0
    try:
        _agreed(lambda: file_layout.create(temporary, header, length) if is_first else None)
        _agreed(lambda: file_layout.write(temporary, contents.pieces, infos, offsets))
        _agreed(lambda: file_layout.rename(temporary, target) if is_first else None)
    finally:
        if is_first and os.path.exists(temporary):
            os.unlink(temporary)
    prefixes = tuple(f"{name}." for name in described)
    others = tuple(name for name in infos if not name.startswith(prefixes))
    return SaveReport(tuple(described), others, (), length)


def _agreed(action: Callable[[], Any]) -> Any:
    """The result of an action of all processes; if one fails, all raise and none waits."""
    result, failure = None, None
    try:
        result = action()
    except Exception as error:
        failure = error
    texts = gathered(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    for rank, text in enumerate(texts):
        if text is not None:
            raise RuntimeError(f"process {rank} failed: {text}")
    return result


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for rank, part in enumerate(parts):
        for name, value in part.items():
            if merged.setdefault(name, value) != value:
                raise ValueError(
                    f"{name}: found {value} in process {rank}, expected {merged[name]} as in an "
                    "earlier one"
                )
    return merged


# ---- What this process has ---------------------------------------------------------------------

_Layers = dict[str, Union[BitLinear, PackedBitLinear]]


def _checked(model: nn.Module) -> tuple[_Layers, dict[str, Tensor]]:
    """The layers and the state of a model, of which a file can be made; asks no other process."""
    layers: _Layers = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, (BitLinear, PackedBitLinear)):
            if not name:
                raise ValueError(
                    "a single layer has no name in a file: put it into a module, such as "
                    "nn.Sequential"
                )
            layers[name] = module
            if isinstance(module, BitLinear):
                require_packable(module)
    # Of a model that fully_shard was applied to, this has the shards, also amid a step.
    state = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"found {name} of {type(value).__name__}, expected a tensor")
        part_of(value, name)
    for name, layer in layers.items():
        if f"{name}.weight" not in state:
            raise ValueError(
                f"layer {name}: found no {name}.weight in the state of the model, expected one; "
                "use fully_shard instead of FullyShardedDataParallel"
            )
        part = part_of(state[f"{name}.weight"], f"{name}.weight")
        if isinstance(layer, BitLinear):
            _packed_offset(name, part, layer.recipe)
    return layers, state


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


def _fill(contents: _Contents, layers: _Layers, state: dict[str, Tensor]) -> None:
    """Adds all of a model; processes that have parts of a layer share its statistics."""
    for name, layer in layers.items():
        parts = {
            key: part_of(state[f"{name}.{key}"], f"{name}.{key}") for key in _PARTS
            if f"{name}.{key}" in state
        }
        if isinstance(layer, BitLinear):
            weight, recipe = parts["weight"], layer.recipe
            parameter, row_scale, scale = shared_statistics(
                state[f"{name}.weight"], recipe, layer.groups
            )
            parts["weight_scale"] = Part(scale, tuple(scale.shape), (0,), ())
            contents.infos[f"{name}.weight"] = Info(
                "U8", (weight.shape[0], _codes.row_bytes(recipe.weights, weight.shape[1]))
            )
            if weight.values.numel():
                contents.pieces[f"{name}.weight"] = Piece(
                    partial(_codes_of, name, weight.values, recipe, parameter, row_scale),
                    _packed_offset(name, weight, recipe),
                )
        for key, part in parts.items():
            if key != "weight" or isinstance(layer, PackedBitLinear):
                dtype = torch.uint8 if key == "weight" else torch.float32
                contents.add(f"{name}.{key}", part, dtype)
        contents.add_layer(
            name, layer.recipe, layer.in_features, parts["weight_scale"].shape
        )
    prefixes = tuple(f"{name}." for name in layers)
    for name, value in state.items():
        if not name.startswith(prefixes):
            contents.add(name, part_of(value, name), value.dtype)


def _codes_of(
    name: str, weight: Tensor, recipe: Recipe, parameter: Tensor, scale: Tensor
) -> Tensor:
    try:
        return pack_rows(weight, recipe, parameter, scale)
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from error
