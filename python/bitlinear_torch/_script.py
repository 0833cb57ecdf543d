"""What torch.jit.script compiles of the layers: the recipe as numbers, a call of an operator."""

# Without the annotations of __future__, which TorchScript would have to read as text.
from typing import TYPE_CHECKING, Any, Optional

import torch
from torch import Tensor


class Scripted:
    """A part of a layer class, whose ``forward`` calls ``_scripted`` where TorchScript compiles."""

    # TorchScript would compile them.
    __jit_unused_properties__ = ["strength", "groups", "nbytes"]

    def __prepare_scriptable__(self) -> Any:
        """Puts the recipe into words that TorchScript knows.

        Raises:
            ValueError: the layer is not fully quantized.
        """
        layer: Any = self
        strength = getattr(layer, "strength", 1)
        if strength != 1:
            raise ValueError(
                f"found strength {strength:g}, expected 1: torch.jit.script takes layers that are "
                "fully quantized"
            )
        layer._options = layer.recipe.options
        # Not another module: torch.jit.script would leave it in the model in the place of this one.
        return self


class ScriptedBitLinear(Scripted):
    """That of a BitLinear."""

    if TYPE_CHECKING:
        weight: Any
        bias: Any
        norm: Any
        groups: int
        _options: Any

    def _scripted(self, input: Tensor) -> Tensor:
        bias: Optional[Tensor] = None
        if self.bias is not None:
            bias = self.bias.float()
        norm_weight: Optional[Tensor] = None
        norm_bias: Optional[Tensor] = None
        if self.norm is not None:
            norm_weight = self.norm.weight.float()
            if self.norm.bias is not None:
                norm_bias = self.norm.bias.float()
        (
            weights, weight_scale, activation_bits, per_token, activation_block,
            activation_epsilon, norm, norm_groups, norm_eps,
        ) = self._options
        # By their places in PRODUCT_TYPES.
        product_type = 1 if self.weight.dtype == torch.bfloat16 else 0
        y: Tensor = torch.ops.bitlinear.forward(
            input.float(), self.weight.float(), bias, norm_weight, norm_bias, self.groups,
            weights, weight_scale, activation_bits, per_token, activation_block,
            activation_epsilon, norm, norm_groups, norm_eps, product_type,
        )
        return y.to(input.dtype)


class ScriptedPackedBitLinear(Scripted):
    """That of a PackedBitLinear."""

    if TYPE_CHECKING:
        weight: Any
        weight_scale: Any
        bias: Any
        norm: Any
        in_features: int
        out_features: int
        layout: int
        _options: Any

    def _scripted(self, input: Tensor) -> Tensor:
        norm_weight: Optional[Tensor] = None
        norm_bias: Optional[Tensor] = None
        if self.norm is not None:
            norm_weight = self.norm.weight
            norm_bias = self.norm.bias
        (
            weights, weight_scale, activation_bits, per_token, activation_block,
            activation_epsilon, norm, norm_groups, norm_eps,
        ) = self._options
        y: Tensor = torch.ops.bitlinear.packed_forward(
            input.float(), self.weight, self.weight_scale, self.bias, norm_weight, norm_bias,
            self.in_features, self.out_features, self.layout, weights, weight_scale,
            activation_bits, per_token, activation_block, activation_epsilon, norm, norm_groups,
            norm_eps,
        )
        return y.to(input.dtype)
