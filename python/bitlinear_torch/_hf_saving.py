"""What is saved of a model for transformers' own BitNet layers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union, cast

import torch
from torch import Tensor, nn

from ._hf_bitnet import stored_tensors
from .linear import BitLinear
from .packed import PackedBitLinear


def check_architecture(model: nn.Module, names: Iterable[str]) -> None:
    """Raises ValueError for a layer in whose place transformers would make none of its own."""
    config = copy.deepcopy(cast(Any, model).config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        modules = dict(type(model)(config).named_modules(remove_duplicate=False))
    for name in names:
        found = modules.get(name)
        if not isinstance(found, nn.Linear):
            words = "no layer" if found is None else f"a {type(found).__name__}"
            raise ValueError(
                f"layer {name}: found {words} of this name in a new {type(model).__name__}, "
                "expected an nn.Linear, the only kind that transformers replaces by its own layers"
            )


def state_of(
    model: nn.Module, layers: dict[str, Union[BitLinear, PackedBitLinear]], linear_class: str
) -> dict[str, Tensor]:
    """The state of a model with the tensors of transformers' layers."""
    state = dict(model.state_dict())
    for name, layer in layers.items():
        for key in layer.state_dict():
            del state[f"{name}.{key}"]
        try:
            if isinstance(layer, PackedBitLinear):
                tensors = stored_tensors(layer, linear_class)
            else:
                tensors = _latent_tensors(layer)
        except ValueError as error:
            raise ValueError(f"layer {name}: {error}") from error
        state.update({f"{name}.{key}": tensor for key, tensor in tensors.items()})
    return state


def _latent_tensors(layer: BitLinear) -> dict[str, Tensor]:
    tensors = {"weight": layer.weight.detach()}
    if layer.bias is not None:
        tensors["bias"] = layer.bias.detach()
    if layer.recipe.norm == "rms":
        factor = layer.weight.detach().new_ones(layer.in_features)
        tensors["rms_norm.weight"] = (
            factor if layer.norm is None else layer.norm.weight.detach()
        )
    return tensors


@contextmanager
def described_as(model: nn.Module, config: Optional[dict[str, Any]]) -> Iterator[None]:
    """Gives a model another quantization_config for a while, and no quantizer."""
    found = cast(Any, model)
    quantizer = found.__dict__.pop("hf_quantizer", None)
    has_config = hasattr(found.config, "quantization_config")
    own = getattr(found.config, "quantization_config", None)
    found.config.quantization_config = config
    try:
        yield
    finally:
        if has_config:
            found.config.quantization_config = own
        else:
            del found.config.quantization_config
        if quantizer is not None:
            found.hf_quantizer = quantizer
