"""BitLinear: a linear layer of 1-bit or 1.58-bit weights, with latent weights to train."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Union

import torch
from torch import Tensor, nn

from ._recipe import Norm, Recipe, RecipeName, make_recipe
from ._training import bit_linear, check_shapes
from .quantize import require_floating

#: Beyond, the library's 32-bit sums would not be exact.
MAXIMUM_IN_FEATURES = 1 << 23

if TYPE_CHECKING:
    from .packed import PackedBitLinear


class BitLinear(nn.Module):
    """A linear layer that quantizes its weight to 1 or 1.58 bits and its input to integers.

    y = (codes of W . codes of norm(x)) * scale of the weight's group / scale of the token (+ bias).
    The product is exact; with blocks of activations, that of each block is, and they are added in
    their order. Gradients are straight-through: those of ``v + (q(v) - v).detach()`` for weight and
    input.

    Computes in float32 on the CPU and returns the type of the input, under autocast too. Rows of
    the input with a NaN or an infinity give rows of NaN.

    Args:
        in_features: features of the input.
        out_features: features of the output.
        groups: equal blocks of output features, each with a scale of its own; with norm "group",
            also the number of groups of input features.
        bias: whether to add a learned bias.
        recipe: "bitnet", 1 bit: the sign of w - mean, one scale for the whole input, no norm
            (arXiv 2310.11453); or "b158", ternary weights, a scale for each token, RMSNorm
            (arXiv 2402.17764).
        activation_bits: 2 to 16.
        per_token: whether each token (row of the last dimension) has a scale of its own;
            "default" is what the recipe says.
        activation_block: 32, 64, 128 or 256: so many columns of a token have a scale of their own,
            whatever the recipe says, and an outlier costs precision in its block alone; the last
            block of a token may be shorter. None is one scale for the token or the input.
        norm: what is done to the input first, without learned parameters: None, "layer", "rms" or
            "group"; "default" is what the recipe says.
        norm_eps: added to the variance or the mean square.
        device: of the parameters.
        dtype: of the parameters.

    Shape:
        input ``[..., in_features]`` of any leading shape, also empty; output
        ``[..., out_features]``.

    Attributes:
        weight: the latent weight ``[out_features, in_features]``.
        bias: ``[out_features]`` or None.

    Raises:
        ValueError: a number is out of its range, ``groups`` does not divide, or
            ``activation_block`` comes with ``per_token=False``.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        groups: int = 1,
        *,
        bias: bool = False,
        recipe: RecipeName = "bitnet",
        activation_bits: int = 8,
        per_token: Union[bool, Literal["default"]] = "default",
        activation_block: Union[Literal[32, 64, 128, 256], None] = None,
        norm: Norm = "default",
        norm_eps: float = 1e-5,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_features", in_features), ("out_features", out_features), ("groups", groups)
        ):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"found {name} {value!r}, expected a whole number from 1")
        if out_features % groups:
            raise ValueError(f"{groups} groups do not divide {out_features} output features")
        if in_features > MAXIMUM_IN_FEATURES:
            raise ValueError(
                f"found in_features {in_features}, expected at most {MAXIMUM_IN_FEATURES}"
            )
        self.in_features = in_features
        self.out_features = out_features
        self.groups = groups
        self.recipe: Recipe = make_recipe(
            recipe, activation_bits, per_token, norm, norm_eps, groups, activation_block
        )
        if in_features % self.recipe.norm_groups:
            raise ValueError(f"{groups} groups of norm do not divide {in_features} input features")
        options = {"device": device, "dtype": dtype}
        weight = torch.empty((out_features, in_features), **options)
        if not weight.is_floating_point():
            raise TypeError(f"found dtype {dtype}, expected a floating point one")
        self.weight = nn.Parameter(weight)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features, **options))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew from U(-1/sqrt(in), 1/sqrt(in)), as nn.Linear does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """The output ``[..., out_features]``, of the type of the input.

        Raises:
            TypeError: the input is not a floating point tensor.
            ValueError: its last dimension is not ``in_features``, or it or the weight is not on the
                CPU.
        """
        require_floating(input)
        if input.device != self.weight.device:
            raise ValueError(
                f"found an input on {input.device}, expected it where the weight is, "
                f"on {self.weight.device}"
            )
        check_shapes(input, self.weight, self.bias)
        x, weight = input.float(), self.weight.float()
        bias = None if self.bias is None else self.bias.float()
        return bit_linear(x, weight, bias, self.groups, self.recipe).to(input.dtype)

    def extra_repr(self) -> str:
        """What the layer prints of itself."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"groups={self.groups}, bias={self.bias is not None}, {self.recipe.describe()}"
        )

    @classmethod
    def from_float(cls, linear: nn.Linear, **options: Any) -> BitLinear:
        """A layer with the parameters of ``linear``: the same objects, not copies.

        Args:
            linear: a layer of floats.
            options: as in the constructor, but for the features, bias, device and dtype.

        Raises:
            ValueError: an option has no meaning, or ``groups`` does not divide.
        """
        # On meta: without memory, and without a draw from the random generator.
        layer = cls(
            linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta",
            **options,
        )
        layer.weight, layer.bias = linear.weight, linear.bias
        return layer.train(linear.training)

    def pack(self) -> PackedBitLinear:
        """The layer for inference: 1 or 2 bits a weight, no latent weights, the same outputs.

        Raises:
            ValueError: a weight is NaN or infinite, or the weight is not on the CPU.
        """
        from .packed import PackedBitLinear

        return PackedBitLinear.from_layer(self)
