"""What torch.jit.script compiles in the place of the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .linear import BitLinear


class ScriptableBitLinear(nn.Module):
    """A BitLinear in the words that TorchScript knows: a call of the operator."""

    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_bias: Optional[Tensor]

    def __init__(self, layer: BitLinear) -> None:
        super().__init__()
        if layer.strength != 1:
            raise ValueError(
                f"found strength {layer.strength:g}, expected 1: torch.jit.script takes layers "
                "that are fully quantized"
            )
        self.weight, self.bias = layer.weight, layer.bias
        self.norm_weight = None if layer.norm is None else layer.norm.weight
        self.norm_bias = None if layer.norm is None else layer.norm.bias
        self.groups = layer.groups
        self.training = layer.training
        (
            self.weights, self.weight_scale, self.activation_bits, self.per_token,
            self.activation_block, self.activation_epsilon, self.norm_kind, self.norm_groups,
            self.norm_eps,
        ) = layer.recipe.options

    def forward(self, input: Tensor) -> Tensor:
        """The output of the layer."""
        bias, norm_weight, norm_bias = self.bias, self.norm_weight, self.norm_bias
        y = torch.ops.bitlinear.forward(
            input.float(), self.weight.float(), None if bias is None else bias.float(),
            None if norm_weight is None else norm_weight.float(),
            None if norm_bias is None else norm_bias.float(), self.groups, self.weights,
            self.weight_scale, self.activation_bits, self.per_token, self.activation_block,
            self.activation_epsilon, self.norm_kind, self.norm_groups, self.norm_eps,
            torch.float32,
        )
        return y.to(input.dtype)
