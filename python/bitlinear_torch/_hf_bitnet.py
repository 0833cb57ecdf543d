"""transformers' own packed layers: what files have of them, and this package's layers of that.

A matrix ``[out, in]`` of codes is cut into four bands of R = out / 4 rows: of byte ``[r, c]``, bits
2i and 2i + 1 are code + 1 of row ``i * R + r``, column c. ``weight_scale`` divides the product in
layers of class "bitlinear", and multiplies it, and the bias, in those of "autobitlinear".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Optional, Union, cast

import torch
from torch import Tensor, nn
from transformers.integrations.bitnet import AutoBitLinear
from transformers.integrations.bitnet import BitLinear as PackedOfTransformers

from . import _codes
from .linear import BitLinear
from .packed import PackedBitLinear
from .recipe import Recipe

LINEAR_CLASSES = ("bitlinear", "autobitlinear")
_ROWS_PER_BYTE = 4


def bitnet_recipe(norm_eps: Optional[float]) -> Recipe:
    """How transformers' layers quantize: with an RMSNorm of this epsilon, or None for no norm."""
    recipe = replace(Recipe.named("b158"), norm=None)
    return recipe if norm_eps is None else replace(recipe, norm="rms", norm_eps=norm_eps)


def _empty_floats(count: int) -> Tensor:
    # Whatever the default type, which is that of the model while it is made.
    return torch.empty(count, dtype=torch.float32, device="meta")


class StoredNorm(nn.Module):
    """The tensor of a norm."""

    weight: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("weight", _empty_floats(features))


class StoredLayer(nn.Module):
    """The tensors of a layer as files have them, until they are all there.

    Scale, bias and norm are float32, so that none of them is rounded to the type of the model.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Optional[Tensor]

    def __init__(self, linear: Any, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.linear_class = config.get("linear_class", LINEAR_CLASSES[0])
        self.norm_eps = config.get("rms_norm_eps", 1e-6) if config.get("use_rms_norm") else None
        # The codes may be floats in the file, of another shape.
        codes = torch.empty(0, dtype=torch.uint8, device="meta")
        self.register_buffer("weight", codes)
        self.register_buffer("weight_scale", _empty_floats(1))
        bias = None if linear.bias is None else _empty_floats(self.out_features)
        self.register_buffer("bias", bias)
        self.rms_norm = None if self.norm_eps is None else StoredNorm(self.in_features)


class _Stored(NamedTuple):
    weight: Tensor
    scale: Tensor
    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_eps: Optional[float]
    linear_class: str


def is_packed_of_transformers(module: nn.Module) -> bool:
    """Whether it is a layer of transformers that holds codes."""
    return isinstance(module, PackedOfTransformers) or (
        isinstance(module, AutoBitLinear) and not module.online_quant
    )


def packed_layer(module: Any) -> PackedBitLinear:
    """The layer of a :class:`StoredLayer`, or of a layer of transformers that holds codes.

    Raises:
        ValueError: weights are no codes, a scale is no positive number, or shapes do not fit.
    """
    norm = module.rms_norm
    eps = None if norm is None else getattr(norm, "variance_epsilon", None)
    if isinstance(module, StoredLayer):
        eps, linear_class = module.norm_eps, module.linear_class
    else:
        linear_class = LINEAR_CLASSES[isinstance(module, AutoBitLinear)]
    stored = _Stored(
        module.weight.detach(), module.weight_scale.detach(),
        None if module.bias is None else module.bias.detach().float(),
        None if norm is None else norm.weight.detach(), eps, linear_class,
    )
    scale = _factor(stored)
    codes = _stored_codes(stored)
    if codes.shape != (module.out_features, module.in_features):
        raise ValueError(
            f"found {codes.shape[0]} rows and {codes.shape[1]} columns of weights, expected "
            f"{module.out_features} and {module.in_features}"
        )
    bias = stored.bias
    if bias is not None and linear_class == "autobitlinear":
        bias = bias * scale
    return PackedBitLinear.from_codes(
        _codes.pack_rows(codes, "ternary").view(torch.uint8), scale, bitnet_recipe(eps),
        module.in_features, bias, stored.norm_weight,
    )


def _factor(stored: _Stored) -> Tensor:
    """The factor of the codes, ``[1]`` of float32."""
    scale = stored.scale.float().reshape(-1)
    factor = scale if stored.linear_class == "autobitlinear" else 1 / scale
    if scale.numel() != 1 or not bool((scale > 0) & scale.isfinite() & factor.isfinite()):
        found = scale.tolist() if scale.numel() < 5 else f"{scale.numel()} numbers"
        raise ValueError(f"found weight_scale {found}, expected one finite number above 0")
    return factor


def _stored_codes(stored: _Stored) -> Tensor:
    """The codes -1, 0 and +1 ``[out, in]``, int8."""
    weight = stored.weight
    if weight.dim() != 2:
        raise ValueError(f"found weights {list(weight.shape)}, expected a matrix")
    if weight.dtype is torch.uint8:
        fields = torch.cat([weight >> shift & 3 for shift in (0, 2, 4, 6)])
        codes, bad = fields.to(torch.int8) - 1, fields == 3
    elif weight.is_floating_point() and stored.linear_class == "autobitlinear":
        codes = weight.round().clamp(-1, 1).to(torch.int8)
        bad = codes != weight
    else:
        raise ValueError(
            f"found weights of {weight.dtype} in a layer of class {stored.linear_class!r}, "
            "expected codes of torch.uint8"
        )
    if bool(bad.any()):
        row, column = bad.nonzero()[0].tolist()
        raise ValueError(
            f"found another value than -1, 0 and 1 in row {row}, column {column} of the weights"
        )
    return codes


def stored_tensors(layer: PackedBitLinear, linear_class: str) -> dict[str, Tensor]:
    """The tensors of a layer as files of transformers have them.

    Raises:
        ValueError: they cannot hold the layer.
    """
    scale = layer.weight_scale.detach().cpu()
    if scale.dim() == 2:
        raise ValueError(
            "found scales of blocks of weights, expected one scale for all weights of the layer"
        )
    if bool((scale != scale[0]).any()):
        raise ValueError(f"found {layer.groups} groups with different scales, expected one scale")
    if layer.out_features % _ROWS_PER_BYTE:
        raise ValueError(
            f"found {layer.out_features} output features, expected a multiple of {_ROWS_PER_BYTE}, "
            "of which a byte has one row each"
        )
    parts = layer.parts()
    if parts.norm_bias is not None:
        raise ValueError("found an offset of the norm, expected none, as an RMSNorm has")
    codes = _codes.unpack(
        parts.codes, "ternary", layer.out_features, layer.in_features, layer.layout
    )
    fields = (codes.cpu() + 1).to(torch.uint8)
    bands = fields.reshape(_ROWS_PER_BYTE, -1, layer.in_features)
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8).reshape(-1, 1, 1)
    multiplies = linear_class == "autobitlinear"
    # The fields of a byte have no bits in common: their sum is their union.
    tensors = {
        "weight": (bands << shifts).sum(0).to(torch.uint8),
        "weight_scale": scale[:1] if multiplies else _divisor(scale[:1]),
    }
    if parts.bias is not None:
        bias = parts.bias.detach().cpu()
        tensors["bias"] = bias / scale[0] if multiplies else bias
    if layer.recipe.norm == "rms":
        weight = parts.norm_weight
        # transformers gives every such norm a factor.
        tensors["rms_norm.weight"] = torch.ones(layer.in_features) if weight is None else (
            weight.detach().cpu())
    return tensors


def _divisor(scale: Tensor) -> Tensor:
    """The number whose reciprocal is nearest to a scale; of most, not of all, it is the scale."""
    near = 1 / scale
    infinity = torch.full_like(near, torch.inf)
    candidates = torch.cat(
        [near, torch.nextafter(near, -infinity), torch.nextafter(near, infinity)]
    )
    return candidates[(1 / candidates - scale).abs().argmin()].reshape(1)


def check_representable(
    layers: Mapping[str, Union[BitLinear, PackedBitLinear]]
) -> Recipe:
    """The recipe that all layers of a model have, of those that transformers has.

    Raises:
        ValueError: a layer, which is named, has another one.
    """
    expected = None
    for name, layer in layers.items():
        recipe = layer.recipe
        own = bitnet_recipe(recipe.norm_eps if recipe.norm == "rms" else None)
        expected = expected or own
        if recipe.norm is None:
            recipe = replace(recipe, norm_eps=own.norm_eps)
        if recipe != own or own != expected:
            raise ValueError(
                f"layer {name}: found {recipe.describe()}, activation_epsilon="
                f"{recipe.activation_epsilon:g}, expected {expected.describe()}, "
                f"activation_epsilon={expected.activation_epsilon:g}, as transformers' layers have"
            )
        if isinstance(layer, BitLinear) and layer.groups != 1:
            raise ValueError(f"layer {name}: found {layer.groups} groups, expected 1")
        if isinstance(layer, BitLinear) and layer.strength != 1:
            raise ValueError(f"layer {name}: found strength {layer.strength:g}, expected 1")
    return cast(Recipe, expected)
