"""What a layer computes, in PyTorch's own operations: for every device, transform and exporter.

The codes are those of the library, and so is the order of the operations on floats after the
product. The product is that of the codes, which are whole numbers: it is exact in float32, and in
the lower precisions that a user may allow for matrix products (TF32, bfloat16). Only a norm is
summed in another order than the library's, so that a code may differ where a value lies within a
rounding error of the middle between two codes.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Union

import torch
import torch.nn.functional as F
from torch import Tensor

from .recipe import Recipe

# Whole numbers up to this one are exact in float32, and so are sums that stay below it.
_EXACT = 1 << 24
# The largest code that float32 products of reduced precision keep: bfloat16 has 8 bits.
_SHORT_CODE = 1 << 8


class Codes(NamedTuple):
    """Whole numbers, as float32, that times their scales are values."""

    codes: Tensor
    scale: Tensor


def normalize(
    x: Tensor, recipe: Recipe, weight: Optional[Tensor], bias: Optional[Tensor]
) -> Tensor:
    """The normalized input, ``[..., features]`` of float32; the input itself without a norm."""
    if recipe.norm is None:
        return x
    groups = recipe.norm_groups
    parts = _parts(x, groups) if groups > 1 else x
    if recipe.norm != "rms":
        parts = parts - parts.mean(-1, keepdim=True)
    parts = parts * (1 / (parts.square().mean(-1, keepdim=True) + recipe.norm_eps).sqrt())
    x = parts.flatten(-2) if groups > 1 else parts
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def _parts(x: Tensor, count: int) -> Tensor:
    """The last dimension in two, of which the first is ``count``."""
    # Not unflatten, whose other dimensions the older ONNX exporter takes for constants.
    return x.reshape(*x.shape[:-1], count, x.shape[-1] // count)


def largest_magnitudes(x: Tensor, recipe: Recipe) -> Tensor:
    """max\|x\| of each token, ``[..., 1]``, or of each of its blocks, ``[..., blocks]``."""
    block = recipe.activation_block
    magnitudes = x.abs()
    if block is None:
        return magnitudes.amax(-1, keepdim=True)
    padding = -x.shape[-1] % block
    magnitudes = F.pad(magnitudes, (0, padding)) if padding else magnitudes
    return _parts(magnitudes, magnitudes.shape[-1] // block).amax(-1)


def input_codes(x: Tensor, recipe: Recipe, largest: Optional[Tensor] = None) -> Codes:
    """Codes ``[..., features]`` and scales s, with ``code / s`` near to x.

    Scales are ``[..., 1]`` or, with blocks, ``[..., blocks]``. A row with a NaN or an infinity has
    codes 0 and scales NaN, and does not count for the scale of a tensor.

    Args:
        largest: :func:`largest_magnitudes` of whole tokens, where x has a part of their columns.
    """
    levels = 2.0 ** (recipe.activation_bits - 1) - 1
    block = recipe.activation_block
    if largest is None:
        largest = largest_magnitudes(x, recipe)
    is_finite = largest.isfinite().all(-1, keepdim=True)
    if not recipe.per_token:
        # A zero more, which changes no maximum, for an input without rows.
        rows = torch.where(is_finite, largest, torch.zeros_like(largest)).flatten()
        largest = F.pad(rows, (0, 1)).amax(0).expand_as(largest)
    scale = _scale(largest, recipe.activation_epsilon, levels)
    scale = torch.where(is_finite, scale, torch.full_like(scale, torch.nan))
    codes = (x * _columns(scale, x.shape[-1], block)).round().clamp(-levels, levels)
    return Codes(torch.where(is_finite, codes, torch.zeros_like(codes)), scale)


def _scale(largest: Tensor, epsilon: float, levels: float) -> Tensor:
    largest = largest.clamp(min=epsilon) if epsilon else largest
    # The reciprocal first, as the library; all zeros have any scale.
    scale = (largest.reciprocal() * levels).clamp(max=torch.finfo(largest.dtype).max)
    return torch.where(largest > 0, scale, torch.ones_like(scale))


def _columns(scale: Tensor, features: int, block: Optional[int]) -> Tensor:
    """Scales of blocks for each column."""
    return scale if block is None else _repeated(scale, block).narrow(-1, 0, features)


def _repeated(scale: Tensor, count: int) -> Tensor:
    """Each number ``count`` times."""
    return scale.unsqueeze(-1).expand(*(-1 for _ in scale.shape), count).flatten(-2)


class Groups:
    """The groups of a weight: equal blocks of rows with a scale each, all in this process."""

    def __init__(self, count: int) -> None:
        self.count = count

    def blocks(self, weight: Tensor) -> Tensor:
        """The weight as a matrix of which each row belongs to one group."""
        return weight.reshape(self.count, -1)

    def each(self, numbers: Tensor) -> Tensor:
        """Numbers of groups ``[groups]`` for the rows of ``blocks``, as a column."""
        return numbers.unsqueeze(1)

    def sum(self, blocks: Tensor) -> Tensor:
        """The sum of each group, ``[groups]``."""
        return blocks.sum(1)

    def mean(self, blocks: Tensor) -> Tensor:
        """The mean of each group, ``[groups]``."""
        return blocks.mean(1)

    def median(self, blocks: Tensor) -> Tensor:
        """The median of each group, ``[groups]``; the lower one of two."""
        return _median(blocks)


def weight_statistics(
    weight: Tensor, recipe: Recipe, groups: Union[int, Groups]
) -> tuple[Tensor, Tensor]:
    """The numbers that codes are made with, and the scale, of each group: both ``[groups]``.

    Sign weights are compared with the first, ternary ones multiplied by it.
    """
    groups = Groups(groups) if isinstance(groups, int) else groups
    blocks = groups.blocks(weight)
    # Without float64 a mean may differ from the library's in its last bit.
    wide = blocks.double() if _has_float64(blocks.device) else blocks
    if recipe.weights == "sign":
        return groups.mean(wide).float(), groups.mean(wide.abs()).float()
    magnitudes = wide.abs()
    if recipe.weight_scale == "threshold":
        threshold = (0.7 * groups.mean(magnitudes)).clamp(min=1e-5)
        is_kept = (magnitudes > groups.each(threshold)).to(magnitudes.dtype)
        count = groups.sum(is_kept)
        scale = groups.sum(magnitudes * is_kept) / count.clamp(min=1)
        scale = torch.where(count > 0, scale, threshold)
        # NaN * 0 is NaN, so the scale of weights with a NaN is one.
        return (0.5 / threshold).float(), scale.float()
    if recipe.weight_scale == "median":
        center = groups.median(blocks.abs())
    else:
        center = groups.mean(magnitudes).float()
    scale = center.clamp(min=1e-5)
    return scale.reciprocal(), scale


def _has_float64(device: torch.device) -> bool:
    if device.type == "xpu" and torch.xpu.is_available():
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "mps"


def _median(rows: Tensor) -> Tensor:
    """The lower median of each row."""
    if torch.onnx.is_in_onnx_export() or torch.are_deterministic_algorithms_enabled():
        # ONNX has no median, and CUDA none whose place is always the same.
        return rows.sort(1).values[:, (rows.shape[1] - 1) // 2]
    return rows.median(1).values


def weight_codes(
    weight: Tensor, recipe: Recipe, groups: int,
    statistics: Optional[tuple[Tensor, Tensor]] = None,
) -> Codes:
    """Codes ``[out, in]`` and scales b ``[groups]``, with ``code * b`` near to the weight."""
    parameter, scale = statistics or weight_statistics(weight, recipe, groups)
    blocks = weight.reshape(groups, -1)
    parameter = parameter.unsqueeze(1)
    if recipe.weights == "sign":
        codes = (blocks > parameter).to(weight.dtype) * 2 - 1
    else:
        codes = (blocks * parameter).round().clamp(-1, 1)
    return Codes(codes.reshape(weight.shape), scale)


def rows_of(scale: Tensor, out_features: int) -> Tensor:
    """Scales of groups for each row, ``[out]``."""
    groups = scale.shape[0]
    return scale if groups == out_features else _repeated(scale, out_features // groups)


def input_values(x: Codes, recipe: Recipe) -> Tensor:
    """The quantized input, ``code / s``."""
    return x.codes / _columns(x.scale, x.codes.shape[-1], recipe.activation_block)


def weight_values(weight: Codes) -> Tensor:
    """The quantized weight ``code * b`` for scales ``[groups]`` or, of blocks, ``[out, blocks]``."""
    codes, scale = weight
    if scale.dim() == 1:
        return codes * rows_of(scale, codes.shape[0]).unsqueeze(1)
    block = block_length(codes.shape[1], scale.shape[1])
    return codes * _columns(scale, codes.shape[1], block)


def block_length(features: int, blocks: int) -> int:
    """The columns of a block of weights; features are ``blocks`` of them, the last one cut."""
    for length in (64, 128, 256):
        if (features + length - 1) // length == blocks:
            return length
    raise ValueError(
        f"found {blocks} scales for a row of {features} weights, expected one for each 64, 128 or "
        "256 of them"
    )


def exact_product(x: Tensor, weight: Tensor, bits: int, use_int8: bool = False) -> Tensor:
    """The exact product of codes ``[..., in]`` and ``[out, in]`` as float32, rounded once.

    Args:
        bits: of the codes of x.
        use_int8: whether to multiply 8-bit integers where the shapes allow it.
    """
    return exact_sums(x, weight, bits, use_int8).float()


def exact_sums(x: Tensor, weight: Tensor, bits: int, use_int8: bool = False) -> Tensor:
    """The product of :func:`exact_product` as whole numbers, of float32, int32 or int64."""
    if bits > 9:
        # Two bytes, of which the lower one may be negative too.
        high = (x / 256).round()
        low = x - 256 * high
        return exact_sums(high, weight, 9).long() * 256 + exact_sums(low, weight, 9).long()
    longest = _EXACT // _SHORT_CODE
    if x.shape[-1] > longest:
        parts = zip(x.split(longest, -1), weight.split(longest, 1))
        return torch.stack([exact_sums(a, b, bits).long() for a, b in parts]).sum(0)
    if use_int8 and bits <= 8 and _has_int8_product(x, weight):
        rows = x.reshape(-1, x.shape[-1]).to(torch.int8)
        product = torch._int_mm(rows, weight.to(torch.int8).t())
        return product.reshape(*x.shape[:-1], -1)
    return F.linear(x, weight)


def _has_int8_product(x: Tensor, weight: Tensor) -> bool:
    # What torch._int_mm takes on CUDA. A number of rows that a graph leaves open is no int.
    rows = x.numel() // x.shape[-1]
    return isinstance(rows, int) and rows > 16 and weight.shape[0] % 8 == 0 and weight.shape[1] % 8 == 0


def _multiply_add(
    a: Tensor, b: Union[Tensor, float], total: Tensor
) -> Tensor:
    """``a * b + total``, rounded once as by the library's instruction; on MPS twice."""
    if total.device.type == "mps":
        return total + a * b
    wide = b.double() if isinstance(b, Tensor) else b
    return (a.double() * wide + total.double()).float()


def product(
    x: Codes, weight: Codes, bias: Optional[Tensor], recipe: Recipe, use_int8: bool = False
) -> Tensor:
    """The output ``[..., out]`` of quantized input and weight, float32."""
    bits, block = recipe.activation_bits, recipe.activation_block
    out_features, in_features = weight.codes.shape
    weight_block = None
    if weight.scale.dim() == 2:
        weight_block = block_length(in_features, weight.scale.shape[1])
    length = min(block or in_features, weight_block or in_features)
    if block is None and weight_block is None:
        total = exact_product(x.codes, weight.codes, bits, use_int8)
    else:
        sum_of_blocks: Optional[Tensor] = None
        for first in range(0, in_features, length):
            columns = (-1, first, min(length, in_features - first))
            part = exact_product(
                x.codes.narrow(*columns), weight.codes.narrow(*columns), bits, use_int8
            )
            factor: Union[Tensor, float] = 1.0
            if weight_block is not None:
                factor = weight.scale.select(1, first // weight_block)
            if block is not None:
                factor = factor * x.scale.narrow(-1, first // block, 1).reciprocal()
            if sum_of_blocks is None:
                sum_of_blocks = part * factor
            else:
                sum_of_blocks = _multiply_add(part, factor, sum_of_blocks)
        assert sum_of_blocks is not None
        total = sum_of_blocks
    if weight_block is None:
        total = total * rows_of(weight.scale, out_features)
    if block is None:
        total = total * x.scale.reciprocal()
    return total if bias is None else total + bias
