"""The quantizer of transformers that makes models of this package's layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from torch import nn
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils.quantization_config import QuantizationConfigMixin

from ._hf_bitnet import StoredLayer, packed_layer
from ._plans import LayerPlan
from .conversion import replace_linear, replace_modules
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe, RecipeName

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: The ``quant_method`` of this package in config.json.
METHOD = "bitlinear"

_LINEAR = (nn.Linear, Conv1D)


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
        layers: by the name of a layer, the values of those above in which it differs.

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
            cast(Any, recipe), groups, weight_block, cast(Any, learn_norm), trainable
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
        if isinstance(module, _LINEAR) and not isinstance(module, BitLinear)
    ]
    # A plain name is also the end of others; as an anchored expression it is not.
    names = [
        name if all(should_convert_module(layer, [name]) for layer in plans)
        else f"^{re.escape(name)}$"
        for name in others
    ]
    return BitLinearConfig(
        base.recipe, groups=base.groups, learn_norm=base.learn_norm, trainable=base.trainable,
        weight_block=base.weight_block, modules_to_not_convert=names,
        layers={
            name: plan.differences(base) for name, plan in plans.items() if plan != base
        },
    )


@register_quantizer(METHOD)
class BitLinearQuantizer(HfQuantizer):
    """Puts this package's layers into a model that transformers loads, and describes them."""

    quantization_config: BitLinearConfig

    def is_serializable(self) -> bool:
        """Whether the model can be saved."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Whether adapters on the model, or the model itself, can be trained."""
        return True

    @property
    def is_qat_trainable(self) -> bool:
        """Whether the model itself can be trained."""
        return self.quantization_config.trainable

    def param_needs_quantization(
        self, model: PreTrainedModel, param_name: str, **options: Any
    ) -> bool:
        """Whether a tensor may have another shape in the file than in the model."""
        module = model.get_submodule(param_name.rpartition(".")[0])
        return isinstance(module, StoredLayer)

    def get_new_dtype(self, converter: Any, param: Any, dtype: Any) -> Any:
        """The type to load a tensor in; None is that of the file."""
        wanted = super().get_new_dtype(converter, param, dtype)
        # Codes that a file has as floats.
        return None if wanted is not None and not wanted.is_floating_point else wanted

    def get_state_dict_and_metadata(self, model: PreTrainedModel) -> tuple[None, dict[str, str]]:
        """Describes the layers that the model has now, before its configuration is saved."""
        if not getattr(model, "_hf_peft_config_loaded", False):
            self.quantization_config = model.config.quantization_config = config_of(model)
        return None, {}

    def _process_model_before_weight_loading(
        self, model: PreTrainedModel, **options: Any
    ) -> None:
        if not self.pre_quantized:
            return
        config = self.quantization_config
        plans = self._plans(model)

        def make(name: str, module: nn.Module) -> nn.Module:
            if config.stored_as is not None:
                return StoredLayer(module, config.stored_as)
            plan = plans[name]
            if plan.trainable:
                return BitLinear.from_float(module, **plan.options())
            out_features, in_features = _extents(module)
            return plan.empty_packed(in_features, out_features, module.bias is not None)

        names = {module: name for name, module in model.named_modules() if name in plans}
        replace_modules(
            model, lambda _, module, __: module in names,
            lambda module: make(names[module], module),
        )

    def _process_model_after_weight_loading(
        self, model: PreTrainedModel, **options: Any
    ) -> PreTrainedModel:
        if self.pre_quantized:
            _finish(model)
        else:
            self._convert(model)
        self.quantization_config = model.config.quantization_config = config_of(model)
        return model

    def _plans(self, model: PreTrainedModel) -> dict[str, LayerPlan]:
        """What the model's linear layers become, by their names."""
        config = self.quantization_config
        skipped = self.get_modules_to_not_convert(model, config.modules_to_not_convert)
        # transformers' packed layers are made of nn.Linear only.
        types = _LINEAR if config.stored_as is None else (nn.Linear,)
        # A folder of the whole model may be loaded into its base, and the other way round.
        prefix = model.base_model_prefix
        plans = {}
        for name, module in model.named_modules():
            names = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
            if type(module) in types and all(
                should_convert_module(each, skipped) for each in names[:2]
            ):
                found = [config.layers[each] for each in names if each in config.layers]
                plans[name] = found[0] if found else config.plan
        return plans

    def _convert(self, model: PreTrainedModel) -> None:
        plans = self._plans(model)
        for plan in dict.fromkeys(plans.values()):
            names = {name for name, own in plans.items() if own == plan}
            if plan.weight_block is not None:
                raise ValueError(
                    f"found weight_block {plan.weight_block} for a model of floats, expected None: "
                    "layers of blocks are made by other programs"
                )
            replace_linear(
                model, lambda name, _, names=names: name in names,  # type: ignore[misc]
                types=_LINEAR, **plan.options(),
            )
        replace_modules(
            model,
            lambda name, module, _: isinstance(module, BitLinear) and not plans[name].trainable,
            BitLinear.pack,
        )


def _extents(module: nn.Module) -> tuple[int, int]:
    """Output and input features of a linear layer."""
    rows, columns = cast(nn.Linear, module).weight.shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)


def _finish(model: nn.Module) -> None:
    """Makes layers of the tensors that a folder had for them."""
    for name, module in model.named_modules():
        if not isinstance(module, (BitLinear, PackedBitLinear, StoredLayer)):
            continue
        tensors = dict(module.named_buffers())
        if isinstance(module, BitLinear) and module.norm is not None:
            tensors = {f"norm.{key}": part for key, part in module.norm.named_parameters()}
        missing = [
            f"{name}.{key}" for key, part in tensors.items()
            if not getattr(part, "_is_hf_initialized", False)
        ]
        if missing:
            raise ValueError(
                f"the folder has no {', '.join(missing)}, expected all tensors of a layer"
            )
        if isinstance(module, PackedBitLinear):
            try:
                module.use_native_layout()
                module.check()
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from error
    replace_modules(model, lambda _, module, __: isinstance(module, StoredLayer), packed_layer)
