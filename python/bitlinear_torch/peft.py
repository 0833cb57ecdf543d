"""LoRA of peft on packed layers, by peft's way for layers that it does not know.

:class:`BitLinear` is an nn.Linear, which peft takes by itself. For :class:`PackedBitLinear`, a
configuration is told of the class here::

    config = bitlinear_torch.peft.register(LoraConfig(target_modules=["q_proj", "v_proj"]))
    model = get_peft_model(packed_model, config)

It needs peft, which the rest of the package does not.
"""

from __future__ import annotations

from typing import Any, NoReturn, Optional, TypeVar

from torch import nn

from ._extras import import_problem

try:
    from peft import LoraConfig
    from peft.tuners.lora import Linear
except ImportError as error:
    raise import_problem(__name__, "peft", "0.21", error) from error

from .packed import PackedBitLinear

__all__ = ["PackedLoraLinear", "register"]

ConfigT = TypeVar("ConfigT", bound=LoraConfig)

# Initializations that do not read the weight of the layer: "orthogonal" takes its type, which is
# that of codes here.
_BEGINNINGS = (True, False, "gaussian", "eva")


class PackedLoraLinear(Linear):
    """A LoRA adapter beside a :class:`PackedBitLinear`, whose codes stay as they are.

    The adapter reads the layer's input as it comes, before the layer's norm, in floats. Gradients
    pass through the packed layer to what is in front of it.

    Raises:
        ValueError: the configuration asks for something that needs a weight of floats in the
            layer: an initialization by it, such as "pissa", or by its type, as "orthogonal" is; or
            a variant, such as DoRA.
    """

    def update_layer(
        self, adapter_name: str, r: int, lora_alpha: int, config: LoraConfig, **options: Any
    ) -> None:
        """Adds an adapter."""
        if config.init_lora_weights not in _BEGINNINGS:
            raise ValueError(
                f"found init_lora_weights {config.init_lora_weights!r}, which needs a weight of "
                "floats in the layer, or its type, expected True, False, 'gaussian' or 'eva' for a "
                "PackedBitLinear"
            )
        super().update_layer(adapter_name, r, lora_alpha, config=config, **options)

    def _get_in_out_features(self, module: nn.Module) -> tuple[int, int]:
        # peft's own function does not know PackedBitLinear, and would warn.
        return int(module.in_features), int(module.out_features)  # type: ignore[arg-type]

    @property
    def lora_variants(self) -> dict[tuple[str, ...], None]:
        """The variants of LoRA that there are: the plain one."""
        return {(): None}

    def merge(
        self, safe_merge: bool = False, adapter_names: Optional[list[str]] = None
    ) -> NoReturn:
        """Raises ValueError: codes have no room for the sum."""
        raise ValueError(
            "an adapter cannot be merged into a PackedBitLinear, whose weights are codes: keep the "
            "adapter beside it, or merge it into the BitLinear that it was packed from, and pack "
            "that"
        )


def register(config: ConfigT) -> ConfigT:
    """Tells a configuration of LoRA how to adapt :class:`PackedBitLinear`, in place.

    peft keeps this in memory only, so a configuration that is loaded needs it again::

        config = register(PeftConfig.from_pretrained(folder))
        model = PeftModel.from_pretrained(packed_model, folder, config=config)

    Name the layers in ``target_modules``: peft's "all-linear" stands for nn.Linear layers only, so
    that it finds no packed layer, and fails with "No `target_modules` passed" if all are packed.

    Returns:
        The configuration.

    Raises:
        TypeError: it is not a LoraConfig.
    """
    if not isinstance(config, LoraConfig):
        raise TypeError(f"found a {type(config).__name__}, expected a LoraConfig")
    config._register_custom_module({PackedBitLinear: PackedLoraLinear})
    return config
