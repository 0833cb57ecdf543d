"""The project's safetensors files of packed layers, the same that the Swift command line reads."""

from __future__ import annotations

import ctypes
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional, TypeVar, Union, overload

import torch
from torch import Tensor, nn

from . import _codes
from ._file_checks import (
    COMPILED, DTYPES, NAMES_OF_TYPES, Path, check_metadata, layers_of, name_bytes, own_names,
    path_bytes, plain_name, plain_state, require_storable, without_layers,
)
from ._library import CNamedLayer, CPackedInfo, CTensor, check, library
from ._memory import address, bytes_at
from ._handle import Handle, Parts, Shape
from ._sources import require_memory
from ._warnings import BitLinearWarning, warn
from .conversion import describe_pretrained, set_module
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import from_c

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class SaveReport:
    """What :func:`save_packed` wrote.

    Attributes:
        packed: the names of the packed layers.
        tensors: the names of the other tensors.
        unpacked: the names of :class:`BitLinear` layers that are not packed, whose weights were
            written as floats.
        byte_count: the length of the file.
    """

    packed: tuple[str, ...]
    tensors: tuple[str, ...]
    unpacked: tuple[str, ...]
    byte_count: int

    def __str__(self) -> str:
        return (
            f"{len(self.packed)} packed layers, {len(self.tensors)} other tensors, "
            f"{len(self.unpacked)} BitLinear layers as floats, {self.byte_count:,} bytes"
        )


def save_packed(
    model: nn.Module, path: Path, metadata: Optional[Mapping[str, str]] = None
) -> SaveReport:
    """Writes a model to a safetensors file: packed layers, and all else in its ``state_dict``.

    The file is written whole or not at all; one of that name is replaced. A warning says so if no
    layer is packed, or if a BitLinear is not.

    Args:
        model: a module with :class:`PackedBitLinear` layers, on any device; see
            :func:`pack_model`.
        path: the file.
        metadata: words about the model, kept in the file.

    Returns:
        What was written.

    Raises:
        ValueError: the model is itself a PackedBitLinear, which then has no name; its state has
            something that a file cannot hold; or metadata is not text.
        OSError: the file cannot be written.
    """
    metadata = check_metadata(metadata)
    packed = layers_of(model, PackedBitLinear)
    state = plain_state(model, packed)
    for name, layer in packed.items():
        if layer.shape()[:2] != (layer.in_features, layer.out_features):
            raise ValueError(
                f"layer {name}: found a part of a layer that is spread over processes, expected the "
                "whole: bitlinear_torch.parallel.save_packed_sharded writes such models"
            )
    alive = [(layer if layer.weight.is_cpu else _on_cpu(name, layer)) for name, layer in
             packed.items()]
    handles = [layer.handle() for layer in alive]
    layers = (CNamedLayer * len(packed))(
        *(CNamedLayer(name_bytes(name), handle.pointer) for name, handle in zip(packed, handles))
    )
    tensors = _other_tensors(state, packed)
    entries = (CTensor * len(tensors))()
    for entry, (name, tensor) in zip(entries, tensors.items()):
        entry.name, entry.dtype = name_bytes(name), NAMES_OF_TYPES[tensor.dtype].encode()
        entry.rank, entry.shape = tensor.dim(), (ctypes.c_int64 * tensor.dim())(*tensor.shape)
        entry.data, entry.byte_count = tensor.data_ptr(), tensor.nbytes
    check(
        library.bitlinear_save(
            path_bytes(path), layers, len(packed), entries, len(tensors),
            name_bytes(json.dumps(metadata)),
        )
    )
    unpacked = list(layers_of(model, BitLinear))
    if unpacked or not packed:
        found = f"{len(unpacked)} BitLinear layers as floats ({', '.join(unpacked[:3])}"
        found += ", ...)" if len(unpacked) > 3 else ")"
        warnings.warn(
            f"save_packed wrote {found if unpacked else 'no packed layer'} to {os.fspath(path)}; "
            "pack_model packs them", BitLinearWarning, stacklevel=2,
        )
    return SaveReport(tuple(packed), tuple(tensors), tuple(unpacked), os.stat(path).st_size)


def _on_cpu(name: str, layer: PackedBitLinear) -> PackedBitLinear:
    if layer.weight.is_meta:
        raise ValueError(f"found layer {name} on meta, expected values: first load the model")
    # In the layout that this layer's codes have, which need not be that of this CPU.
    parts = layer.parts()
    on_cpu = [None if part is None else part.detach().cpu() for part in parts]
    assert on_cpu[0] is not None and on_cpu[1] is not None
    return PackedBitLinear(Parts(on_cpu[0], on_cpu[1], *on_cpu[2:]), layer.shape())


@overload
def load_packed(path: Path) -> dict[str, PackedBitLinear | Tensor]: ...
@overload
def load_packed(path: Path, model: ModelT) -> ModelT: ...


def load_packed(
    path: Path, model: nn.Module | None = None
) -> dict[str, PackedBitLinear | Tensor] | nn.Module:
    """Reads a file of packed layers, from :func:`save_packed` or the Swift command line.

    A warning says so if the file has packed layers of transformers instead, which are plain tensors
    here.

    Args:
        path: the file.
        model: a model of the same names, changed in place: its BitLinear, nn.Linear and
            PackedBitLinear layers that the file names become PackedBitLinear, on the device of
            their weights, and its other parameters and buffers take the file's values. The names
            must match exactly. A model on meta comes to be on the CPU.

    Returns:
        The model; or, without one, packed layers and tensors by name.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file cannot be read.
        ValueError: the file is damaged, or does not fit the model: then the error says what is
            missing, unexpected or of another shape, and the model is as it was.
    """
    with _opened(path) as file:
        layers, tensors = _read_layers(file), _read_tensors(file)
    if not layers:
        _warn_of_transformers(tensors, os.fspath(path))
    if model is None:
        return {**layers, **tensors}
    _check_fits(model, layers, tensors, os.fspath(path))
    # A layer that is in the model twice stays one layer.
    made: dict[nn.Module, PackedBitLinear] = {}
    own = own_names(model)
    places = [(own[name], model.get_submodule(own[name]), layer) for name, layer in layers.items()]
    for name, old, layer in places:
        if old not in made:
            weight: Any = old.weight
            device = weight.device
            made[old] = layer if device.type == "meta" else layer.to(device)
            made[old].backend = getattr(old, "backend", "auto")
        set_module(model, name, made[old])
    _load_tensors(model, tensors)
    describe_pretrained(model)
    return model


def _warn_of_transformers(tensors: Mapping[str, Tensor], path: str) -> None:
    """Warns where codes are those of transformers, which are plain tensors here."""
    found = [
        name for name, tensor in tensors.items()
        if name.endswith(".weight") and tensor.dtype is torch.uint8 and f"{name}_scale" in tensors
    ]
    if found:
        warn(
            f"{path} has no packed layers of this package; {found[0]} looks like codes of "
            "transformers' BitNet layers: bitlinear_torch.huggingface.load_huggingface loads the "
            "folder of such a file"
        )


def _load(
    model: nn.Module, own: Any, tensors: dict[str, Tensor], assign: bool = False
) -> None:
    state = OrderedDict(tensors)
    # The versions of modules, or BatchNorm would take the state for that of an older PyTorch.
    state._metadata = own._metadata  # type: ignore[attr-defined]
    model.load_state_dict(state, strict=False, assign=assign)


def _load_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Loads tensors into a model, of which some may have no memory (meta) yet."""
    own = model.state_dict(keep_vars=True)
    keys = {plain_name(name): name for name in own}
    tensors = {keys[name]: tensor for name, tensor in tensors.items()}
    without_memory = {
        name: tensor for name, tensor in tensors.items() if own[name].is_meta
    }
    with_memory = {
        name: tensor for name, tensor in tensors.items() if name not in without_memory
    }
    _load(model, own, with_memory)
    for name, tensor in without_memory.items():
        # The type of the model, as where values are copied into it.
        without_memory[name] = tensor.to(own[name].dtype)
    _load(model, own, without_memory, assign=True)
    left = [
        name for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if tensor.is_meta
    ]
    if left:
        warnings.warn(
            f"{', '.join(left)} of the model is on meta and not part of its state, so that the "
            "file has no values for it: compute it anew", BitLinearWarning, stacklevel=3,
        )


def load_metadata(path: Path) -> dict[str, str]:
    """The metadata of a file: what :func:`save_packed` was given, and "format".

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file cannot be read.
        ValueError: the file is damaged.
    """
    with _opened(path) as file:
        words: dict[str, str] = json.loads(library.bitlinear_file_metadata(file).decode())
        return words


def _other_tensors(state: Mapping[str, Any], packed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """What a file holds beside packed layers: contiguous tensors of the CPU, by name."""
    tensors: dict[str, Tensor] = {}
    for name, value in without_layers(state, packed).items():
        require_memory(require_storable(name, value), name)
        tensors[name] = value.detach().cpu().resolve_neg().resolve_conj().contiguous()
    return tensors


def _check_fits(
    model: nn.Module, layers: Mapping[str, PackedBitLinear], tensors: Mapping[str, Tensor],
    path: str,
) -> None:
    problems: list[str] = []
    own_of = own_names(model)
    modules = {name: model.get_submodule(own) for name, own in own_of.items()}
    for name, layer in layers.items():
        old = modules.get(name)
        extents = f"{layer.in_features} to {layer.out_features} features"
        if old is None:
            problems.append(f"unexpected layer {name}")
        elif not name or not isinstance(old, (BitLinear, nn.Linear, PackedBitLinear)):
            problems.append(f"layer {name}: found {type(old).__name__}, expected a linear layer")
        elif own_of[name].split(".")[-1] == COMPILED:
            # It would go on computing with the layer that it was compiled from.
            problems.append(
                f"layer {name}: found a layer that torch.compile was called with, expected that "
                "after load_packed"
            )
        elif (old.in_features, old.out_features) != (layer.in_features, layer.out_features):
            problems.append(
                f"layer {name}: the file has {extents}, the model {old.in_features} to "
                f"{old.out_features}"
            )
    problems += [
        f"missing layer {name}" for name, module in modules.items()
        if isinstance(module, PackedBitLinear) and name not in layers
    ]
    left_out = {**layers, **layers_of(model, PackedBitLinear)}
    state = {plain_name(name): value for name, value in model.state_dict().items()}
    state = without_layers(state, left_out)
    problems += [f"missing tensor {name}" for name in state if name not in tensors]
    for name, tensor in tensors.items():
        own = state.get(name)
        if own is None:
            problems.append(f"unexpected tensor {name}")
        elif isinstance(own, Tensor) and own.shape != tensor.shape:
            problems.append(
                f"tensor {name}: the file has {list(tensor.shape)}, the model {list(own.shape)}"
            )
    if problems:
        raise ValueError(f"{path} does not fit the model: {'; '.join(problems)}")


@contextmanager
def _opened(path: Path) -> Iterator[ctypes.c_void_p]:
    file = ctypes.c_void_p()
    check(library.bitlinear_open(path_bytes(path), ctypes.byref(file)))
    try:
        yield file
    finally:
        library.bitlinear_close(file)


def _read_layers(file: ctypes.c_void_p) -> dict[str, PackedBitLinear]:
    layers: dict[str, PackedBitLinear] = {}
    for index in range(library.bitlinear_file_layer_count(file)):
        name, pointer = ctypes.c_char_p(), ctypes.c_void_p()
        check(
            library.bitlinear_file_layer(file, index, ctypes.byref(name), ctypes.byref(pointer))
        )
        layers[(name.value or b"").decode()] = _layer_of(Handle(pointer))
    return layers


def _layer_of(handle: Handle) -> PackedBitLinear:
    """The layer of a handle of the library, in memory of PyTorch."""
    info = CPackedInfo()
    check(library.bitlinear_packed_describe(handle.pointer, ctypes.byref(info)))
    recipe = from_c(info.recipe)
    layout = _codes.native_layout(recipe.weights)
    shape = Shape(info.in_features, info.out_features, layout, recipe)
    codes = torch.empty(
        _codes.codes_shape(recipe.weights, shape.out_features, shape.in_features, layout),
        dtype=torch.int8, device="cpu",
    )
    scale = torch.empty(info.scale_count, dtype=torch.float32, device="cpu")
    vectors = [
        torch.empty(count, dtype=torch.float32, device="cpu") if exists else None
        for count, exists in (
            (shape.out_features, info.has_bias), (shape.in_features, info.has_norm_weight),
            (shape.in_features, info.has_norm_bias),
        )
    ]
    check(library.bitlinear_packed_codes(handle.pointer, layout, codes.data_ptr()))
    check(
        library.bitlinear_packed_read(
            handle.pointer, None, scale.data_ptr(), *map(address, vectors)
        )
    )
    if info.block_features:
        scale = scale.view(shape.out_features, -1)
    return PackedBitLinear(Parts(codes, scale, *vectors), shape)


def _read_tensors(file: ctypes.c_void_p) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for index in range(library.bitlinear_file_tensor_count(file)):
        entry = CTensor()
        check(library.bitlinear_file_tensor(file, index, ctypes.byref(entry)))
        name, dtype = entry.name.decode(), entry.dtype.decode()
        if dtype not in DTYPES:
            raise ValueError(f"found tensor {name} of {dtype}, which PyTorch does not have")
        data = bytes_at(entry.data, entry.byte_count)
        tensors[name] = data.view(DTYPES[dtype]).reshape(entry.shape[: entry.rank])
    return tensors
