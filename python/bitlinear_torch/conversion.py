"""Changing the layers of a model: nn.Linear to BitLinear, BitLinear to PackedBitLinear."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar, cast, overload

from torch import nn

from ._kept import is_conv1d, kept_parameters, reason_to_keep
from ._warnings import BitLinearWarning, warn
from .linear import BitLinear
from .packed import PackedBitLinear

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass
class ConversionReport:
    """What :func:`replace_linear` or :func:`pack_model` did, and did not do.

    Attributes:
        changed: the names of the layers that were changed; "" is the model itself.
        kept: the names of linear layers, and of parameters like theirs, that are as they were, and
            why.
    """

    changed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.changed)} changed, {len(self.kept)} kept"]
        lines += [f"  changed {name or 'the model itself'}" for name in self.changed]
        lines += [f"  kept {name or 'the model itself'}: {why}" for name, why in self.kept.items()]
        return "\n".join(lines)


#: Why a layer is kept that a filter left out: as the user wants, so that nobody is warned.
_FILTERED = "the filter left it out"


def replace_linear(
    model: ModelT,
    filter: Optional[Callable[[str, Any], bool]] = None,
    *,
    types: Sequence[type[nn.Module]] = (nn.Linear,),
    report: Optional[ConversionReport] = None,
    **options: Any,
) -> ModelT:
    """Replaces the linear layers of a model by :class:`BitLinear` layers, in place.

    The new layers have the parameters of the old ones, the same objects, so an optimizer and tied
    weights go on; hooks of the old layers are lost. What is known to have its weight read by others
    without being called, such as the projection of nn.MultiheadAttention, stays as it is, and a
    warning says so; as it does when nothing was replaced.

    Args:
        model: any module.
        filter: called with a layer's name and the layer; only where it returns true the layer is
            replaced. All layers without it.
        types: the classes to replace; subclasses stay unless they are named here. transformers'
            Conv1D and AutoBitLinear may be named too.
        report: takes what was done, and what was not and why.
        options: as in :class:`BitLinear`, but for the features, bias, device and dtype.

    Returns:
        The model; or the new layer, if the model is itself a linear layer.

    Raises:
        ValueError: an option has no meaning, ``groups`` does not divide a layer, or the weight of
            a layer is computed from other tensors. The error names the layer; the model is then as
            it was.
    """
    kept: dict[str, str] = {}

    def is_wanted(name: str, module: nn.Module, parent: Optional[nn.Module]) -> bool:
        why = reason_to_keep(name, module, parent, types)
        if why is None and type(module) in types:
            if filter is None or filter(name, module):
                return True
            why = _FILTERED
        if why is not None:
            kept[name] = why
        return False

    found, changed = replace_modules(
        model, is_wanted, lambda linear: BitLinear.from_float(linear, **options)
    )
    kept.update(kept_parameters(model))
    _tell("replace_linear replaced no layer", changed, kept, report)
    return cast(ModelT, found)


@overload
def pack_model(
    model: BitLinear, *, report: Optional[ConversionReport] = None
) -> PackedBitLinear: ...
@overload
def pack_model(model: ModelT, *, report: Optional[ConversionReport] = None) -> ModelT: ...


def pack_model(
    model: nn.Module, *, report: Optional[ConversionReport] = None
) -> nn.Module:
    """Replaces the :class:`BitLinear` layers of a model by :class:`PackedBitLinear`, in place.

    A warning says so if there is none. A model of transformers gets a ``quantization_config``, so
    that ``save_pretrained`` and ``from_pretrained`` keep the layers; see ``huggingface``.

    Args:
        model: any module.
        report: takes what was done, and which linear layers, and parameters like theirs, stay
            floats.

    Returns:
        The model; or the packed layer, if the model is itself a BitLinear.

    Raises:
        ValueError: a layer, which is named, cannot be packed; see :meth:`BitLinear.pack`. The
            model is then as it was.
    """
    kept: dict[str, str] = {}

    def is_wanted(name: str, module: nn.Module, parent: Optional[nn.Module]) -> bool:
        if isinstance(module, BitLinear):
            return True
        if isinstance(module, nn.Linear) or is_conv1d(module):
            kept[name] = f"a {type(module).__name__}, whose weights are floats"
        return False

    found, changed = replace_modules(model, is_wanted, lambda layer: layer.pack())
    kept.update(kept_parameters(found))
    if report is not None:
        report.changed, report.kept = changed, kept
    if not changed:
        warnings.warn(
            "pack_model packed no layer: the model has no BitLinear", BitLinearWarning,
            stacklevel=2,
        )
    else:
        describe_pretrained(found)
    return found


def describe_pretrained(model: nn.Module) -> None:
    """Sees that ``save_pretrained`` of transformers' models says what their packed layers are.

    Without it config.json would be that of a model of floats, which a warning says where it cannot
    be done.
    """
    # A model of transformers is there only if transformers is.
    module = sys.modules.get("transformers.modeling_utils")
    if module is None:
        return
    found: list[str] = []
    for name, part in model.named_modules():
        is_inside = any(not outer or name.startswith(f"{outer}.") for outer in found)
        if isinstance(part, module.PreTrainedModel) and not is_inside:
            found.append(name)
            if any(isinstance(layer, PackedBitLinear) for layer in part.modules()):
                try:
                    from .huggingface import describe
                except ImportError as error:
                    # The layers are in the model already, and compute without a description.
                    warn(f"config.json will not describe the layers: {error}")
                    return
                describe(part)


def set_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Puts a module in the place of the one of that name."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
    _call_layers(model, parent)


def _tell(
    nothing: str, changed: list[str], kept: dict[str, str], report: Optional[ConversionReport]
) -> None:
    if report is not None:
        report.changed, report.kept = changed, kept
    unexpected = {name: why for name, why in kept.items() if why is not _FILTERED}
    words = "; ".join(f"{name or 'the model itself'}: {why}" for name, why in unexpected.items())
    if not changed:
        text = f"{nothing}: " + (words or "the model has no linear layer that is wanted")
    elif unexpected:
        text = f"left as floats: {words}"
    else:
        return
    warnings.warn(text, BitLinearWarning, stacklevel=3)


def _call_layers(model: nn.Module, name: str) -> None:
    """Sees that a transformer of PyTorch calls its layers; see ``_kept.call_layers``."""
    while True:
        parent = model.get_submodule(name)
        if isinstance(parent, nn.TransformerEncoder):
            parent.use_nested_tensor = False
        if not name:
            return
        name = name.rpartition(".")[0]


def replace_modules(
    model: nn.Module,
    is_wanted: Callable[[str, nn.Module, Optional[nn.Module]], bool],
    make: Callable[[Any], nn.Module],
) -> tuple[nn.Module, list[str]]:
    """Replaces modules of a model, all or none: those that are wanted, by those that are made.

    Args:
        model: any module.
        is_wanted: called with a module's name, the module, and its parent if it has one.
        make: called with a module; an error of it gets the module's name.

    Returns:
        The model, or what is made of it, and the names of the modules that were replaced.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"found {type(model).__name__}, expected a module")
    # A layer that is in a model twice stays one layer.
    made: dict[nn.Module, nn.Module] = {}
    places: list[tuple[str, nn.Module]] = []
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, module in modules.items():
        parent = modules[name.rpartition(".")[0]] if name else None
        if not is_wanted(name, module, parent):
            continue
        if module not in made:
            try:
                made[module] = make(module)
            except (ValueError, TypeError) as error:
                raise type(error)(f"layer {name or type(module).__name__}: {error}") from error
        places.append((name, made[module]))
    changed = [name for name, _ in places]
    for name, module in places:
        if not name:
            return module, changed
        set_module(model, name, module)
    return model, changed
