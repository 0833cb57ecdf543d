"""The ``quantization_config`` of transformers' models with this package's layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Optional, Union, cast

from torch import nn
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantization_config
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils.quantization_config import QuantizationConfigMixin

from ._plans import LayerPlan
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe, RecipeName

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: The ``quant_method`` of this package in config.json.
METHOD = "bitlinear"

#: The classes of transformers' linear layers.
LINEAR = (nn.Linear, Conv1D)


@register_quantization_config(METHOD)
class BitLinearConfig(QuantizationConfigMixin):
    """The ``quantization_config`` of a model of transformers with layers of this package.

    Given to ``from_pretrained`` of a folder of floats, it packs the model's linear layers or, with
    ``trainable``, makes them BitLinear. Folders that were saved with such layers have it in their
    config.json, and ``from_pretrained`` needs no argument.

    Args:
        recipe: how the layers quantize, as in :class:`BitLinear`, or a ``Recipe.as_dict()``.
        groups: equal parts of the output features of a layer with a scale each.
        learn_norm: whether the norm has learned parameters; a list says which, "weight" or "bias".
        modules_to_not_convert: linear layers that stay as they are, as other quantizers of
            transformers take them: the names, their beginnings or their ends, or regular
            expressions. None is the output head and what is tied to another weight.
        trainable: whether the layers become :class:`BitLinear`, with the floats of the folder.
        weight_block: None, or the weights of a row, 64, 128 or 256, that share a scale. Only packed
            layers of files have that.
        layers: by the name of a layer, the values of those above and below in which it differs.
        strength: how far quantized values replace latent ones in trainable layers; see
            :func:`set_strength`.
        backend: "auto" or "torch", as in :class:`BitLinear`.

    Raises:
        ValueError: an argument is unknown or has no meaning.
    """

    # transformers has names of its own methods here, and takes others that are registered.
    quant_method: str  # type: ignore[assignment]

    def __init__(
        self,
        recipe: Union[RecipeName, Recipe, Mapping[str, Any]] = "b158",
        *,
        groups: int = 1,
        learn_norm: Union[bool, Iterable[str]] = False,
        modules_to_not_convert: Optional[list[str]] = None,
        trainable: bool = False,
        weight_block: Optional[int] = None,
        layers: Optional[Mapping[str, Mapping[str, Any]]] = None,
        strength: float = 1.0,
        backend: Literal["auto", "torch"] = "auto",
        stored_as: Optional[Mapping[str, Any]] = None,
        quant_method: str = METHOD,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ValueError(
                f"found {', '.join(sorted(unknown))} in a BitLinearConfig, which it does not know"
            )
        if quant_method != METHOD:
            raise ValueError(f"found quant_method {quant_method!r}, expected {METHOD!r}")
        self.quant_method = METHOD
        self.plan = LayerPlan(
            cast(Any, recipe), groups, weight_block, cast(Any, learn_norm), trainable, strength,
            backend,
        )
        if modules_to_not_convert is not None and (
            isinstance(modules_to_not_convert, str)
            or not all(isinstance(name, str) for name in modules_to_not_convert)
        ):
            raise ValueError(
                f"found modules_to_not_convert {modules_to_not_convert!r}, expected a list of names"
            )
        self.modules_to_not_convert = modules_to_not_convert
        self.layers = {}
        for name, changes in (layers or {}).items():
            try:
                self.layers[name] = self.plan.changed(changes)
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from error
        # The quantization_config of a folder with packed layers of transformers, if it is one.
        self.stored_as = None if stored_as is None else dict(stored_as)

    @property
    def recipe(self) -> Recipe:
        """How the layers quantize that ``layers`` does not name."""
        return self.plan.recipe

    @property
    def trainable(self) -> bool:
        """Whether the layers that ``layers`` does not name are BitLinear."""
        return self.plan.trainable

    def to_dict(self) -> dict[str, Any]:
        """What config.json has."""
        values = {"quant_method": METHOD, **self.plan.as_dict()}
        values["modules_to_not_convert"] = self.modules_to_not_convert
        values["layers"] = {
            name: plan.differences(self.plan) for name, plan in self.layers.items()
        }
        return values

    def __iter__(self) -> Any:
        yield from self.to_dict().items()


def config_of(model: nn.Module) -> BitLinearConfig:
    """The configuration of the layers that a model has.

    Raises:
        ValueError: it has no layer of this package.
    """
    plans = {
        name: LayerPlan.of(module) for name, module in model.named_modules()
        if isinstance(module, (BitLinear, PackedBitLinear))
    }
    if not plans:
        raise ValueError(
            f"found no BitLinear and no PackedBitLinear in {type(model).__name__}, expected at "
            "least one"
        )
    base = Counter(plans.values()).most_common(1)[0][0]
    others = [
        name for name, module in model.named_modules()
        if isinstance(module, LINEAR) and not isinstance(module, BitLinear)
    ]
    # A plain name is also the end of others; as an anchored expression it is not.
    names = [
        name if all(should_convert_module(layer, [name]) for layer in plans)
        else f"^{re.escape(name)}$"
        for name in others
    ]
    return BitLinearConfig(
        base.recipe, groups=base.groups, learn_norm=base.learn_norm, trainable=base.trainable,
        weight_block=base.weight_block, modules_to_not_convert=names, strength=base.strength,
        backend=base.backend,
        layers={
            name: plan.differences(base) for name, plan in plans.items() if plan != base
        },
    )


def check_ties(model: PreTrainedModel) -> None:
    """Raises ValueError for a packed layer that a folder could not give back.

    from_pretrained puts the other tensor in the place of a weight that is tied.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    for ends in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        name, other = (end.rpartition(".")[0] for end in ends)
        if modules.get(name) is modules.get(other):
            continue
        for own, partner in ((name, other), (other, name)):
            if isinstance(modules.get(own), PackedBitLinear):
                raise ValueError(
                    f"layer {own}: found a PackedBitLinear whose weight the configuration ties to "
                    f"that of {partner}, expected floats: leave the layer out, or give it a weight "
                    "of its own and set tie_word_embeddings of the model's configuration to False"
                )
