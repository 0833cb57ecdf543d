"""What torch.jit.script compiles in the place of the layers."""

# Without the annotations of __future__, which TorchScript would have to read as text.
from typing import TYPE_CHECKING, Optional

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .linear import BitLinear
    from .packed import PackedBitLinear
    from .recipe import Recipe


class _Scriptable(nn.Module):
    """A layer in the words that TorchScript knows: the recipe as numbers, and a call of an operator.
    """

    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_bias: Optional[Tensor]

    def __init__(self, recipe: "Recipe") -> None:
        super().__init__()
        (
            self.weights, self.weight_scale, self.activation_bits, self.per_token,
            self.activation_block, self.activation_epsilon, self.norm_kind, self.norm_groups,
            self.norm_eps,
        ) = recipe.options


class ScriptableBitLinear(_Scriptable):
    """A BitLinear for TorchScript."""

    def __init__(self, layer: "BitLinear") -> None:
        super().__init__(layer.recipe)
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


class ScriptablePackedBitLinear(_Scriptable):
    """A PackedBitLinear for TorchScript."""

    def __init__(self, layer: "PackedBitLinear") -> None:
        super().__init__(layer.recipe)
        parts = layer.parts()
        self.register_buffer("weight", parts.codes)
        self.register_buffer("scale", parts.scale)
        self.register_buffer("bias", parts.bias)
        self.register_buffer("norm_weight", parts.norm_weight)
        self.register_buffer("norm_bias", parts.norm_bias)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.layout = layer.layout
        self.training = layer.training

    def forward(self, input: Tensor) -> Tensor:
        """The output of the layer."""
        y = torch.ops.bitlinear.packed_forward(
            input.float(), self.weight, self.scale, self.bias, self.norm_weight, self.norm_bias,
            self.in_features, self.out_features, self.layout, self.weights, self.weight_scale,
            self.activation_bits, self.per_token, self.activation_block, self.activation_epsilon,
            self.norm_kind, self.norm_groups, self.norm_eps,
        )
        return y.to(input.dtype)
