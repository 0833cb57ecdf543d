"""What a file of packed layers takes of a model: its names, its layers, its tensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional, TypeVar, Union

import torch
from torch import Tensor, nn

Path = Union[str, "os.PathLike[str]"]
LayerT = TypeVar("LayerT", bound=nn.Module)

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "U64": torch.uint64, "U32": torch.uint32,
    "U16": torch.uint16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}
#: The names of types in files.
NAMES_OF_TYPES = {dtype: name for name, dtype in DTYPES.items()}

#: The metadata in which a file describes its packed layers.
LAYERS_KEY = "bitlinear.layers"

# torch.compile's; its state_dict keeps it, that of a checkpoint wrapper leaves its own out.
COMPILED = "_orig_mod"
_WRAPPERS = (COMPILED, "_checkpoint_wrapped_module")


def plain_name(name: str) -> str:
    """A name without what activation checkpoints and torch.compile add to it."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def own_names(model: nn.Module) -> dict[str, str]:
    """The names of modules in the model, by their plain names; a wrapper's is that of its layer."""
    # A wrapper comes before what it wraps, which so takes its place.
    return {
        plain_name(name): name for name, _ in model.named_modules(remove_duplicate=False)
    }


def layers_of(
    model: nn.Module, kinds: Union[type[LayerT], tuple[type[LayerT], ...]]
) -> dict[str, LayerT]:
    """The layers of some kinds, by their plain names."""
    return {
        plain_name(name): module for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, kinds)
    }


def plain_state(model: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The state of a model by plain names.

    Raises:
        ValueError: one of the layers has no name, or no weight in the state.
    """
    if "" in layers:
        raise ValueError(
            f"found a single {type(layers['']).__name__}, which has no name in a file, expected it "
            "in a module, such as nn.Sequential"
        )
    state = {plain_name(name): value for name, value in model.state_dict().items()}
    for name in layers:
        if f"{name}.weight" not in state:
            raise ValueError(
                f"layer {name}: found no {name}.weight in the state of the model, expected one: "
                "something renames what is in the state. If that is FullyShardedDataParallel, use "
                "fully_shard instead"
            )
    return state


def without_layers(state: Mapping[str, Any], layers: Mapping[str, object]) -> dict[str, Any]:
    """What a state has beside the tensors of layers."""
    prefixes = tuple(f"{name}." for name in layers)
    return {name: value for name, value in state.items() if not name.startswith(prefixes)}


def require_storable(name: str, value: Any) -> Tensor:
    """The value; raises ValueError unless it is a tensor of a kind that a file can hold."""
    if not isinstance(value, Tensor):
        raise ValueError(f"found {name} of {type(value).__name__}, expected a tensor")
    if value.dtype not in NAMES_OF_TYPES or value.layout is not torch.strided:
        raise ValueError(
            f"found {name} of {value.dtype}, {value.layout}, on {value.device}, which a file "
            "cannot hold"
        )
    return value


def check_metadata(metadata: Optional[Mapping[str, str]]) -> dict[str, str]:
    """The metadata of a user.

    Raises:
        ValueError: it is not text, or has the name under which a file describes its layers.
    """
    words = dict(metadata or {})
    if not all(isinstance(text, str) for pair in words.items() for text in pair):
        raise ValueError("found metadata that is not text, expected names and values of str")
    if LAYERS_KEY in words:
        raise ValueError(
            f"found metadata {LAYERS_KEY}, expected another name: files describe their layers there"
        )
    for pair in words.items():
        for text in pair:
            _utf8("metadata", text)
    return words


def path_bytes(path: Path) -> bytes:
    """A path for the system; raises ValueError if it has a null character."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"found path {path!r} with a null character")
    return encoded


def name_bytes(text: str) -> bytes:
    """A name for a file; raises ValueError unless it is text without a null character."""
    encoded = _utf8("name", text)
    if b"\0" in encoded:
        raise ValueError(f"found name {text!r} with a null character")
    return encoded


def _utf8(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"found {what} {text!r} with half of a surrogate pair, expected text of UTF-8"
        ) from None
