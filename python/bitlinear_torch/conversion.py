"""Changing the layers of a model: nn.Linear to BitLinear, BitLinear to PackedBitLinear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .linear import BitLinear


def replace_linear(
    model: nn.Module, filter: Callable[[str, nn.Linear], bool] | None = None, **options: Any
) -> nn.Module:
    """Replaces the nn.Linear layers of a model by :class:`BitLinear` layers, in place.

    The new layers have the parameters of the old ones, the same objects, so an optimizer and tied
    weights go on; hooks of the old layers are lost. Subclasses of nn.Linear stay, because others
    may use their weights without calling them (as nn.MultiheadAttention does).

    Args:
        model: any module.
        filter: called with a layer's name and the layer; only where it returns true the layer is
            replaced. All layers without it.
        options: as in :class:`BitLinear`, but for the features, bias, device and dtype.

    Returns:
        The model; or the new layer, if the model is itself an nn.Linear.

    Raises:
        ValueError: an option has no meaning, or ``groups`` does not divide a layer, which is named.
            The model is then as it was.
    """
    return _replace(
        model,
        lambda name, module: type(module) is nn.Linear and (filter is None or filter(name, module)),
        lambda linear: BitLinear.from_float(linear, **options),
    )


def pack_model(model: nn.Module) -> nn.Module:
    """Replaces the :class:`BitLinear` layers of a model by :class:`PackedBitLinear`, in place.

    Returns:
        The model; or the packed layer, if the model is itself a BitLinear.

    Raises:
        ValueError: a weight of a layer, which is named, is NaN or infinite, or not on the CPU. The
            model is then as it was.
    """
    return _replace(model, lambda _, module: isinstance(module, BitLinear), BitLinear.pack)


def set_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Puts a module in the place of the one of that name."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
    _call_layers(model, parent)


def _call_layers(model: nn.Module, name: str) -> None:
    """Sees that a transformer of PyTorch calls its layers.

    Without gradients nn.TransformerEncoderLayer reads the weights of its linear layers and computes
    with them as floats, unless it has another activation than ReLU and GELU; nn.TransformerEncoder
    may hand it nested tensors for that.
    """
    while True:
        parent = model.get_submodule(name)
        if isinstance(parent, nn.TransformerEncoderLayer):
            # Only what decides on that way reads this; the activation itself is another member.
            parent.activation_relu_or_gelu = 0
        elif isinstance(parent, nn.TransformerEncoder):
            parent.use_nested_tensor = False
        if not name:
            return
        name = name.rpartition(".")[0]


def _replace(
    model: nn.Module,
    is_wanted: Callable[[str, Any], bool],
    make: Callable[[Any], nn.Module],
) -> nn.Module:
    # A layer that is in a model twice stays one layer.
    made: dict[nn.Module, nn.Module] = {}
    places: list[tuple[str, nn.Module]] = []
    for name, module in model.named_modules(remove_duplicate=False):
        if not is_wanted(name, module):
            continue
        if module not in made:
            try:
                made[module] = make(module)
            except ValueError as error:
                raise ValueError(f"layer {name or type(module).__name__}: {error}") from error
        places.append((name, made[module]))
    for name, module in places:
        if not name:
            return module
        set_module(model, name, module)
    return model
