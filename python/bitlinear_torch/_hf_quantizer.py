"""The quantizer of transformers that makes models of this package's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, cast

from torch import nn
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from ._hf_bitnet import StoredLayer, packed_layer
from ._hf_config import LINEAR, METHOD, BitLinearConfig, check_ties, config_of
from ._kept import kept_parameters, reason_to_keep
from ._plans import LayerPlan
from ._warnings import warn
from .conversion import replace_modules
from .linear import BitLinear
from .packed import PackedBitLinear

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
        """Whether the model itself can be trained: it has a layer that can."""
        config = self.quantization_config
        return any(plan.trainable for plan in (config.plan, *config.layers.values()))

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
            check_ties(model)
            self.quantization_config = model.config.quantization_config = config_of(model)
        return None, {}

    def _process_model_before_weight_loading(
        self, model: PreTrainedModel, **options: Any
    ) -> None:
        if not self.pre_quantized:
            return
        config = self.quantization_config
        plans = self._plans(model)
        names = {module: name for name, module in model.named_modules() if name in plans}

        def make(module: nn.Module) -> nn.Module:
            if config.stored_as is not None:
                return StoredLayer(module, config.stored_as)
            plan = plans[names[module]]
            if plan.trainable:
                return BitLinear.from_float(module, **plan.options())
            out_features, in_features = _extents(module)
            return plan.empty_packed(in_features, out_features, module.bias is not None)

        replace_modules(model, lambda _, module, __: module in names, make)
        check_ties(model)

    def _process_model_after_weight_loading(
        self, model: PreTrainedModel, **options: Any
    ) -> PreTrainedModel:
        if self.pre_quantized:
            _finish(model)
            for name, module in model.named_modules():
                # Before, the tensor of a strength would have been on meta.
                if isinstance(module, BitLinear):
                    module.strength = self._plan(model, name)[0].strength
        else:
            self._convert(model)
        self.quantization_config = model.config.quantization_config = config_of(model)
        return model

    def _plans(self, model: PreTrainedModel) -> dict[str, LayerPlan]:
        """What the model's linear layers become, by their names."""
        config = self.quantization_config
        skipped = self.get_modules_to_not_convert(model, config.modules_to_not_convert)
        # transformers' packed layers are made of nn.Linear only.
        types = LINEAR if config.stored_as is None else (nn.Linear,)
        plans, left = {}, dict.fromkeys(config.layers, "there is no such linear layer")
        for name, module in model.named_modules():
            if type(module) not in types:
                continue
            plan, named = self._plan(model, name)
            if all(should_convert_module(each, skipped) for each in self._names(model, name)[:2]):
                plans[name] = plan
                left.pop(named, None)
            elif named in left:
                left[named] = "modules_to_not_convert leaves it out"
        if left:
            self._tell_left(model, left)
        return plans

    def _names(self, model: PreTrainedModel, name: str) -> tuple[str, str, str]:
        """A layer's name, and those that it has in the whole model and in the base of that."""
        # A folder of the whole model may be loaded into its base, and the other way round.
        prefix = model.base_model_prefix
        return name, f"{prefix}.{name}", name.removeprefix(f"{prefix}.")

    def _plan(self, model: PreTrainedModel, name: str) -> tuple[LayerPlan, str]:
        """What a layer becomes, and its name in ``layers``, "" if it has none there."""
        layers = self.quantization_config.layers
        named = next((each for each in self._names(model, name) if each in layers), "")
        return (layers[named] if named else self.quantization_config.plan), named

    def _tell_left(self, model: PreTrainedModel, left: dict[str, str]) -> None:
        """Raises ValueError for names that no layer has; warns if another class may have them."""
        kind, words = type(model).__name__, "; ".join(
            f"{name}: {why}" for name, why in left.items()
        )
        text = (
            f"found layers of a BitLinearConfig that are not converted in {kind}, expected the "
            f"names of linear layers: {words}"
        )
        if kind in (model.config.architectures or [kind]):
            raise ValueError(text)
        warn(text)

    def _convert(self, model: PreTrainedModel) -> None:
        plans = self._plans(model)
        names = {module: name for name, module in model.named_modules() if name in plans}
        kept: dict[str, str] = {}

        def is_wanted(name: str, module: nn.Module, parent: Optional[nn.Module]) -> bool:
            why = reason_to_keep(name, module, parent, LINEAR) if module in names else None
            if why is not None:
                kept[name] = why
            return module in names and why is None

        def make(module: nn.Module) -> nn.Module:
            plan = plans[names[module]]
            layer = BitLinear.from_float(module, **plan.options())
            if not plan.trainable:
                return layer.pack()
            layer.strength = plan.strength
            return layer

        replace_modules(model, is_wanted, make)
        kept.update(kept_parameters(model))
        if kept:
            words = "; ".join(f"{name}: {why}" for name, why in kept.items())
            warn(f"left as floats: {words}")


def describe(model: PreTrainedModel) -> None:
    """Gives a model the configuration of the layers that it has, which save_pretrained writes."""
    config = config_of(model)
    found = cast(Any, model)
    found.config.quantization_config = config
    found.hf_quantizer = BitLinearQuantizer(config, pre_quantized=True)
    found.quantization_method = METHOD


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
                f"found no {', '.join(missing)} in the folder, expected every tensor of the layer"
            )
        if isinstance(module, PackedBitLinear):
            try:
                module.use_native_layout()
                module.check()
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from error
    replace_modules(model, lambda _, module, __: isinstance(module, StoredLayer), packed_layer)
