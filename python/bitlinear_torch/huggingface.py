"""Models of transformers: to load, to save, and transformers' own packed folders.

Importing this module makes transformers know the ``quant_method`` "bitlinear", so that
``AutoModelForCausalLM.from_pretrained(folder)`` gives the layers that were saved::

    import bitlinear_torch.huggingface

It needs transformers, which the rest of the package does not.
"""

from __future__ import annotations

import os
from typing import Any, Literal, TypeVar, Union, cast, overload

from torch import nn

from ._extras import import_problem

try:
    import transformers
    from transformers.integrations.bitnet import AutoBitLinear, BitNetDeserialize

    from ._hf_bitnet import (
        LINEAR_CLASSES, check_representable, is_packed_of_transformers, packed_layer,
    )
    from ._hf_config import METHOD, BitLinearConfig, check_ties, config_of
    from ._hf_quantizer import BitLinearQuantizer
    from ._hf_quantizer import describe as describe  # for describe_pretrained
    from ._hf_saving import check_architecture, described_as, state_of
except ImportError as error:
    raise import_problem(__name__, "transformers", "5.24", error) from error

from .conversion import replace_modules
from .linear import BitLinear
from .packed import PackedBitLinear

__all__ = [
    "BitLinearConfig", "BitLinearQuantizer", "attach_config", "load_huggingface",
    "save_huggingface",
]

ModelT = TypeVar("ModelT", bound=nn.Module)

# Where and how from_pretrained finds a folder: its config.json is found in the same way.
_HUB_OPTIONS = (
    "cache_dir", "code_revision", "force_download", "local_files_only", "proxies", "revision",
    "subfolder", "token", "trust_remote_code",
)


def attach_config(model: ModelT) -> ModelT:
    """Gives a model of transformers the ``quantization_config`` of the layers that it has.

    ``save_pretrained`` then writes it to config.json, and ``from_pretrained`` makes the same layers
    again: packed ones with their codes, :class:`BitLinear` with their floats. :func:`pack_model`
    and :func:`load_packed` do this themselves, and leave the check of ties to ``save_pretrained``.
    Without it, BitLinear layers are saved as the linear
    layers of floats that they are to others.

    Returns:
        The model.

    Raises:
        TypeError: it is not a model of transformers.
        ValueError: it has no layer of this package, or a packed layer, which is named, is tied to
            another one, as an output head to the embedding.
    """
    _require_pretrained(model)
    check_ties(cast(Any, model))
    describe(cast(Any, model))
    return model


@overload
def load_huggingface(source: ModelT) -> ModelT: ...
@overload
def load_huggingface(
    source: Union[str, os.PathLike[str]], model_class: Any = None, **options: Any
) -> transformers.PreTrainedModel: ...


def load_huggingface(
    source: Any, model_class: Any = None, **options: Any
) -> Any:
    """Loads a model that has transformers' own BitNet layers, and gives it this package's layers.

    Layers that hold codes ("offline") become :class:`PackedBitLinear`: both classes of layers,
    "bitlinear", whose ``weight_scale`` divides, and "autobitlinear", whose ``weight_scale``
    multiplies. Layers that are trained ("online") become :class:`BitLinear`, with a learned norm
    if they have one. Codes and scales are taken as they are.

    Args:
        source: a folder, or a name on the hub, of a model whose config.json has the
            ``quant_method`` "bitnet"; or a model that was loaded from such a one, which is changed
            in place.
        model_class: the class to load the folder with; None is AutoModelForCausalLM.
        options: as ``from_pretrained`` takes them, such as ``dtype``.

    Returns:
        The model.

    Raises:
        TypeError: ``source`` is a module, but not a model of transformers.
        ValueError: the folder's ``quantization_config`` is another one; a layer, which is named, is
            damaged; or the model has none of these layers.
    """
    if isinstance(source, nn.Module):
        if model_class is not None or options:
            raise ValueError(
                f"found options {sorted(options) or ['model_class']} beside a model, expected them "
                "beside a folder"
            )
        return _of_loaded(source)
    found_class = transformers.AutoModelForCausalLM if model_class is None else model_class
    config = options.pop("config", None)
    if not isinstance(config, transformers.PreTrainedConfig):
        # As from_pretrained takes it: another folder of the configuration.
        config = transformers.AutoConfig.from_pretrained(
            config or source,
            **{name: value for name, value in options.items() if name in _HUB_OPTIONS},
        )
    stored = dict(getattr(config, "quantization_config", None) or {})
    method = stored.get("quant_method")
    if getattr(method, "value", method) != "bitnet":
        raise ValueError(
            f"{source}: found quant_method {method!r} in config.json, expected 'bitnet'; "
            "from_pretrained loads other models"
        )
    # transformers' own check of the values.
    checked = transformers.BitNetQuantConfig(**stored)
    if checked.quantization_mode == "online":
        return _of_loaded(found_class.from_pretrained(source, config=config, **options))
    config.quantization_config = {
        "quant_method": METHOD, "stored_as": stored,
        "modules_to_not_convert": checked.modules_to_not_convert,
    }
    return found_class.from_pretrained(source, config=config, **options)


def _of_loaded(model: nn.Module) -> nn.Module:
    _require_pretrained(model)

    def make(module: nn.Module) -> nn.Module:
        if is_packed_of_transformers(module):
            return packed_layer(module)
        return BitLinear.from_float(module, recipe="b158")

    _, changed = replace_modules(
        model,
        lambda _, module, __: is_packed_of_transformers(module)
        or isinstance(module, AutoBitLinear),
        make,
    )
    if not changed:
        raise ValueError(
            f"found no BitLinear and no AutoBitLinear of transformers in {type(model).__name__}, "
            "expected at least one"
        )
    _forget_unpacking(model)
    return attach_config(model)


def _forget_unpacking(model: nn.Module) -> None:
    """Removes the conversion that unpacked the codes of a model's folder.

    save_pretrained would try to reverse it, which transformers cannot do.
    """
    found = cast(Any, model)
    conversions = getattr(found, "_weight_conversions", None)
    if conversions is not None:
        found._weight_conversions = [
            conversion for conversion in conversions
            if not any(
                isinstance(operation, BitNetDeserialize)
                for operation in getattr(conversion, "operations", ())
            )
        ]


def save_huggingface(
    model: nn.Module,
    folder: Union[str, os.PathLike[str]],
    linear_class: Literal["bitlinear", "autobitlinear"] = "autobitlinear",
    **options: Any,
) -> None:
    """Saves a model as a folder that transformers loads with its own BitNet layers.

    A model of :class:`PackedBitLinear` becomes one of packed codes ("offline"), a model of
    :class:`BitLinear` one of floats to train on ("online", of class "autobitlinear"). transformers
    computes with the same codes and scales, but in floats of the type of the model, so that its
    results differ by the rounding of that type.

    Args:
        model: a model of transformers whose layers are ternary, with 8-bit activations for each
            token, with one scale each and no norm or an RMSNorm of one epsilon.
        folder: where config.json and the tensors are written.
        linear_class: which of transformers' layers is to load packed ones. The ``weight_scale`` of
            "autobitlinear" is the scale of the layer; that of "bitlinear" is the number whose
            reciprocal is nearest to it, which is equal or next to it.
        options: as ``save_pretrained`` takes them, such as ``max_shard_size``.

    Raises:
        TypeError: it is not a model of transformers.
        ValueError: a layer, which is named, cannot be represented: several scales, other codes,
            bits or norms, output features that are no multiple of 4, or a place where the model's
            architecture has no nn.Linear, such as the Conv1D layers of GPT-2; there are both packed layers
            and others; or ``linear_class`` has no meaning.
    """
    _require_pretrained(model)
    if linear_class not in LINEAR_CLASSES:
        raise ValueError(
            f"found linear_class {linear_class!r}, expected 'bitlinear' or 'autobitlinear'"
        )
    check_ties(cast(Any, model))
    config = config_of(model)
    layers = {
        name: module for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, (BitLinear, PackedBitLinear))
    }
    latent = [name for name, layer in layers.items() if isinstance(layer, BitLinear)]
    if latent and len(latent) != len(layers):
        raise ValueError(
            f"found {len(latent)} BitLinear layers, such as {latent[0]}, beside packed ones, "
            "expected one kind; pack_model packs them"
        )
    check_architecture(model, layers)
    recipe = check_representable(layers)
    state = state_of(model, layers, linear_class)
    stored: dict[str, Any] = {
        "quant_method": "bitnet",
        "linear_class": "autobitlinear" if latent else linear_class,
        "quantization_mode": "online" if latent else "offline",
        "modules_to_not_convert": config.modules_to_not_convert,
    }
    if recipe.norm is not None:
        stored.update(use_rms_norm=True, rms_norm_eps=recipe.norm_eps)
    with described_as(model, stored):
        cast(Any, model).save_pretrained(folder, state_dict=state, **options)


def _require_pretrained(model: nn.Module) -> None:
    if not isinstance(model, transformers.PreTrainedModel):
        raise TypeError(
            f"found a {type(model).__name__}, expected a model of transformers (PreTrainedModel)"
        )
